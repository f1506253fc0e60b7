// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel's version as far as the API depends on it: the first two numbers.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// `6.12` of `6.12.117`; a stable number says nothing of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct KernelVersion {
    /// The 6 of 6.12.
    pub major: u16,
    /// The 12 of 6.12.
    pub minor: u16,
}

/// A version that does not start with two numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read a kernel version from {0:?}")]
pub struct BadVersion(pub String);

impl FromStr for KernelVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let number = |part: Option<&str>| {
            let digits: String = part?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        let mut parts = text.split('.');
        match (number(parts.next()), number(parts.next())) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(BadVersion(text.to_owned())),
        }
    }
}

impl TryFrom<String> for KernelVersion {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}
