// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stage: an overlay laid over, objects and image made.

use super::changes::{Compiled, functions_of};
use super::everything::Plan;
use super::fault::machine;
use super::objects::{ObjectBuild, compile_everywhere};
use super::run::Prepared;
use super::shadow::Overlay;
use super::warnings::{Warning, parse};
use crate::config::{self, Fragment};
use crate::error::Error;
use crate::options::What;
use crate::series::Staged;
use crate::source::Source;
use crate::target::TargetSpec;
use crate::verdict::Outcome;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// What one stage's make came to.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub result: Outcome,
    pub reason: Option<String>,
    pub objects: Vec<ObjectBuild>,
    pub warnings: BTreeMap<Warning, usize>,
    /// Of the touched files that were compiled.
    pub functions: BTreeMap<Utf8PathBuf, Compiled>,
    pub seconds: f64,
}

/// Lays `overlay` over, compiles the objects of `files`, and with [`What::Image`] the image.
pub(crate) fn make_stage(
    prepared: &Prepared,
    plan: &Plan,
    overlay: &Overlay,
    files: &[Utf8PathBuf],
    what: What,
    again: bool,
    logs: &Utf8Path,
) -> Result<Made, Error> {
    let started = std::time::Instant::now();
    prepared.shadow.set(overlay)?;
    std::fs::create_dir_all(logs).map_err(Error::io("make directory", logs))?;
    let (objects, mut warnings) = compile_everywhere(plan, files, again, logs)?;
    let failed = objects.iter().find(|o| o.result == Outcome::Fail);
    let mut result = if failed.is_some() {
        Outcome::Fail
    } else {
        Outcome::Pass
    };
    let mut reason = failed.map(|o| {
        let why = o.reason.as_deref().unwrap_or("failed");
        format!("{} does not compile: {why}", o.path)
    });
    let compiled = objects.iter().any(|o| o.result == Outcome::Pass);
    if what == What::Objects && result == Outcome::Pass && !files.is_empty() && !compiled {
        result = Outcome::Skip;
        reason = Some("no object of what it touches is compiled here".into());
    }
    if what == What::Image && result == Outcome::Pass {
        let image = prepared.kbuild.image().1;
        let made = prepared
            .kbuild
            .make_image(&logs.join("make.log"))
            .map_err(Error::child("build the image"))?;
        let said = format!("{}\n{}", made.stdout_text(), made.stderr_text());
        for (warning, count) in parse(&said, prepared.kbuild.source.as_str()) {
            *warnings.entry(warning).or_default() += count;
        }
        if !made.success() || !image.is_file() {
            machine("build the image", &said, &prepared.kbuild.output)?;
            let line = said
                .lines()
                .find(|l| l.contains("error:") || l.contains("undefined reference"));
            let line = line.or_else(|| said.lines().find(|l| l.contains("***")));
            result = Outcome::Fail;
            reason = Some(format!(
                "the image does not build: {}",
                line.unwrap_or("make failed").trim()
            ));
        }
    }
    let mut functions = BTreeMap::new();
    for group in &plan.groups {
        let own = files.iter().filter(|file| group.files.contains(file));
        let own: Vec<Utf8PathBuf> = own.cloned().collect();
        functions.extend(functions_of(&group.kbuild.output, &own));
    }
    Ok(Made {
        result,
        reason,
        objects,
        warnings,
        functions,
        seconds: started.elapsed().as_secs_f64(),
    })
}

pub(crate) fn strings(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(Warning::to_string).collect()
}

pub(crate) fn hash(file: &Utf8Path) -> Result<String, Error> {
    let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// The user's fragments alone.
pub(crate) fn fragment_of_user(user: &[Utf8PathBuf]) -> Result<Fragment, Error> {
    let fragments = user.iter().map(|path| Fragment::read(path));
    let fragments = fragments.collect::<Result<Vec<_>, _>>()?;
    Ok(config::merge(&fragments))
}

/// The base's fragment, those of all targets that are booted (one configuration serves all, so that its output directory
/// is built once), and the user's; what the release of `source` does not have is left out.
pub(crate) fn fragment(source: &Source, user: &[Utf8PathBuf]) -> Result<Fragment, Error> {
    let version = source.kernel_version()?;
    let mut fragments = vec![config::base()?];
    let booted = |target: &TargetSpec| target.guest().is_some();
    fragments.extend(
        crate::target::all()?
            .into_iter()
            .filter(booted)
            .map(|target| target.fragment),
    );
    for path in user {
        fragments.push(Fragment::read(path)?);
    }
    Ok(config::merge(&fragments).at(version))
}

pub(crate) fn touched(staged: &[Staged]) -> Vec<Utf8PathBuf> {
    let all: BTreeSet<&Utf8PathBuf> = staged.iter().flat_map(|s| &s.touched).collect();
    all.into_iter().cloned().collect()
}
