// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong when a model is asked for: a name nobody knows, a size that does not fit, too many states.

use failure::{Act, Exit, Failure, Hint};

/// Why a model could not be explored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A scenario, policy, driver or callsite kind that does not exist.
    #[error("find {kind} {name:?} among {}", known.join(", "))]
    Unknown {
        /// What was asked for: "scenario", "policy", "driver", "callsites" or "property".
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A count of pages, devices or tasks that the state has no room for.
    #[error("build a model with {value} {what}: {least} to {most} fit in a state")]
    Size {
        /// What is counted.
        what: &'static str,
        /// The count asked for.
        value: u8,
        /// The smallest count that makes sense.
        least: u8,
        /// The largest count a state can hold.
        most: u8,
    },
    /// A file with a policy or a device of one's own that cannot be understood.
    #[error("read {path}: {why}")]
    Own {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it, and in which line.
        why: String,
    },
    /// The exploration met more states than the caller allowed; nothing is concluded from a part.
    #[error("explore {what} to the end: more than {limit} states")]
    TooManyStates {
        /// The configuration in words.
        what: String,
        /// The limit that was set, in states.
        limit: u32,
    },
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Unknown {
                kind: "scenario", ..
            } => Some(Act::ListScenarios.into()),
            Self::Unknown { .. } | Self::Size { .. } | Self::Own { .. } => None,
            Self::TooManyStates { .. } => Some(Act::ShowGrowth.into()),
        }
    }
}
