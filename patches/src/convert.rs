// SPDX-License-Identifier: MIT OR Apache-2.0
//! An audit becomes a series, on a tree that has the functions to convert to.

use crate::base;
use crate::commit::{Files, Identity};
use crate::draft::{Draft, Job, Prepared};
use crate::edits::ladder::Kernels;
use crate::edits::layout::columns;
use crate::edits::{
    self, Edit, Functions, Planned, Source, Sources, Words, carry_out, ordered, upon,
};
use crate::error::Error;
use crate::info::Refused;
use crate::options::{Api, ConvertOptions, Select, Signer};
use crate::origin::{Origin, origin};
use crate::series::Series;
use crate::series::unit;
use callsites::index::ir::Linkage;
use callsites::index::ladder::Ladder;
use callsites::report::{Group, Report, When};
use callsites::tree::{Kernel, Tree, VersionCode};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Converts the selected groups of an audited tree to functions that it has.
///
/// # Errors
/// [`Error::Nothing`] when no group could be converted, and whatever stops git, the file system or a check of our own.
pub(crate) fn convert(
    tree: &Tree,
    report: &Report,
    options: &ConvertOptions,
) -> Result<Series, Error> {
    let prepared = prepare(tree, report, options)?;
    let origin = origin(tree)?;
    let identity = identity(origin.as_ref(), options.signer)?;
    let job = Job {
        tree,
        options,
        words: &prepared.words,
        sources: &prepared.sources,
        origin: origin.as_ref(),
    };
    Draft::commit(job, prepared.patches, identity)?.series(prepared.refused)
}

/// Patches before they are commits, with what they were made from.
pub(crate) struct Conversion {
    /// The releasing functions.
    pub words: Words,
    /// The files before the edits.
    pub sources: Sources,
    /// In the order in which they apply.
    pub patches: Vec<Prepared>,
    /// Groups that are left alone.
    pub refused: Vec<Refused>,
}

/// What [`convert`] makes commits of.
///
/// # Errors
/// As of [`convert`]; no git is asked.
pub(crate) fn prepare(
    tree: &Tree,
    report: &Report,
    options: &ConvertOptions,
) -> Result<Conversion, Error> {
    let words = words(tree, report, options.api)?;
    let (sources, mut plans, refused) =
        planned(tree, report, &options.select, &words, &Sources::new())?;
    if options.fixes {
        plans.retain(|plan| plan.fix.is_some());
    }
    if plans.is_empty() {
        return Err(nothing(&refused, options.fixes));
    }
    let kernels = match tree.kernel().is_some() || options.oldest.is_some() {
        false => None,
        true => Some(Kernels {
            oldest: options.oldest,
            audited: VersionCode::of(tree.version())
                .ok_or_else(|| Error::Unproven(format!("{} is no release", tree.version())))?,
            ladder: Ladder::of(tree),
        }),
    };
    let plans = unit::patches(plans, module(tree).as_deref());
    let patches = contents(&sources, plans, kernels.as_ref())?;
    Ok(Conversion {
        words,
        sources,
        patches,
        refused,
    })
}

/// The name of a module outside the kernel, which is one driver: that of its directory.
fn module(tree: &Tree) -> Option<String> {
    tree.kernel()?;
    let place = tree.root().or(tree.repository().map(|(path, _)| path))?;
    let name = place.canonicalize_utf8().ok()?;
    name.file_name().map(str::to_owned)
}

/// That none of the selected groups could be converted, with the reasons; or that none has something to fix.
pub(crate) fn nothing(refused: &[Refused], fixes: bool) -> Error {
    let reasons = refused.iter().flat_map(|group| {
        let why = group.reasons.iter();
        why.map(|why| format!("{}: {why}", group.subsystem))
    });
    Error::Nothing {
        groups: refused.len(),
        fixes,
        reasons: reasons.collect(),
    }
}

/// Plans the selected groups: the files, what each group becomes, and those that are left alone. `before` are the files that
/// earlier patches of the series change: their functions may have other names by now.
pub(crate) fn planned(
    tree: &Tree,
    report: &Report,
    select: &Select,
    words: &Words,
    before: &Sources,
) -> Result<(Sources, Vec<Planned>, Vec<Refused>), Error> {
    let selected = self::select(report, select)?;
    let mut sources = read(tree, report, &selected)?;
    for (path, source) in before {
        if let Some(other) = sources.get_mut(path) {
            other.renamed.clone_from(&source.renamed);
        }
    }
    let (plans, refused) = plan(&sources, report, &selected, words);
    Ok((sources, plans, refused))
}

pub(crate) fn words(tree: &Tree, report: &Report, api: Api) -> Result<Words, Error> {
    let header = |tree, path| base::read(tree, Utf8Path::new(path));
    let of_tree = |tree| {
        let memory = header(tree, "include/linux/mm.h")?;
        // A tree without iterators has nothing of theirs to convert.
        let iterators = header(tree, "include/linux/uio.h").unwrap_or_default();
        Ok::<_, Error>((Functions::Header(memory), Functions::Header(iterators)))
    };
    let (functions, iterators) = match tree.kernel() {
        None => of_tree(tree)?,
        Some(Kernel::Tree(kernel)) => of_tree(kernel)?,
        Some(Kernel::Release(number)) => (Functions::release(number), Functions::release(number)),
    };
    let words = Words::of(api, report.tree.era, &functions).and_then(|words| {
        match words.introduced_first && tree.kernel().is_some() {
            // A series for a module cannot add a function to the kernel.
            true => Err("put_user_page() came with 5.2".into()),
            false => Ok(words),
        }
    });
    let words = words.map(|words| Words {
        tree_wide: words.api == Api::PutUserPage
            && !words.introduced_first
            && tree.kernel().is_none(),
        ..words.with_iterators(&iterators)
    });
    words.map_err(|why| Error::ApiMissing {
        api: match api {
            Api::PutUserPage => "put_user_page",
            _ => "pin",
        },
        version: report.tree.version.clone(),
        why,
    })
}

pub(crate) fn select<'a>(report: &'a Report, select: &Select) -> Result<Vec<&'a Group>, Error> {
    let chosen = |test: &dyn Fn(&Group) -> bool| report.groups.iter().filter(|g| test(g)).collect();
    match select {
        // Groups in which nothing is left to convert are no news.
        Select::All => Ok(chosen(&|group| has_work(report, group))),
        Select::Paths(paths) => Ok(chosen(&|group| {
            let files = edits::files(report, group);
            let inside = |file: &&str| {
                paths
                    .iter()
                    .any(|path| Utf8Path::new(file).starts_with(path))
            };
            files.iter().any(inside) && has_work(report, group)
        })),
        Select::Groups(ids) => ids
            .iter()
            .map(|id| {
                let found = report.groups.iter().find(|group| &group.id == id);
                found.ok_or_else(|| Error::NoSuchGroup(id.clone()))
            })
            .collect(),
    }
}

/// Whether a member gives pages back as if they had been allocated.
fn frees(report: &Report, group: &Group) -> bool {
    let kind = |call: &str| {
        refimpl::api::catalogue()
            .get(call)
            .map(|known| known.kind.as_str())
    };
    report.callsites.iter().any(|site| {
        site.group.as_ref() == Some(&group.id)
            && site.verdict == callsites::report::Verdict::Convert
            && kind(&site.call) == Some("free")
    })
}

fn has_work(report: &Report, group: &Group) -> bool {
    let nothing_left = !group.convertible && group.blocked_by.is_empty();
    !nothing_left
        && report.callsites.iter().any(|site| {
            site.group.as_ref() == Some(&group.id)
                && site.verdict == callsites::report::Verdict::Convert
        })
}

/// The functions with releases of a group that other files of their directory may call, each with that directory.
fn others_may_call(
    sources: &Sources,
    report: &Report,
    group: &Group,
) -> BTreeSet<(Utf8PathBuf, String)> {
    let sites = report.callsites.iter();
    let releases = sites.filter(|site| group.releases.contains(&site.id));
    releases
        .filter_map(|site| {
            let source = sources.get(Utf8Path::new(&site.path))?;
            let mut functions = source.facts.functions.iter();
            let function = functions.find(|function| function.name == site.function)?;
            let shared = function.linkage != Linkage::Static;
            let directory = source.path.parent()?.to_owned();
            shared.then(|| (directory, site.function.clone()))
        })
        .collect()
}

/// The headers that a file includes by a name in quotes, those that these include, and the headers of its subsystem: the
/// record that holds the pages may be in one of them.
fn headers(tree: &Tree, sources: &mut Sources, of: &Source) -> Result<(), Error> {
    let mut wanted: Vec<Utf8PathBuf> = of.includes().into_iter().collect();
    wanted.extend(of.subsystem_includes());
    while let Some(path) = wanted.pop() {
        let same = |file: &Utf8PathBuf| file.as_str().cmp(path.as_str());
        if sources.contains_key(&path) || tree.files().binary_search_by(same).is_err() {
            continue;
        }
        let header = Source::whole(&path, base::read(tree, &path)?);
        wanted.extend(header.includes());
        sources.insert(path, header);
    }
    Ok(())
}

pub(crate) fn read(tree: &Tree, report: &Report, groups: &[&Group]) -> Result<Sources, Error> {
    let mut sources = Sources::new();
    let asks = |group: &&&Group| group.plan.iter().any(|step| step.when == When::WillPin);
    for group in groups.iter().filter(asks) {
        for path in edits::files(report, group) {
            let path = Utf8PathBuf::from(path);
            let source = Source::whole(&path, base::read(tree, &path)?);
            headers(tree, &mut sources, &source)?;
            sources.insert(path, source);
        }
        let names = others_may_call(&sources, report, group);
        for (directory, name) in names {
            let beside = tree
                .files()
                .iter()
                .filter(|path| path.parent() == Some(&directory) && path.extension() == Some("c"));
            for path in beside {
                if sources.contains_key(path) {
                    continue;
                }
                let bytes = base::read(tree, path)?;
                if bstr::ByteSlice::contains_str(bytes.as_slice(), name.as_str()) {
                    sources.insert(path.clone(), Source::whole(path, bytes));
                }
            }
        }
    }
    for group in groups
        .iter()
        .filter(|group| group.convertible || !group.plan.is_empty() || frees(report, group))
    {
        for path in edits::files(report, group) {
            let path = Utf8PathBuf::from(path);
            if let Entry::Vacant(vacant) = sources.entry(path) {
                let path = vacant.key();
                let sites = report.callsites.iter().filter(|site| site.path == *path);
                let names = sites.map(|site| site.function.as_str()).collect();
                let source = Source::read(tree, path, &names)?;
                vacant.insert(source);
            }
        }
    }
    let columns = columns(report.tree.era, &report.tree.version);
    for source in sources.values_mut() {
        source.columns = columns;
    }
    Ok(sources)
}

fn plan(
    sources: &Sources,
    report: &Report,
    groups: &[&Group],
    words: &Words,
) -> (Vec<Planned>, Vec<Refused>) {
    let mut plans = Vec::new();
    let mut refused = Vec::new();
    for group in groups {
        plans.extend(edits::freed(sources, report, group));
        match edits::group(sources, report, group, words) {
            Ok(plan) => plans.push(plan),
            Err(reasons) => refused.push(Refused {
                group: group.id.clone(),
                subsystem: subsystem(report, group),
                reasons,
                next: edits::next(report, group),
            }),
        }
    }
    (plans, refused)
}

/// Where a group is at home: the directory that its files share, or the directories of its acquires where they share none.
fn subsystem(report: &Report, group: &Group) -> String {
    // More would be a list in front of a sentence.
    const SHOWN: usize = 3;
    if group.subsystem != "." {
        return group.subsystem.clone();
    }
    let sites = report.callsites.iter();
    let acquires = sites.filter(|site| group.acquires.contains(&site.id));
    let directories: BTreeSet<&str> = acquires
        .filter_map(|site| site.path.rsplit_once('/'))
        .map(|(directory, _)| directory)
        .collect();
    match directories.len() {
        0 => group.subsystem.clone(),
        more if more > SHOWN => {
            let first: Vec<&str> = directories.into_iter().take(SHOWN).collect();
            format!("{} and others", first.join(", "))
        }
        _ => directories.into_iter().collect::<Vec<_>>().join(", "),
    }
}

/// Every patch stands on those before it: a call that a fix has changed may be changed once more.
fn contents(
    sources: &Sources,
    patches: Vec<(String, Planned)>,
    kernels: Option<&Kernels>,
) -> Result<Vec<Prepared>, Error> {
    let mut so_far: BTreeMap<Utf8PathBuf, Vec<Edit>> = BTreeMap::new();
    let mut written = BTreeSet::new();
    let mut prepared = Vec::new();
    for (unit, mut plan) in patches {
        if kernels.is_some() {
            // An arm of #if cannot begin within a comment.
            plan.without_comments();
        }
        let touched = plan.finish(sources).map_err(Error::Unproven)?;
        let paths: Vec<Utf8PathBuf> = touched.keys().cloned().collect();
        for (path, edits) in touched {
            upon(so_far.entry(path).or_default(), edits);
        }
        written.extend(plan.written.iter().cloned());
        let floor = match kernels {
            None => None,
            Some(kernels) => {
                let files = so_far.keys().map(|path| sources[path].bytes.as_slice());
                let floor = kernels.floor(&files.collect::<Vec<_>>(), &written);
                floor.map_err(|why| kernels.refused(why))?
            }
        };
        let arms = floor
            .as_ref()
            .zip(kernels)
            .filter(|(_, kernels)| kernels.oldest.is_some());
        let mut files = Files::new();
        for path in paths {
            let bytes = &sources[&path].bytes;
            let whole = ordered(so_far[&path].clone(), bytes.len()).map_err(|overlap| {
                Error::Unproven(format!("edits of {path} overlap: {overlap:?}"))
            })?;
            let after = match arms {
                Some((floor, kernels)) => floor
                    .carry_out(&kernels.ladder, bytes, &whole)
                    .map_err(|why| kernels.refused(format!("{path}: {why}")))?,
                None => carry_out(bytes, &whole),
            };
            files.insert(path, after);
        }
        match (&floor, arms) {
            (_, Some((floor, kernels))) => plan.stands_in_arms(kernels, floor),
            (Some(floor), None) => plan.needs(floor),
            (None, None) => {}
        }
        prepared.push(Prepared {
            unit,
            plan,
            files,
            written: None,
            words: None,
        });
    }
    Ok(prepared)
}

/// Who signs; None for a rehearsal.
pub(crate) fn identity(origin: Option<&Origin>, signer: Signer) -> Result<Option<Identity>, Error> {
    if signer == Signer::Unsigned {
        return Ok(None);
    }
    let dir = origin.map_or(Utf8Path::new("."), |origin| origin.repository.as_path());
    let get = |key| {
        let value = proc::git::user_config(dir.as_std_path(), key)?;
        value.ok_or(Error::NoIdentity(key))
    };
    Ok(Some(Identity {
        name: get("user.name")?,
        email: get("user.email")?,
    }))
}
