// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions' code a patch changed.

use serde::{Deserialize, Serialize};

/// `path:function` each, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The code differs, and the patch edits the function or a file that is compiled into it.
    pub meant: Vec<String>,
    /// The code differs although the patch does not edit the function: it takes in one that is edited, or a line number.
    pub beyond: Vec<String>,
    /// The patch edits the function, and its code is the same.
    pub without_effect: Vec<String>,
    /// The patch edits the function, and the object has no code under its name: what it became stands in its callers.
    #[serde(default)]
    pub inlined: Vec<String>,
    /// `path: why` of each touched file whose object is of a kind that is not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
}

impl Changes {
    /// Nothing was compared, or nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// A line for each kind that there is.
    pub fn lines(&self) -> Vec<String> {
        let said = [
            ("changes the code of", &self.meant),
            ("changes code that it does not edit, of", &self.beyond),
            ("edits without effect on the code", &self.without_effect),
            (
                "edits what has no code of its own, being inlined:",
                &self.inlined,
            ),
            ("functions are not compared of", &self.not_compared),
        ];
        said.iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect()
    }
}
