// SPDX-License-Identifier: MIT OR Apache-2.0
//! Targets that are compiled only: no device can be had for them, so their objects stand in, patch by patch.
//!
//! Their options go into an output directory of its own: the kernel that is booted does not carry them.

use crate::build::stage::fragment;
use crate::build::{
    Kbuild, Known, Prepared, Warnings, compile_objects, learn, not_compared, output_key, strings,
};
use crate::config::{Fragment, Variant, merge};
use crate::error::Error;
use crate::options::KtestOptions;
use crate::source::Source;
use crate::target::{TargetSpec, Way};
use crate::verdict::{Outcome, Subtest, Target};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::time::Instant;

/// Where the targets that are compiled only are compiled.
pub(super) struct Compiler {
    pub(super) kbuild: Kbuild,
    /// The base's warnings, by target.
    base: BTreeMap<String, Known>,
}

impl Compiler {
    /// Configures an output directory for `targets`; `None` where none of them is compiled only.
    ///
    /// # Errors
    /// As [`Kbuild::configure_more`]: an option that did not take is no error, its objects are then not reached.
    pub(super) fn prepare(
        source: &Source,
        prepared: &Prepared,
        targets: &[&TargetSpec],
        variants: &[Variant],
        options: &KtestOptions,
    ) -> Result<Option<Compiler>, Error> {
        let version = source.kernel_version()?;
        let own: Vec<&Fragment> = targets
            .iter()
            .filter(|target| target.guest().is_none())
            .map(|target| &target.fragment)
            .collect();
        if own.is_empty() {
            return Ok(None);
        }
        let base = fragment(source, variants, &options.fragments)?;
        let own = merge(own).at(version);
        // What the base keeps off for build time is wanted here.
        let wanted = |name: &str| own.settings.contains_key(name);
        let mut kept = base.clone();
        kept.settings.retain(|name, _| !wanted(name));
        let mut kbuild = prepared.kbuild.clone();
        let home = kbuild.source.parent().unwrap_or(&kbuild.source).to_owned();
        let key = output_key(&merge([&kept, &own]), &options.kbuild);
        kbuild.output = home.join(format!("out-{key}"));
        options
            .progress
            .say("configuring the kernel for what is compiled only");
        kbuild.configure_more(&kept, &own, &home.join("configure.log"))?;
        Ok(Some(Compiler {
            kbuild,
            base: BTreeMap::new(),
        }))
    }

    /// Compiles the objects of `target`, of which the shadow holds the present stage; of the base it is done again, and kept
    /// to compare with.
    ///
    /// # Errors
    /// [`Error::Child`] when make cannot be run or is interrupted.
    pub(super) fn compile(
        &mut self,
        target: &TargetSpec,
        is_base: bool,
        logs: &Utf8Path,
    ) -> Result<Target, Error> {
        let Way::Compiled { why, objects } = &target.way else {
            return Err(Error::Internal(format!(
                "{} is not compiled only",
                target.name
            )));
        };
        let files: Vec<Utf8PathBuf> = objects.iter().map(|o| o.with_extension("c")).collect();
        let started = Instant::now();
        let mut heard = Warnings::new();
        let made = compile_objects(&self.kbuild, &files, is_base, logs, &mut heard);
        if is_base {
            let known = learn(&self.kbuild, &heard)?;
            self.base.insert(target.name.clone(), known);
        }
        let made = made?;
        let seconds = started.elapsed().as_secs_f64();
        let Some(before) = self.base.get(&target.name) else {
            return Err(Error::Internal(format!(
                "{} was not compiled for the base",
                target.name
            )));
        };
        let compared = before.compare(&heard);
        let compiled = made.iter().filter(|o| o.result == Outcome::Pass).count();
        let (result, reason) = if let Some(bad) = made.iter().find(|o| o.result == Outcome::Fail) {
            let reason = bad.reason.as_deref().unwrap_or("failed");
            (
                Outcome::Fail,
                format!("{} does not compile: {reason}", bad.path),
            )
        } else if let Some(warning) = compared.new.first() {
            (Outcome::Fail, format!("new warning: {warning}"))
        } else if compiled == 0 {
            (
                Outcome::Skip,
                format!("{why}, and nothing of it is compiled here"),
            )
        } else {
            let of = objects.len();
            let and = not_compared(&strings(&compared.uncompared));
            let and = and.map_or(String::new(), |line| format!("; {line}"));
            (
                Outcome::Skip,
                format!("compiled only, {compiled} of {of} objects: {why}{and}"),
            )
        };
        let subtests = made
            .into_iter()
            .map(|object| Subtest {
                name: format!("compile:{}", object.path),
                result: object.result,
                reason: object.reason,
                seconds: seconds / files.len() as f64,
                pins: None,
                drift: None,
                inner: None,
            })
            .collect();
        Ok(target_of(target, result, reason, subtests))
    }
}

/// A target that is not done in this run, with the reason.
pub(super) fn not_done(target: &TargetSpec, reason: &str) -> Target {
    target_of(target, Outcome::Skip, reason.to_owned(), Vec::new())
}

fn target_of(spec: &TargetSpec, result: Outcome, reason: String, subtests: Vec<Subtest>) -> Target {
    Target {
        result,
        reason: Some(reason),
        subtests,
        ..Target::named(&spec.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::select;
    use std::os::unix::fs::PermissionsExt;

    const FILE: &str = "drivers/infiniband/hw/usnic/usnic_uiom.c";

    struct Desk {
        _dir: tempfile::TempDir,
        root: Utf8PathBuf,
        target: TargetSpec,
    }

    impl Desk {
        /// A tree that warns of one thing.
        fn new() -> Desk {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
            let make = root.join("make");
            std::fs::write(&make, include_str!("../../tests/make.sh")).unwrap();
            std::fs::set_permissions(&make, std::fs::Permissions::from_mode(0o755)).unwrap();
            let target = select(&["usnic".into()]).unwrap().remove(0);
            let desk = Desk {
                _dir: dir,
                root,
                target,
            };
            desk.write("// odd\n");
            std::fs::write(desk.file().with_file_name("a.h"), "").unwrap();
            desk
        }

        fn file(&self) -> Utf8PathBuf {
            self.root.join("source").join(FILE)
        }

        fn write(&self, text: &str) {
            std::fs::create_dir_all(self.file().parent().unwrap()).unwrap();
            std::fs::write(self.file(), text).unwrap();
            // What is compiled at the same instant is not newer.
            let object = self.root.join("out").join(FILE).with_extension("o");
            let _none = std::fs::remove_file(object);
        }

        /// As a run of its own has it.
        fn compiler(&self) -> Compiler {
            let (source, output) = (self.root.join("source"), self.root.join("out"));
            std::fs::create_dir_all(&output).unwrap();
            let mut kbuild = Kbuild::new(&source, &output, &[], 1);
            kbuild.program = self.root.join("make");
            Compiler {
                kbuild,
                base: BTreeMap::new(),
            }
        }

        fn reason(&self, compiler: &mut Compiler, is_base: bool) -> (Outcome, String) {
            let made = compiler.compile(&self.target, is_base, &self.root).unwrap();
            (made.result, made.reason.unwrap())
        }
    }

    #[test]
    fn a_warning_that_the_base_has_is_no_failure_and_a_new_one_is() {
        let desk = Desk::new();
        let mut compiler = desk.compiler();
        let (result, reason) = desk.reason(&mut compiler, true);
        assert_eq!(result, Outcome::Skip, "{reason}");
        desk.write("// odd\n// fresh\n");
        let (result, reason) = desk.reason(&mut compiler, false);
        assert_eq!(result, Outcome::Fail);
        assert_eq!(reason, format!("new warning: {FILE}: fresh"));
    }

    #[test]
    fn without_the_base_no_patch_is_judged() {
        let desk = Desk::new();
        let error = desk.compiler().compile(&desk.target, false, &desk.root);
        assert!(error.is_err());
    }
}
