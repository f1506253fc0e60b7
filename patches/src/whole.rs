// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole way from an audit to a series that compiles: a tree that lacks the functions gets them first.

use crate::convert::{self, words};
use crate::error::Error;
use crate::options::ConvertOptions;
use crate::series::Series;
use crate::steps;
use callsites::report::Report;
use callsites::tree::Tree;

/// Converts the selected groups of an audited tree.
///
/// On a tree of before 5.2, which has no functions to release user pages by, the first patch introduces them; fixes alone call
/// none of them.
///
/// # Errors
/// [`Error::Nothing`] when no group could be converted, and whatever stops git, the file system or a check of our own.
pub fn convert(tree: &Tree, report: &Report, options: &ConvertOptions) -> Result<Series, Error> {
    match words(tree, report, options.api)?.introduced_first && !options.fixes {
        true => steps::introduced(tree, report, options),
        false => convert::convert(tree, report, options),
    }
}
