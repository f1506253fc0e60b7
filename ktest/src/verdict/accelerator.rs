// SPDX-License-Identifier: MIT OR Apache-2.0
//! What executes a guest's instructions.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What executes a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// QEMU's software emulation.
    Tcg,
    /// The host's processor.
    Kvm,
}

impl Accelerator {
    /// As QEMU's `-accel` names it.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Accelerator {
    type Err = String;

    fn from_str(text: &str) -> Result<Accelerator, String> {
        match text {
            "tcg" => Ok(Accelerator::Tcg),
            "kvm" => Ok(Accelerator::Kvm),
            _ => Err(format!("`{text}` is neither tcg nor kvm")),
        }
    }
}
