// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration file, option by option (tools/testing/ktest/sample.conf, 6.12, says what each means).

use super::user::User;
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt::Write as _;

/// What ktest.pl is to do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Build a commit and see it boot.
    Boot,
    /// The same, and run the targets.
    Test,
    /// The same for every commit of the series.
    Patchcheck,
}

/// All that the file depends on.
#[derive(Debug, Clone)]
pub(crate) struct Conf<'a> {
    /// Where everything of this way lies.
    pub dir: &'a Utf8Path,
    /// The shadow.
    pub source: &'a Utf8Path,
    /// The output directory.
    pub output: &'a Utf8Path,
    /// Variables of make.
    pub variables: &'a [(String, String)],
    /// The make that is called.
    pub make: &'a str,
    /// What is asked of it; everything when empty, which a machine that modules are installed on needs.
    pub goals: &'a str,
    /// What the kernels call themselves between `#` and the date, as the shell takes it.
    pub version: &'a str,
    /// Parallel jobs.
    pub jobs: usize,
    /// The image, relative to the output directory.
    pub image: &'a str,
    /// Commits, the base first.
    pub commits: &'a [String],
    /// Seconds until a boot that says nothing is given up.
    pub timeout: u64,
}

impl Conf<'_> {
    /// Where it is written.
    pub(crate) fn path(&self) -> Utf8PathBuf {
        self.dir.join("ktest.conf")
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _infallible = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let machine = self.dir.join("machine");
        writeln!(
            out,
            "# Written by ktest; {machine} is the guest's power switch."
        )?;
        for (name, value) in self.building().into_iter().chain(self.guest(&machine)) {
            writeln!(out, "{name} = {value}")?;
        }
        self.tests(out)
    }

    /// The file for a machine of the user's: their options, then ours, each once.
    pub(crate) fn text_for(&self, user: &User) -> String {
        let mut out = String::new();
        let _infallible = self.write_for(user, &mut out);
        out
    }

    fn write_for(&self, user: &User, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# Written by ktest. The machine, from {}:", user.path)?;
        for (name, sign, value) in user.kept() {
            writeln!(out, "{name} {sign} {value}")?;
        }
        writeln!(out, "\n# What is built and tested.")?;
        let test = ("TEST", format!("{}/machine", self.dir));
        // Its boot path may know the version by its ending.
        let version = ("LOCALVERSION", "-ktest".to_owned());
        let version = Some(version).filter(|(name, _)| user.option(name).is_none());
        let unused = ("IGNORE_UNUSED", "1".to_owned());
        let ours = self.building().into_iter().chain([test, unused]);
        for (name, value) in ours.chain(version) {
            writeln!(out, "{name} = {value}")?;
        }
        self.tests(out)
    }

    /// What is built, from what, and where it is said.
    fn building(&self) -> Vec<(&'static str, String)> {
        let Conf {
            dir,
            source,
            output,
            version,
            ..
        } = self;
        let variables: String = self
            .variables
            .iter()
            .map(|(name, value)| format!(" {name}=\"{value}\""))
            .collect();
        let config = dir.join("config");
        vec![
            ("BUILD_DIR", source.to_string()),
            ("OUTPUT_DIR", output.to_string()),
            ("BUILD_TARGET", self.image.to_owned()),
            (
                "MAKE_CMD",
                format!(
                    "env LC_ALL=C CCACHE_DEPEND=1 KBUILD_BUILD_TIMESTAMP=\"Thu Jan  1 00:00:00 UTC 1970\" KBUILD_BUILD_USER=ktest KBUILD_BUILD_HOST=ktest KBUILD_BUILD_VERSION={version} {}{variables}",
                    self.make
                ),
            ),
            (
                "BUILD_OPTIONS",
                format!("-j{} {}", self.jobs, self.goals)
                    .trim_end()
                    .to_owned(),
            ),
            ("BUILD_TYPE", format!("useconfig:{config}")),
            ("MIN_CONFIG", config.to_string()),
            // It would clean the output directory for the first and the last commit.
            ("BUILD_NOCLEAN", "1".into()),
            ("TMP_DIR", dir.join("tmp").to_string()),
            ("LOG_FILE", dir.join("ktest.log").to_string()),
            ("CLEAR_LOG", "1".into()),
            ("DIE_ON_FAILURE", "0".into()),
        ]
    }

    /// A guest of our own as the machine.
    fn guest(&self, machine: &Utf8Path) -> Vec<(&'static str, String)> {
        let dir = self.dir;
        vec![
            ("MACHINE", "guest".to_owned()),
            // Nobody is, but the option is demanded.
            ("SSH_USER", "root".into()),
            // Nothing is installed, but the option is demanded.
            ("TARGET_IMAGE", dir.join("image").to_string()),
            ("NO_INSTALL", "1".into()),
            ("LOCALVERSION", "-ktest".into()),
            // Nobody logs in to the guest: it runs its targets by itself.
            ("SSH_EXEC", "true".into()),
            ("CONNECT_TIMEOUT", "5".into()),
            ("REBOOT_TYPE", "script".into()),
            ("REBOOT_SCRIPT", "true".into()),
            ("SWITCH_TO_TEST", format!("{machine} test")),
            ("SWITCH_TO_GOOD", format!("{machine} good")),
            ("REBOOT", format!("{machine} reboot")),
            ("POWER_CYCLE", format!("{machine} reboot")),
            (
                "CONSOLE",
                format!("tail -q -n 0 -F {}", dir.join("console")),
            ),
            ("CLOSE_CONSOLE_SIGNAL", "KILL".into()),
            ("SUCCESS_LINE", "ktest: begin".into()),
            ("REBOOT_SUCCESS_LINE", "ktest: good kernel".into()),
            ("STOP_AFTER_SUCCESS", "1".into()),
            ("STOP_AFTER_FAILURE", "2".into()),
            ("TIMEOUT", self.timeout.to_string()),
            ("SLEEP_TIME", "2".into()),
            ("PATCHCHECK_SLEEP_TIME", "2".into()),
            ("REBOOT_ON_ERROR", "0".into()),
            ("REBOOT_ON_SUCCESS", "0".into()),
            ("POWEROFF_ON_ERROR", "0".into()),
            ("POWEROFF_ON_SUCCESS", "0".into()),
            ("TEST", format!("{machine} wait")),
        ]
    }

    fn tests(&self, out: &mut String) -> std::fmt::Result {
        for wanted in self.wanted() {
            writeln!(out, "\nTEST_START")?;
            match wanted {
                Wanted::Boot | Wanted::Test => {
                    let word = if wanted == Wanted::Boot {
                        "boot"
                    } else {
                        "test"
                    };
                    let base = self.commits.first().map_or("HEAD", String::as_str);
                    writeln!(out, "TEST_TYPE = {word}\nCHECKOUT = {base}")?;
                }
                Wanted::Patchcheck => {
                    let first = self.commits.get(1).map_or("HEAD", String::as_str);
                    let last = self.commits.last().map_or("HEAD", String::as_str);
                    writeln!(out, "TEST_TYPE = patchcheck\nCHECKOUT = {last}")?;
                    writeln!(
                        out,
                        "PATCHCHECK_TYPE = test\nPATCHCHECK_START = {first}\nPATCHCHECK_END = {last}"
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Its tests, in order.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let mut wanted = vec![Wanted::Boot, Wanted::Test];
        if self.commits.len() > 1 {
            wanted.push(Wanted::Patchcheck);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_booted_tested_and_checked_patch_by_patch() {
        let commits = ["b0", "c1", "c2", "c3"].map(str::to_owned);
        let conf = Conf {
            dir: Utf8Path::new("/run"),
            source: Utf8Path::new("/source"),
            output: Utf8Path::new("/out"),
            variables: &[("CC".into(), "ccache gcc".into())],
            make: "make",
            goals: "bzImage",
            version: "1",
            jobs: 2,
            image: "arch/x86/boot/bzImage",
            commits: &commits,
            timeout: 60,
        };
        let text = conf.text();
        let tests = text.split("\nTEST_START\n").skip(1).collect::<Vec<_>>();
        assert_eq!(
            tests,
            [
                "TEST_TYPE = boot\nCHECKOUT = b0\n",
                "TEST_TYPE = test\nCHECKOUT = b0\n",
                "TEST_TYPE = patchcheck\nCHECKOUT = c3\nPATCHCHECK_TYPE = test\nPATCHCHECK_START = c1\nPATCHCHECK_END = c3\n",
            ]
        );
        assert!(text.contains(" make CC=\"ccache gcc\"\n"), "{text}");
        // ktest.pl asks a person for what it demands and does not find (get_mandatory_configs()), and waits for an answer.
        for name in [
            "MACHINE",
            "BUILD_DIR",
            "OUTPUT_DIR",
            "POWER_CYCLE",
            "CONSOLE",
            "SSH_USER",
            "BUILD_TARGET",
            "TARGET_IMAGE",
            "LOCALVERSION",
            "REBOOT_TYPE",
        ] {
            assert!(text.contains(&format!("\n{name} = ")), "{name}");
        }
        // Every option is given once: ktest.pl refuses a second value.
        let mut names: Vec<&str> = text
            .split("\nTEST_START")
            .next()
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn with_a_machine_of_the_users_every_option_is_there_once_too() {
        let theirs = ["MACHINE", "SSH_EXEC", "OUTPUT_DIR", "LOCALVERSION", "TEST"];
        let records: String = theirs
            .iter()
            .map(|name| format!("option\0{name}\0theirs\0my.conf\01\0"))
            .collect();
        let user = User::parse("my.conf".into(), &records);
        let conf = Conf {
            dir: Utf8Path::new("/run"),
            source: Utf8Path::new("/source"),
            output: Utf8Path::new("/out"),
            variables: &[],
            make: "make",
            goals: "",
            version: "0001-x-$(git -C /source rev-parse --short=12 HEAD)",
            jobs: 2,
            image: "arch/x86/boot/bzImage",
            commits: &["b0".to_owned()],
            timeout: 60,
        };
        let text = conf.text_for(&user);
        let defaults = text.split("\nTEST_START").next().unwrap();
        let mut names: Vec<(&str, &str)> = defaults
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .collect();
        assert!(names.contains(&("MACHINE", "theirs")));
        assert!(names.contains(&("LOCALVERSION", "theirs")));
        assert!(names.contains(&("OUTPUT_DIR", "/out")));
        assert!(names.contains(&("TEST", "/run/machine")));
        assert!(names.contains(&("BUILD_OPTIONS", "-j2")));
        assert!(defaults.contains("KBUILD_BUILD_VERSION=0001-x-$(git "));
        for name in ["BUILD_DIR", "BUILD_TARGET"] {
            assert!(names.iter().any(|(n, _)| *n == name), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup_by_key(|(name, _)| *name);
        assert_eq!(names.len(), all);
    }
}
