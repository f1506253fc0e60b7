// SPDX-License-Identifier: MIT OR Apache-2.0
//! The targets on a machine of the user's: what ktest.pl calls as TEST, and what comes back.
//!
//! ```text
//! machine    what ktest.pl calls: notes the commit and the image, then the two below, with a deadline
//! copy       our static init and its files, to a directory of the machine, by the user's SSH_EXEC and SCP_TO_TARGET
//! run        `init machine ktest.targets=…` there, by the user's SSH_EXEC; its standard output comes back
//! boots/N    commit, bzImage, output, ended; output is taken apart into results.ktap and kernel.log
//! ```
//!
//! Nothing tells what a machine has booted but the kernel that runs: so each kernel is built with a name of its own, and
//! results of a kernel with another name do not count.

use super::boots::Boot;
use super::user::User;
use crate::boot::Ended;
use crate::error::Error;
use crate::results::Results;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process_group};

/// Seconds for copying some megabytes: enough for ten of them over a line of 0.3 Mbit/s.
const COPY_SECONDS: u64 = 300;

/// The word by which a kernel is known: it stands between `#` and the date in /proc/version and in every splat.
pub(crate) fn name(run: &str, commit: &str) -> String {
    format!("{run}-{}", commit.get(..12).unwrap_or(commit))
}

/// The same for all commits, as the shell takes it where make is called.
pub(crate) fn names(run: &str, source: &Utf8Path) -> String {
    format!("{run}-$(git -C {source} rev-parse --short=12 HEAD)")
}

/// All that the scripts depend on.
#[derive(Debug, Clone)]
pub(crate) struct Remote<'a> {
    /// Where everything of this way lies.
    pub(crate) dir: &'a Utf8Path,
    /// The shadow, which holds the commits.
    pub(crate) source: &'a Utf8Path,
    /// The image that was built.
    pub(crate) image: &'a Utf8Path,
    /// The run's name.
    pub(crate) run: &'a str,
    /// The init, and what is copied with it.
    pub(crate) files: &'a [Utf8PathBuf],
    /// `NAME:SECONDS,…`
    pub(crate) targets: &'a str,
    /// Until the machine is given up.
    pub(crate) seconds: u64,
}

impl Remote<'_> {
    /// The three scripts, by name. `None` where the user's forms name no place for what goes into them, which was checked.
    pub(crate) fn scripts(&self, user: &User) -> Option<[(&'static str, String); 3]> {
        let there = format!("/tmp/ktest-{}", self.run);
        let mut copy = format!(
            "#!/bin/sh\n# Copies the targets to the machine; SSH_EXEC and SCP_TO_TARGET are those of {}.\nset -e\n{}\n",
            user.path,
            // Quoted as ktest.pl quotes commands with several words.
            user.login(&format!("'(rm -rf {there} && mkdir -m 700 {there})'"))?
        );
        for file in self.files {
            let name = file.file_name().unwrap_or_default();
            copy += &user.copy(file.as_str(), &format!("{there}/{name}"))?;
            copy += "\n";
        }
        let init = self.files.first()?.file_name()?;
        let run = format!(
            "#!/bin/sh\n# Runs the targets there.\n{}\n",
            user.login(&format!(
                "'(cd {there} && chmod 755 {init} && KTEST_FILES={there} ./{init} machine ktest.targets={})'",
                self.targets
            ))?
        );
        let Remote {
            dir,
            source,
            image,
            seconds,
            ..
        } = self;
        let machine = format!(
            r#"#!/bin/sh
# What ktest.pl calls as its TEST: the targets are copied to the machine and run there. Written by ktest.
d={dir}
n=$(($(cat $d/count) + 1))
echo $n > $d/count
b=$d/boots/$n
mkdir -p $b
cp {image} $b/bzImage
git -C {source} rev-parse HEAD > $b/commit
: > $b/output
if ! timeout -k 5 {COPY_SECONDS} sh $d/copy > $b/copy.log 2>&1 < /dev/null; then
	echo copy > $b/ended
	exit 1
fi
{{
	timeout -k 5 {seconds} sh $d/run 2> $b/errors.log < /dev/null &
	echo $! > $b/pid
	wait $!
	echo $? > $b/ended
}} | tee $b/output
grep -q 'ktest verdict: pass' $b/output
"#
        );
        Some([("copy", copy), ("run", run), ("machine", machine)])
    }
}

/// Ends the logins that ktest.pl left behind when it killed what it had called: they wait for a machine that is gone.
pub(crate) fn end_logins(boots: &[Boot]) {
    for boot in boots.iter().filter(|b| !b.dir.join("ended").is_file()) {
        let text = std::fs::read_to_string(boot.dir.join("pid")).unwrap_or_default();
        let id = text.trim().parse().ok().and_then(Pid::from_raw);
        let program = std::fs::read_to_string(format!("/proc/{}/comm", text.trim()));
        // timeout(1) leads a group of its own; what has the number now may be another program.
        let is_ours = program.is_ok_and(|name| name.trim() == "timeout");
        if let Some(id) = id.filter(|_| is_ours) {
            let _gone = kill_process_group(id, Signal::KILL);
        }
    }
}

/// What one call of the script brought back.
#[derive(Debug, Clone)]
pub(crate) struct Brought {
    /// How the login ended.
    pub(crate) ended: Ended,
    /// What the targets said.
    pub(crate) results: Results,
    /// The kernel's own log, as a console would have it.
    pub(crate) log: String,
    /// Whether that log begins with the kernel's first message.
    pub(crate) from_its_beginning: bool,
    /// Why there is nothing.
    pub(crate) nothing: Option<String>,
}

/// Takes apart what `boot` has brought, leaving `results.ktap` and `kernel.log` beside it.
pub(crate) fn brought(boot: &Boot) -> Result<Brought, Error> {
    let read = |name: &str| {
        let bytes = std::fs::read(boot.dir.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let ended = read("ended");
    let parts = apart(&read("output"));
    for (name, text) in [("results.ktap", &parts.results), ("kernel.log", &parts.log)] {
        let file = boot.dir.join(name);
        std::fs::write(&file, text).map_err(Error::io("write", &file))?;
    }
    let mut results = Results::parse(&parts.results);
    results.problems.extend(parts.problem);
    let last = |name: &str| {
        let text = read(name);
        let line = text.lines().rfind(|line| !line.trim().is_empty());
        line.map_or(String::new(), |line| format!(": {}", line.trim()))
    };
    let nothing = match ended.trim() {
        "copy" => Some(format!(
            "the targets could not be copied to the machine{}",
            last("copy.log")
        )),
        _ if parts.results.is_empty() => Some(format!(
            "the machine said nothing of the targets{}",
            last("errors.log")
        )),
        _ => None,
    };
    Ok(Brought {
        // timeout(1): 124, or 137 when it had to kill.
        ended: match ended.trim() {
            "124" | "137" => Ended::Deadline,
            _ => Ended::Exited,
        },
        results,
        log: parts.log,
        from_its_beginning: parts.first == Some(0),
        nothing,
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    results: String,
    log: String,
    first: Option<u64>,
    problem: Option<String>,
}

/// `ktest 1: KTAP version 1` and `kernel 7: 412 text`: numbered in one sequence, among whatever else a login prints. The
/// kernel's own lines have the number of the record besides.
fn apart(output: &str) -> Parts {
    let mut parts = Parts::default();
    let (mut expected, mut record) = (1u64, None::<u64>);
    let mut problem = |what: String| {
        parts.problem.get_or_insert(what);
    };
    for raw in output.lines() {
        let line = raw.trim_end_matches('\r');
        let (ours, rest) = if let Some(rest) = line.strip_prefix("ktest ") {
            (true, rest)
        } else if let Some(rest) = line.strip_prefix("kernel ") {
            (false, rest)
        } else {
            continue;
        };
        let Some((Ok(number), text)) = rest
            .split_once(':')
            .map(|(number, text)| (number.parse::<u64>(), text))
        else {
            continue;
        };
        if number != expected {
            problem(format!("line {expected} of the results is missing"));
        }
        expected = number.saturating_add(1);
        let text = text.strip_prefix(' ').unwrap_or(text);
        if ours {
            parts.results.push_str(text);
            parts.results.push('\n');
            continue;
        }
        let (number, text) = text.split_once(' ').unwrap_or((text, ""));
        let number = number.parse::<u64>().ok();
        let expected = record.map(|before| before.saturating_add(1));
        if let Some((expected, now)) = expected
            .zip(number)
            .filter(|(expected, now)| expected != now)
        {
            problem(format!(
                "the kernel's log ran over: its messages {expected} to {} are lost",
                now.saturating_sub(1)
            ));
        }
        parts.first = parts.first.or(number);
        record = number;
        parts.log.push_str(text);
        parts.log.push('\n');
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_kernel_messages_are_told_from_greetings() {
        let output = "Welcome!\nktest 1: KTAP version 1\r\nkernel 2: 0 Linux version 6.12\nktest 3:     ok 1 a\n\
            ktest: begin nothing\nkernel 4: 1 WARNING: x\n";
        let parts = apart(output);
        assert_eq!(parts.results, "KTAP version 1\n    ok 1 a\n");
        assert_eq!(parts.log, "Linux version 6.12\nWARNING: x\n");
        assert_eq!((parts.first, parts.problem), (Some(0), None));
    }

    #[test]
    fn a_line_that_got_lost_is_missed() {
        let lost = apart("ktest 1: a\nktest 3: c\n").problem.unwrap();
        assert_eq!(lost, "line 2 of the results is missing");
        let over = apart("kernel 1: 7 a\nkernel 2: 10 b\n");
        assert_eq!(over.first, Some(7));
        assert!(over.problem.unwrap().contains("8 to 9"));
    }
}
