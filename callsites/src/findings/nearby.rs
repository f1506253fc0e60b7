// SPDX-License-Identifier: MIT OR Apache-2.0
//! What dirties pages near calls, and was not explained by the flow.

use super::kind_mismatch::Origin;
use super::view::View;
use crate::flow::hash::FastMap;
use crate::index::lex::{code, has_word, words};
use crate::report::Callsite;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Dirties, Function as Known, Role, followed};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// The files of a directory that dirty pages of which the flow does not know where they come from, with the words in them.
type Dirtying = BTreeMap<String, BTreeSet<String>>;

/// What dirties pages, by directory: each is looked through once.
pub(super) struct Nearby<'v> {
    view: &'v View<'v>,
    calls: Vec<&'static Known>,
    /// Files whose dirtying calls the flow explains.
    explained: BTreeSet<&'v str>,
    seen: RefCell<HashMap<Utf8PathBuf, Rc<Dirtying>>>,
}

impl<'v> Nearby<'v> {
    pub(super) fn of(view: &'v View<'v>) -> Self {
        let dirties = |f: &&Known| {
            f.role == Role::Dirty || f.role == Role::Release && f.dirties != Dirties::No
        };
        let calls: Vec<&Known> = followed().functions().filter(dirties).collect();
        let names: BTreeSet<&str> = calls.iter().map(|f| f.name.as_str()).collect();
        let groups = view.input.groups.iter();
        let acquiring: FastMap<&str, bool> = groups
            .map(|group| (group.id.as_str(), !group.acquires.is_empty()))
            .collect();
        // What is given pages of several kinds stands in no group, and is explained all the same.
        let explained = |site: &&Callsite| {
            let group = site.group.as_deref().and_then(|id| acquiring.get(id));
            let known = |text: &String| Origin::of_kind(text).is_some();
            group.is_some_and(|acquires| *acquires) || site.origins.iter().any(known)
        };
        let sites = view.input.callsites.iter();
        let sites = sites.filter(|site| names.contains(site.call.as_str()));
        Self {
            view,
            explained: sites.filter(explained).map(|s| s.path.as_str()).collect(),
            calls,
            seen: RefCell::default(),
        }
    }

    fn look(&self, directory: &Utf8Path) -> Rc<Dirtying> {
        if let Some(known) = self.seen.borrow().get(directory) {
            return Rc::clone(known);
        }
        let found = RefCell::new(Dirtying::new());
        (self.view.input.any_in)(directory, &|path, bytes| {
            if !self.explained.contains(path.as_str())
                && self
                    .calls
                    .iter()
                    .any(|f| has_word(bytes, f.name.as_bytes()))
            {
                let code = code(bytes);
                let words = words(&code).filter_map(|word| std::str::from_utf8(word).ok());
                let words: BTreeSet<String> = words.map(str::to_owned).collect();
                if self.calls.iter().any(|f| words.contains(f.name.as_str())) {
                    found.borrow_mut().insert(path.to_string(), words);
                }
            }
            false
        });
        let found = Rc::new(found.into_inner());
        self.seen
            .borrow_mut()
            .insert(directory.to_owned(), Rc::clone(&found));
        found
    }

    /// Whether something in the files of these calls, or in a file of the same directory that knows a record of theirs,
    /// dirties pages of which the flow does not know where they come from: they may be these.
    pub(super) fn dirties(&self, members: &[&Callsite]) -> bool {
        let directories: BTreeSet<&Utf8Path> = members
            .iter()
            .filter_map(|site| Utf8Path::new(&site.path).parent())
            .collect();
        let files: BTreeSet<&str> = members.iter().map(|site| site.path.as_str()).collect();
        let records = records(self.view, members);
        directories.into_iter().any(|directory| {
            self.look(directory).iter().any(|(path, words)| {
                files.contains(path.as_str()) || records.iter().any(|tag| words.contains(*tag))
            })
        })
    }
}

/// The records that the functions of these calls are given.
fn records<'v>(view: &'v View<'_>, members: &[&Callsite]) -> BTreeSet<&'v str> {
    let mut records = BTreeSet::new();
    for site in members {
        let Some(file) = view.file(&site.path) else {
            continue;
        };
        for function in view.around(file, site.span) {
            let tags = function.params.iter().map(|param| param.ty.name.as_str());
            records.extend(tags.filter_map(|name| name.strip_prefix("struct ")));
        }
    }
    records
}
