// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that audits the tree each time it is told to.
//!
//! It takes what the audit before has left in the cache, so that only what was changed since is looked at again.

use super::session::Event;
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Module};
use crate::tree;
use callsites::AuditOptions;
use callsites::report::Report;
use callsites::tree::{Tree, VersionCode};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Instant, SystemTime};

/// What the command line says.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Which tree, where the editor does not say it.
    pub(crate) common: Common,
    /// Which module.
    pub(crate) module: Module,
    /// The oldest kernel that the module must still build for.
    pub(crate) oldest: Option<VersionCode>,
    /// Diagnostics of files that are not open too.
    pub(crate) all_files: bool,
    /// How to audit.
    pub(crate) audit: AuditOptions,
    /// Where patches may be made.
    pub(crate) work: Utf8PathBuf,
}

/// An audit that was made.
#[derive(Debug)]
pub(crate) struct Audited {
    /// The tree as it was.
    pub(crate) tree: Tree,
    /// Its directory, absolute, as the editor may name it.
    pub(crate) root: Utf8PathBuf,
    /// What was found.
    pub(crate) report: Report,
    /// Of every file with a callsite when it was changed last.
    pub(crate) stamps: BTreeMap<String, Option<FileStamp>>,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Time of the last change, and bytes.
pub(crate) type FileStamp = (SystemTime, u64);

/// Audits at every order until nobody gives any.
pub(crate) fn work(
    setup: &Setup,
    folders: &[Utf8PathBuf],
    orders: &Receiver<()>,
    events: &Sender<Event>,
) {
    for () in orders {
        let audited = catch_unwind(AssertUnwindSafe(|| audited(setup, folders)));
        let audited = match audited {
            Ok(Ok(audited)) => Ok(Box::new(audited)),
            Ok(Err(failure)) => {
                let hint = failure.hint_text().map(|hint| format!("\nhint: {hint}"));
                Err(failure.lines().join("\n") + &hint.unwrap_or_default())
            }
            Err(_) => Err(
                "the audit has failed by a fault of its own; what it says is on standard error"
                    .to_owned(),
            ),
        };
        if events.send(Event::Audited(audited)).is_err() {
            return;
        }
    }
}

fn audited(setup: &Setup, folders: &[Utf8PathBuf]) -> Result<Audited, Failure> {
    let begun = Instant::now();
    let cache = setup.audit.cache.as_deref();
    let tree = tree::edited(&setup.common, &setup.module, folders, cache)?;
    let root = tree.root().ok_or_else(|| {
        Failure::new(Exit::Usage, "only files of a directory can be edited")
            .hint("open a kernel tree in the editor, or name its directory with --kernel")
    })?;
    let root = std::path::absolute(root)?;
    let root = Utf8PathBuf::from_path_buf(root)
        .map_err(|path| Failure::new(Exit::Usage, format!("{} is not UTF-8", path.display())))?;
    let report = callsites::audit(&tree, &setup.audit)?;
    let mut stamps = BTreeMap::new();
    for site in &report.callsites {
        if !stamps.contains_key(&site.path) {
            stamps.insert(site.path.clone(), stamp(&root.join(&site.path)));
        }
    }
    Ok(Audited {
        tree,
        root,
        report,
        stamps,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// When a file was changed last; None when it is not there.
pub(crate) fn stamp(path: &Utf8Path) -> Option<FileStamp> {
    let meta = path.as_std_path().symlink_metadata().ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
