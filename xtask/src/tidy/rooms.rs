// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask/data/rooms.toml`: the order of crates and modules, and the files that may be long.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The data that the rules ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rooms {
    /// From the ground up.
    pub(crate) crates: Vec<String>,
    /// Crates that import none of the others.
    pub(crate) apart: Vec<String>,
    /// Per crate, its modules in the order of flow.
    pub(crate) modules: BTreeMap<String, Vec<String>>,
    /// Long files, each with a reason.
    pub(crate) long: BTreeMap<String, String>,
}

/// Reads the data.
pub(crate) fn rooms() -> Rooms {
    toml::from_str(include_str!("../../data/rooms.toml")).expect("a test parses the same text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_parses_and_every_long_file_has_a_reason() {
        let rooms = rooms();
        assert!(rooms.crates.contains(&"callsites".to_owned()));
        assert!(rooms.long.values().all(|reason| reason.len() > 20));
    }
}
