// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that stand in for the emulator: each behaves as one kind of guest does, and each must get its one right
//! verdict. No kernel is needed, and none of them may ever be taken for a pass.

use camino::{Utf8Path, Utf8PathBuf};
use failure::Failure as _;
use ktest::boot::{Ended, Machine, Seen, boot};
use ktest::judge::{Converted, judge};
use ktest::target::{TargetSpec, select};
use ktest::verdict::{Accelerator, Outcome, Target};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// What a stand-in's script finds.
const HEAD: &str = include_str!("serial_lines.sh");
const WORDS: &str = r##"
say() { printf '[    1.000000] %s\n' "$1" >> "$console"; }
put() { printf '%s\n' "$1" >> "$results"; }
begin() { put "# begin $1 FAILED"; say "ktest: begin $1"; }
end() { say "ktest: end $1"; put "# end $1 $2 $3"; }
sub() { put "    # pins $1 acquired=$2 released=$3"; put "    ok 1 $1"; }
"##;

struct Guest {
    _dir: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Guest {
    fn new(script: &str) -> Guest {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let program = path.join("emulator");
        std::fs::write(&program, format!("#!/bin/sh\n{HEAD}{WORDS}{script}")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Guest { _dir: dir, path }
    }

    fn machine(&self) -> Machine {
        Machine {
            qemu: self.path.join("emulator"),
            accelerator: Accelerator::Tcg,
            kernel: "bzImage".into(),
            initrd: "initrd".into(),
            guests: ["vmci", "gup-test"].map(quick).to_vec(),
            disk: None,
            memory_mib: 64,
            cpus: 1,
            // With the slack that every boot gets, the stand-ins that hang are stopped after four seconds.
            boot_seconds: 1,
        }
    }

    fn boot(&self) -> Seen {
        boot(&self.machine(), &self.path).unwrap()
    }
}

/// A program without a deadline of its own.
fn quick(program: &str) -> ktest::target::Guest {
    ktest::target::Guest {
        program: program.into(),
        deadline_seconds: 0,
        machine: Vec::new(),
        cmdline: Vec::new(),
        disk_mib: None,
        probe: false,
        module: None,
    }
}

fn specs() -> (TargetSpec, TargetSpec) {
    let mut specs = select(&["vmci".into(), "gup-test".into()]).unwrap();
    let second = specs.remove(1);
    (specs.remove(0), second)
}

/// The verdicts on vmci, whose pages a series has pinned, and on gup-test.
fn verdicts(script: &str) -> (Target, Target) {
    let seen = Guest::new(script).boot();
    let (vmci, gup) = specs();
    (
        judge(&vmci, Converted::Yes, &seen),
        judge(&gup, Converted::No, &seen),
    )
}

fn reason(target: &Target) -> &str {
    target.reason.as_deref().unwrap_or("")
}

const BOTH_PASS: &str = "begin vmci; sub notify 1 1; put '# pins vmci acquired=1 released=1'; end vmci pass\n\
    begin gup-test; sub pin 8 8; put '# pins gup-test acquired=8 released=8'; end gup-test pass\n";

#[test]
fn a_guest_that_balances_and_says_so_once_passes() {
    let (vmci, gup) = verdicts(&format!("{BOTH_PASS}put 'ktest verdict: pass'"));
    assert_eq!(
        (vmci.result, gup.result),
        (Outcome::Pass, Outcome::Pass),
        "{} {}",
        reason(&vmci),
        reason(&gup)
    );
}

#[test]
fn two_verdicts_are_inconclusive() {
    let (vmci, _) = verdicts(&format!(
        "{BOTH_PASS}put 'ktest verdict: pass'; put 'ktest verdict: pass'"
    ));
    assert_eq!(vmci.result, Outcome::Inconclusive);
    assert_eq!(reason(&vmci), "the guest gave 2 verdicts");
}

#[test]
fn no_verdict_is_inconclusive() {
    let (vmci, gup) = verdicts(BOTH_PASS);
    assert_eq!(
        (vmci.result, gup.result),
        (Outcome::Inconclusive, Outcome::Inconclusive)
    );
    assert_eq!(reason(&vmci), "the guest ended without a verdict");
}

#[test]
fn an_unknown_word_is_inconclusive() {
    let (vmci, _) = verdicts(&format!("{BOTH_PASS}put 'ktest verdict: fine'"));
    assert_eq!(vmci.result, Outcome::Inconclusive);
}

#[test]
fn a_verdict_that_its_targets_contradict_is_inconclusive() {
    let (vmci, _) = verdicts(&format!("{BOTH_PASS}put 'ktest verdict: fail'"));
    assert_eq!(vmci.result, Outcome::Inconclusive);
}

#[test]
fn garbage_is_inconclusive() {
    let (vmci, gup) =
        verdicts("head -c 3000 /dev/urandom >> \"$results\"; put 'ktest verdict: pass'");
    assert_ne!(vmci.result, Outcome::Pass);
    assert_ne!(gup.result, Outcome::Pass);
}

#[test]
fn an_early_end_is_inconclusive() {
    let (vmci, _) = verdicts("say booting; exit 0");
    assert_eq!(vmci.result, Outcome::Inconclusive);
}

#[test]
fn a_release_that_is_missing_fails_whatever_the_guest_says() {
    let script = BOTH_PASS.replace("sub notify 1 1", "sub notify 1 0");
    let (vmci, gup) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!(vmci.result, Outcome::Fail);
    assert_eq!(reason(&vmci), "pins acquired 1, released 0 (notify)");
    assert_eq!(gup.result, Outcome::Pass);
}

#[test]
fn a_converted_target_that_takes_no_pin_fails() {
    let script = BOTH_PASS
        .replace("notify 1 1", "notify 0 0")
        .replace("vmci acquired=1 released=1", "vmci acquired=0 released=0");
    let (vmci, _) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!(vmci.result, Outcome::Fail);
    assert!(reason(&vmci).starts_with("pins acquired 0"));
}

#[test]
fn everything_skipped_is_skipped_not_passed() {
    let script = "begin vmci; put '    ok 1 device # SKIP no device'; end vmci skip 'nothing could be done'\n\
        begin gup-test; sub pin 8 8; put '# pins gup-test acquired=8 released=8'; end gup-test pass; put 'ktest verdict: pass'";
    let (vmci, _) = verdicts(script);
    assert_eq!(vmci.result, Outcome::Skip);
}

#[test]
fn a_panic_is_a_crash_of_the_target_that_ran_and_the_next_is_not_reached() {
    let script = "begin vmci; say 'Kernel panic - not syncing: Fatal exception'; exit 0";
    let (vmci, gup) = verdicts(script);
    assert_eq!(vmci.result, Outcome::Crash);
    assert_eq!(gup.result, Outcome::Inconclusive);
    assert_eq!(reason(&gup), "not reached: the kernel crashed during vmci");
}

#[test]
fn a_crash_leaves_what_had_ended_before_it_as_it_was() {
    let script = BOTH_PASS.replace(
        "sub pin 8 8",
        "say 'kernel BUG at mm/gup.c:1!'; say 'RIP: 0010:unpin_user_page+0x1/0x2'; say ' gup_test_ioctl+0x1/0x2'; exit 0",
    );
    let (vmci, gup) = verdicts(&script);
    assert_eq!(vmci.result, Outcome::Pass, "{}", reason(&vmci));
    assert_eq!(gup.result, Outcome::Crash);
    let way = "kernel BUG at mm/gup.c:1!, in unpin_user_page < gup_test_ioctl";
    assert_eq!(reason(&gup), way);
}

#[test]
fn a_hang_leaves_what_had_ended_before_it_as_it_was() {
    let script = BOTH_PASS.replace("sub pin 8 8", "exec sleep 600");
    let (vmci, gup) = verdicts(&script);
    assert_eq!((vmci.result, gup.result), (Outcome::Pass, Outcome::Timeout));
}

#[test]
fn a_complaint_of_the_boot_is_no_targets() {
    let warning = "say 'WARNING: CPU: 0 PID: 1 at drivers/a.c:1 f+0x1/0x2'; ";
    let script = format!("{warning}{BOTH_PASS}put 'ktest verdict: pass'");
    let seen = Guest::new(&script).boot();
    let (vmci, _) = specs();
    assert_eq!(judge(&vmci, Converted::Yes, &seen).result, Outcome::Pass);
    let base = ktest::judge::boot(&[&seen], None);
    assert_eq!((base.result, base.splats.len()), (Outcome::Pass, 1));
    assert_eq!(
        ktest::judge::boot(&[&seen], Some(&base)).result,
        Outcome::Pass
    );
    let clean = ktest::verdict::Boot {
        splats: Vec::new(),
        ..base
    };
    assert_eq!(
        ktest::judge::boot(&[&seen], Some(&clean)).result,
        Outcome::Fail
    );
}

#[test]
fn what_a_target_leaves_behind_is_its_own_and_not_that_of_the_next() {
    let script = BOTH_PASS.replace(
        "end vmci pass\n",
        "end vmci pass; say 'BUG kmalloc-64 (Not tainted): Poison overwritten'\n",
    );
    let (vmci, gup) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!((vmci.result, gup.result), (Outcome::Fail, Outcome::Pass));
}

#[test]
fn a_taint_fails_the_target_in_which_it_came_whatever_the_console_shows() {
    let script = BOTH_PASS.replace(
        "end vmci pass",
        "put '# taint vmci before=0x0 after=0x20'; end vmci pass",
    );
    let (vmci, gup) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!((vmci.result, gup.result), (Outcome::Fail, Outcome::Pass));
    assert_eq!(reason(&vmci), "the kernel tainted itself B (a bad page)");
}

#[test]
fn a_flood_of_warnings_fails_the_target_that_ran() {
    let warning = "WARNING: CPU: 0 PID: 7 at mm/gup.c:84 f+0x1/0x2";
    let script = format!("begin vmci; yes '{warning}' >> \"$console\"");
    let (vmci, gup) = verdicts(&script);
    assert_eq!(vmci.result, Outcome::Fail);
    assert!(
        reason(&vmci).starts_with(&format!("console: {warning} (")),
        "{}",
        reason(&vmci)
    );
    assert!(reason(&vmci).contains("times"));
    assert_eq!(gup.result, Outcome::Inconclusive);
    assert!(
        reason(&gup).starts_with("not reached: in vmci"),
        "{}",
        reason(&gup)
    );
}

#[test]
fn an_oops_that_the_kernel_survives_is_a_crash_all_the_same() {
    let script = BOTH_PASS.replace(
        "sub notify 1 1",
        "say 'BUG: kernel NULL pointer dereference, address: 0'; sub notify 1 1",
    );
    let (vmci, gup) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!(vmci.result, Outcome::Crash);
    assert_eq!(gup.result, Outcome::Inconclusive);
    assert_eq!(
        reason(&gup),
        "it ran on a kernel that had crashed during vmci"
    );
}

#[test]
fn a_warning_fails_the_target_that_ran() {
    let script = BOTH_PASS.replace(
        "sub notify 1 1",
        "say 'WARNING: CPU: 0 PID: 7 at mm/gup.c:84 f+0x1/0x2'; sub notify 1 1",
    );
    let (vmci, gup) = verdicts(&format!("{script}put 'ktest verdict: pass'"));
    assert_eq!((vmci.result, gup.result), (Outcome::Fail, Outcome::Pass));
    assert_eq!(vmci.splats.len(), 1);
}

#[test]
fn a_hang_in_a_target_is_a_timeout_of_that_target() {
    let guest = Guest::new("begin vmci; exec sleep 600");
    let seen = guest.boot();
    assert_eq!(seen.ended, Ended::Deadline);
    let (vmci, gup) = specs();
    assert_eq!(judge(&vmci, Converted::Yes, &seen).result, Outcome::Timeout);
    let gup = judge(&gup, Converted::No, &seen);
    assert_eq!(
        (gup.result, reason(&gup)),
        (Outcome::Inconclusive, "not reached: the guest hung in vmci")
    );
}

/// Six programs of a second each: a guest that says nothing is stopped after five seconds, one that gets on after 22.
fn slow(script: &str) -> (Seen, Duration) {
    let guest = Guest::new(script);
    let one = ktest::target::Guest {
        deadline_seconds: 1,
        ..quick("vmci")
    };
    let machine = Machine {
        guests: vec![one; 6],
        ..guest.machine()
    };
    let begun = Instant::now();
    (boot(&machine, &guest.path).unwrap(), begun.elapsed())
}

#[test]
fn a_guest_that_gets_on_is_given_the_time_of_several_deadlines() {
    let (seen, taken) = slow("for at in 1 2 3 4 5 6 7; do sub page 1 1; sleep 1; done");
    assert_eq!(seen.ended, Ended::Exited);
    assert!(taken > Duration::from_secs(6), "{taken:?}");
}

#[test]
fn a_guest_that_says_nothing_more_is_stopped_before_all_of_its_deadlines_are_over() {
    let (seen, taken) = slow("begin vmci; exec sleep 600");
    assert_eq!(seen.ended, Ended::Deadline);
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn a_hang_while_booting_is_a_timeout() {
    let (vmci, _) = verdicts("say 'Linux version'; exec sleep 600");
    assert_eq!(vmci.result, Outcome::Timeout);
}

#[test]
fn a_hang_after_the_verdict_is_a_timeout() {
    let (vmci, _) = verdicts(&format!(
        "{BOTH_PASS}put 'ktest verdict: pass'; exec sleep 600"
    ));
    assert_eq!(vmci.result, Outcome::Timeout);
}

#[test]
fn a_guest_that_ignores_being_asked_to_end_is_killed() {
    let (vmci, _) = verdicts("trap '' TERM; begin vmci; while :; do sleep 1; done");
    assert_eq!(vmci.result, Outcome::Timeout);
}

#[test]
fn a_flood_on_the_console_is_stopped_before_the_disk_is_full() {
    let guest = Guest::new("begin vmci; yes 'nothing of interest' >> \"$console\"");
    let seen = guest.boot();
    assert_eq!(seen.ended, Ended::Flooded);
    let (vmci, _) = specs();
    assert_eq!(
        judge(&vmci, Converted::Yes, &seen).result,
        Outcome::Inconclusive
    );
}

#[test]
fn an_emulator_that_is_killed_is_infrastructure_however_far_the_guest_was() {
    let guest = Guest::new(&format!("{BOTH_PASS}kill -9 $$"));
    let error = boot(&guest.machine(), &guest.path).unwrap_err();
    assert_eq!(error.exit().code(), 69);
}

#[test]
fn an_emulator_that_refuses_is_infrastructure_not_a_verdict() {
    let guest = Guest::new("echo 'no such machine' >&2; exit 1");
    let machine = Machine {
        accelerator: Accelerator::Tcg,
        qemu: guest.path.join("emulator"),
        kernel: "k".into(),
        initrd: "i".into(),
        guests: vec![ktest::target::Guest {
            deadline_seconds: 1,
            ..quick("vmci")
        }],
        disk: None,
        memory_mib: 64,
        cpus: 1,
        boot_seconds: 1,
    };
    let error = boot(&machine, &guest.path).unwrap_err();
    assert_eq!(error.exit().code(), 69);
    let missing = Machine {
        qemu: "no-such-emulator".into(),
        ..machine
    };
    let error = boot(&missing, &guest.path).unwrap_err();
    assert_eq!(
        error.hint(),
        Some(failure::Act::InstallWhatIsMissing.into())
    );
}
