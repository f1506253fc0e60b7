// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages in, messages out.

use super::auditor::{self, Audited, Setup};
use super::client::Client;
use super::documents::{Document, Documents};
use super::lines::{Position, Range};
use super::messages::{Action, At, Changed, Named, TextDocument};
use super::shown::{self, Shown, Stale};
use super::uri;
use crate::exit::{Exit, Failure};
use callsites::editor;
use failure::counted;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver, Sender};

/// What the server waits for.
pub(crate) enum Event {
    /// The editor says something.
    Message(Message),
    /// The editor is gone.
    Closed,
    /// An audit has ended, or could not be made: why.
    Audited(Result<Box<Audited>, String>),
}

/// Serves one editor until it says `exit`, or is gone.
///
/// # Errors
/// The editor does not begin with `initialize`.
pub(crate) fn serve(connection: Connection, setup: Setup) -> Result<Exit, Failure> {
    let (id, params) = connection.initialize_start().map_err(|error| {
        Failure::new(Exit::Findings, "failed to begin a session").because(error)
    })?;
    let client = Client::of(&params);
    let (events, heard) = mpsc::channel();
    let (orders, ordered) = mpsc::channel();
    let (messages, forward) = (connection.receiver.clone(), events.clone());
    std::thread::spawn(move || {
        for message in messages {
            if forward.send(Event::Message(message)).is_err() {
                return;
            }
        }
        // Whoever would hear it may have ended.
        let _ = forward.send(Event::Closed);
    });
    let (own, folders) = (setup.clone(), client.folders.clone());
    std::thread::spawn(move || auditor::work(&own, &folders, &ordered, &events));
    let mut session = Session {
        connection,
        setup,
        client,
        orders,
        audited: None,
        documents: Documents::new(),
        waiting: Vec::new(),
        published: BTreeSet::new(),
        is_auditing: false,
        is_outdated: false,
        is_shut_down: false,
        audits: 0,
        complaint: None,
    };
    let answer = session.client.answer();
    session.send(Response::new_ok(id, answer));
    Ok(session.run(&heard))
}

struct Session {
    connection: Connection,
    setup: Setup,
    client: Client,
    orders: Sender<()>,
    /// The last audit that could be made.
    audited: Option<Box<Audited>>,
    documents: Documents,
    /// Requests that came while an audit was on its way, in their order.
    waiting: Vec<Asked>,
    /// Which files have been given diagnostics, by URI.
    published: BTreeSet<String>,
    is_auditing: bool,
    /// What is being audited has changed since the audit began.
    is_outdated: bool,
    is_shut_down: bool,
    audits: u32,
    /// Why there is no audit of the present state, as it was told.
    complaint: Option<String>,
}

/// A request about a place.
#[derive(Debug, Clone)]
struct Asked {
    id: RequestId,
    what: What,
    uri: String,
    /// Of the text that the place is in.
    version: Option<i64>,
    /// It has waited for an audit that was made for its sake.
    has_waited: bool,
}

#[derive(Debug, Clone)]
enum What {
    Hover(Position),
    Definition(Position),
    References(Position),
    Actions(Range, Vec<String>),
}

impl Session {
    fn run(&mut self, heard: &Receiver<Event>) -> Exit {
        for event in heard {
            match event {
                Event::Message(Message::Request(request)) => self.request(request),
                Event::Message(Message::Notification(told)) if told.method == "exit" => break,
                Event::Message(Message::Notification(told)) => self.told(told),
                // The answer to `window/workDoneProgress/create`.
                Event::Message(Message::Response(_)) => {}
                Event::Closed => break,
                Event::Audited(audited) => self.audited(audited),
            }
        }
        match self.is_shut_down {
            true => Exit::Clean,
            false => Exit::Findings,
        }
    }

    fn send(&self, message: impl Into<Message>) {
        // An editor that is gone is noticed where it is read from.
        let _ = self.connection.sender.send(message.into());
    }

    fn refuse(&self, id: RequestId, code: ErrorCode, why: impl Into<String>) {
        self.send(Response::new_err(id, code as i32, why.into()));
    }

    fn tell(&self, method: &str, params: Value) {
        self.send(Notification::new(method.to_owned(), params));
    }

    fn request(&mut self, request: Request) {
        let Request { id, method, params } = request;
        if self.is_shut_down {
            self.refuse(id, ErrorCode::InvalidRequest, "the server is shut down");
            return;
        }
        let at = |params: Value, what: fn(Position) -> What| {
            serde_json::from_value::<At>(params).map(|at| (at.text_document.uri, what(at.position)))
        };
        let asked = match method.as_str() {
            "shutdown" => {
                self.is_shut_down = true;
                for asked in std::mem::take(&mut self.waiting) {
                    self.refuse(asked.id, ErrorCode::RequestCanceled, "shutdown");
                }
                self.send(Response::new_ok(id, Value::Null));
                return;
            }
            "initialize" => {
                self.refuse(id, ErrorCode::InvalidRequest, "the session has begun");
                return;
            }
            "textDocument/hover" => at(params, What::Hover),
            "textDocument/definition" => at(params, What::Definition),
            "textDocument/references" => at(params, What::References),
            "textDocument/codeAction" => serde_json::from_value::<Action>(params).map(|action| {
                let only = action.context.only.unwrap_or_default();
                let what = What::Actions(action.range, only);
                (action.text_document.uri, what)
            }),
            other => {
                let why = format!("there is no method `{other}`");
                self.refuse(id, ErrorCode::MethodNotFound, why);
                return;
            }
        };
        match asked {
            Err(error) => self.refuse(id, ErrorCode::InvalidParams, error.to_string()),
            Ok((uri, what)) => {
                let version = self.documents.get(&uri).map(|open| open.version);
                self.ask(Asked {
                    id,
                    what,
                    uri,
                    version,
                    has_waited: false,
                });
            }
        }
    }

    /// Answers, or puts off until the audit has ended that is on its way.
    fn ask(&mut self, asked: Asked) {
        if self.is_auditing {
            self.waiting.push(asked);
            return;
        }
        let open = self.documents.get(&asked.uri);
        if asked.version != open.map(|open| open.version) {
            let why = "the text was changed meanwhile";
            self.refuse(asked.id, ErrorCode::ContentModified, why);
            return;
        }
        match self.answer(&asked) {
            Ok(answer) => self.send(Response::new_ok(asked.id, answer)),
            Err(Stale) if asked.has_waited => {
                let why = "the files change faster than they are audited";
                self.refuse(asked.id, ErrorCode::ContentModified, why);
            }
            Err(Stale) => {
                self.waiting.push(Asked {
                    has_waited: true,
                    ..asked
                });
                self.audit();
            }
        }
    }

    fn shown(&self) -> Option<Shown<'_>> {
        Some(Shown {
            audited: self.audited.as_deref()?,
            documents: &self.documents,
            client: &self.client,
            setup: &self.setup,
        })
    }

    fn answer(&self, asked: &Asked) -> Result<Value, Stale> {
        let Some(shown) = self.shown() else {
            return Ok(Value::Null);
        };
        let uri = asked.uri.as_str();
        let path = shown.path(uri);
        shown.fresh(path.iter().map(|path| path.as_str()))?;
        let answer = match &asked.what {
            What::Hover(at) => shown.hover(uri, *at),
            What::Definition(at) => shown.ends(uri, *at, false),
            What::References(at) => shown.ends(uri, *at, true),
            What::Actions(..) if !self.client.actions => None,
            What::Actions(range, only) => {
                // "refactor" asks for "refactor.rewrite" too.
                let wanted = |kind: &str| {
                    let covers = |asked: &String| {
                        let rest = kind.strip_prefix(asked.as_str());
                        asked.is_empty()
                            || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    };
                    only.is_empty() || only.iter().any(covers)
                };
                Some(shown.actions(uri, *range, wanted)?.into())
            }
        };
        Ok(answer.unwrap_or_default())
    }

    fn told(&mut self, told: Notification) {
        let Notification { method, params } = told;
        match method.as_str() {
            "initialized" | "workspace/didChangeWatchedFiles" => self.audit(),
            "textDocument/didOpen" => self.opened(params),
            "textDocument/didChange" => self.changed(params),
            "textDocument/didSave" => {
                if let Ok(Named { text_document }) = serde_json::from_value(params) {
                    self.saved(&text_document.uri);
                }
            }
            "textDocument/didClose" => self.closed(params),
            "$/cancelRequest" => self.cancelled(&params),
            // What is not known is for others.
            _ => {}
        }
    }

    fn opened(&mut self, params: Value) {
        let Ok(Named { text_document }) = serde_json::from_value::<Named>(params) else {
            return;
        };
        let TextDocument { uri, version, text } = text_document;
        let document = Document {
            version,
            text,
            ..Document::default()
        };
        self.documents.insert(uri.clone(), document);
        self.place(&uri);
        // A file that was written since, by whomever.
        let outdated = self.shown().and_then(|shown| {
            let path = shown.path(&uri)?;
            let known = shown.audited.stamps.get(path.as_str())?;
            Some(*known != auditor::stamp(&shown.audited.root.join(path)))
        });
        match outdated {
            Some(true) => self.audit(),
            _ => self.publish_one(&uri),
        }
    }

    fn changed(&mut self, params: Value) {
        let Ok(Changed {
            text_document,
            content_changes,
        }) = serde_json::from_value::<Changed>(params)
        else {
            return;
        };
        if let Some(open) = self.documents.get_mut(&text_document.uri) {
            open.version = text_document.version;
            open.edit(&content_changes, self.client.encoding);
        }
    }

    fn saved(&mut self, name: &str) {
        let root = self.audited.as_ref().map(|audited| audited.root.as_path());
        let inside = match (root, uri::path(name)) {
            (Some(root), Some(path)) => {
                path.starts_with(root)
                    || self.shown().is_some_and(|shown| shown.path(name).is_some())
            }
            // Where no audit could be made, this file may be what was missing.
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if inside {
            self.audit();
        }
    }

    fn closed(&mut self, params: Value) {
        let Ok(Named { text_document }) = serde_json::from_value::<Named>(params) else {
            return;
        };
        self.documents.remove(&text_document.uri);
        self.publish_one(&text_document.uri);
    }

    fn cancelled(&mut self, params: &Value) {
        let Ok(id) = serde_json::from_value::<RequestId>(params["id"].clone()) else {
            return;
        };
        if let Some(at) = self.waiting.iter().position(|asked| asked.id == id) {
            let asked = self.waiting.remove(at);
            self.refuse(asked.id, ErrorCode::RequestCanceled, "cancelled");
        }
    }

    /// Finds an open file in the tree, and reads what was saved of it.
    fn place(&mut self, uri: &str) {
        let (Some(audited), Some(open)) = (&self.audited, self.documents.get_mut(uri)) else {
            return;
        };
        open.path = shown::path(audited, uri);
        let saved = open.path.as_ref().map(|path| audited.tree.read(path));
        open.saved = saved.and_then(Result::ok).unwrap_or_default();
    }

    /// Begins an audit, or one more when that which is on its way has ended.
    fn audit(&mut self) {
        self.is_outdated = self.is_auditing;
        if self.is_auditing {
            return;
        }
        self.is_auditing = true;
        self.audits += 1;
        if self.client.progress {
            let token = self.token();
            self.send(Request::new(
                RequestId::from(token.clone()),
                "window/workDoneProgress/create".to_owned(),
                json!({ "token": token }),
            ));
            self.progress(json!({ "kind": "begin", "title": "Auditing" }));
        }
        // The thread ends with the session, and not before.
        let _ = self.orders.send(());
    }

    fn token(&self) -> String {
        format!("audit/{}", self.audits)
    }

    fn progress(&self, value: Value) {
        if self.client.progress {
            self.tell(
                "$/progress",
                json!({ "token": self.token(), "value": value }),
            );
        }
    }

    fn audited(&mut self, audited: Result<Box<Audited>, String>) {
        self.progress(json!({ "kind": "end" }));
        self.is_auditing = false;
        match audited {
            Ok(audited) => {
                let said = format!(
                    "audited {} in {:.2} s: {}, {}",
                    crate::tree::named(&audited.tree),
                    audited.seconds,
                    counted(audited.report.callsites.len(), "callsite"),
                    counted(audited.report.findings.len(), "finding"),
                );
                self.audited = Some(audited);
                self.complaint = None;
                let open: Vec<String> = self.documents.keys().cloned().collect();
                open.iter().for_each(|uri| self.place(uri));
                // 4: for whoever looks for it.
                self.tell("window/logMessage", json!({ "type": 4, "message": said }));
                self.publish();
            }
            // What was found before is still shown: it is more than nothing. Nobody is told the same at every save.
            Err(why) if self.complaint.as_ref() == Some(&why) => {}
            Err(why) => {
                // 1 is an error, 2 a warning.
                let bad = if self.audited.is_some() { 2 } else { 1 };
                self.tell("window/showMessage", json!({ "type": bad, "message": why }));
                self.complaint = Some(why);
            }
        }
        if std::mem::take(&mut self.is_outdated) {
            self.audit();
            return;
        }
        for asked in std::mem::take(&mut self.waiting) {
            self.ask(asked);
        }
    }

    /// Gives every open file its diagnostics, and takes those away that no longer hold: first, as an editor may take two
    /// ways to write a URI for one.
    fn publish(&mut self) {
        let Some(shown) = self.shown() else {
            return;
        };
        let marks = editor::marks(&shown.audited.report);
        let open = self.documents.iter();
        let mut now: BTreeMap<String, &str> = open
            .filter_map(|(uri, document)| Some((uri.clone(), document.path.as_deref()?.as_str())))
            .collect();
        if self.setup.all_files {
            let open: BTreeSet<&str> = now.values().copied().collect();
            let others = marks.keys().filter(|path| !open.contains(**path));
            now.extend(others.map(|path| (shown.own_uri(path), *path)));
        }
        let gone = self.published.iter().filter(|uri| !now.contains_key(*uri));
        gone.for_each(|uri| self.tell_marks(&Marks::new(), uri, ""));
        for (uri, path) in &now {
            self.tell_marks(&marks, uri, path);
        }
        self.published = now.into_keys().collect();
    }

    /// The same of one file, which was opened or closed.
    fn publish_one(&mut self, uri: &str) {
        let Some(shown) = self.shown() else {
            return;
        };
        let path = shown.path(uri);
        let is_open = self.documents.contains_key(uri);
        let mut published = self.published.clone();
        let own = path.as_ref().map(|path| shown.own_uri(path.as_str()));
        for gone in own.iter().map(String::as_str).chain([uri]) {
            if published.remove(gone) {
                self.tell_marks(&Marks::new(), gone, "");
            }
        }
        if let Some(path) = path.filter(|_| is_open || self.setup.all_files) {
            let marks = editor::marks(&shown.audited.report);
            self.tell_marks(&marks, uri, path.as_str());
            published.insert(uri.to_owned());
        }
        self.published = published;
    }

    fn tell_marks(&self, marks: &Marks<'_>, uri: &str, path: &str) {
        let Some(shown) = self.shown() else {
            return;
        };
        let marks = marks.get(path).map_or(&[][..], Vec::as_slice);
        let mut params = json!({ "uri": uri, "diagnostics": shown.diagnostics(marks) });
        if let Some(document) = self.documents.get(uri) {
            params["version"] = document.version.into();
        }
        self.tell("textDocument/publishDiagnostics", params);
    }
}

type Marks<'r> = BTreeMap<&'r str, Vec<editor::Mark>>;
