// SPDX-License-Identifier: MIT OR Apache-2.0
//! An editor that does what a test tells it to: a client of the language server, over standard input and output.

use crate::sandbox::Sandbox;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than any answer takes on a machine where much else runs.
const PATIENCE: Duration = Duration::from_secs(100);

/// The other side of the server.
pub(crate) struct Editor {
    child: proc::Child,
    /// Bytes of its output that were read.
    read: usize,
    asked: i32,
    /// Notifications of the server that nobody has waited for yet.
    heard: Vec<Value>,
}

/// What an editor of today can.
pub(crate) fn able() -> Value {
    json!({
        "general": { "positionEncodings": ["utf-16"] },
        "workspace": { "workspaceEdit": { "documentChanges": true } },
        "window": { "workDoneProgress": true },
        "textDocument": {
            "hover": { "contentFormat": ["markdown"] },
            "codeAction": { "disabledSupport": true, "codeActionLiteralSupport": {} },
            "publishDiagnostics": { "relatedInformation": true },
        },
    })
}

impl Editor {
    /// Starts the server and says nothing.
    pub(crate) fn silent(sandbox: &Sandbox, words: &[&str]) -> Editor {
        let command = sandbox
            .xtask(&[&["lsp"], words].concat())
            .current_dir(sandbox.path("home"))
            .deadline(Duration::from_secs(600))
            .told_more();
        Editor {
            child: command.spawn().unwrap(),
            read: 0,
            asked: 0,
            heard: Vec::new(),
        }
    }

    /// Starts the server, and opens a directory in it.
    pub(crate) fn open(sandbox: &Sandbox, words: &[&str], root: &Utf8Path) -> Editor {
        let mut editor = Editor::silent(sandbox, words);
        let params = json!({ "processId": null, "rootUri": uri(root), "capabilities": able() });
        let answer = editor.ask("initialize", params);
        assert!(answer["result"]["capabilities"].is_object(), "{answer}");
        editor.tell("initialized", json!({}));
        editor
    }

    /// Writes one message, whatever it says.
    pub(crate) fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let framed = format!("Content-Length: {}\r\n\r\n{text}", text.len());
        self.child.tell(framed.as_bytes()).unwrap();
    }

    /// Writes bytes that are no message.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.child.tell(bytes).unwrap();
    }

    /// A notification.
    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// A request whose answer is not waited for; its number.
    pub(crate) fn begin(&mut self, method: &str, params: Value) -> i32 {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: i32) -> Value {
        self.wait(|message| message["id"] == id && message.get("method").is_none())
    }

    /// A request and its answer.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)
    }

    /// The next notification of a kind, of those that were not waited for yet.
    pub(crate) fn hear(&mut self, method: &str) -> Value {
        self.wait(|message| message["method"] == method)["params"].clone()
    }

    /// The next diagnostics of a file.
    pub(crate) fn diagnostics(&mut self, path: &Utf8Path) -> Value {
        let uri = uri(path);
        let told = self.wait(|message| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
        });
        told["params"]["diagnostics"].clone()
    }

    /// How many notifications of a kind were heard and not waited for.
    pub(crate) fn count(&mut self, method: &str) -> usize {
        self.listen();
        let heard = self.heard.iter();
        heard.filter(|message| message["method"] == method).count()
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&mut self) {
        self.listen();
        self.heard.clear();
    }

    fn wait(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            self.listen();
            if let Some(at) = self.heard.iter().position(&is_it) {
                return self.heard.remove(at);
            }
            assert!(begun.elapsed() < PATIENCE, "heard only {:?}", self.heard);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes in what the server has said, and answers what it asks.
    fn listen(&mut self) {
        let said = self.child.stdout_so_far();
        while let Some((message, end)) = framed(&said[self.read..]) {
            self.read += end;
            if message.get("method").is_some() && message.get("id").is_some() {
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }));
            } else {
                self.heard.push(message);
            }
        }
    }

    /// Opens a file of the disk.
    pub(crate) fn show(&mut self, path: &Utf8Path) -> String {
        let text = std::fs::read_to_string(path).unwrap();
        let document = json!({ "uri": uri(path), "languageId": "c", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        text
    }

    /// Types a new text in place of the old one.
    pub(crate) fn write(&mut self, path: &Utf8Path, version: i32, text: &str) {
        self.tell(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": uri(path), "version": version },
                "contentChanges": [{ "text": text }],
            }),
        );
    }

    /// Writes a text to the disk, and says so.
    pub(crate) fn save(&mut self, path: &Utf8Path, text: &str) {
        std::fs::write(path, text).unwrap();
        self.tell(
            "textDocument/didSave",
            json!({ "textDocument": { "uri": uri(path) } }),
        );
    }

    /// A request about a place, both counts from 0.
    pub(crate) fn at(
        &mut self,
        method: &str,
        path: &Utf8Path,
        (line, column): (usize, usize),
    ) -> Value {
        let params = json!({
            "textDocument": { "uri": uri(path) },
            "position": { "line": line, "character": column },
            "context": { "includeDeclaration": true },
        });
        let answer = self.ask(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// What can be done on a line, counted from 0.
    pub(crate) fn actions(&mut self, path: &Utf8Path, line: usize) -> Vec<Value> {
        let at = json!({ "line": line, "character": 0 });
        let params = json!({
            "textDocument": { "uri": uri(path) },
            "range": { "start": at, "end": at },
            "context": { "diagnostics": [] },
        });
        let answer = self.ask("textDocument/codeAction", params);
        match &answer["result"] {
            Value::Array(actions) => actions.clone(),
            Value::Null => Vec::new(),
            _ => panic!("{answer}"),
        }
    }

    /// Says goodbye in the order of the protocol; the exit code.
    pub(crate) fn leave(mut self) -> Option<i32> {
        let answer = self.ask("shutdown", Value::Null);
        assert_eq!(answer["result"], Value::Null, "{answer}");
        self.tell("exit", Value::Null);
        self.ended().0
    }

    /// Its exit code and standard error, when it ends without being told to.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        self.child.told_all();
        let output = self.child.wait().unwrap();
        (output.code, output.stderr_text())
    }

    /// Seconds that it has been on a processor, all threads together.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields behind the name, which may hold blanks: utime and stime are the 14th and the 15th of all, in ticks of
        // which every kernel tells user space that there are 100 a second.
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let ticks = rest.split(' ').skip(11).take(2);
        ticks
            .map(|ticks| ticks.parse::<f64>().unwrap())
            .sum::<f64>()
            / 100.0
    }

    /// MiB of its resident set.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap() / 1024
    }
}

/// The first message in some bytes, and where it ends.
fn framed(bytes: &[u8]) -> Option<(Value, usize)> {
    let head = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length: usize = text
        .strip_prefix("Content-Length: ")
        .unwrap()
        .parse()
        .unwrap();
    let end = head + 4 + length;
    let body = bytes.get(head + 4..end)?;
    Some((serde_json::from_slice(body).unwrap(), end))
}

/// The name of a file whose path has no character that a URI would not have.
pub(crate) fn uri(path: &Utf8Path) -> String {
    format!("file://{path}")
}

/// Line and column of the first call of a function, counted from 0.
pub(crate) fn find(text: &str, name: &str) -> (usize, usize) {
    let word = format!("{name}(");
    // Comments begin at the edge.
    let is_code = |line: &(usize, &str)| line.1.starts_with('\t');
    let found = text
        .lines()
        .enumerate()
        .filter(is_code)
        .find_map(|(line, text)| Some((line, text.find(&word)?)));
    found.unwrap_or_else(|| panic!("{word} is there"))
}

/// The files that an edit changes, as they are afterwards.
pub(crate) fn edited(edit: &Value) -> Vec<(Utf8PathBuf, String)> {
    let files = edit["documentChanges"].as_array().unwrap();
    files.iter().map(edited_file).collect()
}

fn edited_file(change: &Value) -> (Utf8PathBuf, String) {
    let name = change["textDocument"]["uri"].as_str().unwrap();
    let path = Utf8PathBuf::from(name.strip_prefix("file://").unwrap());
    let mut text = std::fs::read_to_string(&path).unwrap();
    let mut edits = change["edits"].as_array().unwrap().clone();
    // Places are those of the text before: the last one first.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit["range"]["start"]["line"].as_u64()));
    for edit in edits {
        let offset = |at: &Value| {
            let line = usize::try_from(at["line"].as_u64().unwrap()).unwrap();
            let lines = text.split_inclusive('\n').take(line);
            let column = usize::try_from(at["character"].as_u64().unwrap()).unwrap();
            lines.map(str::len).sum::<usize>() + column
        };
        let (start, end) = (
            offset(&edit["range"]["start"]),
            offset(&edit["range"]["end"]),
        );
        text.replace_range(start..end, edit["newText"].as_str().unwrap());
    }
    (path, text)
}
