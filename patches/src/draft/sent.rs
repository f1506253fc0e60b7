// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mail needs to be sent: the Fixes: tag of a fix, and where the cover letter goes.

use super::Draft;
use crate::edits::{Fix, Planned};
use crate::error::Error;
use crate::info::Recipients;
use crate::options::ConvertOptions;
use crate::series::scripts::{Script, lists_of};
use callsites::tree::Tree;
use proc::git::store;

/// The file that implements what the series is about: its lists get the cover letter.
const GUP: &str = "mm/gup.c";

/// Digits of a commit id in a Fixes: tag ("Documentation/process/submitting-patches.rst", 6.12: at least 12).
const ABBREVIATED: usize = 12;

/// How long git may look for the commit that a Fixes: tag names. The history of one file takes seconds; where the objects lie
/// on a slow disk, the tag is not worth minutes.
const LOOK_BACK: std::time::Duration = std::time::Duration::from_secs(30);

impl Draft<'_> {
    /// The Fixes: tag of a fix: the oldest commit that brought the call which a release does not fit.
    pub(super) fn find_culprit(&self, plan: &mut Planned) -> Result<(), Error> {
        let Some(fix) = plan.fix else { return Ok(()) };
        let catalogue = refimpl::api::catalogue();
        let site = plan.replaced.iter().find(|site| match fix {
            Fix::Leak => catalogue.is(&site.call, refimpl::api::Role::Acquire),
            Fix::Freed => site.call != site.becomes,
        });
        let Some(site) = site else { return Ok(()) };
        let found = match self.job.origin {
            None => Err("no history".to_owned()),
            Some(_) => {
                let repo = self.store.path().as_std_path();
                let base = self.base.to_string();
                let found = store::brought(repo, &base, &site.call, &site.path, LOOK_BACK);
                found.map_err(|error| error.to_string())
            }
        };
        let note = match found {
            Err(why) => format!("Fixes: not looked up, {why}."),
            Ok(Some(commit)) if commit.has_parent => {
                let id: String = commit.id.chars().take(ABBREVIATED).collect();
                let tag = format!("Fixes: {id} (\"{}\")", commit.subject);
                plan.trailers.push(tag);
                format!(
                    "The Fixes: tag names the oldest commit that brings {}() into {}; see if it is the one.",
                    site.call, site.path
                )
            }
            Ok(_) => format!(
                "Fixes: the history at hand does not reach back to the commit that brought {}() into {}.",
                site.call, site.path
            ),
        };
        plan.notes.insert(note);
        Ok(())
    }

    /// Where the cover letter goes: to the list of the memory management, and to everybody who gets a patch.
    pub(super) fn recipients(&self, tree: &Tree, options: &ConvertOptions) -> Recipients {
        let scratch = self.store.scratch().join("scripts");
        let script = Script::of(tree, "get_maintainer.pl", options.scripts, &scratch);
        let to = lists_of(&script, GUP);
        let mut cc: Vec<String> = Vec::new();
        for patch in &self.patches {
            for address in patch.recipients.to.iter().chain(&patch.recipients.cc) {
                if !to.contains(address) && !cc.contains(address) {
                    cc.push(address.clone());
                }
            }
        }
        Recipients { to, cc }
    }
}
