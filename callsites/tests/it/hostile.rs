// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees that are broken, or meant to break their reader: every audit ends, in memory and time that grow with the
//! tree, and what was not read is listed.

use callsites::embedded::{Era, materialise};
use callsites::report::Report;
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

/// An audit that takes longer does not end: the trees are small.
const PATIENCE: Duration = Duration::from_secs(60);

/// The audit of the embedded tree with one driver more.
fn with_driver(text: &str) -> Report {
    let files = BTreeMap::from([(
        Utf8PathBuf::from("drivers/misc/x.c"),
        Some(text.as_bytes().to_vec()),
    )]);
    let (say, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let tree = Tree::embedded(callsites::report::Era::Pin).overlaid(files);
        let _ = say.send(audit(&tree, &AuditOptions::default()));
    });
    hear.recv_timeout(PATIENCE)
        .expect("the audit ends")
        .unwrap()
}

fn reasons(report: &Report, path: &str) -> Vec<String> {
    let unread = report.coverage.unread.iter();
    unread
        .filter(|item| item.path == path)
        .map(|item| item.why.clone())
        .collect()
}

#[test]
fn broken_c_ends_and_keeps_its_callsites() {
    let call = "int f(struct page **p)\n{\n\tint n = pin_user_pages_fast(0, 1, 0, p);\n";
    for broken in [
        "\tif (!bag) {\n\tgot = pin_user_pages_fast(from, many, 0, bag);\n * Words (ABC) More 2, of it\n\t\tmany = 0;\n\t\tgot = -1;\n}",
        "\tconst int;\n\tunpin_user_pages(p, n);\n}\n",
        "\tstruct page *;\n\tunpin_user_pages(p, n);\n}\n",
        "\tint *, ;\n\tunpin_user_pages(p, n);\n}\n",
        "\tstatic;\n\tfor (;;\n\tunpin_user_pages(p, n);\n}\n",
        "\tn++ ++;\n\t-- ;\n\t(n)--();\n\tunpin_user_pages(p, n);\n}\n",
        "\tunpin_user_pages(p, n;\n",
        "}}}}\n\tunpin_user_pages(p, n);\n",
    ] {
        let report = with_driver(&format!("{call}{broken}"));
        let here = report
            .callsites
            .iter()
            .filter(|site| site.path == "drivers/misc/x.c");
        let calls: Vec<&str> = here.map(|site| site.call.as_str()).collect();
        assert!(
            calls.contains(&"pin_user_pages_fast"),
            "{broken}: {calls:?}"
        );
    }
}

#[test]
fn what_nests_too_deep_is_listed() {
    let call = "int f(struct page **p)\n{\n\tput_page(*p);\n\treturn get_user_pages_fast(0, 1, 0, p);\n}\n";
    for (open, middle, close) in [
        ("struct s {\n", "int a;\n", "} m;\n"),
        ("struct {\n", "int a;\n", "};\n"),
        ("union u {\n", "int a;\n", "} m;\n"),
    ] {
        for depth in [1_494, 10_000] {
            let nested = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            let report = with_driver(&format!("{nested}{call}"));
            let why = reasons(&report, "drivers/misc/x.c");
            assert!(
                why.iter().any(|why| why == "nested too deep"),
                "{open}: {why:?}"
            );
            assert!(
                report
                    .callsites
                    .iter()
                    .any(|site| site.path == "drivers/misc/x.c")
            );
        }
    }
}

#[test]
fn an_array_of_parentheses_around_a_declarator_ends() {
    let text = format!(
        "int {}x{};\nint f(struct page **p)\n{{\n\tint {}y{};\n\treturn get_user_pages_fast(0, 1, 0, p);\n}}\n",
        "(*".repeat(20_000),
        ")".repeat(20_000),
        "(*".repeat(20_000),
        ")".repeat(20_000)
    );
    let report = with_driver(&text);
    assert!(
        report
            .callsites
            .iter()
            .any(|site| site.path == "drivers/misc/x.c")
    );
}

#[test]
fn a_function_that_a_comment_cuts_off_is_listed() {
    let report = with_driver(
        "int f(struct page **p)\n{\n\tint n = get_user_pages_fast(0, 1, 0, p);\n\t/* never closed\n\tput_page(*p);\n}\n",
    );
    let unread: Vec<(Option<&str>, &str)> = report
        .coverage
        .unread
        .iter()
        .filter(|item| item.path == "drivers/misc/x.c")
        .map(|item| (item.function.as_deref(), item.why.as_str()))
        .collect();
    assert!(
        unread.contains(&(Some("f"), "cut off by a comment that never closes")),
        "{unread:?}"
    );
}

/// A tree in a directory that goes away.
fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
    materialise(Era::V6_12, &root).unwrap();
    (dir, root)
}

fn fifo(path: &Utf8Path) {
    let _ = std::fs::remove_file(path);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path.as_std_path(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

/// What `work` gives, which must end.
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (say, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = say.send(work());
    });
    hear.recv_timeout(PATIENCE).expect("it ends")
}

#[test]
fn what_is_no_ordinary_file_is_not_read() {
    let (_dir, root) = tree();
    fifo(&root.join("drivers/misc/fifo.c"));
    fifo(&root.join("include/linux/mm.h"));
    let report = ends({
        let root = root.clone();
        move || {
            audit(
                &Tree::open(root.as_str()).unwrap(),
                &AuditOptions::default(),
            )
            .unwrap()
        }
    });
    for path in ["drivers/misc/fifo.c", "include/linux/mm.h"] {
        assert_eq!(reasons(&report, path), ["not a regular file"], "{path}");
    }
    fifo(&root.join("Makefile"));
    let opened = ends(move || Tree::open(root.as_str()).map(|_| ()));
    assert!(opened.is_err());
}

#[test]
fn a_device_behind_the_name_of_a_header_is_not_read() {
    let (_dir, root) = tree();
    let header = root.join("include/linux/mm.h");
    std::fs::remove_file(&header).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &header).unwrap();
    let tree = ends(move || Tree::open(root.as_str()).unwrap());
    assert!(!tree.has(Utf8Path::new("include/linux/mm.h")));
}

#[test]
fn a_file_of_five_gibibytes_is_listed_and_not_read() {
    let (_dir, root) = tree();
    for (path, most) in [("drivers/misc/huge.c", 16), ("drivers/misc/huge.h", 32)] {
        let file = std::fs::File::create(root.join(path)).unwrap();
        file.set_len(5 << 30).unwrap();
        let tree = Tree::open(root.as_str()).unwrap();
        let report = audit(&tree, &AuditOptions::default()).unwrap();
        let why = reasons(&report, path);
        assert_eq!(why.len(), 1);
        assert!(
            why[0].contains(&format!("larger than {most} MiB")),
            "{why:?}"
        );
    }
}

#[test]
fn a_fifo_in_the_cache_costs_time_and_nothing_else() {
    let (dir, root) = tree();
    let cache = Utf8PathBuf::from_path_buf(dir.path().join("cache")).unwrap();
    let options = AuditOptions {
        cache: Some(cache.clone()),
        ..AuditOptions::default()
    };
    let run = || {
        let (root, options) = (root.clone(), options.clone());
        ends(move || {
            let tree = Tree::open_with(root.as_str(), options.cache.as_deref()).unwrap();
            audit(&tree, &options).unwrap()
        })
    };
    let first = run();
    let kept: Vec<Utf8PathBuf> = cache
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path())
        .collect();
    assert!(!kept.is_empty());
    for path in kept {
        fifo(&path);
    }
    assert_eq!(run().callsites, first.callsites);
}

#[test]
fn more_threads_than_any_machine_has_are_not_started() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let tree = Tree::embedded(callsites::report::Era::Pin);
    let before = threads();
    let options = AuditOptions {
        jobs: Some(100_000),
        ..AuditOptions::default()
    };
    let (stop, stopped) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            most = most.max(threads());
        }
        most
    });
    audit(&tree, &options).unwrap();
    stop.send(()).unwrap();
    assert!(watch.join().unwrap() < before + 400);
}
