// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs that are killed, stopped, or lose their emulator: none is a pass, nothing stays behind, and `resume` finishes them.
//!
//! The one who runs is this test program again; a script stands in for the emulator, so that no kernel is needed.

use callsites::report::Era;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use failure::Failure as _;
use ktest::verdict::{Accelerator, Outcome};
use ktest::{Error, KtestOptions, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const PLACE: &str = "INTERRUPTED_TEST_DIRECTORY";
/// What takes a second on a machine that does nothing else.
const LATE: Duration = Duration::from_secs(60);

/// Says its process id, then never ends, whatever it is asked.
const HANGS: &str =
    "trap '' TERM INT; echo $$ > \"$0.new\"; mv \"$0.new\" \"$0.pid\"; exec sleep 600";
/// Falls silent under KVM, and says what it is when it is asked.
const SILENT_UNDER_KVM: &str =
    "case \"$*\" in --version) echo emulator; exit ;; *'-accel kvm'*) exit ;; esac\n";
/// Dies of a signal the first time, and passes from then on.
const DIES_ONCE: &str = "[ -e \"$0.once\" ] || { : > \"$0.once\"; kill -9 $$; }\n";
const PASSES: &str = concat!(
    include_str!("serial_lines.sh"),
    r#"
echo 'ktest: begin process-vm' >> "$console"
echo 'ktest: end process-vm' >> "$console"
{
    echo '# begin process-vm FAILED'
    echo '    # pins read acquired=5 released=5'
    echo '    ok 1 read'
    echo '# pins process-vm acquired=5 released=5'
    echo '# end process-vm pass'
    echo 'ktest verdict: pass'
} >> "$results"
"#
);

struct Place {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Place {
    fn new(script: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        for name in ["image", "guest"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        let place = Place { _dir: dir, root };
        place.emulator(script);
        place
    }

    fn emulator(&self, script: &str) {
        let program = self.root.join("emulator");
        std::fs::write(&program, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The emulator's process id, once it says so.
    fn emulator_id(&self) -> i32 {
        let file = self.root.join("emulator.pid");
        let said = within(|| std::fs::read_to_string(&file).ok()?.trim().parse().ok());
        said.expect("the emulator says its process id")
    }

    fn run_id(&self) -> String {
        let mut runs = self.root.join("runs").read_dir_utf8().unwrap();
        let run = runs.next().unwrap().unwrap().file_name().to_owned();
        assert!(
            !self
                .root
                .join("runs")
                .join(&run)
                .join("verdict.json")
                .exists()
        );
        run
    }

    /// The interrupted run, brought to its end with an emulator that works.
    fn resumed(&self) -> Verdict {
        let id = self.run_id();
        self.emulator(PASSES);
        run(&self.root, Some(id)).unwrap()
    }

    /// This program as a process of its own that runs in this place, with the signals `ignored`.
    fn started(&self, ignored: &str) -> proc::Child {
        let itself = "exec \"$0\" --ignored --exact interrupted::runs_until_it_is_stopped";
        let script = match ignored {
            "" => itself.to_owned(),
            signals => format!("trap '' {signals}; {itself}"),
        };
        // Whoever started these tests may have had signals ignored (nohup, a shell's background), and a shell cannot take
        // that back.
        proc::Command::new("env")
            .args(["--default-signal=INT,TERM,HUP", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(PLACE, &self.root)
            .spawn()
            .unwrap()
    }
}

fn run(root: &Utf8Path, resume: Option<String>) -> Result<Verdict, Error> {
    run_with(Some(Accelerator::Tcg), root, resume)
}

fn run_with(
    accelerator: Option<Accelerator>,
    root: &Utf8Path,
    resume: Option<String>,
) -> Result<Verdict, Error> {
    let mut options = KtestOptions::new(root.join("cache"), root.join("runs"));
    options.targets = vec!["process-vm".into()];
    options.image = Some(root.join("image"));
    options.guest = Some(root.join("guest"));
    options.qemu = Some(root.join("emulator"));
    options.accelerator = accelerator;
    options.resume = resume;
    ktest::run(&Tree::embedded(Era::Pin), None, &options)
}

fn within<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + LATE;
    while Instant::now() < until {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn send(signal: Signal, to: i32) {
    kill_process(Pid::from_raw(to).unwrap(), signal).unwrap();
}

/// Whether a process is gone, or a corpse that nobody has looked at yet.
fn gone(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    stat.is_empty() || rest.starts_with(" Z")
}

#[test]
#[ignore = "started by the other tests"]
fn runs_until_it_is_stopped() {
    proc::interrupt::install(|| {});
    let root = Utf8PathBuf::from(std::env::var(PLACE).unwrap());
    let code = match run(&root, None) {
        Ok(verdict) => verdict.exit().code(),
        Err(error) => error.exit().code(),
    };
    std::process::exit(code.into());
}

#[test]
fn a_run_whose_driver_is_killed_leaves_nothing_and_is_resumed() {
    let place = Place::new(HANGS);
    let mut driver = place.started("");
    let emulator = place.emulator_id();
    send(Signal::KILL, driver.id());
    assert_eq!(driver.wait_for(LATE).unwrap().expect("it ends").code, None);
    assert!(within(|| gone(emulator).then_some(())).is_some());
    assert_eq!(place.resumed().exit(), Exit::Clean);
}

#[test]
fn a_run_in_the_background_is_stopped_by_sigterm_and_resumed() {
    let place = Place::new(HANGS);
    let mut driver = place.started("INT");
    let emulator = place.emulator_id();
    send(Signal::INT, driver.id());
    let early = driver.wait_for(Duration::from_millis(500)).unwrap();
    assert!(early.is_none() && !gone(emulator));
    send(Signal::TERM, driver.id());
    let ended = driver.wait_for(LATE).unwrap().expect("it ends");
    assert_eq!(ended.code, Some(130));
    assert!(gone(emulator));
    assert_eq!(place.resumed().exit(), Exit::Clean);
}

#[test]
fn ctrl_c_twice_ends_a_run_at_once_with_its_emulator() {
    let place = Place::new(HANGS);
    let mut driver = place.started("");
    let emulator = place.emulator_id();
    send(Signal::INT, driver.id());
    // The emulator is asked, and given three seconds, before it is killed.
    std::thread::sleep(Duration::from_millis(300));
    let second = Instant::now();
    send(Signal::INT, driver.id());
    let ended = driver.wait_for(LATE).unwrap().expect("it ends");
    assert_eq!(ended.code, Some(130));
    assert!(second.elapsed() < Duration::from_secs(2));
    assert!(within(|| gone(emulator).then_some(())).is_some());
    assert_eq!(place.resumed().exit(), Exit::Clean);
}

#[test]
fn an_emulator_that_is_killed_once_is_started_again() {
    let place = Place::new(&format!("{DIES_ONCE}{PASSES}"));
    let verdict = run(&place.root, None).unwrap();
    assert_eq!(verdict.result, Outcome::Pass, "{}", verdict.reason);
}

#[test]
fn an_emulator_that_is_killed_twice_is_infrastructure_and_the_run_is_resumed() {
    let place = Place::new("echo x >> \"$0.tries\"; kill -9 $$");
    let error = run(&place.root, None).unwrap_err();
    assert_eq!(error.exit(), Exit::Infrastructure, "{error}");
    let tries = std::fs::read_to_string(place.root.join("emulator.tries")).unwrap();
    assert_eq!(tries.lines().count(), 2);
    assert_eq!(place.resumed().exit(), Exit::Clean);
}

#[test]
#[ignore = "needs a small file system: mount -t tmpfs -o size=4m none DIR; TMPDIR=DIR"]
fn a_disk_that_fills_up_during_a_boot_is_no_verdict() {
    let place = Place::new(&format!(
        "cat /dev/zero > \"$0.fill\" 2>/dev/null\n{PASSES}"
    ));
    let error = run(&place.root, None).unwrap_err();
    assert_eq!(error.exit(), Exit::Infrastructure, "{error}");
    std::fs::remove_file(place.root.join("emulator.fill")).unwrap();
    assert_eq!(place.resumed().exit(), Exit::Clean);
}

#[test]
fn a_guest_that_falls_silent_under_kvm_is_booted_once_more_without() {
    let place = Place::new(&format!("{SILENT_UNDER_KVM}{PASSES}"));
    let verdict = run_with(Some(Accelerator::Kvm), &place.root, None).unwrap();
    assert_eq!(verdict.result, Outcome::Pass, "{}", verdict.reason);
    let target = &verdict.base.targets[0];
    assert_eq!(target.accelerator, Some(Accelerator::Tcg));
    let kept = std::fs::read_to_string(place.root.join("cache/accelerator.json")).unwrap();
    assert!(
        kept.contains("under KVM the guest ended without a verdict"),
        "{kept}"
    );

    let place = Place::new(PASSES);
    let verdict = run_with(Some(Accelerator::Kvm), &place.root, None).unwrap();
    let target = &verdict.base.targets[0];
    assert_eq!(target.accelerator, Some(Accelerator::Kvm));
    assert!(!place.root.join("cache/accelerator.json").exists());
}

#[test]
fn where_nobody_says_what_executes_a_guest_it_is_found_out() {
    let place = Place::new(&format!("{SILENT_UNDER_KVM}{PASSES}"));
    let verdict = run_with(None, &place.root, None).unwrap();
    assert_eq!(verdict.result, Outcome::Pass, "{}", verdict.reason);
    let target = &verdict.base.targets[0];
    assert_eq!(target.accelerator, Some(Accelerator::Tcg));
}
