// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user's machine against the real ktest.pl: a configuration as developers have them, a `make` that takes no time, and a
//! machine that is a few scripts. They need a kernel tree for its ktest.pl:
//! `KTEST_TREE=…/linux-6.12 cargo test -p ktest perl::tests -- --ignored`

use super::passage::{Passage, by_lines, passages};
use super::remote::{Remote, name, names};
use super::{Came, Conf, SCRIPT, User, WAITS, boots, came, not_better};
use crate::build::forget;
use crate::judge::{Converted, judge};
use crate::verdict::Outcome;
use camino::{Utf8Path, Utf8PathBuf};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const RUN: &str = "0001-cafe";

/// Builds what `behaviour` in the sources says, and names it as kbuild names a kernel.
const MAKE: &str = r#"for word in "$@"; do case $word in O=*) out=${word#O=} ;; esac; done
case "$*" in
*kernelrelease*) echo 6.12.0-board ;;
*olddefconfig*) : ;;
*-j*)
	mkdir -p $out/arch/x86/boot
	read what < behaviour
	[ $what = nobuild ] && { echo 'a.c:1: error: no'; exit 2; }
	echo "$KBUILD_BUILD_VERSION $what" > $out/arch/x86/boot/bzImage ;;
*) echo "make $*: not expected"; exit 2 ;;
esac
"#;

/// What the machine's power switch and its `reboot` do: what was installed runs once, then the good kernel.
const CYCLE: &str = r#"d=$(dirname $0)
say() { printf '%s\r\n' "$*" >> $d/console; }
if [ "$(cat $d/next)" = good ]; then
	say '[    0.000000] Linux version 6.1.0-good (x) #1 SMP'
	say '[    1.000000] WARNING: CPU: 0 PID: 1 at the/good.c:1 kernel/0x1'
	echo good > $d/running
	say 'board login:'
	exit 0
fi
read version what < $d/boot/vmlinuz
[ $what = stale ] && version=0001-older
echo $version $what > $d/running
echo good > $d/next
[ $what = dead ] && exit 0
say "[    0.000000] Linux version 6.12.0-board (x) #$version SMP"
case $what in
hang) say '[    1.0] nothing more' ;;
panic) say '[    1.0] Kernel panic - not syncing: VFS' ;;
warn) say '[    1.0] WARNING: CPU: 0 PID: 1 at mm/gup.c:1 f+0x1/0x2'; say '[    1.0] Call Trace:' ;;
*) say 'board login:' ;;
esac
exit 0
"#;

/// The machine's login.
const LOGIN: &str = r##"d=$(dirname $0)
read version what < $d/running
[ "$version" = good ] || [ $what != dead ] || exit 255
case "$*" in
*'mkdir -m 700'*) sh -c "$(echo "$*" | sed "s,/tmp/,$d/tmp/,g")" ;;
*ktest.targets=*)
	n=0
	say() { n=$(($n + 1)); echo "ktest $n: $*"; }
	echo 'Welcome to the board'
	[ $what = mute ] && exit 0
	test -x $d/tmp/ktest-*/guest || { echo "not copied" >&2; exit 1; }
	say 'KTAP version 1'
	say "# kernel 6.12.0-board #$version SMP"
	n=$(($n + 1)); echo "kernel $n: 0 Linux version 6.12.0-board"
	[ $what = lost ] && n=$(($n + 1))
	say '# begin process-vm FAILED'
	say '    ok 1 read'
	[ $what = crash ] && { printf 'BUG: unable to handle page fault for address: 0\r\nCall Trace:\r\n' >> $d/console; sleep 100; }
	[ $what = slow ] && sleep 100
	given=5
	[ $what = leak ] && given=4
	say "# pins process-vm acquired=5 released=$given"
	say '# end process-vm pass'
	say 'ok 1 process-vm'
	n=$(($n + 1)); echo "kernel $n: 1 fine"
	say 'ktest verdict: pass' ;;
esac
exit 0
"##;

/// As a developer has it: shared defaults, tests of their own, and what is theirs to say of what is built.
const DEFAULTS: &str = "MIN_CONFIG = ${THIS_DIR}/config-min\nBUILD_DIR = ${THIS_DIR}/linux.git\nSSH_USER = root\nTIMEOUT = 100\n\
    LOCALVERSION = -board\nPRE_BUILD = cd ${BUILD_DIR} && git reset --hard\n";
const CONF: &str = r#"# The board on my desk
THIS_DIR := DIRECTORY
MACHINE = board
INCLUDE defaults.conf
BOARD := ${THIS_DIR}/${MACHINE}
SSH_EXEC = ${BOARD}/login $SSH_COMMAND
SCP_TO_TARGET = cp $SRC_FILE ${BOARD}$DST_FILE
SCP_TO_TARGET_INSTALL = cp $SRC_FILE $DST_FILE
TARGET_IMAGE = ${BOARD}/boot/vmlinuz
POWER_CYCLE = ${BOARD}/cycle
REBOOT = ${BOARD}/cycle
REBOOT_TYPE = script
SWITCH_TO_TEST = echo test > ${BOARD}/next
SWITCH_TO_GOOD = echo good > ${BOARD}/next
CONSOLE = tail -q -n 0 -F ${BOARD}/console
CLOSE_CONSOLE_SIGNAL = KILL
SUCCESS_LINE = ${MACHINE} login:
REBOOT_SUCCESS_LINE = ${MACHINE} login:
STOP_AFTER_SUCCESS = 0
STOP_AFTER_FAILURE = 0
SLEEP_TIME = 1
PATCHCHECK_SLEEP_TIME = 1
CONNECT_TIMEOUT = 2
REBOOT_ON_SUCCESS = 0
TYPO_HERE = 1

TEST_START
TEST_TYPE = patchcheck
PATCHCHECK_TYPE = boot

DEFAULTS OVERRIDE
TIMEOUT = 3
"#;

struct Board {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    script: Utf8PathBuf,
}

impl Board {
    fn new() -> Board {
        let tree = std::env::var("KTEST_TREE").expect("KTEST_TREE names a kernel tree");
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        for place in ["board/boot", "board/tmp", "source", "ktest.pl/boots"] {
            std::fs::create_dir_all(root.join(place)).unwrap();
        }
        let board = Board {
            _dir: dir,
            script: Utf8PathBuf::from(tree).join(SCRIPT),
            root,
        };
        for (name, text) in [
            ("make", MAKE),
            ("board/cycle", CYCLE),
            ("board/login", LOGIN),
        ] {
            board.put(name, &format!("#!/bin/sh\n{text}"));
        }
        for (name, text) in [
            ("my.conf", CONF.replace("DIRECTORY", board.root.as_str())),
            ("defaults.conf", DEFAULTS.into()),
            ("board/next", "good\n".into()),
            ("board/running", "good\n".into()),
            ("board/console", String::new()),
            ("ktest.pl/config", "CONFIG_A=y\n".into()),
            ("ktest.pl/count", "0\n".into()),
            ("guest", "the init\n".into()),
        ] {
            board.put(name, &text);
        }
        board
    }

    fn put(&self, name: &str, text: &str) {
        let file = self.root.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let source = self.root.join("source");
        let ran = proc::git::git(source.as_std_path())
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .run();
        ran.unwrap().stdout_text().trim().to_owned()
    }

    fn user(&self) -> User {
        User::read(&self.script, &self.root.join("my.conf")).unwrap()
    }

    /// A commit for each behaviour.
    fn commits(&self, behaviours: &[&str]) -> Vec<String> {
        self.git(&["init", "--quiet"]);
        let commit = |what: &&str| {
            self.put("source/behaviour", &format!("{what}\n"));
            self.git(&["add", "behaviour"]);
            self.git(&["commit", "--quiet", "--allow-empty", "--message", what]);
            self.git(&["rev-parse", "HEAD"])
        };
        behaviours.iter().map(commit).collect()
    }

    /// Drives the real ktest.pl over the commits; how far each came that it came to.
    fn drive(&self, behaviours: &[&str]) -> Vec<Came> {
        let commits = self.commits(behaviours);
        let (dir, source) = (self.root.join("ktest.pl"), self.root.join("source"));
        let (user, version) = (self.user(), names(RUN, &source));
        let output = self.root.join("out");
        let image = output.join("arch/x86/boot/bzImage");
        let make = self.root.join("make");
        let conf = Conf {
            dir: &dir,
            source: &source,
            output: &output,
            variables: &[],
            make: make.as_str(),
            goals: "",
            version: &version,
            jobs: 1,
            image: "arch/x86/boot/bzImage",
            commits: &commits,
            timeout: 60,
        };
        let files = [self.root.join("guest")];
        let remote = Remote {
            dir: &dir,
            source: &source,
            image: &image,
            run: RUN,
            files: &files,
            targets: "process-vm:1",
            seconds: 5,
        };
        for (name, text) in remote.scripts(&user).unwrap() {
            self.put(&format!("ktest.pl/{name}"), &text);
        }
        self.put("ktest.pl/ktest.conf", &conf.text_for(&user));
        let ran = proc::Command::new("perl")
            .args(["-e", WAITS])
            .args([self.script.as_path(), conf.path().as_path()])
            .current_dir(&dir)
            .log(dir.join("ktest.pl.log"))
            .deadline(Duration::from_secs(300))
            .run_unchecked()
            .unwrap();
        forget(&source).unwrap();
        let printed = by_lines(&ran.stdout_text(), &dir.join("machine"));
        let passages = passages(&printed);
        let boots = boots(&dir, "commit");
        super::end_logins(&boots);
        let of = |number: usize, commit: &String| {
            let passage: &Passage = match number {
                0 => passages.iter().find(|p| p.test == 2)?,
                _ => passages
                    .iter()
                    .find(|p| p.commit.as_deref() == Some(commit.as_str()))?,
            };
            let boot = boots.iter().rfind(|boot| &boot.commit == commit);
            Some(came(passage, &printed, boot, &name(RUN, commit)).unwrap())
        };
        let all = commits.iter().enumerate();
        all.map_while(|(number, commit)| of(number, commit))
            .collect()
    }
}

fn outcome(came: &Came) -> (Outcome, String) {
    match came {
        Came::NotBuilt(why) => (Outcome::Fail, format!("build: {why}")),
        Came::Unknown(why) => (Outcome::Inconclusive, format!("unknown: {why}")),
        Came::Started(outcome, why, _) => (*outcome, why.clone()),
        Came::Tested(seen, why) => {
            let spec = &crate::target::select(&["process-vm".into()]).unwrap()[0];
            let mut targets = [judge(spec, Converted::No, seen)];
            not_better(&mut targets, seen, why.as_deref());
            let [target] = targets;
            (target.result, target.reason.unwrap_or_default())
        }
    }
}

/// The base and the last of the kernels that ktest.pl came to, of a base, a good patch and one that does `what`.
fn third(what: &str) -> (Outcome, String) {
    let all: Vec<_> = Board::new()
        .drive(&["fine", "alsofine", what])
        .iter()
        .map(outcome)
        .collect();
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0].0, Outcome::Pass, "{all:?}");
    assert_eq!(all[1].0, Outcome::Pass, "{all:?}");
    all[2].clone()
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn what_ktest_pl_reads_is_what_we_take_and_the_rest_is_said() {
    let board = Board::new();
    let user = board.user();
    let dir = &board.root;
    assert_eq!(user.option("TIMEOUT"), Some("3"), "OVERRIDE counts");
    assert_eq!(
        user.option("POWER_CYCLE"),
        Some(format!("{dir}/${{MACHINE}}/cycle").as_str()),
        "an option in an option is replaced when it is used"
    );
    assert_eq!(user.configs(), [dir.join("config-min")]);
    assert_eq!(
        user.login("'(x)'").unwrap(),
        format!("{dir}/board/login '(x)'")
    );
    assert_eq!(
        user.copy("/a", "/tmp/b").unwrap(),
        format!("cp /a {dir}/board/tmp/b")
    );
    let kept: Vec<&str> = user.kept().map(|(name, _, _)| name).collect();
    for ours in ["BUILD_DIR", "MIN_CONFIG", "PRE_BUILD", "TEST_TYPE[1]"] {
        assert!(!kept.contains(&ours), "{ours}");
    }
    let said = user.said().join("\n");
    for line in [
        "1 test left out",
        "defaults.conf:1: MIN_CONFIG is not taken: it is merged",
        "defaults.conf:2: BUILD_DIR is not taken: the series is built in links",
        "defaults.conf:6: PRE_BUILD is not taken: it could change what is built",
        "my.conf:25: TYPO_HERE is no option of ktest.pl",
        "my.conf:28: TEST_TYPE is not taken: it belongs to a test of yours",
    ] {
        assert!(said.contains(line), "{line} in:\n{said}");
    }
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn a_configuration_that_ktest_pl_would_refuse_or_ask_about_is_refused() {
    let board = Board::new();
    let refused = |text: &str| {
        board.put("other.conf", text);
        let read = User::read(&board.script, &board.root.join("other.conf"));
        read.unwrap_err().to_string()
    };
    let twice = refused("MACHINE = a\nMACHINE = b\n");
    assert!(twice.contains("MACHINE defined more than once"), "{twice}");
    let lacks = refused("MACHINE = a\n");
    assert!(
        lacks.contains("SSH_USER, POWER_CYCLE, CONSOLE, TARGET_IMAGE, REBOOT_TYPE"),
        "{lacks}"
    );
    let hash = refused(&format!(
        "{}\nX := ${{shell printf '\\043'}}\nPOST_INSTALL = echo ${{X}}\n",
        CONF.replace("DIRECTORY", board.root.as_str())
            .replace("TEST_START", "DEFAULTS SKIP")
    ));
    assert!(hash.contains("POST_INSTALL has a #"), "{hash}");
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn a_leak_is_found_and_what_the_good_kernel_complains_of_is_not_held_against_it() {
    assert_eq!(
        third("leak"),
        (Outcome::Fail, "pins acquired 5, released 4".into())
    );
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn a_kernel_that_does_not_build_or_come_up_is_told_apart() {
    let (outcome, why) = third("nobuild");
    assert_eq!(outcome, Outcome::Fail);
    assert!(
        why.starts_with("build: ktest.pl says: failed build"),
        "{why}"
    );
    let (outcome, why) = third("panic");
    assert_eq!(
        (outcome, why.contains("VFS")),
        (Outcome::Crash, true),
        "{why}"
    );
    let (outcome, why) = third("warn");
    assert_eq!(outcome, Outcome::Fail);
    assert!(why.starts_with("console: WARNING"), "{why}");
    let (outcome, why) = third("hang");
    assert_eq!(outcome, Outcome::Timeout, "{why}");
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn a_kernel_that_dies_or_hangs_while_it_is_tested_is_told_apart() {
    let (outcome, why) = third("crash");
    assert_eq!(outcome, Outcome::Crash, "{why}");
    let (outcome, why) = third("slow");
    assert_eq!(outcome, Outcome::Timeout, "{why}");
}

#[test]
#[ignore = "needs perl, diffstat and KTEST_TREE, a kernel tree"]
fn what_is_not_known_is_no_pass_and_blames_nobody() {
    for (what, because) in [
        ("stale", "not the kernel that was built"),
        ("dead", "this kernel was not seen on the console"),
        ("mute", "the machine said nothing of the targets"),
        ("lost", "line 4 of the results is missing"),
    ] {
        let (outcome, why) = third(what);
        assert_eq!(outcome, Outcome::Inconclusive, "{what}: {why}");
        assert!(why.contains(because), "{what}: {why}");
    }
}
