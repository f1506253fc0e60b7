// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audit takes from an earlier run must be what it would find itself: after every edit the report of a run
//! with a cache is compared with that of a run without one.

use callsites::embedded::{Era, materialise};
use callsites::report::Report;
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use std::fs;
use std::time::{Duration, SystemTime};

/// The embedded tree in a directory that may be edited, beside a cache.
struct Edited {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    /// Seconds: every file is written at a time of its own, and none just now.
    clock: u64,
}

impl Edited {
    fn new(era: Era) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
        materialise(era, &root).unwrap();
        let mut tree = Edited {
            _dir: dir,
            root,
            clock: 0,
        };
        for path in tree.paths() {
            tree.age(&path);
        }
        tree
    }

    fn age(&mut self, path: &Utf8Path) {
        self.clock += 1;
        let file = fs::File::options().write(true).open(self.root.join(path));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.clock);
        file.unwrap().set_modified(time).unwrap();
    }

    fn paths(&self) -> Vec<Utf8PathBuf> {
        Tree::open(self.root.as_str()).unwrap().files().to_vec()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn write(&mut self, path: &str, text: &str) {
        fs::create_dir_all(self.root.join(path).parent().unwrap()).unwrap();
        fs::write(self.root.join(path), text).unwrap();
        self.age(Utf8Path::new(path));
    }

    fn replace(&mut self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replacen(from, to, 1));
    }

    fn remove(&mut self, path: &str) {
        fs::remove_file(self.root.join(path)).unwrap();
    }

    fn audit(&self, cache: bool, all: bool) -> Report {
        let options = AuditOptions {
            cache: cache.then(|| self.root.with_file_name("cache")),
            all,
            ..AuditOptions::default()
        };
        audit(&Tree::open(self.root.as_str()).unwrap(), &options).unwrap()
    }

    /// With a cache and without one the report is the same; so it is when nothing has changed since.
    fn check(&self, what: &str) -> Report {
        let cold = self.audit(false, false);
        for turn in ["changed", "unchanged"] {
            let kept = self.audit(true, false);
            let (a, b) = (
                serde_json::to_string_pretty(&kept),
                serde_json::to_string_pretty(&cold),
            );
            let (a, b) = (a.unwrap(), b.unwrap());
            let differs = a.lines().zip(b.lines()).find(|(a, b)| a != b);
            assert!(a == b, "{what}, {turn}: {differs:?}");
        }
        cold
    }
}

const DRIVER: &str = "drivers/misc/helper_arg.c";

#[test]
fn a_report_after_an_edit_is_that_of_a_run_without_a_cache() {
    let mut tree = Edited::new(Era::V6_12);
    let first = tree.check("first");
    let text = tree.text(DRIVER);
    tree.write(DRIVER, &format!("\n{text}"));
    let moved = tree.check("a blank line on top");
    assert_ne!(moved, first);
    tree.replace(DRIVER, "put_page(pages[i])", "unpin_user_page(pages[i])");
    assert_ne!(tree.check("a release turned into the other kind"), moved);
    tree.write(DRIVER, &text);
    assert_eq!(tree.check("as it was"), first);
    tree.replace(DRIVER, "\tint i;", "\tint i; /* counts */");
    tree.check("a comment within a function");
    let quiet = "drivers/misc/quiet.c";
    tree.write(quiet, "int quiet(int a)\n{\n\treturn a;\n}\n");
    let more = tree.check("a file that names nothing");
    assert_eq!(more.coverage.files_walked, first.coverage.files_walked + 1);
    tree.write(
        quiet,
        "#include <linux/mm.h>\n\nint quiet(unsigned long at)\n{\n\tstruct page *page;\n\n\tif (get_user_pages_fast(at, 1, 0, &page) != 1)\n\t\treturn -EFAULT;\n\tput_page(page);\n\treturn 0;\n}\n",
    );
    let loud = tree.check("a function that acquires, in a file that named nothing");
    assert!(loud.callsites.iter().any(|site| site.path == quiet));
    tree.remove(quiet);
    tree.check("a file removed");
}

#[test]
fn what_is_asked_of_other_files_is_asked_again_when_they_answer_otherwise() {
    let mut tree = Edited::new(Era::V6_12);
    tree.check("first");
    // A struct in a header.
    let header = "include/linux/ib_region.h";
    let text = tree.text(header);
    tree.write(
        header,
        &text.replacen("{\n", "{\n\tunsigned long added;\n", 1),
    );
    tree.check("a member more");
    tree.write(header, &text.replacen("int npages", "void *npages", 1));
    tree.check("a member of another type");
    tree.remove(header);
    tree.check("no header");
    tree.write(header, &text);
    // The wrapper that others call, and its callee.
    let core = "drivers/infiniband/core/region.c";
    let wrapper = tree.text(core);
    tree.replace(core, "put_page(", "get_page(");
    tree.check("a wrapper's callee changed");
    tree.write(core, "int nothing;\n");
    tree.check("the wrapper is gone");
    tree.write("drivers/infiniband/core/elsewhere.c", &wrapper);
    tree.check("the wrapper stands elsewhere");
    // A header that hides another of the same name.
    tree.write(
        "drivers/infiniband/core/linux/ib_region.h",
        "struct ib_region { int a; };\n",
    );
    tree.check("a header nearer by");
    tree.write(
        "include/linux/mm.h",
        &tree.text("include/linux/mm.h").replace("unpin", "unping"),
    );
    tree.check("the API has other names");
}

#[test]
fn the_listing_of_all_releases_is_kept_apart() {
    let mut tree = Edited::new(Era::V4_19);
    assert_eq!(tree.audit(true, true), tree.audit(false, true));
    tree.check("the shorter one");
    tree.write("fs/quiet.c", "int quiet;\n");
    assert_eq!(tree.audit(true, true), tree.audit(false, true));
    tree.check("the shorter one again");
}

#[test]
fn a_spoilt_cache_costs_nothing_but_time() {
    let mut tree = Edited::new(Era::V6_12);
    tree.check("first");
    let cache = tree.root.with_file_name("cache");
    let files: Vec<_> = fs::read_dir(&cache).unwrap().flatten().collect();
    assert_eq!(files.len(), 4, "known, facts, and two reports");
    for (turn, file) in files.iter().enumerate() {
        let bytes = fs::read(file.path()).unwrap();
        for spoilt in [
            &bytes[..bytes.len() / 2],
            &bytes[..0],
            &[&bytes[..], b"x"].concat(),
        ] {
            tree.write(
                "fs/quiet.c",
                &format!("int quiet{turn}_{};\n", spoilt.len()),
            );
            fs::write(file.path(), spoilt).unwrap();
            tree.check("spoilt");
        }
    }
}

#[test]
fn audits_at_once_do_not_mix_their_trees() {
    let mut tree = Edited::new(Era::V6_12);
    tree.check("first");
    tree.replace(DRIVER, "put_page(pages[i])", "unpin_user_page(pages[i])");
    let cold = tree.audit(false, false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(tree.audit(true, false), cold));
        }
    });
    tree.check("afterwards");
}

/// Lines that are put into a file.
const LINES: [&str; 10] = [
    "",
    "/* nothing */",
    "\tput_page(page);",
    "\tunpin_user_page(pages[i]);",
    "\tget_user_pages_fast(start, 1, 0, &page);",
    "#ifdef CONFIG_MORE",
    "#endif",
    "static int more(struct page *page) { put_page(page); return 0; }",
    "struct more { struct page *page; int count; };",
    "#include \"more.h\"",
];

/// Words that are put in place of others.
const WORDS: [(&str, &str); 8] = [
    ("put_page", "unpin_user_page"),
    ("unpin_user_page", "put_page"),
    ("get_user_pages_fast", "pin_user_pages_fast"),
    ("pages", "list"),
    ("static ", ""),
    ("struct page", "struct more"),
    ("->", "."),
    ("return", "goto out; return"),
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, usize, usize),
    Delete(usize, usize),
    Word(usize, usize),
    Remove(usize),
    Copy(usize, usize),
    Swap(usize, usize),
    Touch(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let n = || 0usize..1000;
    prop_oneof![
        4 => (n(), n(), n()).prop_map(|(file, line, text)| Edit::Insert(file, line, text)),
        2 => (n(), n()).prop_map(|(file, line)| Edit::Delete(file, line)),
        4 => (n(), n()).prop_map(|(file, word)| Edit::Word(file, word)),
        1 => n().prop_map(Edit::Remove),
        1 => (n(), n()).prop_map(|(file, name)| Edit::Copy(file, name)),
        1 => (n(), n()).prop_map(|(a, b)| Edit::Swap(a, b)),
        1 => n().prop_map(Edit::Touch),
    ]
}

fn apply(tree: &mut Edited, edit: &Edit) {
    let paths = tree.paths();
    let at = |n: usize| paths[n % paths.len()].as_str();
    match *edit {
        Edit::Insert(file, line, text) => {
            let old = tree.text(at(file));
            let mut lines: Vec<&str> = old.split('\n').collect();
            lines.insert(line % lines.len(), LINES[text % LINES.len()]);
            tree.write(at(file), &lines.join("\n"));
        }
        Edit::Delete(file, line) => {
            let old = tree.text(at(file));
            let mut lines: Vec<&str> = old.split('\n').collect();
            lines.remove(line % lines.len());
            tree.write(at(file), &lines.join("\n"));
        }
        Edit::Word(file, word) => {
            let (from, to) = WORDS[word % WORDS.len()];
            let text = tree.text(at(file));
            tree.write(at(file), &text.replace(from, to));
        }
        Edit::Remove(file) => tree.remove(at(file)),
        Edit::Copy(file, name) => {
            let names = ["more.c", "more.h", "another.c"];
            let parent = Utf8Path::new(at(file)).parent().unwrap();
            let text = tree.text(at(file));
            tree.write(parent.join(names[name % names.len()]).as_str(), &text);
        }
        Edit::Swap(a, b) => {
            let (first, second) = (tree.text(at(a)), tree.text(at(b)));
            tree.write(at(a), &second);
            tree.write(at(b), &first);
        }
        Edit::Touch(file) => tree.age(Utf8Path::new(at(file))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn after_any_edits_the_report_is_that_of_a_run_without_a_cache(
        edits in proptest::collection::vec(proptest::collection::vec(edit(), 1..4), 1..6)
    ) {
        let mut tree = Edited::new(Era::V6_12);
        tree.check("first");
        for some in &edits {
            for edit in some {
                apply(&mut tree, edit);
            }
            tree.check(&format!("{some:?}"));
        }
    }
}
