// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chromium without a window, and one tab of it, driven by the Chrome DevTools Protocol.

use super::socket::Socket;
use crate::exit::{Exit, Failure};
use camino::Utf8Path;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The program under the names that distributions give it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// A start takes a second where nothing else runs; half a minute means that it hangs.
const START: Duration = Duration::from_secs(30);
/// The whole life of a browser: a look at a page takes seconds, and ten times as many where ten others work beside it.
const LIFE: Duration = Duration::from_secs(900);
/// One answer: laying out a page of some MiB takes seconds, and axe-core ten for all of its elements; a machine may be busy.
const ANSWER: Duration = Duration::from_secs(240);

/// A browser with one tab.
#[derive(Debug)]
pub(crate) struct Tab {
    socket: Socket,
    session: String,
    number: u64,
    /// What the page complained of: errors, and what the policy in its head has stopped.
    pub(crate) complaints: Vec<String>,
    // Ends with the tab; its profile goes away with it.
    _child: proc::Child,
    _profile: tempfile::TempDir,
}

/// The browser's program, where this machine has one.
pub(crate) fn program() -> Option<&'static str> {
    NAMES.into_iter().find(|name| proc::on_path(name).is_some())
}

fn refused(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Infrastructure, format!("failed to {what}: {why}"))
}

impl Tab {
    /// Starts a browser.
    pub(crate) fn start() -> Result<Tab, Failure> {
        let program = program().ok_or_else(|| {
            Failure::new(Exit::Infrastructure, "there is no Chromium on this machine")
                .hint("cargo xtask doctor --install")
        })?;
        let profile = tempfile::tempdir()?;
        let mut command = proc::Command::new(program)
            .args([
                "--headless=new",
                "--disable-gpu",
                "--no-first-run",
                "--hide-scrollbars",
                "--disable-extensions",
            ])
            .args([
                "--disable-background-networking",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .deadline(LIFE);
        // Chromium's sandbox refuses to run as root, as in a container; the page runs no script but its own.
        if rustix::process::getuid().is_root() {
            command = command.arg("--no-sandbox");
        }
        let child = command.arg("about:blank").spawn()?;
        let (port, path) = port(profile.path())?;
        let socket = Socket::connect(port, &path, ANSWER)
            .map_err(|error| refused("connect to Chromium", error))?;
        let mut tab = Tab {
            socket,
            session: String::new(),
            number: 0,
            complaints: Vec::new(),
            _child: child,
            _profile: profile,
        };
        let made = tab.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attached = tab.call(
            "Target.attachToTarget",
            &json!({ "targetId": made["targetId"], "flatten": true }),
        )?;
        tab.session = attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            tab.call(domain, &json!({}))?;
        }
        Ok(tab)
    }

    /// Opens a file in a window so many pixels wide, and waits until it is painted.
    pub(crate) fn open(
        &mut self,
        page: &Utf8Path,
        fragment: &str,
        width: u32,
    ) -> Result<(), Failure> {
        self.resize(width)?;
        let page = page.canonicalize_utf8()?;
        // A fragment alone would not load the page anew.
        self.call("Page.navigate", &json!({ "url": "about:blank" }))?;
        let url = format!("file://{page}{fragment}");
        let went = self.call("Page.navigate", &json!({ "url": url }))?;
        if let Some(error) = went["errorText"].as_str() {
            return Err(refused(&format!("open {page}"), error));
        }
        self.evaluate(&format!(
            "new Promise(done => {{ const wait = () => location.href === {} && document.readyState === 'complete' \
             ? requestAnimationFrame(() => setTimeout(done, 50)) : setTimeout(wait, 10); wait(); }})",
            Value::from(url)
        ))?;
        Ok(())
    }

    /// Makes the window so many pixels wide.
    pub(crate) fn resize(&mut self, width: u32) -> Result<(), Failure> {
        let metrics =
            json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics)?;
        Ok(())
    }

    /// Lets the page believe that the reader prefers dark, or light.
    pub(crate) fn prefer(&mut self, scheme: &str) -> Result<(), Failure> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &features)?;
        Ok(())
    }

    /// What an expression comes to in the page; a promise is waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value, Failure> {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let said = &thrown["exception"]["description"];
            return Err(refused(
                "evaluate in the page",
                said.as_str().unwrap_or("it threw"),
            ));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// A picture of what is seen, as a PNG; of all of the page where `whole`.
    pub(crate) fn picture(&mut self, whole: bool) -> Result<Vec<u8>, Failure> {
        let taken = self.call(
            "Page.captureScreenshot",
            &json!({ "format": "png", "captureBeyondViewport": whole }),
        )?;
        decode(taken["data"].as_str().unwrap_or_default())
            .ok_or_else(|| refused("take a picture", "it is not in base64"))
    }

    /// Calls a method and returns what it answers.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        self.number += 1;
        let number = self.number;
        let mut message = json!({ "id": number, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let failed = |error: std::io::Error| refused(&format!("call {method}"), error);
        self.socket.send(&message.to_string()).map_err(failed)?;
        loop {
            let text = self.socket.receive().map_err(failed)?;
            let message: Value =
                serde_json::from_str(&text).map_err(|error| refused("read an answer", error))?;
            if message["id"] == number {
                return match message.get("error") {
                    Some(error) => Err(refused(&format!("call {method}"), &error["message"])),
                    None => Ok(message["result"].clone()),
                };
            }
            self.complaints.extend(complaint(&message));
        }
    }
}

/// What an event complains of.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            text(&details["exception"]["description"]).or_else(|| text(&details["text"]))
        }
        "Runtime.consoleAPICalled"
            if matches!(
                params["type"].as_str(),
                Some("error" | "warning" | "assert")
            ) =>
        {
            text(&params["args"][0]["value"]).or(Some("console".into()))
        }
        "Log.entryAdded"
            if matches!(params["entry"]["level"].as_str(), Some("error" | "warning")) =>
        {
            text(&params["entry"]["text"])
        }
        _ => None,
    }
}

/// Where a browser listens: it writes port and path into its profile once it does.
fn port(profile: &std::path::Path) -> Result<(u16, String), Failure> {
    let file = profile.join("DevToolsActivePort");
    let started = Instant::now();
    while started.elapsed() < START {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n') {
            if let (Ok(port), false) = (port.trim().parse(), path.is_empty()) {
                return Ok((port, path.trim().to_owned()));
            }
        }
        if proc::interrupted() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(refused("start Chromium", "it does not listen"))
}

/// Base64 (RFC 4648) as Chromium writes it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}
