// SPDX-License-Identifier: MIT OR Apache-2.0
//! The changes that must not change a verdict.

use super::dice::Dice;
use super::{layout, rename, rewrite};
use std::fmt;

/// A way to write the same file otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Blanks, line ends and comments between tokens.
    Layout,
    /// Comments between tokens.
    Comments,
    /// Braces around single statements.
    Braces,
    /// Other names for locals.
    Locals,
    /// Equivalent conditions.
    Conditions,
}

impl Change {
    /// All of them.
    pub const ALL: [Change; 5] = [
        Change::Layout,
        Change::Comments,
        Change::Braces,
        Change::Locals,
        Change::Conditions,
    ];

    /// `bytes` in another form.
    pub fn of(self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        match self {
            Change::Layout => layout::relaid(bytes, dice),
            Change::Comments => layout::commented(bytes, dice),
            Change::Braces => rewrite::braced(bytes, dice),
            Change::Locals => rename::renamed(bytes, dice),
            Change::Conditions => rewrite::reworded(bytes, dice),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Layout => "layout",
            Change::Comments => "comments",
            Change::Braces => "braces",
            Change::Locals => "locals",
            Change::Conditions => "conditions",
        })
    }
}
