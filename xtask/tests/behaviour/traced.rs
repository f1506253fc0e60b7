// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audit of a hostile tree asks of the system: no program but git, and nothing written but its cache and its output.

use crate::sandbox::Sandbox;
use camino::Utf8Path;
use std::time::Duration;

/// A repository whose configuration names a program wherever it can, and a tree with traps in it.
fn hostile(sandbox: &Sandbox) -> camino::Utf8PathBuf {
    let tree = sandbox.path("tree");
    callsites::embedded::materialise(callsites::embedded::Era::V6_12, &tree).unwrap();
    let evil = sandbox.script("evil", "#!/bin/sh\ntouch \"$0.ran\"\n");
    let author = proc::git::mail::Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    };
    proc::git::store::init(tree.as_std_path()).unwrap();
    proc::git::store::commit_all(tree.as_std_path(), "misc: toys", &author).unwrap();
    let config = tree.join(".git/config");
    let text = std::fs::read_to_string(&config).unwrap();
    let more = format!(
        "[core]\n\tfsmonitor = {evil}\n\tpager = {evil}\n\tsshCommand = {evil}\n[filter \"x\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\
         [diff]\n\texternal = {evil}\n[alias]\n\tstatus = !{evil}\n"
    );
    std::fs::write(&config, text + &more).unwrap();
    std::fs::write(tree.join(".gitattributes"), "* filter=x diff=x\n").unwrap();
    for name in [
        "scripts/checkpatch.pl",
        "scripts/get_maintainer.pl",
        "scripts/config",
    ] {
        sandbox.script(
            &format!("tree/{name}"),
            &format!("#!/bin/sh\nexec {evil}\n"),
        );
    }
    std::os::unix::fs::symlink(sandbox.path("canary"), tree.join("drivers/misc/out.c")).unwrap();
    std::os::unix::fs::symlink("/", tree.join("drivers/root")).unwrap();
    callsites::fuzz::trap::fifo(&tree.join("drivers/misc/fifo.c")).unwrap();
    sandbox.write("canary", b"nobody reads this\n");
    tree
}

/// The quoted strings of a traced call.
fn quoted(call: &str) -> impl Iterator<Item = &str> {
    call.split('"').skip(1).step_by(2)
}

#[test]
fn an_audit_starts_no_program_of_the_tree_and_writes_nowhere_but_its_cache_and_output() {
    if proc::on_path("strace").is_none() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let sandbox = Sandbox::new();
    let tree = hostile(&sandbox);
    let (log, out) = (sandbox.path("log"), sandbox.path("out.json"));
    let audit = sandbox.xtask(&[
        "audit",
        "--kernel",
        tree.as_str(),
        "--json",
        "-o",
        out.as_str(),
    ]);
    let line: Vec<String> = [
        "-f",
        "-qq",
        "-y",
        "-e",
        "trace=%process,%file,pwrite64,ftruncate",
        "-o",
        log.as_str(),
    ]
    .map(str::to_owned)
    .to_vec();
    let traced = proc::Command::new("strace")
        .args(line)
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "audit",
            "--kernel",
            tree.as_str(),
            "--json",
            "-o",
            out.as_str(),
        ])
        .current_dir(sandbox.path("home"))
        .env("HOME", sandbox.path("home"))
        .env_remove("XDG_CACHE_HOME")
        .env_remove("KERNEL_TREE")
        .deadline(Duration::from_secs(300))
        .run_unchecked()
        .unwrap();
    if !traced.success() && traced.stderr_text().contains("ptrace") {
        eprintln!(
            "skipped: this machine lets nobody trace: {}",
            traced.stderr_text()
        );
        return;
    }
    assert!(traced.success(), "{}", traced.stderr_text());
    let log = std::fs::read_to_string(&log).unwrap();
    let (mut programs, mut written, mut opened) = (0, 0, 0);
    let ours = [
        sandbox.path("home/.cache/gup-toolkit"),
        sandbox.root(),
        out.clone(),
    ];
    let allowed = |path: &str| {
        let path = Utf8Path::new(path);
        let cache = path.starts_with(&ours[0]);
        // A result is written beside its place and renamed: it is a name in that directory, and no directory of the tree's.
        let beside = path.parent() == Some(&ours[1]);
        // A home that has no cache yet gets the directories above it.
        let above = ours[0].starts_with(path) && path.starts_with(sandbox.path("home"));
        cache || above || beside || path.starts_with("/dev") || path.starts_with("/proc/self")
    };
    for call in log.lines() {
        let call = call
            .split_once(' ')
            .map_or(call, |(_, call)| call.trim_start());
        if call.contains("= -1 E") || call.starts_with("<...") {
            continue;
        }
        if call.starts_with("execve(") || call.starts_with("execveat(") {
            let program = quoted(call).next().unwrap_or_default();
            programs += 1;
            let known = program == env!("CARGO_BIN_EXE_xtask") || program.ends_with("/git");
            assert!(known, "{call}");
            if program.ends_with("/git") {
                assert!(
                    call.contains("core.fsmonitor=false")
                        && call.contains("core.hooksPath=/dev/null"),
                    "{call}"
                );
            }
        }
        opened += usize::from(call.starts_with("open"));
        let writes = call.starts_with("open")
            && ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"]
                .iter()
                .any(|flag| call.contains(flag));
        let changes = [
            "rename", "unlink", "mkdir", "rmdir", "link", "symlink", "chmod", "chown", "truncate",
            "mknod", "utime",
        ]
        .iter()
        .any(|name| call.starts_with(name) || call.starts_with(&format!("f{name}")));
        if writes || changes {
            written += 1;
            for path in quoted(call).filter(|path| path.starts_with('/')) {
                assert!(allowed(path), "{path}: {call}");
            }
            assert!(!call.contains(&format!("<{tree}")), "{call}");
        }
        assert!(!call.contains("evil"), "{call}");
    }
    // The trace saw what there was to see.
    assert!(
        programs >= 1 && written > 0 && opened > 50,
        "{programs} {written} {opened}"
    );
    assert!(!sandbox.path("evil.ran").exists());
    let report = std::fs::read_to_string(&out).unwrap();
    assert!(!report.contains("nobody reads this"));
    // The same without the tracer, so that the trace was of this command.
    let plain = audit.run_unchecked().unwrap();
    assert!(plain.success());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), report);
}
