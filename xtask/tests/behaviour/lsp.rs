// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of an editor with the language server.

use crate::editor::{Editor, edited, find, uri};
use crate::sandbox::Sandbox;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use std::time::Instant;

pub(crate) const HOVER: &str = "textDocument/hover";
const DEFINITION: &str = "textDocument/definition";

fn tree(sandbox: &Sandbox, era: callsites::embedded::Era) -> Utf8PathBuf {
    let tree = sandbox.path("tree");
    callsites::embedded::materialise(era, &tree).unwrap();
    tree
}

pub(crate) fn new_tree(sandbox: &Sandbox) -> Utf8PathBuf {
    tree(sandbox, callsites::embedded::Era::V6_12)
}

/// The files that `convert` and `apply` change for a group, as they are afterwards.
fn converted(sandbox: &Sandbox, of: &[&str], action: &Value) -> Vec<(String, String)> {
    let title = action["title"].as_str().unwrap();
    let group = title.split_whitespace().nth(2).unwrap();
    let (series, copy) = (sandbox.path("series"), sandbox.path("copy"));
    for gone in [&series, &copy] {
        let _ = std::fs::remove_dir_all(gone);
    }
    let words = [
        "convert",
        "--group",
        group,
        "--unsigned",
        "-o",
        series.as_str(),
    ];
    let outcome = sandbox.run(&[&words[..], of].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let of: Vec<&str> = match of.iter().position(|word| *word == "--oldest") {
        Some(at) => of[..at].to_vec(),
        None => of.to_vec(),
    };
    let words = ["apply", series.as_str(), "-o", copy.as_str()];
    let outcome = sandbox.run(&[&words[..], &of].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let info = std::fs::read_to_string(series.join("series.toml")).unwrap();
    let info: toml::Table = info.parse().unwrap();
    let mut files: Vec<String> = info["patches"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|patch| patch["files"].as_array().unwrap())
        .map(|file| file.as_str().unwrap().to_owned())
        .collect();
    files.sort();
    files.dedup();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(copy.join(&file)).unwrap();
            (file, text)
        })
        .collect()
}

fn by_name(root: &Utf8Path, files: Vec<(Utf8PathBuf, String)>) -> Vec<(String, String)> {
    let relative = |path: Utf8PathBuf| path.strip_prefix(root).unwrap().to_string();
    let mut files: Vec<(String, String)> = files
        .into_iter()
        .map(|(path, text)| (relative(path), text))
        .collect();
    files.sort();
    files
}

#[test]
fn a_session_from_the_first_look_to_the_converted_driver() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let driver = root.join("drivers/misc/onebuf.c");
    let mut editor = Editor::open(&sandbox, &[], &root);
    let text = editor.show(&driver);
    assert_eq!(editor.diagnostics(&driver), json!([]));

    // What a call is about is what --explain tells of it.
    let (take, put) = (find(&text, "get_user_pages_fast"), find(&text, "put_page"));
    let hover = editor.at(HOVER, &driver, (put.0, put.1 + 2));
    let id = format!("drivers/misc/onebuf.c:{}", put.0 + 1);
    let told = sandbox.run(&["audit", "--kernel", root.as_str(), "--explain", &id]);
    assert!(told.stdout.contains("verdict: convert"), "{}", told.stdout);
    assert_eq!(
        hover["contents"]["value"],
        format!("```text\n{}\n```", told.stdout.trim_end())
    );
    let begins = json!({ "line": put.0, "character": put.1 });
    assert_eq!(hover["range"]["start"], begins);

    // From one end to the other, and back.
    let there = editor.at(DEFINITION, &driver, take);
    assert_eq!(there.as_array().map(Vec::len), Some(1), "{there}");
    assert_eq!(there[0]["uri"], uri(&driver));
    assert_eq!(there[0]["range"]["start"], begins);
    let back = editor.at(DEFINITION, &driver, put);
    assert_eq!(
        back[0]["range"]["start"],
        json!({ "line": take.0, "character": take.1 })
    );
    let all = editor.at("textDocument/references", &driver, put);
    assert_eq!(all.as_array().map(Vec::len), Some(3), "{all}");
    assert_eq!(editor.at(HOVER, &driver, (0, 0)), Value::Null);

    // A page is lost as soon as it is saved so, and found again.
    let lost = text.replacen("put_page(", "touch_page(", 1);
    editor.write(&driver, 2, &lost);
    editor.forget();
    editor.save(&driver, &lost);
    let told = editor.diagnostics(&driver);
    let codes: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["code"].as_str())
        .collect();
    assert!(!codes.is_empty(), "{told}");
    assert!(
        told[0]["message"]
            .as_str()
            .is_some_and(|said| !said.is_empty())
    );
    editor.write(&driver, 3, &text);
    editor.forget();
    editor.save(&driver, &text);
    assert_eq!(editor.diagnostics(&driver), json!([]));

    // The code action writes what `convert` writes.
    let actions = editor.actions(&driver, put.0);
    assert_eq!(actions.len(), 1, "{actions:?}");
    let title = actions[0]["title"].as_str().unwrap();
    assert!(title.ends_with(": 3 calls in 1 file"), "{title}");
    let files = by_name(&root, edited(&actions[0]["edit"]));
    assert_eq!(
        files,
        converted(&sandbox, &["--kernel", root.as_str()], &actions[0])
    );
    assert_eq!(
        actions[0]["edit"]["documentChanges"][0]["textDocument"]["version"],
        3
    );
    editor.write(&driver, 4, &files[0].1);
    editor.forget();
    editor.save(&driver, &files[0].1);
    assert_eq!(editor.diagnostics(&driver), json!([]));
    let done = editor.at(HOVER, &driver, take);
    let said = done["contents"]["value"].as_str().unwrap();
    assert!(said.contains("verdict: done"), "{said}");
    let again = editor.actions(&driver, put.0);
    assert!(again.iter().all(|action| action.get("edit").is_none()));
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn every_group_is_converted_as_convert_does_it_in_both_eras() {
    for era in [
        callsites::embedded::Era::V6_12,
        callsites::embedded::Era::V4_19,
    ] {
        let sandbox = Sandbox::new();
        let root = tree(&sandbox, era);
        let of = ["--kernel", root.as_str()];
        let outcome = sandbox.run(&[&["audit", "--json"], &of[..]].concat());
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let mut editor = Editor::open(&sandbox, &[], &root);
        let mut edits = 0;
        // Two of each era, of several files and of one: each costs a series.
        let groups = report["groups"].as_array().unwrap();
        let groups = groups.iter().filter(|group| group["convertible"] == true);
        for group in groups.step_by(7).take(2) {
            let id = &group["acquires"][0];
            let sites = report["callsites"].as_array().unwrap();
            let site = sites.iter().find(|site| site["id"] == *id).unwrap();
            let path = root.join(site["path"].as_str().unwrap());
            let line = usize::try_from(site["line"].as_u64().unwrap()).unwrap();
            let actions = editor.actions(&path, line - 1);
            let named = format!("group {} ", group["id"].as_str().unwrap());
            let action = actions
                .iter()
                .find(|action| action["title"].as_str().unwrap().contains(&named))
                .unwrap();
            let files = by_name(&root, edited(&action["edit"]));
            assert_eq!(files, converted(&sandbox, &of, action), "{action}");
            edits += files.len();
        }
        assert!(edits >= 2);
        assert_eq!(editor.leave(), Some(0));
    }
}

#[test]
fn a_blocked_group_is_told_where_it_begins_with_what_blocks_it() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let driver = root.join("drivers/misc/mixpool.c");
    let mut editor = Editor::open(&sandbox, &[], &root);
    let text = editor.show(&driver);
    let told = editor.diagnostics(&driver);
    let blocked = told.as_array().unwrap();
    let blocked: Vec<&Value> = blocked
        .iter()
        .filter(|one| one["code"] == "blocked")
        .collect();
    let take = find(&text, "get_user_pages_fast");
    assert_eq!(blocked[0]["range"]["start"]["line"], take.0, "{told}");
    assert_eq!(blocked[0]["severity"], 3);
    let related = blocked[0]["relatedInformation"].as_array().unwrap();
    assert!(
        related
            .iter()
            .all(|one| one["location"]["uri"] == uri(&driver)),
        "{told}"
    );
    // It is shown that nothing can be done, and why.
    let actions = editor.actions(&driver, take.0);
    assert!(actions[0].get("edit").is_none(), "{actions:?}");
    let why = actions[0]["disabled"]["reason"].as_str().unwrap();
    assert!(!why.is_empty());
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn what_is_not_saved_moves_places_and_is_not_edited() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let driver = root.join("drivers/misc/onebuf.c");
    let mut editor = Editor::open(&sandbox, &[], &root);
    let text = editor.show(&driver);
    let put = find(&text, "put_page");
    let moved = format!("/* \u{1f600} */\n\n{text}");
    editor.write(&driver, 2, &moved);
    let hover = editor.at(HOVER, &driver, (put.0 + 2, put.1));
    assert_eq!(hover["range"]["start"]["line"], put.0 + 2, "{hover}");
    assert_eq!(editor.at(HOVER, &driver, put), Value::Null);
    let take = editor.at(DEFINITION, &driver, (put.0 + 2, put.1));
    assert_eq!(
        take[0]["range"]["start"]["line"],
        find(&moved, "get_user_pages_fast").0
    );
    let actions = editor.actions(&driver, put.0 + 2);
    let why = actions[0]["disabled"]["reason"].as_str().unwrap();
    assert_eq!(why, "drivers/misc/onebuf.c has changes that are not saved");
    // Typed piece by piece, with columns in UTF-16.
    editor.tell(
        "textDocument/didChange",
        json!({
            "textDocument": { "uri": uri(&driver), "version": 3 },
            "contentChanges": [
                { "range": { "start": { "line": 0, "character": 3 }, "end": { "line": 0, "character": 5 } }, "text": "" },
                { "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 2, "character": 0 } }, "text": "" },
            ],
        }),
    );
    let actions = editor.actions(&driver, put.0);
    assert!(actions[0].get("edit").is_some(), "{actions:?}");
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn a_file_that_something_else_has_written_is_audited_before_it_is_edited() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let driver = root.join("drivers/misc/onebuf.c");
    let mut editor = Editor::open(&sandbox, &[], &root);
    let text = std::fs::read_to_string(&driver).unwrap();
    let put = find(&text, "put_page");
    assert!(editor.actions(&driver, put.0)[0].get("edit").is_some());
    let moved = format!("/* Another program was here. */\n{text}");
    std::fs::write(&driver, &moved).unwrap();
    let actions = editor.actions(&driver, put.0 + 1);
    let files = by_name(&root, edited(&actions[0]["edit"]));
    assert_eq!(
        files,
        converted(&sandbox, &["--kernel", root.as_str()], &actions[0])
    );
    assert!(files[0].1.starts_with("/* Another program was here. */\n"));
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn a_module_is_served_for_the_kernels_that_it_is_built_for() {
    let sandbox = Sandbox::new();
    let text = "#include <linux/mm.h>\n#include <linux/version.h>\n\nstruct box {\n\tstruct page *page;\n};\n\nint box_fill(struct box *b, unsigned long at)\n{\n\treturn get_user_pages_fast(at, 1, FOLL_WRITE, &b->page);\n}\n\nvoid box_empty(struct box *b)\n{\n\tset_page_dirty_lock(b->page);\n\tput_page(b->page);\n}\n";
    let source = sandbox.write("drv/box.c", text.as_bytes());
    let module = sandbox.path("drv");
    let of = [
        "--module",
        module.as_str(),
        "--for",
        "6.12",
        "--oldest",
        "5.4",
    ];
    let mut editor = Editor::open(&sandbox, &of, &module);
    editor.show(&source);
    editor.diagnostics(&source);
    let actions = editor.actions(&source, find(text, "put_page").0);
    let files = by_name(&module, edited(&actions[0]["edit"]));
    assert!(files[0].1.contains("#if LINUX_VERSION_CODE"), "{files:?}");
    assert_eq!(files, converted(&sandbox, &of, &actions[0]));
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn files_that_are_not_open_are_told_of_on_request() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let blocked = root.join("drivers/misc/mixpool.c");
    let mut editor = Editor::open(&sandbox, &["--all-files"], &root);
    let told = editor.diagnostics(&blocked);
    assert!(told.as_array().is_some_and(|told| !told.is_empty()));
    // The file is gone, and with it what was wrong there.
    std::fs::remove_file(&blocked).unwrap();
    editor.tell("workspace/didChangeWatchedFiles", json!({ "changes": [] }));
    assert_eq!(editor.diagnostics(&blocked), json!([]));
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn a_folder_that_is_no_kernel_tree_is_told_and_nothing_breaks() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("other/a.c", b"void f(void) { put_page(p); }\n");
    let folder = sandbox.path("other");
    let mut editor = Editor::open(&sandbox, &[], &folder);
    let told = editor.hear("window/showMessage");
    let said = told["message"].as_str().unwrap();
    assert_eq!(told["type"], 1);
    assert!(said.contains("lies in no kernel tree"), "{said}");
    assert!(said.contains("--module . --for 6.12"), "{said}");
    editor.show(&file);
    assert_eq!(editor.at(HOVER, &file, (0, 16)), Value::Null);
    assert_eq!(editor.actions(&file, 0), [] as [Value; 0]);
    // The same is not told at every save.
    editor.save(&file, "int b;\n");
    assert_eq!(editor.at(HOVER, &file, (0, 4)), Value::Null);
    assert_eq!(editor.count("window/showMessage"), 0);
    // It becomes one.
    let kernel = sandbox.path("other");
    callsites::embedded::materialise(callsites::embedded::Era::V6_12, &kernel).unwrap();
    editor.save(&file, "int a;\n");
    assert_eq!(editor.diagnostics(&file), json!([]));
    assert_eq!(editor.leave(), Some(0));
}

/// What it costs on a kernel: KERNEL_TREE=DIR, a copy of which is edited.
#[test]
#[ignore = "it needs a kernel tree in KERNEL_TREE, and a copy of it"]
fn on_a_kernel_every_save_is_followed_by_diagnostics_and_memory_is_given_back() {
    let kernel = std::env::var("KERNEL_TREE").unwrap();
    let sandbox = Sandbox::new();
    let root = sandbox.path("linux");
    // Hard links: a file that is saved is written anew, so that the tree itself stays as it is.
    let copied = proc::Command::new("cp").args(["-al", &kernel, root.as_str()]);
    copied.run().unwrap();
    let driver = root.join("drivers/misc/vmw_vmci/vmci_queue_pair.c");
    let begun = Instant::now();
    let mut editor = Editor::open(&sandbox, &[], &root);
    let text = editor.show(&driver);
    editor.diagnostics(&driver);
    let first = begun.elapsed().as_secs_f64();
    let cpu = editor.cpu();
    eprintln!("from the start to the first diagnostics: {first:.2} s, {cpu:.2} s on processors");
    let save = |editor: &mut Editor, version: i32, text: &str| {
        editor.write(&driver, version, text);
        editor.forget();
        std::fs::remove_file(&driver).unwrap();
        let (begun, cpu) = (Instant::now(), editor.cpu());
        editor.save(&driver, text);
        let told = editor.diagnostics(&driver);
        (begun.elapsed().as_secs_f64(), editor.cpu() - cpu, told)
    };
    let lost = text.replacen("put_page(", "touch_page(", 1);
    let moved = text.replacen("static ", "/* moved */\nstatic ", 1);
    let mut sizes = Vec::new();
    for round in 0..12 {
        let (what, now) = match round % 3 {
            0 => ("a comment", &moved),
            1 => ("a release that is gone", &lost),
            _ => ("as it was", &text),
        };
        let (seconds, cpu, told) = save(&mut editor, round + 2, now);
        let count = told.as_array().map_or(0, Vec::len);
        let resident = editor.resident();
        eprintln!(
            "{what}: {seconds:.2} s, {cpu:.2} of them on processors, to {count} diagnostics; {resident} MiB"
        );
        sizes.push(resident);
    }
    let put = find(&text, "put_page");
    let begun = Instant::now();
    let hover = editor.at(HOVER, &driver, put);
    eprintln!("a hover: {:.3} s", begun.elapsed().as_secs_f64());
    assert!(hover["contents"]["value"].is_string(), "{hover}");
    let begun = Instant::now();
    let actions = editor.actions(&driver, put.0);
    eprintln!("code actions: {:.3} s", begun.elapsed().as_secs_f64());
    let files = by_name(&root, edited(&actions[0]["edit"]));
    let of = ["--kernel", root.as_str()];
    assert_eq!(files, converted(&sandbox, &of, &actions[0]));
    assert_eq!(editor.leave(), Some(0));
    // An audit that keeps what it took, some 200 MiB, would be seen at once.
    let (middle, last) = (sizes[5], sizes[11]);
    assert!(last < middle + middle / 4, "it grows: {sizes:?}");
}
