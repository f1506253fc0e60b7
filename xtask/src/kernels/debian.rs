// SPDX-License-Identifier: MIT OR Apache-2.0
//! A release from Debian's `linux-source-*` packages: the one that is installed, or one that apt downloads and checks.
//!
//! Where packages come from is what this machine's apt is set up with. For a series that the configured suites lack,
//! the same mirrors are asked for other suites of Debian, in lists of our own: the system's are never touched.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::kernels::store::{Cached, Locked};
use crate::kernels::version::Version;
use camino::{Utf8Path, Utf8PathBuf};
use indicatif::ProgressBar;
use std::time::Duration;

/// Unpacking 150 MB of xz into 1.5 GB takes a minute; a slow disk may take ten.
const DEADLINE: Duration = Duration::from_secs(1800);
/// tar's record, in bytes.
const RECORD: u64 = 10_240;

/// Suites to ask for a series that apt's own lists lack, in this order: 6.12, 5.10, 6.12 again, the newest, 6.1.
/// Suites ending in `-security` are on the security mirror; each index but the last is below 1 MB.
const SUITES: &[&str] = &[
    "bookworm-security",
    "bullseye-security",
    "trixie-security",
    "trixie-backports",
    "bookworm",
];

/// Whether this machine has what it takes.
pub(crate) fn is_here() -> bool {
    [
        "apt-get",
        "apt-cache",
        "dpkg-deb",
        "dpkg-query",
        "tar",
        "xz",
    ]
    .iter()
    .all(|program| proc::on_path(program).is_some())
}

/// Brings a release into the cache; `None` when no package holds it.
pub(crate) fn get(
    wanted: Version,
    store: &Locked<'_>,
    console: &Console,
) -> Result<Option<Cached>, Failure> {
    let scratch = store.scratch()?;
    let scratch = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Failure::new(Exit::Usage, "the path of the cache is not UTF-8"))?;
    let tarball = match installed(wanted)? {
        Some(tarball) => tarball,
        None => match download(wanted, scratch, console)? {
            Some(tarball) => tarball,
            None => return Ok(None),
        },
    };
    let unpacked = scratch.join("tree");
    unpack(&tarball, &unpacked, scratch, console)?;
    let tree = sole_entry(&unpacked)?;
    store.adopt(&tree, wanted).map(Some)
}

/// The upstream version of a package version: "6.12.117" of "6.12.117-1~deb12u1".
fn upstream(package_version: &str) -> Option<Version> {
    let version = package_version
        .rsplit_once(':')
        .map_or(package_version, |(_, rest)| rest);
    version.split(['-', '~', '+']).next()?.parse().ok()
}

/// The source package's tarball where it is installed, is what is wanted, and is as dpkg has written it.
fn installed(wanted: Version) -> Result<Option<Utf8PathBuf>, Failure> {
    let package = format!("linux-source-{}", wanted.series());
    let tarball = Utf8PathBuf::from(format!("/usr/src/{package}.tar.xz"));
    let status = proc::Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat=${db:Status-Status} ${Version}",
            &package,
        ])
        .run_unchecked()?;
    let text = status.stdout_text();
    let fits = text
        .strip_prefix("installed ")
        .and_then(upstream)
        .is_some_and(|version| wanted.accepts(version));
    if !fits || !tarball.exists() {
        return Ok(None);
    }
    let verified = proc::Command::new("dpkg")
        .args(["--verify", &package])
        .deadline(DEADLINE)
        .run_unchecked()?;
    // dpkg prints a line for each file that differs from the package.
    Ok(verified
        .stdout_text()
        .lines()
        .all(|line| !line.ends_with(tarball.as_str()))
        .then_some(tarball))
}

/// Asks apt's own lists, then lists of ours.
fn download(
    wanted: Version,
    scratch: &Utf8Path,
    console: &Console,
) -> Result<Option<Utf8PathBuf>, Failure> {
    let package = format!("linux-source-{}", wanted.series());
    let system = Apt::of_system();
    if let Some(version) = system.newest(&package, wanted)? {
        return system.fetch(&package, &version, scratch, console).map(Some);
    }
    let mirrors = Mirrors::configured()?;
    for suite in SUITES {
        let Some(line) = mirrors.line(suite) else {
            continue;
        };
        console.say(format!("{package} is not in apt's lists; asking {suite}"));
        let Some(private) = Apt::with_list(&scratch.join(suite), &line)? else {
            console.detail(format!("{suite} is not on this mirror"));
            continue;
        };
        if let Some(version) = private.newest(&package, wanted)? {
            return private
                .fetch(&package, &version, scratch, console)
                .map(Some);
        }
    }
    Ok(None)
}

/// apt with the system's lists, or with some of our own.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn of_system() -> Apt {
        Apt {
            options: Vec::new(),
        }
    }

    /// Fetches one suite's lists into `dir`; `None` when the mirror does not have it.
    fn with_list(dir: &Utf8Path, line: &str) -> Result<Option<Apt>, Failure> {
        std::fs::create_dir_all(dir.join("lists/partial"))?;
        std::fs::create_dir_all(dir.join("cache/archives/partial"))?;
        std::fs::write(dir.join("sources.list"), format!("{line}\n"))?;
        let set = |key: &str, value: &str| ["-o".to_owned(), format!("{key}={value}")];
        let options = [
            set("Dir::Etc::sourcelist", dir.join("sources.list").as_str()),
            set("Dir::Etc::sourceparts", "/dev/null"),
            set("Dir::State::lists", dir.join("lists").as_str()),
            set("Dir::Cache", dir.join("cache").as_str()),
        ];
        let apt = Apt {
            options: options.into_iter().flatten().collect(),
        };
        let updated = apt.command("apt-get").arg("update").run_unchecked()?;
        Ok(updated.success().then_some(apt))
    }

    fn command(&self, program: &str) -> proc::Command {
        proc::Command::new(program)
            .args(&self.options)
            // Root may not hand a private directory to apt's sandbox user.
            .args(["-o", "APT::Sandbox::User=root"])
            .env("LC_ALL", "C")
            .deadline(DEADLINE)
    }

    /// The newest version of a package that is what was asked for.
    fn newest(&self, package: &str, wanted: Version) -> Result<Option<String>, Failure> {
        let known = self
            .command("apt-cache")
            .args(["madison", package])
            .run_unchecked()?;
        Ok(newest_of(&known.stdout_text(), wanted))
    }

    /// Downloads and unpacks a package; apt checks its hash against the signed lists.
    fn fetch(
        &self,
        package: &str,
        version: &str,
        scratch: &Utf8Path,
        console: &Console,
    ) -> Result<Utf8PathBuf, Failure> {
        let name = format!("{package}={version}");
        let shown = self
            .command("apt-cache")
            .args(["show", &name])
            .run()?
            .stdout_text();
        let size = shown
            .lines()
            .find_map(|line| line.strip_prefix("Size: ")?.parse().ok())
            .unwrap_or(0);
        let into = scratch.join("download");
        std::fs::create_dir_all(&into)?;
        let bar = console.bar(&format!("downloading {package} {version}"), size, true);
        let child = self
            .command("apt-get")
            .args(["download", "-q", &name])
            .current_dir(&into)
            .spawn()?;
        watch(child, &bar, || {
            let sizes = into.read_dir_utf8().into_iter().flatten().flatten();
            sizes
                .filter_map(|entry| Some(entry.metadata().ok()?.len()))
                .sum()
        })?;
        let deb = sole_entry(&into)?;
        let contents = scratch.join("contents");
        proc::Command::new("dpkg-deb")
            .args(["-x", deb.as_str(), contents.as_str()])
            .deadline(DEADLINE)
            .run()?;
        Ok(contents.join(format!("usr/src/{package}.tar.xz")))
    }
}

/// The newest wanted version in `apt-cache madison`'s lines, "package | version | where".
fn newest_of(madison: &str, wanted: Version) -> Option<String> {
    madison
        .lines()
        .filter_map(|line| {
            let version = line.split('|').nth(1)?.trim();
            let upstream = upstream(version)?;
            wanted.accepts(upstream).then_some((upstream, version))
        })
        // Madison lists the newest first; of equal upstream versions the first is kept.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, version)| version.to_owned())
}

/// The mirrors that apt is set up with.
pub(crate) struct Mirrors {
    main: Option<String>,
    security: Option<String>,
    keyring: String,
}

impl Mirrors {
    /// What apt's own lists say.
    pub(crate) fn configured() -> Result<Mirrors, Failure> {
        let targets = Apt::of_system()
            .command("apt-get")
            .args([
                "indextargets",
                "--format",
                "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages",
            ])
            .run()?;
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Ok(Mirrors::read(&targets.stdout_text(), &release))
    }

    fn read(targets: &str, os_release: &str) -> Mirrors {
        let codename = os_release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .unwrap_or_default();
        let uri_of = |suite: &str| {
            targets.lines().find_map(|line| {
                let mut words = line.split(' ');
                let (uri, release) = (words.next()?, words.next()?);
                (release == suite).then(|| uri.to_owned())
            })
        };
        Mirrors {
            main: uri_of(codename),
            security: uri_of(&format!("{codename}-security")),
            // Where Debian's own package of its keys puts them; without it apt uses the keys that it trusts anyway.
            keyring: Some("/usr/share/keyrings/debian-archive-keyring.gpg")
                .filter(|file| Utf8Path::new(file).exists())
                .map(|file| format!("[signed-by={file}] "))
                .unwrap_or_default(),
        }
    }

    /// The line of a sources.list for a suite; `None` when no configured mirror would have it.
    pub(crate) fn line(&self, suite: &str) -> Option<String> {
        let mirror = if suite.ends_with("-security") {
            &self.security
        } else {
            &self.main
        };
        let mirror = mirror.as_ref()?;
        Some(format!("deb {}{mirror} {suite} main", self.keyring))
    }
}

/// Unpacks a tarball, with a bar.
fn unpack(
    tarball: &Utf8Path,
    into: &Utf8Path,
    scratch: &Utf8Path,
    console: &Console,
) -> Result<(), Failure> {
    std::fs::create_dir_all(into)?;
    let listed = proc::Command::new("xz")
        .args(["--robot", "--list", tarball.as_str()])
        .run()?
        .stdout_text();
    let size = listed
        .lines()
        .find(|line| line.starts_with("totals"))
        .and_then(|line| line.split('\t').nth(4)?.parse().ok())
        .unwrap_or(0);
    let bar = console.bar("unpacking", size, true);
    let log = scratch.join("tar.log");
    let child = proc::Command::new("tar")
        .args(["--extract", "--xz", "--no-same-owner", "--checkpoint=500"])
        .args(["--checkpoint-action=echo=%u", "--file", tarball.as_str()])
        .args(["--directory", into.as_str()])
        .log(&log)
        .deadline(DEADLINE)
        .spawn()?;
    watch(child, &bar, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let records = text
            .lines()
            .rev()
            .find_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        records.unwrap_or(0) * RECORD
    })
}

/// Waits for a child and moves the bar.
fn watch(
    mut child: proc::Child,
    bar: &ProgressBar,
    position: impl Fn() -> u64,
) -> Result<(), Failure> {
    loop {
        if let Some(output) = child.wait_for(Duration::from_millis(200))? {
            bar.finish_and_clear();
            if output.success() {
                return Ok(());
            }
            return Err(Failure::new(
                Exit::Infrastructure,
                format!("failed to get the kernel's source: {}", output.stderr_text()),
            )
            .hint("check the network and the free space of the cache's disk, then run the same command again"));
        }
        bar.set_position(position());
    }
}

fn sole_entry(dir: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let mut entries = dir.read_dir_utf8()?.collect::<Result<Vec<_>, _>>()?;
    match (entries.pop(), entries.pop()) {
        (Some(entry), None) => Ok(entry.into_path()),
        _ => Err(Failure::new(
            Exit::Infrastructure,
            "what was downloaded is not one package or one tree",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_that_was_asked_for_is_taken_from_madison() {
        let madison = "\
linux-source-6.12 | 6.12.107-1~deb12u1 | a mirror
linux-source-6.12 | 6.12.117-1~deb12u1 | a mirror
linux-source-6.12 | 6.12.115-2~deb12u1 | a mirror";
        let newest = |wanted: &str| newest_of(madison, wanted.parse().unwrap());
        assert_eq!(newest("6.12").as_deref(), Some("6.12.117-1~deb12u1"));
        assert_eq!(newest("6.12.115").as_deref(), Some("6.12.115-2~deb12u1"));
        assert_eq!(newest("6.1"), None);
    }

    #[test]
    fn package_versions_lose_revision_and_epoch() {
        let of = |text| upstream(text).map(|version| version.to_string());
        assert_eq!(of("6.12.117-1~deb12u1").as_deref(), Some("6.12.117"));
        assert_eq!(of("1:7.3.4~bpo13+1-1").as_deref(), Some("7.3.4"));
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn other_suites_are_asked_of_the_configured_mirrors_only() {
        let targets = "http://one.example/ bookworm main\nhttp://two.example/ bookworm-security main\nhttp://other.example/ nodistro main";
        let mirrors = Mirrors::read(targets, "ID=debian\nVERSION_CODENAME=bookworm\n");
        let line = mirrors.line("trixie-backports").unwrap();
        assert!(
            line.ends_with("http://one.example/ trixie-backports main"),
            "{line}"
        );
        let line = mirrors.line("bullseye-security").unwrap();
        assert!(
            line.ends_with("http://two.example/ bullseye-security main"),
            "{line}"
        );
        assert!(
            Mirrors::read(targets, "VERSION_CODENAME=noble")
                .line("trixie")
                .is_none()
        );
    }
}
