// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a value by the name people type.

use super::error::Error;

/// The value among `all` that `name` means, in any case.
pub(crate) fn named<T: Copy>(
    kind: &'static str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, Error> {
    all.iter()
        .copied()
        .find(|&value| name_of(value).eq_ignore_ascii_case(name))
        .ok_or_else(|| Error::Unknown {
            kind,
            name: name.to_owned(),
            known: all.iter().map(|&value| name_of(value).to_owned()).collect(),
        })
}
