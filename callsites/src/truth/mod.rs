// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audit against what maintainers did.
//!
//! In goes a directory of labelled callsites (tab-separated tables, one row a call) and the report of the same tree;
//! out comes a [`Score`]: how many of the calls that maintainers converted the audit would convert, how many of those
//! that must stay it would wrongly convert, and every miss by name. A row matches the callsite of the same path and
//! callee whose line is nearest, two lines off at most. This module has no opinion on who is right when a label and
//! the audit differ.
//!
//! | table                    | columns used                                      | measure             |
//! |--------------------------|---------------------------------------------------|---------------------|
//! | `truth-sites-A-B.tsv`    | file, line, call, kind                            | recall              |
//! | `negatives-A.tsv`        | file, line, call, label, origin, `is_truth_release_of_this_pair` | converted negatives |
//! | `excluded-A-B.tsv`       | file, `old_calls`, `final_class`                  | converted must-stay |

mod score;
mod table;
mod tsv;

pub use score::{Measure, Miss, Score, Side, score};
pub use tsv::{Error, Row, Table};
