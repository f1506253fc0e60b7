// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of formats, their names, and the one function that writes them.

use super::html::{Beside, Excerpts};
use super::shown::shown;
use super::visible::{Visible, json};
use super::{csv, html, quickfix, sarif, summary, text};
use crate::report::Report;
use std::borrow::Cow;
use std::{fmt, io, str::FromStr};

/// A way to write a report down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a person; no escape sequence in it.
    #[default]
    Text,
    /// The same with ANSI colours.
    ColouredText,
    /// For a person who asked for findings: they alone, and how many.
    Findings,
    /// The same with ANSI colours.
    ColouredFindings,
    /// The schema `audit/1`.
    Json,
    /// For a person at a terminal who asked for the whole tree: by subsystem, on a screen or two.
    Summary,
    /// The same with ANSI colours.
    ColouredSummary,
    /// `path:line:column: severity: text`
    Quickfix,
    /// RFC 4180, one record a callsite or finding.
    Csv,
    /// SARIF 2.1.0.
    Sarif,
    /// One self-contained page.
    Html,
}

/// A name that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{0}`: one of text, json, sarif, csv, html, quickfix is needed")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Ok(match name {
            "text" => Format::Text,
            "json" => Format::Json,
            "quickfix" => Format::Quickfix,
            "csv" => Format::Csv,
            "sarif" => Format::Sarif,
            "html" => Format::Html,
            other => return Err(UnknownFormat(other.to_owned())),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text
            | Format::ColouredText
            | Format::Findings
            | Format::ColouredFindings
            | Format::Summary
            | Format::ColouredSummary => "text",
            Format::Json => "json",
            Format::Quickfix => "quickfix",
            Format::Csv => "csv",
            Format::Sarif => "sarif",
            Format::Html => "html",
        })
    }
}

/// Writes `report` to `out`, ending in a newline.
///
/// # Errors
/// Those of `out`; a closed pipe among them, which the caller may take as no error.
pub fn write(report: &Report, format: Format, out: &mut dyn io::Write) -> io::Result<()> {
    let styles = match format {
        Format::ColouredText | Format::ColouredFindings | Format::ColouredSummary => {
            text::Style::ansi().sequences()
        }
        _ => text::Style::plain().sequences(),
    };
    // What a person or an editor reads line by line.
    let plain = match format {
        Format::Json | Format::Csv | Format::Sarif | Format::Html => Cow::Borrowed(report),
        _ => shown(report)?,
    };
    let report = &*plain;
    let seen = &mut Visible {
        out: &mut *out,
        styles: &styles,
    };
    match format {
        Format::Text => text::write(report, text::Style::plain(), seen),
        Format::ColouredText => text::write(report, text::Style::ansi(), seen),
        Format::Findings => text::write_findings(report, &text::Style::plain(), seen),
        Format::ColouredFindings => text::write_findings(report, &text::Style::ansi(), seen),
        Format::Summary => summary::write(report, text::Style::plain(), seen),
        Format::ColouredSummary => summary::write(report, text::Style::ansi(), seen),
        Format::Json => {
            json(report, out)?;
            out.write_all(b"\n")
        }
        Format::Quickfix => quickfix::write(report, seen),
        Format::Csv => csv::write(report, out),
        Format::Sarif => {
            json(&sarif::log(report), out)?;
            out.write_all(b"\n")
        }
        Format::Html => {
            // Without its tree: the lines that the report itself quotes.
            out.write_all(html::page(report, &Excerpts::default(), &Beside::default()).as_bytes())
        }
    }
}

/// Writes the page of `report` with the source around its calls, and what is known beside it.
///
/// # Errors
/// Those of `out`.
pub fn write_page(
    report: &Report,
    excerpts: &Excerpts,
    beside: &Beside,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    out.write_all(html::page(report, excerpts, beside).as_bytes())
}
