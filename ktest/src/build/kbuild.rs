// SPDX-License-Identifier: MIT OR Apache-2.0
//! One typed function for each thing that kbuild is asked for.

use super::fault::checker;
use super::warnings::{Hearing, Warnings};
use crate::config::{DotConfig, Fragment, merge, prove};
use crate::error::Error;
use crate::progress::{Progress, Steps, count};
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

// Bounds, and not measurements. Ten minutes: a configuration runs some programs and the compiler a few times. Four hours: an
// image with everything that checks, on two slow processors.
const CONFIGURE: Duration = Duration::from_secs(600);
const COMPILE: Duration = Duration::from_secs(4 * 3600);

/// A source tree, an output directory, and the variables of make.
#[derive(Debug, Clone)]
pub(crate) struct Kbuild {
    /// `make`, or what stands in for it.
    pub(crate) program: Utf8PathBuf,
    /// The shadow.
    pub source: Utf8PathBuf,
    /// The output directory.
    pub output: Utf8PathBuf,
    /// The user's variables and ours, as make takes them.
    pub variables: Vec<(String, String)>,
    /// Parallel jobs.
    pub jobs: usize,
    /// Told what make does.
    pub progress: Progress,
}

impl Kbuild {
    /// With ccache in front of the compilers where there is one and the user named no compiler.
    pub(crate) fn new(
        source: &Utf8Path,
        output: &Utf8Path,
        user: &[(String, String)],
        jobs: usize,
    ) -> Kbuild {
        let mut variables: Vec<(String, String)> = user
            .iter()
            .filter(|(name, _)| name != "O")
            .cloned()
            .collect();
        let chosen = |name: &str| user.iter().any(|(n, _)| n == name);
        // Some Makefiles of downstream trees preset another architecture.
        if !chosen("ARCH") {
            variables.push(("ARCH".into(), "x86_64".into()));
            if !chosen("CROSS_COMPILE") {
                variables.push(("CROSS_COMPILE".into(), String::new()));
            }
        }
        let plain = !chosen("CC") && !chosen("LLVM") && !chosen("CROSS_COMPILE");
        if plain && proc::on_path("ccache").is_some() {
            variables.push(("CC".into(), "ccache gcc".into()));
            if !chosen("HOSTCC") {
                variables.push(("HOSTCC".into(), "ccache gcc".into()));
            }
        }
        if !chosen("HOSTCFLAGS") && needs_common(source) {
            variables.push(("HOSTCFLAGS".into(), "-fcommon".into()));
        }
        Kbuild {
            program: "make".into(),
            source: source.to_owned(),
            output: output.to_owned(),
            variables,
            jobs: jobs.max(1),
            progress: Progress::silent(),
        }
    }

    /// make's ARCH.
    pub(crate) fn architecture(&self) -> Option<&str> {
        let named = |(name, _): &&(String, String)| name == "ARCH";
        let (_, value) = self.variables.iter().find(named)?;
        Some(value)
    }

    /// `make TARGETS`, with everything pinned that would make two builds differ.
    pub(crate) fn make(&self, targets: &[&str]) -> proc::Command {
        let steps = self.progress.steps(None);
        self.command(targets)
            .each_line(move |line| steps.line(line))
    }

    /// Makes `goals`, whatever comes of it, and hears what is warned of, which is told of a make that was interrupted too.
    /// `what` is done, as an error says it.
    pub(crate) fn compile(
        &self,
        what: &str,
        goals: &[&str],
        log: &Utf8Path,
    ) -> (Result<proc::Output, Error>, Warnings) {
        self.hear(what, goals, self.progress.steps(None), log)
    }

    fn hear(
        &self,
        what: &str,
        goals: &[&str],
        steps: Steps,
        log: &Utf8Path,
    ) -> (Result<proc::Output, Error>, Warnings) {
        let hearing = Hearing::new(&self.source, &self.output);
        let hearing = Arc::new(Mutex::new(hearing));
        let ear = Arc::clone(&hearing);
        let command = self.command(goals).arg("-Otarget").together();
        let made = command
            .each_line(move |line| {
                steps.line(line);
                ear.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .line(line);
            })
            .log(log)
            .run_unchecked();
        let hearing = hearing.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = hearing.heard(made.is_err());
        let made = made.map_err(Error::child(what)).and_then(|made| {
            checker(&made.stdout_text())?;
            Ok(made)
        });
        (made, heard)
    }

    /// The same for the image.
    pub(crate) fn make_image(&self, log: &Utf8Path) -> (Result<proc::Output, Error>, Warnings) {
        let (target, image) = self.image();
        let whole = !image.is_file();
        let files = self.steps_files();
        let known = |file: &Utf8PathBuf| std::fs::read_to_string(file).ok()?.trim().parse().ok();
        let about = files.iter().find_map(known);
        let steps = self.progress.steps(about.filter(|_| whole));
        let (made, heard) = self.hear("build the image", &[target], steps, log);
        let finished = |made: &&proc::Output| whole && made.success();
        if let Some(made) = made.as_ref().ok().filter(finished) {
            let count = count(&made.stdout_text());
            for file in &files {
                // It serves the eye alone: what cannot be kept is not missed.
                let _kept = super::shadow::write_file(file, format!("{count}\n").as_bytes());
            }
        }
        (made, heard)
    }

    /// What make said, with paths relative to the tree.
    pub(crate) fn relative(&self, said: &str) -> String {
        said.replace(&format!("{}/", self.source), "")
    }

    /// Where it stands how many steps the last whole image took, of this tree and of any.
    fn steps_files(&self) -> [Utf8PathBuf; 2] {
        let home = self.source.parent().unwrap_or(&self.source);
        [home.join("steps"), home.with_file_name("steps")]
    }

    fn command(&self, targets: &[&str]) -> proc::Command {
        let variables = self
            .variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        proc::Command::new(&self.program)
            .arg("-C")
            .arg(&self.source)
            .arg(format!("O={}", self.output))
            .arg(format!("-j{}", self.jobs))
            .args(variables)
            .args(targets)
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("KBUILD_OUTPUT")
            .env("LC_ALL", "C")
            .env("CCACHE_DEPEND", "1")
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
            .env("KBUILD_BUILD_USER", "ktest")
            .env("KBUILD_BUILD_HOST", "ktest")
            .env("KBUILD_BUILD_VERSION", "1")
            .deadline(COMPILE)
    }

    /// Where the fragment that the output directory is configured for is kept, its `.config`, and the text of `fragment`.
    fn config_files(&self, fragment: &Fragment) -> (Utf8PathBuf, Utf8PathBuf, String) {
        (
            self.output.join("ktest.fragment"),
            self.output.join(".config"),
            fragment.text(),
        )
    }

    /// Whether the output directory, which is made if need be, is configured for just that.
    fn is_configured(&self, fragment: &Fragment) -> Result<bool, Error> {
        let (wanted, dot_config, text) = self.config_files(fragment);
        let same = std::fs::read_to_string(wanted).ok().as_deref() == Some(&text);
        if !same || !dot_config.is_file() {
            std::fs::create_dir_all(&self.output)
                .map_err(Error::io("make directory", &self.output))?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Makes a `.config` of tinyconfig and `fragment`, and proves that every option took. Does nothing where the output
    /// directory has the same already.
    ///
    /// # Errors
    /// [`Error::Config`] naming the options that did not take; [`Error::Child`] when kbuild fails.
    pub(crate) fn configure(
        &self,
        fragment: &Fragment,
        log: &Utf8Path,
    ) -> Result<DotConfig, Error> {
        let (wanted, dot_config, text) = self.config_files(fragment);
        if !self.is_configured(fragment)? {
            let configure = |target: &str| {
                self.make(&[target])
                    .log(log)
                    .deadline(CONFIGURE)
                    .run()
                    .map_err(Error::child(format!(
                        "configure the kernel (make {target})"
                    )))
            };
            configure("tinyconfig")?;
            let mut config =
                std::fs::read_to_string(&dot_config).map_err(Error::io("read", &dot_config))?;
            config.push_str(&text);
            std::fs::write(&dot_config, config).map_err(Error::io("write", &dot_config))?;
            configure("olddefconfig")?;
            super::shadow::write_file(&wanted, text.as_bytes())?;
        }
        let text = std::fs::read_to_string(&dot_config).map_err(Error::io("read", &dot_config))?;
        let got = DotConfig::parse(&text);
        let lacking = prove(fragment, &got, &self.source);
        if lacking.is_empty() {
            return Ok(got);
        }
        // The next run shall configure again.
        std::fs::remove_file(&wanted).map_err(Error::io("remove", &wanted))?;
        Err(Error::Config(lacking))
    }

    /// Makes a `.config` of allmodconfig with `fragment`. What did not take is no error: the result is looked at.
    ///
    /// # Errors
    /// [`Error::Child`] when kbuild fails.
    pub(crate) fn configure_all(
        &self,
        fragment: &Fragment,
        log: &Utf8Path,
    ) -> Result<DotConfig, Error> {
        let (wanted, dot_config, text) = self.config_files(fragment);
        if !self.is_configured(fragment)? {
            let chosen = self.output.join("chosen.config");
            super::shadow::write_file(&chosen, text.as_bytes())?;
            self.make(&["allmodconfig"])
                .env("KCONFIG_ALLCONFIG", &chosen)
                .log(log)
                .deadline(CONFIGURE)
                .run()
                .map_err(Error::child("configure the kernel (make allmodconfig)"))?;
            super::shadow::write_file(&wanted, text.as_bytes())?;
        }
        let text = std::fs::read_to_string(&dot_config).map_err(Error::io("read", &dot_config))?;
        Ok(DotConfig::parse(&text))
    }

    /// As [`Kbuild::configure`], with options that would be good to have: what of them did not take is left out, and is
    /// no error.
    ///
    /// # Errors
    /// As [`Kbuild::configure`], but only for `fragment`.
    pub(crate) fn configure_more(
        &self,
        fragment: &Fragment,
        more: &Fragment,
        log: &Utf8Path,
    ) -> Result<DotConfig, Error> {
        let both = merge([fragment, more]);
        let config = match self.configure(&both, log) {
            Ok(config) => return Ok(config),
            Err(Error::Config(_)) => std::fs::read_to_string(self.output.join(".config")),
            Err(error) => return Err(error),
        };
        let path = self.output.join(".config");
        let got = DotConfig::parse(&config.map_err(Error::io("read", &path))?);
        let mut taken = fragment.clone();
        let took = |name: &str, value: &str| got.0.get(name).is_some_and(|v| v == value);
        for (name, setting) in &more.settings {
            if took(name, &setting.value) {
                taken.settings.insert(name.clone(), setting.clone());
            }
        }
        self.configure(&taken, log)
    }

    /// The name of the image for the architecture that is built, and where it comes to lie.
    pub(crate) fn image(&self) -> (&'static str, Utf8PathBuf) {
        ("bzImage", self.output.join("arch/x86/boot/bzImage"))
    }
}

/// Whether the tree's dtc defines yylloc twice, as that of 4.19 does: one of the two has to be common, which gcc 10 and later
/// make it only when asked. make takes more host flags where the Makefile keeps its own in KBUILD_HOSTCFLAGS.
fn needs_common(source: &Utf8Path) -> bool {
    let has = |path: &str, wanted: &str| {
        let text = std::fs::read_to_string(source.join(path)).unwrap_or_default();
        text.lines().any(|line| line.starts_with(wanted))
    };
    has("scripts/dtc/dtc-lexer.l", "YYLTYPE yylloc;") && has("Makefile", "KBUILD_HOSTCFLAGS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_programs_that_share_a_variable_are_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let told = |user: &[(String, String)]| {
            let kbuild = Kbuild::new(root, root, user, 1);
            let mut named = kbuild.variables.into_iter();
            named
                .find(|(name, _)| name == "HOSTCFLAGS")
                .map(|(_, value)| value)
        };
        std::fs::create_dir_all(root.join("scripts/dtc")).unwrap();
        std::fs::write(
            root.join("Makefile"),
            "KBUILD_HOSTCFLAGS   := -Wall $(HOSTCFLAGS)\n",
        )
        .unwrap();
        std::fs::write(
            root.join("scripts/dtc/dtc-lexer.l"),
            "%{\nextern YYLTYPE yylloc;\n",
        )
        .unwrap();
        assert_eq!(told(&[]), None);
        std::fs::write(
            root.join("scripts/dtc/dtc-lexer.l"),
            "%{\nYYLTYPE yylloc;\n",
        )
        .unwrap();
        assert_eq!(told(&[]).as_deref(), Some("-fcommon"));
        let own = [("HOSTCFLAGS".to_owned(), "-O1".to_owned())];
        assert_eq!(told(&own).as_deref(), Some("-O1"));
        // An older Makefile's own flags would be lost.
        std::fs::write(root.join("Makefile"), "HOSTCFLAGS   := -Wall\n").unwrap();
        assert_eq!(told(&[]), None);
    }
}
