// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of a series become patches, each on top of the one before it.

use super::clash;
use super::definition::{Definition, Override, Step, Variant, find, simplest};
use super::introduce;
use super::one_exit::one_exit;
use crate::commit::Files;
use crate::convert::{Conversion, identity, nothing, planned, read, select};
use crate::draft::{Draft, Job, Prepared, Written};
use crate::edits::{self, Edit, Functions, Planned, Source, Sources, Words, carry_out, ordered};
use crate::error::Error;
use crate::info::Refused;
use crate::options::{Api, ConvertOptions, Select};
use crate::origin::origin;
use crate::series::text::paragraphs;
use crate::series::{Series, unit};
use callsites::report::{Era, Report, Role, Verdict};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// The header that declares what callers use.
const HEADER: &str = "include/linux/mm.h";

/// Makes the series called `name` for a tree that has been audited.
///
/// # Errors
/// [`Error::NoSuchSeries`], [`Error::StepRefused`] where a step does not find the structure that it rewrites, and what
/// [`convert`](crate::convert()) fails with.
pub fn convert(
    tree: &Tree,
    report: &Report,
    name: &str,
    options: &ConvertOptions,
) -> Result<Series, Error> {
    let (definition, variant) = find(name).ok_or_else(|| Error::NoSuchSeries {
        name: name.to_owned(),
        known: super::names(),
    })?;
    if report.tree.era != Era::PutPage {
        return Err(Error::StepRefused {
            step: "introduce".into(),
            why: format!(
                "Linux {} has releasing functions for user pages",
                report.tree.version
            ),
        });
    }
    let mut run = Run::new(tree, report.clone());
    for step in &definition.step {
        run.step(step, variant)?;
    }
    run.finish(definition, options)
}

/// Converts the selected groups of a tree that has no releasing functions for user pages: the first patch introduces the
/// simplest ones, the others are those of [`convert`](crate::convert()).
///
/// # Errors
/// As [`convert()`], and [`Error::Nothing`] when no group could be converted.
pub(crate) fn introduced(
    tree: &Tree,
    report: &Report,
    options: &ConvertOptions,
) -> Result<Series, Error> {
    introducing(tree, report, options)?.series(options)
}

/// What [`introduced`] makes commits of.
///
/// # Errors
/// As of [`introduced`]; no git is asked.
pub(crate) fn prepare(
    tree: &Tree,
    report: &Report,
    options: &ConvertOptions,
) -> Result<Conversion, Error> {
    let run = introducing(tree, report, options)?;
    Ok(Conversion {
        words: run.words.ok_or_else(without_functions)?,
        sources: run.sources,
        patches: run.patches,
        refused: run.refused,
    })
}

fn without_functions() -> Error {
    Error::Unproven("nothing was introduced".into())
}

fn introducing<'a>(
    tree: &'a Tree,
    report: &Report,
    options: &ConvertOptions,
) -> Result<Run<'a>, Error> {
    let (definition, variant) = simplest();
    let mut run = Run::new(tree, report.clone());
    for step in &definition.step {
        if let Step::Introduce { subject, body } = step {
            run.introduce(variant, subject, body)?;
        }
    }
    run.selected(&options.select)?;
    Ok(run)
}

/// What has been prepared so far.
struct Run<'a> {
    tree: &'a Tree,
    report: Report,
    sources: Sources,
    edits: BTreeMap<Utf8PathBuf, Vec<Edit>>,
    words: Option<Words>,
    patches: Vec<Prepared>,
    refused: Vec<Refused>,
}

impl<'a> Run<'a> {
    fn new(tree: &'a Tree, report: Report) -> Run<'a> {
        Run {
            tree,
            report,
            sources: Sources::new(),
            edits: BTreeMap::new(),
            words: None,
            patches: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step, variant: &Variant) -> Result<(), Error> {
        match step {
            Step::OneExit {
                file,
                function,
                label,
                subject,
                body,
            } => {
                let source = self.source(file, function)?;
                let exit = one_exit(source, function, label).map_err(refused("one-exit"))?;
                let body = body
                    .replace("{function}", function)
                    .replace("{returns}", &exit.returns.to_string());
                let edits = BTreeMap::from([(file.clone(), exit.edits)]);
                self.add(edits, Planned::default(), Some((subject.clone(), body)))
            }
            Step::Introduce { subject, body } => self.introduce(variant, subject, body),
            Step::Convert {
                paths,
                arrays,
                overrides,
            } => self.convert(paths, *arrays, overrides),
        }
    }

    /// A file with one of its functions parsed.
    fn source(&mut self, file: &Utf8Path, function: &str) -> Result<&Source, Error> {
        let source = Source::read(self.tree, file, &[function].into())?;
        self.sources.insert(file.to_owned(), source);
        Ok(&self.sources[file])
    }

    fn introduce(&mut self, variant: &Variant, subject: &str, body: &str) -> Result<(), Error> {
        let refused = refused("introduce");
        let renamed = clash::check(self.tree, &variant.introduces)?.map_err(&refused)?;
        let mut edits: BTreeMap<Utf8PathBuf, Vec<Edit>> = BTreeMap::new();
        for place in &variant.place {
            let source = self.source(&place.file, &place.after)?;
            let edit = introduce::place(source, place).map_err(&refused)?;
            edits.entry(place.file.clone()).or_default().push(edit);
        }
        let mut body = body.to_owned();
        for file in renamed {
            for (old, new) in &file.names {
                body.push_str(&format!(
                    "\n{} has a static function {old}() of its own, which would clash with the declaration in {HEADER}. \
                     It becomes {new}().\n",
                    file.source.path
                ));
            }
            edits.insert(file.source.path.clone(), file.edits);
            let mut source = file.source;
            source.renamed = file.names;
            self.sources.insert(source.path.clone(), source);
        }
        let names: Vec<String> = variant
            .introduces
            .iter()
            .map(|n| format!("{n}()"))
            .collect();
        let names = match names.split_last() {
            Some((last, most)) if !most.is_empty() => format!("{} and {last}", most.join(", ")),
            _ => names.join(""),
        };
        let first = variant.introduces.first().map_or("", String::as_str);
        let subject = subject.replace("{first}", first);
        let body = body.replace("{names}", &names);
        self.add(edits, Planned::default(), Some((subject, body)))?;
        let header = Utf8Path::new(HEADER);
        let after = self.contents(header)?;
        let words = Words::of(
            Api::PutUserPage,
            Era::PutUserPage,
            &Functions::Header(after),
        );
        self.words = Some(words.map_err(&refused)?);
        Ok(())
    }

    fn convert(
        &mut self,
        paths: &[Utf8PathBuf],
        arrays: bool,
        overrides: &[Override],
    ) -> Result<(), Error> {
        let Some(words) = self.words.clone() else {
            return Err(Error::Unproven(
                "a step converts before there are functions".into(),
            ));
        };
        let words = Words {
            split_loops: arrays,
            ..words
        };
        let overruled = overrule(&mut self.report, overrides);
        let groups = select(&self.report, &Select::Paths(paths.to_vec()))?;
        let renamed: Vec<_> = self
            .sources
            .iter()
            .map(|(path, s)| (path.clone(), s.renamed.clone()))
            .collect();
        let mut sources = read(self.tree, &self.report, &groups)?;
        for (path, names) in renamed {
            if let Some(source) = sources.get_mut(&path) {
                source.renamed = names;
            }
        }
        let mut plan: Option<Planned> = None;
        for group in groups {
            match edits::group(&sources, &self.report, group, &words) {
                Ok(more) => {
                    plan = Some(match plan {
                        Some(plan) => plan.join(more),
                        None => more,
                    });
                }
                Err(reasons) => self.refused.push(Refused {
                    group: group.id.clone(),
                    subsystem: group.subsystem.clone(),
                    reasons,
                    next: edits::next(&self.report, group),
                }),
            }
        }
        let Some(mut plan) = plan else {
            let all: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
            let why = format!("nothing under {} can be converted", all.join(", "));
            return Err(refused("convert")(why));
        };
        plan.remarks.extend(overruled);
        let edits = plan.finish(&sources).map_err(Error::Unproven)?;
        self.sources.extend(sources);
        self.add(edits, plan, None)?;
        if let Some(last) = self.patches.last_mut() {
            last.words = Some(words);
        }
        Ok(())
    }

    /// The selected groups, a patch for each unit.
    fn selected(&mut self, selection: &Select) -> Result<(), Error> {
        let Some(words) = &mut self.words else {
            return Err(without_functions());
        };
        words.introduced_first = true;
        let words = words.clone();
        let (sources, plans, refused) =
            planned(self.tree, &self.report, selection, &words, &self.sources)?;
        if plans.is_empty() {
            return Err(nothing(&refused, false));
        }
        self.refused.extend(refused);
        let mut patches = Vec::new();
        for (unit, plan) in unit::patches(plans, None) {
            let edits = plan.finish(&sources).map_err(Error::Unproven)?;
            patches.push((unit, edits, plan));
        }
        self.sources.extend(sources);
        for (unit, edits, plan) in patches {
            self.add(edits, plan, None)?;
            if let Some(last) = self.patches.last_mut() {
                last.unit = unit;
            }
        }
        Ok(())
    }

    /// A patch of `edits` on top of all edits so far.
    fn add(
        &mut self,
        edits: BTreeMap<Utf8PathBuf, Vec<Edit>>,
        plan: Planned,
        words: Option<(String, String)>,
    ) -> Result<(), Error> {
        let mut files = Files::new();
        let touched: Vec<Utf8PathBuf> = edits.keys().cloned().collect();
        for (path, edits) in edits {
            edits::upon(self.edits.entry(path).or_default(), edits);
        }
        for path in touched {
            let bytes = self.contents(&path)?;
            files.insert(path, bytes);
        }
        let unit = match plan.replaced.is_empty() {
            true => files.keys().next().map(|path| unit::unit(path.as_str())),
            false => Some(unit::most_touched(&plan)),
        };
        self.patches.push(Prepared {
            unit: unit.unwrap_or_default(),
            plan,
            files,
            written: words.map(|(subject, body)| Written {
                subject,
                body: paragraphs(&body),
            }),
            words: None,
        });
        Ok(())
    }

    /// A file with all edits so far.
    fn contents(&self, path: &Utf8Path) -> Result<Vec<u8>, Error> {
        let base = &self.sources[path].bytes;
        let edits = self.edits.get(path).cloned().unwrap_or_default();
        let edits = ordered(edits, base.len())
            .map_err(|overlap| Error::Unproven(format!("edits of {path} overlap: {overlap:?}")))?;
        Ok(carry_out(base, &edits))
    }

    fn finish(self, definition: &Definition, options: &ConvertOptions) -> Result<Series, Error> {
        let mut options = options.clone();
        if options.cover.is_none() && options.previous.is_none() {
            let body = paragraphs(&definition.cover);
            options.cover = Some(format!("{}\n\n{body}\n", definition.title));
        }
        self.series(&options)
    }

    fn series(self, options: &ConvertOptions) -> Result<Series, Error> {
        let words = self.words.ok_or_else(without_functions)?;
        let origin = origin(self.tree)?;
        let identity = identity(origin.as_ref(), options.signer)?;
        let job = Job {
            tree: self.tree,
            options,
            words: &words,
            sources: &self.sources,
            origin: origin.as_ref(),
        };
        Draft::commit(job, self.patches, identity)?.series(self.refused)
    }
}

fn refused(step: &'static str) -> impl Fn(String) -> Error {
    move |why| Error::StepRefused {
        step: step.into(),
        why,
    }
}

/// Lets the report say `convert` of the named files' groups; gives the reasons of those that it changed.
fn overrule(report: &mut Report, overrides: &[Override]) -> Vec<String> {
    let mut reasons = Vec::new();
    for one in overrides {
        let mut groups = Vec::new();
        for site in &mut report.callsites {
            if one.path == site.path.as_str()
                && site.verdict == Verdict::Keep
                && site.group.is_some()
            {
                groups.extend(site.group.clone());
                if site.role != Role::Dirty {
                    site.verdict = Verdict::Convert;
                }
            }
        }
        for group in &mut report.groups {
            if groups.contains(&group.id) {
                group.convertible = true;
                group.blocked_by.clear();
            }
        }
        if !groups.is_empty() {
            reasons.push(one.reason.trim().to_owned());
        }
    }
    reasons
}
