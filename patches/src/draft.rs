// SPDX-License-Identifier: MIT OR Apache-2.0
//! Planned patches become commits, the commits mails, and the mails a checked series.

mod clean;
mod sent;

use crate::commit::{BRANCH, Files, Identity, Store, UNDATED};
use crate::edits::{Planned, Sources, Words};
use crate::error::Error;
use crate::info::{Base, Check, Checks, Info, Outcome, Patch, PatchChecks, Refused, SCHEMA};
use crate::mbox::{self, Mail};
use crate::options::{ConvertOptions, Export};
use crate::origin::Origin;
use crate::series::Series;
use crate::series::cover;
use crate::series::maintainers::Maintainers;
use crate::series::scripts::{Script, checkpatch, get_maintainer};
use crate::series::tested::NOT_TESTED;
use crate::series::text;
use crate::series::unit;
use crate::verify;
use crate::version::{self, Edited};
use callsites::tree::Tree;
use camino::Utf8PathBuf;
use git2::Oid;
use proc::git::mail::Committer;
use proc::git::store;
use std::collections::BTreeSet;

/// What a series is made from.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// What was asked for.
    pub options: &'a ConvertOptions,
    /// The releasing functions.
    pub words: &'a Words,
    /// The files before the edits.
    pub sources: &'a Sources,
    /// The tree's history.
    pub origin: Option<&'a Origin>,
}

/// A patch before it is a commit.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Which directory it is about; its subject's prefix comes from there.
    pub unit: String,
    /// What it changes.
    pub plan: Planned,
    /// Every touched file as it is after this patch and those before it.
    pub files: Files,
    /// Its words, where they are not made from the plan.
    pub written: Option<Written>,
    /// The releasing functions that it writes; those of the job where there are none of its own.
    pub words: Option<Words>,
}

/// A subject and a message that a template gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// With its prefix.
    pub subject: String,
    /// Paragraphs, wrapped.
    pub body: String,
}

/// How patches of a subsystem are sent that names the tree in the subject ("MAINTAINERS", the P: of an entry, 6.12).
const NETDEV: &str = "Documentation/process/maintainer-netdev.rst";

/// Who stands as author of a rehearsal, which mail and commit need: nobody.
fn nobody() -> Identity {
    Identity {
        name: "Unsigned".into(),
        email: "unsigned@localhost".into(),
    }
}

/// Commits that are not mails yet.
pub(crate) struct Draft<'a> {
    job: Job<'a>,
    store: Store,
    base: Oid,
    base_info: Base,
    maintainers: Maintainers,
    seconds: i64,
    identity: Option<Identity>,
    commits: Vec<Oid>,
    patches: Vec<Patch>,
    previous: Option<Series>,
    edited: Vec<Edited>,
    by_hand: Vec<Option<Edited>>,
    /// What stands below the `---` of each mail.
    for_review: Vec<Option<String>>,
    /// Subjects of patches that mend what is wrong as it stands.
    fixes: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    /// Commits each patch on top of the one before it.
    ///
    /// # Errors
    /// [`Error::Dirty`] when a file is not what the base commit has, and failures of git.
    pub(crate) fn commit(
        job: Job<'a>,
        patches: Vec<Prepared>,
        identity: Option<Identity>,
    ) -> Result<Draft<'a>, Error> {
        let origin = job.origin;
        let repository = origin.map(|origin| origin.repository.as_path());
        let store = Store::create(&job.options.work, repository)?;
        let touched: BTreeSet<&Utf8PathBuf> = patches.iter().flat_map(|p| p.files.keys()).collect();
        let base = match origin {
            Some(origin) => {
                let base = store.shared_base(&origin.commit)?;
                clean::refuse_dirty(&store, base, &touched, job)?;
                base
            }
            None => {
                let files = touched
                    .iter()
                    .map(|&path| (path.clone(), job.sources[path].bytes.clone()))
                    .collect();
                store.base_of_files(&files, job.tree.version())?
            }
        };
        let public = match repository {
            Some(path) => store::is_public(path.as_std_path(), &base.to_string())?,
            None => false,
        };
        let seconds = match (job.options.date, origin) {
            (Some(seconds), _) => seconds,
            (None, Some(_)) => store.seconds(base)?,
            (None, None) => UNDATED,
        };
        let previous = job
            .options
            .previous
            .as_deref()
            .map(Series::read)
            .transpose()?;
        let edited = match &previous {
            Some(previous) => version::edited(previous)?,
            None => Vec::new(),
        };
        let mut draft = Draft {
            previous,
            edited,
            by_hand: Vec::new(),
            for_review: Vec::new(),
            fixes: BTreeSet::new(),
            job,
            base_info: Base {
                version: job.tree.version().to_owned(),
                module: job.tree.kernel().is_some(),
                revision: origin.map(|_| base.to_string()),
                tree: store.tree_id(base)?.to_string(),
                public,
            },
            maintainers: Maintainers::of(job.tree),
            store,
            base,
            seconds,
            identity,
            commits: Vec::new(),
            patches: Vec::new(),
        };
        for prepared in patches {
            draft.add(prepared)?;
        }
        Ok(draft)
    }

    fn add(&mut self, prepared: Prepared) -> Result<(), Error> {
        let Prepared {
            unit,
            mut plan,
            files,
            written,
            words,
        } = prepared;
        let parent = self.commits.last().copied().unwrap_or(self.base);
        let by_hand = self
            .edited
            .iter()
            .find(|edited| edited.is_of(&plan.groups, &files))
            .cloned();
        let files = match by_hand
            .as_ref()
            .and_then(|edited| Some((edited, edited.diff.as_ref()?)))
        {
            Some((edited, mail)) => version::by_hand(&self.store, parent, edited, mail, &files)?,
            None => files,
        };
        let words = words.as_ref().unwrap_or(self.job.words);
        let learnt = match self.job.origin {
            Some(_) => {
                let names: Vec<&str> = files.keys().map(|path| path.as_str()).collect();
                let base = self.base.to_string();
                // In a repository of our own, whose configuration is nobody else's; its objects are those of the tree's.
                let subjects = store::log_subjects(
                    self.store.path().as_std_path(),
                    &base,
                    &names,
                    unit::HISTORY,
                )?;
                unit::learnt_prefix(&subjects)
            }
            None => None,
        };
        let prefix = learnt.unwrap_or_else(|| match self.maintainers.names(&unit) {
            true => unit.rsplit('/').next().unwrap_or(&unit).to_owned(),
            false => unit::prefix_of(&unit),
        });
        let tested = NOT_TESTED.to_owned();
        let signed = self.identity.as_ref();
        self.find_culprit(&mut plan)?;
        let (subject, message) = match written {
            Some(Written { subject, body }) => {
                let message = text::written(&subject, &body, &tested, signed);
                (subject, message)
            }
            None => {
                let subject = text::subject(&prefix, &plan, words);
                let message = text::message(&subject, &plan, words, &tested, signed);
                (subject, message)
            }
        };
        self.for_review.push(text::for_review(&plan));
        self.by_hand.push(by_hand.clone());
        let (subject, message) = match by_hand.and_then(|edited| edited.message) {
            Some((subject, body)) => {
                let message = text::kept(&subject, &body, signed);
                (subject, message)
            }
            None => (subject, message),
        };
        let author = self.identity.clone().unwrap_or_else(nobody);
        let commit = self
            .store
            .commit(parent, &files, &message, &author, self.seconds)?;
        self.commits.push(commit);
        if plan.fix.is_some() {
            self.fixes.insert(subject.clone());
        }
        self.patches.push(Patch {
            file: String::new(),
            subject,
            groups: plan.groups,
            files: files.keys().map(|path| path.to_string()).collect(),
            changes: plan.changes.into_iter().collect(),
            tested,
            recipients: Default::default(),
            callsites: plan.replaced,
            written: None,
        });
        Ok(())
    }

    /// Writes the mails, proves them right, and runs the checks.
    ///
    /// # Errors
    /// [`Error::Unproven`] when a mail does not say what its commit says, and failures of git.
    pub(crate) fn series(mut self, refused: Vec<Refused>) -> Result<Series, Error> {
        let Job {
            tree,
            options,
            words,
            ..
        } = self.job;
        let tip = self.commits.last().copied().unwrap_or(self.base);
        let previous = self.previous.take();
        let since = match &previous {
            Some(previous) => Some(version::since(&self.store, previous, self.base, tip)?),
            None => None,
        };
        let version = previous.as_ref().map_or(1, |old| old.info.version + 1);
        let (title, body) = self.cover(options, words, previous.as_ref());
        let tables = cover::cover_tables(
            &self.patches,
            &refused,
            &self.base_info,
            self.identity.is_some(),
            since.as_ref(),
        );
        self.store
            .set_branch(tip, &format!("{title}\n\n{}\n\n{tables}", body.trim_end()))?;
        let author = self.identity.clone().unwrap_or_else(nobody);
        let committer = Committer {
            name: author.name,
            email: author.email,
            seconds: self.seconds,
        };
        let base = self.base.to_string();
        let public = self.base_info.public.then_some(base.as_str());
        let mut mails = mbox::write(&self.store, self.base, public, version, &committer)?;
        let patches = mails.iter_mut().filter(|m| !m.file.starts_with("0000-"));
        for (mail, notes) in patches.zip(&self.for_review) {
            if let Some(notes) = notes {
                mbox::add_below(mail, notes)?;
            }
        }
        let checks = self.check(tree, options, &mails)?;
        let recipients = self.recipients(tree, options);
        for (patch, mail) in self
            .patches
            .iter()
            .zip(mails.iter_mut().filter(|m| !m.file.starts_with("0000-")))
        {
            if patch
                .files
                .iter()
                .any(|file| self.maintainers.sends(file, NETDEV))
            {
                let tree = if self.fixes.contains(&patch.subject) {
                    "net"
                } else {
                    "net-next"
                };
                mbox::for_tree(mail, tree)?;
            }
        }
        if let Some(export) = &options.export {
            self.export(export)?;
        }
        Ok(Series {
            info: Info {
                schema: SCHEMA.into(),
                title,
                version,
                api: words.api_name().into(),
                signed: self.identity.is_some(),
                cover: body.trim_end().to_owned() + "\n",
                base: self.base_info,
                recipients,
                patches: self.patches,
                refused,
            },
            checks,
            mails,
        })
    }

    /// Title and body of the cover letter: by hand, from the version before, or our own.
    fn cover(
        &self,
        options: &ConvertOptions,
        words: &Words,
        previous: Option<&Series>,
    ) -> (String, String) {
        if let Some(text) = &options.cover {
            let (title, body) = text.split_once('\n').unwrap_or((text, ""));
            return (title.trim().to_owned(), body.trim().to_owned());
        }
        if let Some(kept) = previous.and_then(version::hand_written) {
            return kept;
        }
        let fixes = self.fixes.len();
        (
            cover::cover_title(words, &self.patches, fixes),
            cover::cover_body(words, &self.patches, fixes),
        )
    }

    /// Reads every mail back, proves the round trip, and runs the tree's scripts.
    fn check(
        &mut self,
        tree: &Tree,
        options: &ConvertOptions,
        mails: &[Mail],
    ) -> Result<Checks, Error> {
        let patch_mails: Vec<Mail> = mails
            .iter()
            .filter(|mail| !mail.file.starts_with("0000-"))
            .cloned()
            .collect();
        if patch_mails.len() != self.commits.len() {
            return Err(Error::Unproven(format!(
                "{} commits became {} mails",
                self.commits.len(),
                patch_mails.len()
            )));
        }
        let round = verify::round_trip(&self.store, self.base, &self.commits, &patch_mails)?;
        let scratch = self.store.scratch().join("scripts");
        std::fs::create_dir_all(&scratch).map_err(Error::io(self.store.path()))?;
        let script = |name| Script::of(tree, name, options.scripts, &scratch);
        let signed = match self.identity.is_some() {
            true => Check::new(
                "signed-off-by",
                Outcome::Passed,
                "by git's user.name and user.email",
            ),
            false => Check::new(
                "signed-off-by",
                Outcome::Failed,
                "a rehearsal, signed by nobody",
            ),
        };
        let mut patches: Vec<PatchChecks> = Vec::new();
        let mut read_by_scripts = Vec::new();
        let repo = self.store.path().as_std_path();
        let below = std::iter::once(self.base).chain(self.commits.clone());
        let steps = below.zip(&self.commits);
        let mails = patch_mails.iter().zip(round).zip(steps);
        let patches_by_hand = self.patches.iter_mut().zip(&self.by_hand);
        for ((patch, by_hand), ((mail, round), (parent, commit))) in patches_by_hand.zip(mails) {
            let read = mbox::read(mail, self.store.scratch())?;
            if read.subject != patch.subject {
                return Err(Error::Unproven(format!(
                    "{}: its subject is `{}`",
                    mail.file, read.subject
                )));
            }
            patch.file = mail.file.clone();
            let written = mbox::digest(&mbox::parse(mail)?);
            patch.written = Some(match by_hand {
                Some(edited) => edited.digest(written),
                None => written,
            });
            let file = self.store.scratch().join(&mail.file);
            std::fs::write(&file, &mail.bytes).map_err(Error::io(self.store.path()))?;
            let mut checks: Vec<Check> = round.into();
            checks.push(Check::new(
                "mail",
                Outcome::Passed,
                "git mailinfo and mail-parser read the same",
            ));
            checks.push(signed.clone());
            let reversed = self
                .store
                .scratch()
                .join(format!("reversed-{}", patch.file));
            let back = store::diff(repo, &commit.to_string(), &parent.to_string())?;
            std::fs::write(&reversed, back).map_err(Error::io(self.store.path()))?;
            let (recipients, check) = get_maintainer(&script("get_maintainer.pl"), &file);
            patch.recipients = recipients;
            read_by_scripts.push((file, reversed));
            checks.push(check);
            checks.push(Check::new("compile", Outcome::Skipped, "not compiled yet"));
            patches.push(PatchChecks {
                subject: patch.subject.clone(),
                checks,
                shown: None,
            });
        }
        let style = checkpatch(&script("checkpatch.pl"), &read_by_scripts);
        for (patch, check) in patches.iter_mut().zip(style) {
            // Before what get_maintainer.pl says and what has compiled, as a series of an earlier version has it.
            let at = patch.checks.len().saturating_sub(2);
            patch.checks.insert(at, check);
        }
        Ok(Checks {
            schema: "checks/1".into(),
            series: Vec::new(),
            patches,
        })
    }

    fn export(&self, export: &Export) -> Result<(), Error> {
        let into = export.into.as_std_path();
        if git2::Repository::discover(into).is_err() {
            return Err(Error::NoRepository(export.into.clone()));
        }
        if store::branch_exists(into, &export.branch)? {
            return Err(Error::BranchExists {
                branch: export.branch.clone(),
                into: export.into.clone(),
            });
        }
        let from = self.store.path().as_std_path();
        let tip = self
            .commits
            .last()
            .copied()
            .unwrap_or(self.base)
            .to_string();
        let base = self.base.to_string();
        let base = store::has_commit(into, &base)?.then_some(base);
        let bundle = self.store.scratch().join("branch.bundle");
        store::bundle(from, BRANCH, base.as_deref(), &bundle)?;
        store::unbundle(into, &bundle)?;
        store::create_branch(into, &export.branch, &tip)?;
        Ok(())
    }
}
