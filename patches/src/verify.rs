// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proof that mails say what the commits say: they apply, and taking them back gives the base byte for byte.
//!
//! `git apply` works on an index of its own in our store; tree ids decide, so a single different byte is seen.

use crate::apply::apply;
use crate::commit::Store;
use crate::error::Error;
use crate::info::{Check, Info, Outcome, Patch, Replaced};
use crate::mbox::Mail;
use crate::options::ApplyOptions;
use crate::series::Series;
use callsites::AuditOptions;
use callsites::report::{Finding, Report, Verdict};
use callsites::tree::Tree;
use callsites::tree::beneath::Entry;
use camino::Utf8Path;
use git2::Oid;
use proc::git::store;
use refimpl::api::{Role, catalogue};
use std::collections::{BTreeMap, BTreeSet};

/// Audits the tree with the series of `dir` on top, and writes what came of it into its checks.json.
///
/// No checkout is made: the touched files are laid over `tree`. `before` is the audit of the tree alone.
///
/// # Errors
/// What [`apply`] and the audit return.
pub fn audit(
    tree: Tree,
    dir: &Utf8Path,
    work: &Utf8Path,
    before: &Report,
    options: &AuditOptions,
) -> Result<Series, Error> {
    let mut series = Series::read(dir)?;
    let scratch = tempfile::Builder::new()
        .prefix("audit-")
        .tempdir_in(work)
        .map_err(Error::io(work))?;
    let target = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::bad_path(scratch.path()))?
        .join("patched");
    let applied = apply(&tree, dir, &ApplyOptions::touched(target))?;
    let mut files = BTreeMap::new();
    for (path, entry) in applied.patches.into_iter().flat_map(|patch| patch.files) {
        let bytes = match entry {
            Some(Entry::File { bytes, .. }) => Some(bytes),
            // No link is read in an audit.
            Some(Entry::Link { .. }) | None => None,
        };
        files.insert(path.into(), bytes);
    }
    let patched = tree.overlaid(files);
    let after = callsites::audit(&patched, options)
        .map_err(|error| Error::Unproven(format!("audit of the patched tree: {error}")))?;
    for (at, check) in audited(&series.info, before, &after)
        .into_iter()
        .enumerate()
    {
        series.checks.set(at, check);
    }
    series.write_checks(dir)?;
    Ok(series)
}

/// Compares the audit of the patched tree with that of the base, patch by patch: every converted call is `done`, and no
/// finding is there that was not there before.
pub fn audited(series: &Info, before: &Report, after: &Report) -> Vec<Check> {
    series
        .patches
        .iter()
        .map(|patch| {
            let mut wrong = not_done(patch, before, after);
            wrong.extend(left_behind(patch, before, after));
            wrong.extend(new_findings(patch, before, after));
            let own: BTreeSet<&str> = patch.callsites.iter().filter_map(own_release).collect();
            let mut good = "every converted call is done, and nothing new was found".to_owned();
            for name in own {
                good += &format!("; {name}() is of this series, the audit does not judge it");
            }
            match wrong.is_empty() {
                true => Check::new("audit", Outcome::Passed, good),
                false => Check::new("audit", Outcome::Failed, wrong.join("\n")),
            }
        })
        .collect()
}

/// The name that a call was given, when the kernel has no function of that name: the series brings it.
fn own_release(call: &Replaced) -> Option<&str> {
    catalogue()
        .get(&call.becomes)
        .is_none()
        .then_some(call.becomes.as_str())
}

/// Whether a function belongs to the pinning API; a fix may write another.
fn pins(name: &str) -> bool {
    catalogue()
        .get(name)
        .is_none_or(|function| function.is_pinning())
}

/// Converted calls that the audit of the patched tree does not call done. Calls of one name in one function are counted:
/// their lines have moved, and a function that the base does not have may be one with another name.
fn not_done(patch: &Patch, before: &Report, after: &Report) -> Vec<String> {
    let named = |report: &Report, path: &str, function: &str| {
        let mut sites = report.callsites.iter();
        sites.any(|site| site.path == path && site.function == function)
    };
    let mut wanted: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for call in patch
        .callsites
        .iter()
        .filter(|call| call.call != call.becomes)
    {
        // A dirtying call that went into its loop's replacement is one call with the release.
        let folded = catalogue().is(&call.call, Role::Dirty);
        if own_release(call).is_some() || !pins(&call.becomes) {
            continue;
        }
        let key = (
            call.path.as_str(),
            call.function.as_str(),
            call.becomes.as_str(),
        );
        *wanted.entry(key).or_default() += usize::from(!folded);
    }
    wanted
        .into_iter()
        .filter_map(|((path, function, name), count)| {
            let renamed = !named(after, path, function);
            let done = after.callsites.iter().filter(|site| {
                let here =
                    site.function == function || renamed && !named(before, path, &site.function);
                here && (site.path.as_str(), site.call.as_str()) == (path, name)
                    && site.verdict == Verdict::Done
            });
            let done = done.count();
            (done < count).then(|| {
                format!("{path} {function}(): {done} of {count} calls of {name}() are done")
            })
        })
        .collect()
}

/// Calls that were to become what only the series brings, and stand there as they did: the audit, which does not know
/// the new name, still wants them converted.
fn left_behind(patch: &Patch, before: &Report, after: &Report) -> Vec<String> {
    let open = |report: &Report, call: &Replaced| {
        let sites = report.callsites.iter();
        let open = sites.filter(|site| {
            (&site.path, &site.call) == (&call.path, &call.call) && site.verdict == Verdict::Convert
        });
        open.count()
    };
    let own = patch
        .callsites
        .iter()
        .filter(|call| own_release(call).is_some() || !pins(&call.becomes))
        .filter(|call| call.call != call.becomes);
    own.filter(|call| open(after, call) >= open(before, call))
        .map(|call| {
            format!(
                "{} {}(): {}() did not become {}()",
                call.path, call.function, call.call, call.becomes
            )
        })
        .collect()
}

fn new_findings(patch: &Patch, before: &Report, after: &Report) -> Vec<String> {
    let known = |found: &Finding| {
        before.findings.iter().any(|old| {
            // A function may have been given another name, and then the finding says what it said.
            (&old.rule, &old.path) == (&found.rule, &found.path)
                && (old.function == found.function || old.message == found.message)
        })
    };
    // A leak is found where no release is known, and of a release that the series brings nothing is known.
    let judged = |found: &Finding| {
        let brought = patch
            .callsites
            .iter()
            .any(|call| own_release(call).is_some());
        found.rule != "R3" || !brought
    };
    // Which memory can be pinned is a patch of its own: where the base's audit knows that the pages stay, the mail says so.
    let told = |found: &Finding| {
        let long = |call: &Replaced| {
            let mut sites = before.callsites.iter();
            sites.any(|site| site.id == call.id && site.case == Some(2))
        };
        let mut calls = patch.callsites.iter();
        found.name == "longterm-missing"
            && calls.any(|call| {
                (&call.path, &call.function) == (&found.path, &found.function) && long(call)
            })
    };
    after
        .findings
        .iter()
        .filter(|found| patch.files.contains(&found.path))
        .filter(|found| !known(found) && judged(found) && !told(found))
        .map(|found| {
            format!(
                "{}:{} {}: {}",
                found.path, found.line, found.rule, found.message
            )
        })
        .collect()
}

/// Applies every mail on `base` in turn, then takes all back. `commits` are the trees that must come out.
///
/// # Errors
/// [`Error::Unproven`] at the first mail that does not give its commit's tree, or does not give it back.
pub(crate) fn round_trip(
    store: &Store,
    base: Oid,
    commits: &[Oid],
    mails: &[Mail],
) -> Result<Vec<[Check; 2]>, Error> {
    let repo = store.path().as_std_path();
    let index = store.scratch().join("round-trip.index");
    let tree = |commit: Oid| store.tree_id(commit).map(|id| id.to_string());
    let unproven = |mail: &Mail, what: &str| Error::Unproven(format!("{}: {what}", mail.file));
    store::read_tree(repo, &index, &tree(base)?)?;
    for (mail, &commit) in mails.iter().zip(commits) {
        let output = store::apply_cached(repo, &index, &mail.bytes, false)?;
        if !output.success() {
            return Err(unproven(mail, &output.stderr_text()));
        }
        if store::write_tree(repo, &index)? != tree(commit)? {
            return Err(unproven(
                mail,
                "applying it gives another tree than its commit",
            ));
        }
    }
    let below: Vec<Oid> = std::iter::once(base)
        .chain(commits.iter().copied())
        .collect();
    for (mail, &parent) in mails.iter().zip(&below).rev() {
        let output = store::apply_cached(repo, &index, &mail.bytes, true)?;
        if !output.success() || store::write_tree(repo, &index)? != tree(parent)? {
            return Err(unproven(
                mail,
                "taking it back does not give the tree before it",
            ));
        }
    }
    std::fs::remove_file(&index).map_err(Error::io(store.path()))?;
    Ok(commits
        .iter()
        .map(|_| {
            [
                Check::new("apply", Outcome::Passed, "gives the tree of its commit"),
                Check::new("reverse", Outcome::Passed, "gives the tree before it"),
            ]
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use callsites::report::Era;

    const OLD: &str = "void f(struct toy *toy)\n{\n\tput_page(toy->page);\n}\n";

    fn series() -> Info {
        let call = Replaced {
            id: "f:3:put_page".into(),
            path: "drivers/misc/toy.c".into(),
            function: "f".into(),
            line: 3,
            call: "put_page".into(),
            becomes: "unpin_user_page".into(),
        };
        let patch = Patch {
            file: "0001-toy.patch".into(),
            subject: "toy: convert".into(),
            groups: Vec::new(),
            files: vec![call.path.clone()],
            changes: Vec::new(),
            tested: "Not tested.".into(),
            recipients: Default::default(),
            callsites: vec![call],
            written: None,
        };
        Info {
            schema: crate::info::SCHEMA.into(),
            title: String::new(),
            version: 1,
            api: "pin".into(),
            signed: false,
            cover: String::new(),
            base: crate::info::Base {
                module: false,
                version: "6.12.1".into(),
                revision: None,
                tree: String::new(),
                public: false,
            },
            recipients: Default::default(),
            patches: vec![patch],
            refused: Vec::new(),
        }
    }

    fn audit(text: &str, verdict: Verdict) -> Report {
        let mut report = fixture::report(Era::Pin, &[("drivers/misc/toy.c", text)]);
        for site in &mut report.callsites {
            site.verdict = verdict;
        }
        report
    }

    #[test]
    fn a_patched_tree_whose_calls_are_done_passes() {
        let after = audit(&OLD.replace("put_page", "unpin_user_page"), Verdict::Done);
        let checks = audited(&series(), &audit(OLD, Verdict::Convert), &after);
        assert_eq!(checks[0].outcome, Outcome::Passed);
    }

    #[test]
    fn a_function_with_another_name_is_found_again() {
        let new = OLD
            .replace("put_page", "unpin_user_page")
            .replace(" f(", " frob(");
        let after = audit(&new, Verdict::Done);
        assert!(after.callsites.iter().all(|site| site.function == "frob"));
        let checks = audited(&series(), &audit(OLD, Verdict::Convert), &after);
        assert_eq!(checks[0].outcome, Outcome::Passed, "{}", checks[0].detail);
    }

    #[test]
    fn a_release_that_the_series_brings_is_said_not_to_be_judged() {
        let mut series = series();
        series.patches[0].callsites[0].becomes = "release_user_pages".into();
        let before = audit(OLD, Verdict::Convert);
        let after = audit(
            &OLD.replace("put_page(", "release_user_pages(&"),
            Verdict::Done,
        );
        let left = &audited(&series, &before, &before)[0];
        assert_eq!(
            left.detail,
            "drivers/misc/toy.c f(): put_page() did not become release_user_pages()"
        );
        let checks = audited(&series, &before, &after);
        assert_eq!(checks[0].outcome, Outcome::Passed);
        assert!(
            checks[0]
                .detail
                .ends_with("; release_user_pages() is of this series, the audit does not judge it")
        );
    }

    #[test]
    fn a_leak_is_no_news_where_the_release_is_of_this_series_only() {
        let after = |becomes: &str| {
            let mut series = series();
            series.patches[0].callsites[0].becomes = becomes.into();
            let text = OLD.replace("put_page", becomes);
            let mut after = audit(&text, Verdict::Done);
            after.findings.push(Finding {
                id: String::new(),
                rule: "R3".into(),
                name: "leak-on-error-path".into(),
                severity: callsites::report::Severity::Error,
                path: "drivers/misc/toy.c".into(),
                line: 3,
                column: 1,
                function: "f".into(),
                message: "the pages are lost at this return".into(),
                evidence: Vec::new(),
                fix: None,
            });
            audited(&series, &audit(OLD, Verdict::Convert), &after)[0].outcome
        };
        assert_eq!(after("release_user_pages"), Outcome::Passed);
        assert_eq!(after("unpin_user_page"), Outcome::Failed);
    }

    #[test]
    fn a_pin_without_longterm_is_news_unless_the_mail_tells_of_it() {
        let outcome = |case: Option<u8>| {
            let mut before = audit(OLD, Verdict::Convert);
            before.callsites[0].case = case;
            let mut series = series();
            series.patches[0].callsites[0].id = before.callsites[0].id.clone();
            let mut after = audit(&OLD.replace("put_page", "unpin_user_page"), Verdict::Done);
            after.findings.push(Finding {
                id: String::new(),
                rule: "R12".into(),
                name: "longterm-missing".into(),
                severity: callsites::report::Severity::Warning,
                path: "drivers/misc/toy.c".into(),
                line: 3,
                column: 1,
                function: "f".into(),
                message: "the pages stay until they are let go".into(),
                evidence: Vec::new(),
                fix: None,
            });
            audited(&series, &before, &after)[0].outcome
        };
        assert_eq!(outcome(Some(2)), Outcome::Passed);
        assert_eq!(outcome(Some(1)), Outcome::Failed);
    }

    #[test]
    fn a_release_that_was_left_behind_fails() {
        let before = audit(OLD, Verdict::Convert);
        let checks = audited(&series(), &before, &before);
        assert_eq!(checks[0].outcome, Outcome::Failed);
        assert_eq!(
            checks[0].detail,
            "drivers/misc/toy.c f(): 0 of 1 calls of unpin_user_page() are done"
        );
    }
}
