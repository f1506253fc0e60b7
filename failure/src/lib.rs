// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a failure means to whoever asked: an exit code, and what to do next.
//!
//! Every error enum of every library implements [`Failure`], so that a caller needs one conversion for all of them and
//! a new variant cannot be forgotten in a table elsewhere. A library knows what went wrong and what would mend it; it
//! does not know how that is typed. So the next step is an [`Act`], which the command line puts into words:
//!
//! ```
//! use failure::{Act, Exit, Failure, Hint};
//!
//! #[derive(Debug)]
//! struct NoCompiler;
//! impl std::fmt::Display for NoCompiler {
//!     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
//!         f.write_str("find a C compiler")
//!     }
//! }
//! impl std::error::Error for NoCompiler {}
//! impl Failure for NoCompiler {
//!     fn exit(&self) -> Exit {
//!         Exit::Infrastructure
//!     }
//!     fn hint(&self) -> Option<Hint> {
//!         Some(Act::InstallWhatIsMissing.into())
//!     }
//! }
//! assert_eq!(NoCompiler.exit().code(), 69);
//! ```
//!
//! This crate deliberately knows no verb, no flag, no kernel and no program.

mod count;
mod exit;
mod heap;
mod hint;

pub use count::counted;
pub use exit::Exit;
pub use heap::grow_in_large_steps;
pub use hint::{Act, Hint};

/// An error that knows which exit code it means and what mends it.
///
/// Its message fits after "failed to …".
pub trait Failure: std::error::Error {
    /// Which exit code it means.
    fn exit(&self) -> Exit;

    /// What to do next, where there is something to do.
    fn hint(&self) -> Option<Hint> {
        None
    }
}

/// A full disk, a file that cannot be read: the machine's fault, whatever was being done.
impl Failure for std::io::Error {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}
