// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small drivers, planned and edited: what a test of an edit looks at.

use super::{Functions, Planned, Source, Sources, Words, group, layout};
use crate::fixture::{header, report};
use crate::lines::{Line, aligned};
use crate::options::Api;
use callsites::report::{Callsite, Era, Report, Role, SetUp, Step, When};
use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// The parsed files.
pub(super) fn sources(files: &[(&str, &str)], report: &Report) -> Sources {
    let names: BTreeSet<&str> = report
        .callsites
        .iter()
        .map(|site| site.function.as_str())
        .collect();
    files
        .iter()
        .map(|(path, text)| {
            let path = Utf8PathBuf::from(path);
            let mut source = Source::parse(&path, text.as_bytes().to_vec(), &names);
            source.columns = layout::columns(report.tree.era, &report.tree.version);
            (path, source)
        })
        .collect()
}

/// One driver, planned in an era.
pub(super) fn planned(era: Era, text: &str) -> Result<Planned, Vec<String>> {
    let files = [("drivers/misc/toy.c", text)];
    let report = report(era, &files);
    let words = Words::of(Api::Auto, era, &Functions::Header(header(era).into()))
        .map_err(|why| vec![why])?;
    group(
        &sources(&files, &report),
        &report,
        &report.groups[0],
        &words,
    )
}

/// One driver whose group has a plan, as the audit of a driver with an iterator gives it: the plan, and the new text.
pub(super) fn asking(when: When, text: &str) -> Result<(Planned, String), Vec<String>> {
    let path = Utf8PathBuf::from("drivers/misc/toy.c");
    let mut report = report(Era::Pin, &[(path.as_str(), text)]);
    let step = |site: &Callsite| Step {
        id: site.id.clone(),
        becomes: site.replacement.clone().unwrap_or_default(),
        when,
        because: match (site.role, when) {
            (Role::Acquire, When::Always) => vec![SetUp {
                call: "user_backed_iter".into(),
                function: "toy_run".into(),
            }],
            _ => Vec::new(),
        },
    };
    let members = report
        .callsites
        .iter()
        .filter(|site| site.role != Role::Dirty);
    report.groups[0].plan = members.map(step).collect();
    let sources = Sources::from([(path.clone(), Source::whole(&path, text.as_bytes().to_vec()))]);
    let words = Words::of(
        Api::Auto,
        Era::Pin,
        &Functions::Header(header(Era::Pin).into()),
    );
    let words = words.map_err(|why| vec![why])?;
    let words = words.with_iterators(&Functions::Header(
        b"ssize_t iov_iter_extract_pages(struct iov_iter *i);\nbool iov_iter_extract_will_pin(const struct iov_iter *i);\n".to_vec(),
    ));
    let plan = group(&sources, &report, &report.groups[0], &words)?;
    let mut contents = plan.contents(&sources).map_err(|why| vec![why])?;
    let new = contents.remove(&path).unwrap_or_default();
    Ok((plan, String::from_utf8_lossy(&new).into_owned()))
}

/// One driver before and after as a diff of the changed lines.
pub(super) fn diff(era: Era, text: &str) -> String {
    let files = [("drivers/misc/toy.c", text)];
    let report = report(era, &files);
    let plan = match planned(era, text) {
        Ok(plan) => plan,
        Err(reasons) => return format!("refused\n{}\n", reasons.join("\n")),
    };
    let contents = plan
        .contents(&sources(&files, &report))
        .expect("no overlap");
    let new = contents.values().next().expect("one file was edited");
    let new = String::from_utf8(new.clone()).expect("UTF-8 in, UTF-8 out");
    changed_lines(text, &new)
}

/// Removed and added lines, those that stay left out; tabs as arrows.
pub(super) fn changed_lines(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let mut text = String::new();
    for line in aligned(&old, &new) {
        match line {
            Line::Both(_) => {}
            Line::Old(at) => text += &format!("-{}\n", old[at].replace('\t', "→")),
            Line::New(at) => text += &format!("+{}\n", new[at].replace('\t', "→")),
        }
    }
    text
}
