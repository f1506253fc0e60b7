// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a language server is told wrongly, out of turn, or to lead it astray.

use crate::editor::{Editor, able, uri};
use crate::lsp::{HOVER, new_tree};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};

#[test]
fn hostile_names_lead_nowhere() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    sandbox.write("canary.c", b"void f(void) { put_page(p); }\n");
    std::os::unix::fs::symlink(sandbox.path("canary.c"), root.join("drivers/misc/link.c")).unwrap();
    let strange = "drivers/misc/a b%41#\u{e9}\u{202e}.c";
    let source = std::fs::read(root.join("drivers/misc/mixpool.c")).unwrap();
    std::fs::write(root.join(strange), source).unwrap();
    let mut editor = Editor::open(&sandbox, &["--all-files"], &root);
    let name = "a%20b%2541%23%C3%A9%E2%80%AE.c";
    let told = editor.diagnostics(&root.join("drivers/misc").join(name));
    assert!(told.as_array().is_some_and(|told| !told.is_empty()));
    assert!(!told.to_string().contains('\u{202e}'), "{told}");
    for uri in [
        "",
        "file:",
        "untitled:Untitled-1",
        "file://elsewhere/a.c",
        "file:///%00",
        "file:///%ff%fe",
        &format!("file://{root}/../canary.c"),
        &format!("file://{root}/drivers/misc/link.c"),
        &format!("file://{root}/%2e%2e/canary.c"),
        &format!("file://{root}"),
        &"x".repeat(100_000),
    ] {
        let document = json!({ "uri": uri, "languageId": "c", "version": 1, "text": "void f(void) { put_page(p); }\n" });
        editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
        let place =
            json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 16 } });
        let answer = editor.ask(HOVER, place);
        assert_eq!(answer["result"], Value::Null, "{answer}");
    }
    assert_eq!(editor.leave(), Some(0));
}

#[test]
fn what_is_asked_out_of_turn_or_wrongly_is_refused_by_its_code() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    // So many files that their audit takes longer than a few messages, whatever else the machine does.
    for number in 0..1500 {
        let driver = format!(
            "int take{number}(unsigned long at)\n{{\n\tstruct page *p;\n\n\tif (get_user_pages_fast(at, 1, 0, &p) != 1)\n\t\treturn -EFAULT;\n\tput_page(p);\n\treturn 0;\n}}\n"
        );
        sandbox.write(&format!("tree/drivers/many/{number}.c"), driver.as_bytes());
    }
    let mut editor = Editor::silent(&sandbox, &[]);
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    assert_eq!(code(&editor.ask(HOVER, json!({}))), Some(-32002));
    editor.tell("textDocument/didOpen", json!(7));
    let params = json!({ "rootUri": uri(&root), "capabilities": able() });
    assert!(editor.ask("initialize", params.clone())["result"].is_object());
    // An audit is on its way: what is asked meanwhile waits, and can be taken back.
    editor.tell("initialized", json!({}));
    let file = json!({ "uri": uri(&root.join("drivers/misc/onebuf.c")) });
    let place = json!({ "textDocument": file, "position": { "line": 47, "character": 3 } });
    let (kept, taken) = (
        editor.begin(HOVER, place.clone()),
        editor.begin(HOVER, place.clone()),
    );
    editor.tell("$/cancelRequest", json!({ "id": taken }));
    editor.tell("$/cancelRequest", json!({ "id": 4711 }));
    editor.tell("$/cancelRequest", json!({ "no": "id" }));
    assert_eq!(code(&editor.answer(taken)), Some(-32800));
    assert_eq!(code(&editor.answer(kept)), None);
    assert_eq!(code(&editor.ask("initialize", params)), Some(-32600));
    assert_eq!(
        code(&editor.ask("textDocument/rename", json!({}))),
        Some(-32601)
    );
    assert_eq!(code(&editor.ask("$/unknown", json!({}))), Some(-32601));
    for wrong in [
        json!(null),
        json!([]),
        json!({ "textDocument": 1 }),
        json!({ "textDocument": file, "position": { "line": -1, "character": 0 } }),
        json!({ "textDocument": file, "position": { "line": 5_000_000_000_u64, "character": 0 } }),
    ] {
        assert_eq!(code(&editor.ask(HOVER, wrong)), Some(-32602));
    }
    let far =
        json!({ "textDocument": file, "position": { "line": u32::MAX, "character": u32::MAX } });
    assert_eq!(editor.ask(HOVER, far)["result"], Value::Null);
    for method in [
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didSave",
        "textDocument/didClose",
        "$/setTrace",
        "nobody/knows",
    ] {
        editor.tell(method, json!({ "textDocument": { "uri": 3 } }));
        editor.tell(method, json!(null));
    }
    assert_eq!(code(&editor.ask("shutdown", json!(null))), None);
    assert_eq!(code(&editor.ask(HOVER, place)), Some(-32600));
    editor.tell("exit", json!(null));
    assert_eq!(editor.ended().0, Some(0));
}

#[test]
fn an_editor_that_leaves_without_a_word_or_speaks_another_language_ends_the_server() {
    let sandbox = Sandbox::new();
    let root = new_tree(&sandbox);
    let mut editor = Editor::open(&sandbox, &[], &root);
    editor.tell("exit", json!(null));
    assert_eq!(editor.ended().0, Some(1));
    let editor = Editor::open(&sandbox, &[], &root);
    assert_eq!(editor.ended().0, Some(1));
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"Content-Length: 4\r\n\r\n{{{{",
        b"Content-Length: 18446744073709551615\r\n\r\n",
        b"Content-Length: 2\r\n\r\n\xff\xfe",
    ] {
        let mut editor = Editor::silent(&sandbox, &[]);
        editor.say(bytes);
        let (code, said) = editor.ended();
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("failed to read a message of the editor"),
            "{said}"
        );
    }
    let outcome = sandbox.run(&["lsp", "-o", "file"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
}
