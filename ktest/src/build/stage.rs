// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stage: an overlay laid over, objects and image made.

use super::calls::{Call, calls_of};
use super::changes::{Compiled, functions_of};
use super::dependents::dependents;
use super::everything::Plan;
use super::fault::machine;
use super::lines::{Lines, lines_of};
use super::objects::{ObjectBuild, compile_everywhere};
use super::record::learn;
use super::run::Prepared;
use super::warnings::{Known, Warnings, add};
use crate::config::{self, Fragment, Variant};
use crate::error::Error;
use crate::options::What;
use crate::series::{Overlay, Staged};
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
    /// What was compiled in this stage.
    pub warnings: Warnings,
    /// Of the touched files that were compiled.
    pub functions: BTreeMap<Utf8PathBuf, Compiled>,
    /// The calls in them that are about pages, as far as they can be told.
    pub calls: BTreeMap<Utf8PathBuf, Vec<Call>>,
    /// Where the code of their lines stands, as far as it can be told; only of a kernel with an image.
    pub lines: BTreeMap<Utf8PathBuf, Lines>,
    pub seconds: f64,
}

/// Makes the base: compiles the objects of `files`, up to date or not, and with [`What::Image`] the image. Returns with it
/// what is known of the base's warnings, which is kept for later runs.
pub(crate) fn make_base(
    prepared: &Prepared,
    plan: &Plan,
    files: &[Utf8PathBuf],
    what: What,
    logs: &Utf8Path,
) -> Result<(Made, Known), Error> {
    let mut heard = Warnings::new();
    let stage = (plan, &Overlay::new(), files);
    let made = make(prepared, stage, what, true, logs, &mut heard);
    // What an interrupted make has compiled stays compiled.
    let known = plan.groups.iter().map(|group| learn(&group.kbuild, &heard));
    let known = known.collect::<Result<Vec<Known>, Error>>();
    // What befell make says more than what befell the record.
    let made = made?;
    let mut all = Known::default();
    for of_group in known? {
        all.warnings.extend(of_group.warnings);
        all.unknown.extend(of_group.unknown);
    }
    Ok((made, all))
}

/// Lays `overlay` over, compiles the objects of `files`, and with [`What::Image`] the image.
pub(crate) fn make_stage(
    prepared: &Prepared,
    plan: &Plan,
    overlay: &Overlay,
    files: &[Utf8PathBuf],
    what: What,
    logs: &Utf8Path,
) -> Result<Made, Error> {
    let stage = (plan, overlay, files);
    make(prepared, stage, what, false, logs, &mut Warnings::new())
}

fn make(
    prepared: &Prepared,
    (plan, overlay, files): (&Plan, &Overlay, &[Utf8PathBuf]),
    what: What,
    again: bool,
    logs: &Utf8Path,
    heard: &mut Warnings,
) -> Result<Made, Error> {
    let started = std::time::Instant::now();
    prepared.shadow.set(overlay)?;
    std::fs::create_dir_all(logs).map_err(Error::io("make directory", logs))?;
    let objects = compile_everywhere(plan, files, again, logs, heard)?;
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
    if what == What::Objects && result == Outcome::Pass && !compiled {
        result = Outcome::Skip;
        let why = match files.is_empty() {
            true => {
                "configured only: without a series nothing is touched, and no image was asked for"
            }
            false => "no object of what it touches is compiled here",
        };
        reason = Some(why.into());
    }
    let mut lines = BTreeMap::new();
    if what == What::Image && result == Outcome::Pass {
        let image = prepared.kbuild.image().1;
        // The image is linked by one processor; another has nothing to do meanwhile.
        let ((made, warnings), told) = std::thread::scope(|scope| {
            let output = &prepared.kbuild.output;
            let told = scope.spawn(|| lines_of(output, files, logs));
            let made = prepared.kbuild.make_image(&logs.join("make.log"));
            (made, told.join())
        });
        lines = told.unwrap_or_default();
        add(heard, warnings);
        let made = made?;
        let said = made.stdout_text();
        if !made.success() || !image.is_file() {
            machine("build the image", &said, &prepared.kbuild.output)?;
            let said = prepared.kbuild.relative(&said);
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
    let (mut functions, mut calls) = (BTreeMap::new(), BTreeMap::new());
    for group in &plan.groups {
        let own = files.iter().filter(|file| group.files.contains(file));
        let own: Vec<Utf8PathBuf> = own.cloned().collect();
        let headers: Vec<&Utf8PathBuf> =
            own.iter().filter(|f| f.extension() == Some("h")).collect();
        let (tree, output) = (&group.kbuild.source, &group.kbuild.output);
        // Their text is the same; their code may not be.
        functions.extend(functions_of(output, &dependents(tree, output, &headers)));
        functions.extend(functions_of(output, &own));
        calls.extend(calls_of(&group.kbuild.output, &own));
    }
    Ok(Made {
        result,
        reason,
        objects,
        warnings: heard.clone(),
        functions,
        calls,
        lines,
        seconds: started.elapsed().as_secs_f64(),
    })
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
/// is built once), those of the variants, and the user's; what the release of `source` does not have is left out.
pub(crate) fn fragment(
    source: &Source,
    variants: &[Variant],
    user: &[Utf8PathBuf],
) -> Result<Fragment, Error> {
    let version = source.kernel_version()?;
    let mut fragments = vec![config::base()?];
    let booted = |target: &TargetSpec| target.guest().is_some();
    fragments.extend(
        crate::target::all()?
            .into_iter()
            .filter(booted)
            .map(|target| target.fragment),
    );
    fragments.extend(variants.iter().map(|variant| variant.fragment.clone()));
    for path in user {
        fragments.push(Fragment::read(path)?);
    }
    Ok(config::merge(&fragments).at(version))
}

pub(crate) fn touched(staged: &[Staged]) -> Vec<Utf8PathBuf> {
    let all: BTreeSet<&Utf8PathBuf> = staged.iter().flat_map(|s| &s.touched).collect();
    all.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Kbuild, Shadow};
    use super::*;
    use crate::progress::{Event, Progress};
    use crate::series::Content;
    use std::sync::{Arc, Mutex};

    struct Desk {
        _dir: tempfile::TempDir,
        root: Utf8PathBuf,
        /// How many steps each make was expected to take, where that was known.
        about: Arc<Mutex<Vec<Option<usize>>>>,
    }

    impl Desk {
        fn new() -> Desk {
            use std::os::unix::fs::PermissionsExt;
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
            std::fs::create_dir_all(root.join("tree/d")).unwrap();
            let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
            for (name, text) in [
                ("a.c", "// odd\n"),
                ("b.c", "int b;\n"),
                ("a.h", "// old\n"),
            ] {
                let path = root.join("tree/d").join(name);
                std::fs::write(&path, text).unwrap();
                let file = std::fs::File::options().append(true).open(&path);
                file.unwrap().set_modified(long_ago).unwrap();
            }
            let make = root.join("make");
            std::fs::write(&make, include_str!("../../tests/make.sh")).unwrap();
            std::fs::set_permissions(&make, std::fs::Permissions::from_mode(0o755)).unwrap();
            Desk {
                _dir: dir,
                root,
                about: Arc::default(),
            }
        }

        /// As a run of its own has it: nothing is carried over but files.
        fn prepared(&self) -> Prepared {
            let shadow = Shadow::open(&self.root.join("tree"), &self.root.join("home")).unwrap();
            let mut kbuild = Kbuild::new(shadow.source(), &self.root.join("home/out"), &[], 1);
            kbuild.program = self.root.join("make");
            let told = Arc::clone(&self.about);
            kbuild.progress = Progress::with_steps(move |event| {
                if let Event::Step { about, .. } = event {
                    told.lock().unwrap().push(about);
                }
            });
            Prepared {
                shadow,
                kbuild,
                config: config::DotConfig::parse(""),
            }
        }

        fn base(&self, prepared: &Prepared) -> (Made, Known) {
            let plan = Plan::one(&prepared.kbuild, &[]);
            make_base(prepared, &plan, &[], What::Image, &self.root.join("00")).unwrap()
        }
    }

    #[test]
    fn a_patch_to_a_header_has_no_old_warnings_where_an_earlier_run_made_the_base() {
        let desk = Desk::new();
        assert_eq!(desk.base(&desk.prepared()).0.warnings.len(), 2);
        let prepared = desk.prepared();
        let (base, known) = desk.base(&prepared);
        assert!(base.warnings.is_empty(), "it was made already");
        let patched = Content::file("// old\n// fresh\n");
        let overlay = Overlay::from([("d/a.h".into(), patched)]);
        let plan = Plan::one(&prepared.kbuild, &[]);
        let logs = desk.root.join("01");
        let made = make_stage(&prepared, &plan, &overlay, &[], What::Image, &logs).unwrap();
        assert_eq!(made.warnings.len(), 2);
        let compared = known.compare(&made.warnings);
        let new: Vec<String> = compared.new.iter().map(ToString::to_string).collect();
        assert_eq!(new, ["d/a.h: fresh"]);
        assert!(compared.uncompared.is_empty());
    }

    #[test]
    fn the_steps_of_a_whole_image_are_known_to_the_next() {
        let desk = Desk::new();
        desk.base(&desk.prepared());
        std::fs::remove_dir_all(desk.root.join("home/out")).unwrap();
        desk.base(&desk.prepared());
        assert_eq!(*desk.about.lock().unwrap(), [None, None, Some(2), Some(2)]);
    }
}
