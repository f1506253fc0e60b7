// SPDX-License-Identifier: MIT OR Apache-2.0
//! `path:line:column: severity: text`, one line each, as compilers print it and editors jump to it.

use super::words;
use crate::report::{Report, Verdict};
use std::io;

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut lines: Vec<(&str, u32, u32, String)> = Vec::new();
    for site in &report.callsites {
        let severity = match site.verdict {
            Verdict::Convert | Verdict::Mixed | Verdict::Unknown => "warning",
            Verdict::Keep | Verdict::Done => "note",
        };
        let text = format!(
            "{severity}: {} {}: {}",
            words::verdict(site.verdict),
            words::change(site),
            site.reason
        );
        lines.push((&site.path, site.line, site.column, text));
    }
    for finding in &report.findings {
        let severity = words::severity(finding.severity);
        let text = format!(
            "{severity}: {} [{} {}]",
            finding.message, finding.rule, finding.name
        );
        lines.push((&finding.path, finding.line, 1, text));
    }
    lines.sort();
    for (path, line, column, text) in lines {
        writeln!(out, "{path}:{line}:{column}: {text}")?;
    }
    Ok(())
}
