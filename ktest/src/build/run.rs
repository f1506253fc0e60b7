// SPDX-License-Identifier: MIT OR Apache-2.0
//! Base, then patch after patch.

use super::changes::Ledger;
use super::everything::{Plan, plan};
use super::kbuild::Kbuild;
use super::objects::ObjectBuild;
use super::reach::extend;
use super::report::{BuildReport, BuildStage, SCHEMA};
use super::shadow::Shadow;
use super::stage::{Made, fragment, fragment_of_user, hash, make_base, make_stage, touched};
use super::warnings::{Known, strings};
use crate::config::{DotConfig, Fragment};
use crate::error::Error;
use crate::host;
use crate::options::{BuildOptions, What};
use crate::progress::Progress;
use crate::series::{Overlay, stage};
use crate::source::Source;
use crate::verdict::{Changes, Outcome};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use std::collections::BTreeSet;

/// A shadow, an output directory and a proven configuration.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Where patches are laid over.
    pub shadow: Shadow,
    /// How to call make.
    pub kbuild: Kbuild,
    /// What kbuild made of the fragments.
    pub config: DotConfig,
}

/// Links the shadow, finds the output directory of this configuration, configures it.
///
/// # Errors
/// [`Error::NotKbuild`], [`Error::Missing`] for a tool, [`Error::Config`] for an option that did not take.
pub(crate) fn prepare(
    source: &Source,
    cache: &Utf8Path,
    fragment: &Fragment,
    user: &[(String, String)],
    jobs: usize,
    progress: &Progress,
) -> Result<Prepared, Error> {
    let below = Fragment::default();
    prepare_above(source, cache, &below, fragment, user, jobs, progress)
}

/// The same with options of a machine's own below `fragment`: what of them does not take is left out, and said. What `fragment`
/// only keeps off (it would cost build time) gives way to them.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_above(
    source: &Source,
    cache: &Utf8Path,
    below: &Fragment,
    fragment: &Fragment,
    user: &[(String, String)],
    jobs: usize,
    progress: &Progress,
) -> Result<Prepared, Error> {
    let (kept, more) = one_above_the_other(below, fragment);
    let fragment = &kept;
    if !source.root.join("scripts/Kbuild.include").is_file() {
        return Err(Error::NotKbuild(source.version.clone()));
    }
    host::require_build()?;
    host::require_checker(user)?;
    progress.say("linking the tree");
    let home = home(cache, source);
    std::fs::create_dir_all(&home).map_err(Error::io("make directory", &home))?;
    let shadow = Shadow::open(&source.root, &home)?;
    super::shadow::forget(shadow.source())?;
    shadow.set(&Overlay::new())?;
    let output = match user.iter().find(|(name, _)| name == "O") {
        Some((_, dir)) => {
            camino::absolute_utf8(dir).map_err(Error::io("find", dir.as_str().into()))?
        }
        None => {
            let both = crate::config::merge([fragment, &more]);
            home.join(format!("out-{}", output_key(&both, user)))
        }
    };
    let mut kbuild = Kbuild::new(shadow.source(), &output, user, jobs);
    kbuild.progress = progress.clone();
    progress.say("configuring the kernel");
    let log = home.join("configure.log");
    let config = match more.settings.is_empty() {
        true => kbuild.configure(fragment, &log)?,
        false => kbuild.configure_more(fragment, &more, &log)?,
    };
    let taken = |name: &str| config.0.get(name).map_or("n", String::as_str);
    let lost = more.settings.iter().filter(|(n, s)| taken(n) != s.value);
    let lost: Vec<&str> = lost.map(|(name, _)| name.as_str()).collect();
    if !lost.is_empty() {
        progress.say(&format!(
            "of the machine's own configuration {} did not take: {}",
            counted(lost.len(), "option"),
            lost.join(", ")
        ));
    }
    Ok(Prepared {
        shadow,
        kbuild,
        config,
    })
}

/// What must take, and what is good to have.
fn one_above_the_other(below: &Fragment, fragment: &Fragment) -> (Fragment, Fragment) {
    let mut kept = fragment.clone();
    let on = |name: &str| below.settings.get(name).is_some_and(|s| s.value != "n");
    kept.settings
        .retain(|name, setting| setting.value != "n" || !on(name));
    let mut more = below.clone();
    more.settings
        .retain(|name, _| !kept.settings.contains_key(name));
    (kept, more)
}

/// Where the shadow of a tree and its output directories lie.
pub(crate) fn home(cache: &Utf8Path, source: &Source) -> Utf8PathBuf {
    home_of(cache, &source.root)
}

/// The same, of a tree by its directory.
pub(super) fn home_of(cache: &Utf8Path, root: &Utf8Path) -> Utf8PathBuf {
    let key = &blake3::hash(root.as_str().as_bytes()).to_hex()[..12];
    let name = root.file_name().unwrap_or("tree");
    cache.join("builds").join(format!("{name}-{key}"))
}

/// One output directory for each configuration and compiler.
pub(crate) fn output_key(fragment: &Fragment, user: &[(String, String)]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(fragment.text().as_bytes());
    with_compilers(hasher, user)
}

/// The same of the compiler alone.
pub(super) fn compilers(user: &[(String, String)]) -> String {
    with_compilers(blake3::Hasher::new(), user)
}

fn with_compilers(mut hasher: blake3::Hasher, user: &[(String, String)]) -> String {
    for (name, value) in user {
        if matches!(
            name.as_str(),
            "ARCH" | "LLVM" | "CC" | "CROSS_COMPILE" | "LLVM_IAS"
        ) {
            hasher.update(format!("{name}={value}\n").as_bytes());
        }
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

/// Builds the base, then every patch of the series.
///
/// # Errors
/// See [`Error`]; a patch that does not compile is in the report.
pub fn run(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &BuildOptions,
) -> Result<BuildReport, Error> {
    let source = &Source::of(tree, series, &options.cache)?;
    let staged = match series {
        Some(dir) => stage(source, dir)?,
        None => Vec::new(),
    };
    let elsewhere = options.what == What::Objects && is_elsewhere(&options.kbuild);
    let fragment = match elsewhere {
        true => fragment_of_user(&options.fragments)?,
        false => fragment(source, &[], &options.fragments)?,
    };
    let touched = touched(&staged);
    let (cache, kbuild) = (&options.cache, &options.kbuild);
    let mut prepared = prepare(
        source,
        cache,
        &fragment,
        kbuild,
        options.jobs,
        &options.progress,
    )?;
    if options.what == What::Objects && !elsewhere {
        reach(&mut prepared, &fragment, &touched, options)?;
    }
    let plan = match options.what {
        What::Objects => {
            let (kbuild, config) = (&prepared.kbuild, &prepared.config);
            let say = |sentence: &str| options.progress.say(sentence);
            let version = source.kernel_version()?;
            plan(kbuild, config, &touched, &options.kbuild, version, &say)?
        }
        What::Image => Plan::one(&prepared.kbuild, &touched),
    };
    let logs = options
        .logs
        .clone()
        .unwrap_or_else(|| options.cache.join("builds/logs"));
    let say = |subject: &str| options.progress.say(&format!("building {subject}"));
    say(&format!("Linux {}", source.version));
    let (base, known) = make_base(&prepared, &plan, &touched, options.what, &logs.join("00"))?;
    let mut ledger = Ledger::new(&base);
    let broken = failing(&base);
    let mut patches = Vec::new();
    for (index, stage) in staged.iter().enumerate() {
        say(&stage.subject);
        let dir = logs.join(format!("{:02}", index + 1));
        let mut made = make_stage(
            &prepared,
            &plan,
            &stage.overlay,
            &stage.touched,
            options.what,
            &dir,
        )?;
        if options.what == What::Objects {
            excuse(&mut made, &broken);
        }
        let changes = ledger.step(&source.root, &stage.overlay, &made);
        let mut built = finished(&stage.subject, &known, made, &prepared, options.what)?;
        built.changes = changes;
        patches.push(built);
    }
    prepared.shadow.set(&Overlay::new())?;
    let subject = format!("Linux {}", source.version);
    let base = finished(&subject, &known, base, &prepared, options.what)?;
    Ok(BuildReport {
        schema: SCHEMA.into(),
        base,
        patches,
    })
}

/// Whether the user asks for an architecture that guests are not booted on: its objects need none of the guest's options.
fn is_elsewhere(user: &[(String, String)]) -> bool {
    user.iter()
        .any(|(name, value)| name == "ARCH" && !matches!(value.as_str(), "x86_64" | "x86"))
}

/// Switches to an output directory whose configuration reaches more of the touched files, where there are such files.
fn reach(
    prepared: &mut Prepared,
    fragment: &Fragment,
    touched: &[Utf8PathBuf],
    options: &BuildOptions,
) -> Result<(), Error> {
    let mut more = Fragment::default();
    let source = prepared.shadow.source().to_owned();
    let own_output = options.kbuild.iter().any(|(name, _)| name == "O");
    if own_output || !extend(&mut more, &prepared.config, &source, touched) {
        return Ok(());
    }
    options
        .progress
        .say("configuring the kernel for the touched files");
    let home = source.parent().unwrap_or(&source);
    let key = output_key(&crate::config::merge([fragment, &more]), &options.kbuild);
    prepared.kbuild.output = home.join(format!("out-{key}"));
    let log = home.join("configure.log");
    prepared.config = prepared.kbuild.configure_more(fragment, &more, &log)?;
    Ok(())
}

/// The files that do not compile as they are.
fn failing(base: &Made) -> BTreeSet<String> {
    let failed = base.objects.iter().filter(|o| o.result == Outcome::Fail);
    failed.map(|object| object.path.clone()).collect()
}

/// What does not compile without the series either is skipped: no patch is to blame for it, and none is proven by it.
fn excuse(made: &mut Made, broken: &BTreeSet<String>) {
    let failed = |object: &ObjectBuild| object.result == Outcome::Fail;
    for object in made.objects.iter_mut().filter(|object| failed(object)) {
        if broken.contains(&object.path) {
            object.result = Outcome::Skip;
            object.reason = Some(format!(
                "it does not compile without the series either: {}",
                object.reason.as_deref().unwrap_or("make failed")
            ));
        }
    }
    if made.result != Outcome::Fail || made.objects.iter().any(failed) {
        return;
    }
    let compiled = made.objects.iter().any(|o| o.result == Outcome::Pass);
    (made.result, made.reason) = match compiled {
        true => (Outcome::Pass, None),
        false => (
            Outcome::Skip,
            Some("no object of what it touches compiles without the series".into()),
        ),
    };
}

fn finished(
    subject: &str,
    base: &Known,
    made: Made,
    prepared: &Prepared,
    what: What,
) -> Result<BuildStage, Error> {
    let image_hash = match (what, made.result) {
        (What::Image, Outcome::Pass) => Some(hash(&prepared.kbuild.image().1)?),
        _ => None,
    };
    let compared = base.compare(&made.warnings);
    Ok(BuildStage {
        subject: subject.to_owned(),
        result: made.result,
        reason: made.reason,
        objects: made.objects,
        new_warnings: strings(&compared.new),
        uncompared_warnings: strings(&compared.uncompared),
        changes: Changes::default(),
        image_hash,
        seconds: made.seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_its_drivers_and_the_targets_their_options() {
        let fragment = |options: &[(&str, &str)]| {
            let mut fragment = Fragment::default();
            for (name, value) in options {
                fragment.set(name, value, "a reason", "a file");
            }
            fragment
        };
        let ours = fragment(&[("ETHERNET", "n"), ("USB", "n"), ("GUP_TEST", "y")]);
        let machine = fragment(&[("ETHERNET", "y"), ("GUP_TEST", "n"), ("E1000", "m")]);
        let (kept, more) = one_above_the_other(&machine, &ours);
        assert_eq!(kept.text(), "CONFIG_GUP_TEST=y\n# CONFIG_USB is not set\n");
        assert_eq!(more.text(), "CONFIG_E1000=m\nCONFIG_ETHERNET=y\n");
    }

    #[test]
    fn only_another_architecture_than_the_guests_is_elsewhere() {
        let asked = |arch: &str| is_elsewhere(&[("ARCH".to_owned(), arch.to_owned())]);
        assert!(asked("arm64") && asked("powerpc"));
        assert!(!asked("x86_64") && !is_elsewhere(&[("LLVM".to_owned(), "-16".to_owned())]));
    }

    #[test]
    fn what_fails_without_the_series_blames_no_patch() {
        let object = |path: &str, result: Outcome| ObjectBuild {
            path: path.into(),
            result,
            reason: (result == Outcome::Fail).then(|| "a.c:1: error: odd".to_owned()),
            configuration: None,
            architecture: None,
            options: Vec::new(),
        };
        let made = |objects: Vec<ObjectBuild>| Made {
            result: Outcome::Fail,
            reason: Some("a.c does not compile".into()),
            objects,
            warnings: Default::default(),
            functions: Default::default(),
            calls: Default::default(),
            lines: Default::default(),
            seconds: 0.0,
        };
        let broken = failing(&made(vec![
            object("a.c", Outcome::Fail),
            object("b.c", Outcome::Pass),
        ]));
        let mut both = made(vec![
            object("a.c", Outcome::Fail),
            object("b.c", Outcome::Pass),
        ]);
        excuse(&mut both, &broken);
        assert_eq!((both.result, both.reason.as_deref()), (Outcome::Pass, None));
        assert_eq!(
            both.objects[0].reason.as_deref(),
            Some("it does not compile without the series either: a.c:1: error: odd")
        );
        let mut alone = made(vec![object("a.c", Outcome::Fail)]);
        excuse(&mut alone, &broken);
        assert_eq!(alone.result, Outcome::Skip);
        let mut own = made(vec![
            object("a.c", Outcome::Fail),
            object("b.c", Outcome::Fail),
        ]);
        excuse(&mut own, &broken);
        assert_eq!(
            (own.result, own.objects[1].result),
            (Outcome::Fail, Outcome::Fail)
        );
    }
}
