// SPDX-License-Identifier: MIT OR Apache-2.0
//! The story of one callsite: where its page came from, on what way, what it shares a fate with, and why the verdict;
//! of a finding, the way to it; of a group, its members; of a rule, what it is about.

use crate::findings::rules;
use crate::formats::visible::visible;
use crate::formats::{role, severity, shown, verdict};
use crate::report::{Callsite, Evidence, Finding, Group, Report};
use crate::tree::Tree;
use camino::Utf8Path;
use failure::{Act, Exit, Failure, Hint};
use std::fmt::Write as _;

/// How many ids or places are proposed: what one line of a hint holds.
const SHOWN: usize = 4;

/// No callsite has that id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("find callsite `{id}` among the {callsites} of this audit")]
pub struct UnknownId {
    /// What was asked for.
    pub id: String,
    /// How many there are.
    pub callsites: usize,
    /// The ids most like it, or the places nearest to it, best first.
    pub nearest: Vec<String>,
}

impl Failure for UnknownId {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<Hint> {
        match self.nearest.as_slice() {
            [] => Some(Act::ListCallsites.into()),
            nearest => Some(format!("the nearest are {}", nearest.join(", ")).into()),
        }
    }
}

/// Tells the story of callsite `id` of the audit `report` of `tree`.
///
/// `id` may be an unambiguous beginning of an id, or the `path:line` of a line with one callsite.
///
/// # Errors
/// No callsite, or more than one, is meant.
pub fn explain(tree: &Tree, report: &Report, id: &str) -> Result<String, UnknownId> {
    // A story is told line by line. Where that changes a path, the lines of that file are not shown.
    let plain = shown(report);
    let report = plain.as_deref().unwrap_or(report);
    let story = explain_with(&|path| tree.read(path).ok(), report, id)?;
    Ok(visible(&story, &[]).into_owned())
}

/// What a rule is about, with the names of its findings and how bad each is; None when `word` names no rule.
pub fn rule(word: &str) -> Option<String> {
    let named = rules::named(word);
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for rule in named {
        let text = rule.documentation();
        let names = rule
            .names
            .iter()
            .map(|(name, bad)| format!("  {} {name}: {}", rule.id, severity(*bad)));
        // One file may hold two rules.
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, known)) => known.extend(names),
            None => texts.push((text, names.collect())),
        }
    }
    let stories: Vec<String> = texts
        .into_iter()
        .map(|(text, names)| format!("{text}\n\n{}\n", names.join("\n")))
        .collect();
    (!stories.is_empty()).then(|| stories.join("\n"))
}

/// The same with source lines read by `read`.
///
/// # Errors
/// No callsite, or more than one, has an id that begins so.
pub fn explain_with(
    read: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
    report: &Report,
    id: &str,
) -> Result<String, UnknownId> {
    if let Some(text) = rule(id) {
        return Ok(text);
    }
    let mut story = String::new();
    let told = match find(report, id) {
        Ok(site) => tell(&mut story, read, report, site),
        Err(unknown) => {
            if let Some(finding) = only(&report.findings, |finding| means(finding, id)) {
                tell_finding(&mut story, read, finding)
            } else if let Some(group) = only(&report.groups, |group| begins(&group.id, id)) {
                tell_members(&mut story, report, group, None)
            } else {
                return Err(unknown);
            }
        }
    };
    told.expect("a String takes all that is written to it");
    Ok(story)
}

/// The one of `all` that passes `test`.
fn only<T>(all: &[T], test: impl Fn(&T) -> bool) -> Option<&T> {
    let mut found = all.iter().filter(|one| test(one));
    found.next().filter(|_| found.next().is_none())
}

fn begins(whole: &str, id: &str) -> bool {
    !id.is_empty() && whole.starts_with(id)
}

fn means(finding: &Finding, id: &str) -> bool {
    begins(&finding.id, id) || format!("{}:{}", finding.path, finding.line) == id
}

fn tell_finding(
    story: &mut String,
    read: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
    finding: &Finding,
) -> std::fmt::Result {
    writeln!(
        story,
        "{}:{} {}() {}: {}",
        finding.path,
        finding.line,
        finding.function,
        severity(finding.severity),
        finding.message
    )?;
    excerpt(story, read, &finding.path, finding.line)?;
    if !finding.evidence.is_empty() {
        writeln!(story, "\non this way:")?;
        for (n, Evidence { path, line, text }) in finding.evidence.iter().enumerate() {
            writeln!(story, "  {}. {path}:{line}  {text}", n + 1)?;
        }
    }
    for rule in rules::named(&finding.name) {
        writeln!(
            story,
            "\n{} {}\n{}",
            rule.id,
            finding.name,
            rule.documentation()
        )?;
    }
    Ok(())
}

fn find<'r>(report: &'r Report, id: &str) -> Result<&'r Callsite, UnknownId> {
    if let Some(site) = report.callsites.iter().find(|site| site.id == id) {
        return Ok(site);
    }
    let beginning: Vec<&Callsite> = report
        .callsites
        .iter()
        .filter(|site| !id.is_empty() && site.id.starts_with(id))
        .collect();
    if let [site] = beginning[..] {
        return Ok(site);
    }
    // `path:line` is what every format prints, so that it is accepted as a question too.
    let place: Vec<&Callsite> = report
        .callsites
        .iter()
        .filter(|site| format!("{}:{}", site.path, site.line) == id)
        .collect();
    if let [site] = place[..] {
        return Ok(site);
    }
    let ambiguous = if beginning.is_empty() {
        place
    } else {
        beginning
    };
    let nearest = match ambiguous.is_empty() {
        true => nearest(report, id),
        false => ambiguous
            .into_iter()
            .take(SHOWN)
            .map(|site| site.id.clone())
            .collect(),
    };
    Err(UnknownId {
        id: id.to_owned(),
        callsites: report.callsites.len(),
        nearest,
    })
}

/// What `id` may have meant, best first: of a place those in files of that name, the nearest lines first; else the ids most
/// like it.
fn nearest(report: &Report, id: &str) -> Vec<String> {
    if let Some((path, line)) = id.rsplit_once(':') {
        let line: u32 = line.parse().unwrap_or_default();
        let name = Utf8Path::new(path).file_name();
        let named = |of: &str| Utf8Path::new(of).file_name() == name;
        let sites = report.callsites.iter().map(|site| (&site.path, site.line));
        let findings = report
            .findings
            .iter()
            .map(|found| (&found.path, found.line));
        let mut places: Vec<(u32, &String, u32)> = sites
            .chain(findings)
            .filter(|(of, _)| named(of))
            .map(|(of, at)| (at.abs_diff(line), of, at))
            .collect();
        places.sort_unstable();
        places.dedup();
        let mut told = places.into_iter().map(|(_, of, at)| format!("{of}:{at}"));
        return told.by_ref().take(SHOWN).collect();
    }
    let mut all: Vec<(usize, &str)> = report
        .callsites
        .iter()
        .map(|site| (distance(&site.id, id), site.id.as_str()))
        .collect();
    all.sort_unstable();
    let mut told = all.into_iter().map(|(_, id)| id.to_owned());
    told.by_ref().take(SHOWN).collect()
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn tell(
    story: &mut String,
    read: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
    report: &Report,
    site: &Callsite,
) -> std::fmt::Result {
    let Callsite {
        path,
        line,
        function,
        call,
        ..
    } = site;
    writeln!(
        story,
        "{path}:{line} {function}() calls {call}, {} {}",
        article(site),
        role(site.role)
    )?;
    if !site.guards.is_empty() {
        writeln!(story, "  built only with {}", site.guards.join(" and "))?;
    }
    excerpt(story, read, path, *line)?;
    let confidence = format!("{:?}", site.confidence).to_lowercase();
    writeln!(
        story,
        "\nverdict: {} (confidence {confidence})",
        verdict(site.verdict)
    )?;
    writeln!(story, "  {}", site.reason)?;
    if let Some(case) = site.case {
        writeln!(
            story,
            "  case {case} of Documentation/core-api/pin_user_pages.rst"
        )?;
    }
    if let Some(new) = site.replacement.as_ref().filter(|new| *new != call) {
        writeln!(story, "  {new}() should stand here")?;
    }
    let way = if site.role == crate::report::Role::Acquire {
        "the pages go to"
    } else {
        "the pages come from"
    };
    if !site.origins.is_empty() {
        writeln!(story, "\n{way}:")?;
        for origin in &site.origins {
            writeln!(story, "  {origin}")?;
        }
    }
    if !site.evidence.is_empty() {
        writeln!(story, "\non this way:")?;
        for (n, Evidence { path, line, text }) in site.evidence.iter().enumerate() {
            writeln!(story, "  {}. {path}:{line}  {text}", n + 1)?;
        }
    }
    tell_group(story, report, site)?;
    let here = report
        .findings
        .iter()
        .filter(|f| f.path == *path && f.function == *function);
    for finding in here {
        writeln!(
            story,
            "\n{}: {} at line {} [{} {}]",
            severity(finding.severity),
            finding.message,
            finding.line,
            finding.rule,
            finding.name
        )?;
    }
    Ok(())
}

fn article(site: &Callsite) -> &'static str {
    if site.role == crate::report::Role::Acquire {
        "an"
    } else {
        "a"
    }
}

fn tell_group(story: &mut String, report: &Report, site: &Callsite) -> std::fmt::Result {
    let Some(group) = site
        .group
        .as_ref()
        .and_then(|id| report.groups.iter().find(|g| g.id == *id))
    else {
        return writeln!(story, "\nit belongs to no group");
    };
    writeln!(story)?;
    tell_members(story, report, group, Some(&site.id))
}

fn tell_members(
    story: &mut String,
    report: &Report,
    group: &Group,
    own: Option<&str>,
) -> std::fmt::Result {
    let state = if group.convertible {
        "convertible"
    } else {
        "not convertible"
    };
    writeln!(
        story,
        "group {} ({}), {state}; these share their pages:",
        group.id, group.subsystem
    )?;
    let ids = group
        .acquires
        .iter()
        .chain(&group.dirties)
        .chain(&group.releases);
    for member in ids.filter_map(|id| report.callsites.iter().find(|s| s.id == *id)) {
        let mark = if own == Some(&member.id) { '*' } else { ' ' };
        let Callsite {
            path,
            line,
            function,
            call,
            ..
        } = member;
        writeln!(
            story,
            " {mark}{path}:{line} {function}() {call}: {}",
            verdict(member.verdict)
        )?;
    }
    for why in &group.blocked_by {
        writeln!(story, "  blocked: {why}")?;
    }
    Ok(())
}

/// The line with two around it, as the tree has them.
fn excerpt(
    story: &mut String,
    read: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
    path: &str,
    line: u32,
) -> std::fmt::Result {
    let Some(bytes) = read(Utf8Path::new(path)) else {
        return Ok(());
    };
    let (first, last) = (line.saturating_sub(2).max(1), line + 2);
    let lines = bytes.split(|byte| *byte == b'\n').zip(1_u32..);
    for (text, number) in lines
        .skip_while(|(_, n)| *n < first)
        .take_while(|(_, n)| *n <= last)
    {
        let mark = if number == line { '>' } else { ' ' };
        let text = String::from_utf8_lossy(text).replace('\t', "        ");
        writeln!(story, "  {mark}{number:5} {}", text.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_counts_insertions_deletions_and_replacements() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
