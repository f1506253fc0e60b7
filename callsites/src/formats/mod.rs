// SPDX-License-Identifier: MIT OR Apache-2.0
//! A report as something to read, to click on, or to feed to another program.
//!
//! In goes a finished [`Report`](crate::report::Report); out come bytes on a writer, the same bytes for the same report.
//! Nothing here judges, sorts out or drops a callsite: who wants less hands in a smaller report. The formats know
//! nothing of terminals; the caller says whether the text may be coloured.
//!
//! | format     | for whom                                                            |
//! |------------|---------------------------------------------------------------------|
//! | `text`     | a person at a terminal: groups first, then findings, then the counts |
//! | `json`     | scripts, the schema `audit/1`                                       |
//! | `quickfix` | an editor's error list, `path:line:column: severity: text`          |
//! | `csv`      | a spreadsheet                                                       |
//! | `sarif`    | a code-scanning service, SARIF 2.1.0                                |
//! | `html`     | a colleague: one page without a network, with the flow of each group drawn and the source around its calls |

mod csv;
mod format;
pub mod html;
mod quickfix;
mod sarif;
mod shown;
mod summary;
mod text;
pub mod visible;
mod words;

pub use format::{Format, UnknownFormat, write, write_page};
pub use sarif::uri_path;
pub use shown::shown;
pub use text::STYLES;
pub use words::{role, severity, verdict};
