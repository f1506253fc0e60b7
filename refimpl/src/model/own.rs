// SPDX-License-Identifier: MIT OR Apache-2.0
//! A policy, a device or both of one's own, as a small file in TOML.
//!
//! ```
//! let own = refimpl::model::Own::read("patient.toml", "name = 'patient'\n[policy]\nwriteback = 'wait'\n[device]\nreleases = false\n")?;
//! assert!(own.policy.is_some_and(|rules| rules.counts_pins));
//! # Ok::<(), refimpl::model::Error>(())
//! ```

use serde::Deserialize;

use super::driver::Habits;
use super::error::Error;
use super::policy::Rules;

/// What such a file holds: a name for the tables, and the rules and habits that are not the default ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// What the tables call it.
    pub name: String,
    /// What the kernel does; the policies of the scenario where it is left out.
    pub policy: Option<Rules>,
    /// How the driver holds pages; the drivers of the scenario where it is left out.
    pub device: Option<Habits>,
}

impl Own {
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// When it is not TOML, has neither a policy nor a device, or names a rule or habit that does not exist; the message has the line.
    pub fn read(path: &str, text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Own {
            path: path.to_owned(),
            why,
        };
        let own: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match (&own.policy, &own.device) {
            (None, None) => Err(wrong("it has neither [policy] nor [device]".to_owned())),
            _ => Ok(own),
        }
    }
}
