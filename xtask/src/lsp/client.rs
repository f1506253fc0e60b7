// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the other side says of itself in `initialize`, and what it is told in return.

use super::lines::Encoding;
use super::uri;
use camino::Utf8PathBuf;
use serde_json::{Value, json};

/// The editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// What columns count.
    pub(crate) encoding: Encoding,
    /// Hovers may be Markdown.
    pub(crate) markdown: bool,
    /// Code actions are understood that are more than commands.
    pub(crate) actions: bool,
    /// Code actions may be shown that cannot be chosen, with the reason.
    pub(crate) disabled: bool,
    /// Edits may name the state of the text that they are for.
    pub(crate) versions: bool,
    /// Diagnostics may lead to other places.
    pub(crate) related: bool,
    /// It shows what goes on.
    pub(crate) progress: bool,
    /// The directories that are open, the first one first.
    pub(crate) folders: Vec<Utf8PathBuf>,
}

impl Client {
    /// Reads the parameters of `initialize`; what is not understood is not there.
    pub(crate) fn of(params: &Value) -> Client {
        let can = |path: &str| params.pointer(&format!("/capabilities/{path}"));
        let is = |path: &str| can(path).and_then(Value::as_bool).unwrap_or(false);
        let holds = |path: &str, word: &str| {
            let list = can(path).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|one| one == word))
        };
        let named = params["workspaceFolders"].as_array();
        let mut folders: Vec<Utf8PathBuf> = named
            .into_iter()
            .flatten()
            .filter_map(|folder| uri::path(folder["uri"].as_str()?))
            .collect();
        if folders.is_empty() {
            folders.extend(params["rootUri"].as_str().and_then(uri::path));
        }
        if folders.is_empty() {
            folders.extend(params["rootPath"].as_str().map(Utf8PathBuf::from));
        }
        Client {
            encoding: match holds("general/positionEncodings", "utf-8") {
                true => Encoding::Utf8,
                false => Encoding::Utf16,
            },
            markdown: holds("textDocument/hover/contentFormat", "markdown"),
            actions: can("textDocument/codeAction/codeActionLiteralSupport")
                .is_some_and(Value::is_object),
            disabled: is("textDocument/codeAction/disabledSupport"),
            versions: is("workspace/workspaceEdit/documentChanges"),
            related: is("textDocument/publishDiagnostics/relatedInformation"),
            progress: is("window/workDoneProgress"),
            folders,
        }
    }

    /// What the server can do: the answer to `initialize`.
    pub(crate) fn answer(&self) -> Value {
        json!({
            "capabilities": {
                "positionEncoding": match self.encoding {
                    Encoding::Utf8 => "utf-8",
                    Encoding::Utf16 => "utf-16",
                },
                // 2: changes come as what was typed, and not as the whole text.
                "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "codeActionProvider": { "codeActionKinds": ["quickfix", "refactor.rewrite"] },
            },
            "serverInfo": { "name": "callsites", "version": env!("CARGO_PKG_VERSION") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_that_says_nothing_can_nothing() {
        for params in [
            json!({}),
            json!(null),
            json!([1]),
            json!({"capabilities": 7}),
        ] {
            let client = Client::of(&params);
            assert_eq!(client.encoding, Encoding::Utf16);
            assert!(!client.markdown && !client.actions && !client.progress);
            assert!(client.folders.is_empty());
        }
    }

    #[test]
    fn folders_come_before_the_older_ways_to_name_the_root() {
        let folders = |params: Value| Client::of(&params).folders;
        let named = json!({"workspaceFolders": [{"uri": "file:///a"}, {"uri": "http://b"}], "rootUri": "file:///c", "rootPath": "/d"});
        assert_eq!(folders(named), ["/a"]);
        let root = json!({"workspaceFolders": null, "rootUri": "file:///c", "rootPath": "/d"});
        assert_eq!(folders(root), ["/c"]);
        assert_eq!(folders(json!({"rootPath": "/d"})), ["/d"]);
    }

    #[test]
    fn bytes_are_counted_where_both_sides_can() {
        let params =
            json!({"capabilities": {"general": {"positionEncodings": ["utf-16", "utf-8"]}}});
        let client = Client::of(&params);
        assert_eq!(client.encoding, Encoding::Utf8);
        assert_eq!(client.answer()["capabilities"]["positionEncoding"], "utf-8");
    }
}
