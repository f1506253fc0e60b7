// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file itself: head, navigation, parts.

use crate::visible::visible;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
/// Stands in for the nonce until the page is written and can be hashed.
const NONCE: &str = "nonce-of-this-page";

/// A page.
#[derive(Debug)]
pub struct Sheet {
    /// What it is about, in a few words.
    pub title: String,
    /// A sentence below the title.
    pub about: Markup,
    /// What a search finds, as it stands in the empty field: "function, file, call or reason".
    pub finds: &'static str,
    /// In order.
    pub parts: Vec<Part>,
}

/// A part of a page.
#[derive(Debug)]
pub struct Part {
    /// The name by which a link finds it.
    pub id: String,
    /// Its heading.
    pub name: String,
    /// What is said beside the heading in the navigation: how many there are.
    pub count: Option<usize>,
    /// What it holds.
    pub body: Markup,
}

/// Names of what can be linked to; of several runs on one page each has names of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids(String);

impl Ids {
    /// Of the only run on a page: `group=24bfccf7e401`.
    pub fn plain() -> Ids {
        Ids::default()
    }

    /// Of one of several: `2.group=24bfccf7e401`.
    pub fn of_run(number: usize) -> Ids {
        Ids(format!("{number}."))
    }

    /// The name of a thing; what a fragment of an address cannot bear is replaced.
    pub fn of(&self, kind: &str, name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
        let name: String = name
            .chars()
            .map(|c| if plain(c) { c } else { '_' })
            .collect();
        format!("{}{kind}={name}", self.0)
    }

    /// The name of a part.
    pub fn part(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    /// The number of the run that a part belongs to, where there are several.
    fn run(part: &str) -> Option<&str> {
        let (run, _) = part.split_once('.')?;
        run.bytes().all(|byte| byte.is_ascii_digit()).then_some(run)
    }
}

fn links(parts: &[Part]) -> Markup {
    html! {
        @for part in parts {
            li { a href={ "#" (part.id) } { (part.name) @if let Some(count) = part.count { " " span class="n" { (count) } } } }
        }
    }
}

/// The name of a part with that of its run.
fn heading(part: &Part) -> Markup {
    html! { @if let Some(run) = Ids::run(&part.id) { "Run " (run) ": " } (part.name) }
}

impl Sheet {
    /// The file, ending in a newline.
    pub fn html(&self) -> String {
        let text = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content={
                        "default-src 'none'; script-src 'nonce-" (NONCE) "'; style-src 'nonce-" (NONCE) "'; base-uri 'none'; form-action 'none'"
                    };
                    title { (self.title) }
                    style nonce=(NONCE) { (PreEscaped(STYLE)) }
                }
                body {
                    a class="skip" href="#content" { "to the content" }
                    header {
                        h1 { (self.title) }
                        p class="about" { (self.about) }
                    }
                    (self.navigation())
                    main id="content" tabindex="-1" {
                        @for part in &self.parts {
                            section class="part" id=(part.id) aria-labelledby={ (part.id) "-name" } {
                                h2 id={ (part.id) "-name" } { a href={ "#" (part.id) } { (heading(part)) } @if let Some(count) = part.count { " " span class="n" { (count) } } }
                                (part.body)
                            }
                        }
                    }
                    script nonce=(NONCE) { (PreEscaped(SCRIPT)) }
                }
            }
        };
        let text = text.into_string();
        let text = visible(&text, &[]);
        // 128 bits: nobody finds a text that holds the hash of the page around it.
        let nonce = &blake3::hash(text.as_bytes()).to_hex()[..32];
        let mut rest = &*text;
        let mut out = String::with_capacity(text.len() + 64);
        // The policy names it twice, the style and the script bear it: whatever else says so is a stranger's text.
        let own = [
            format!("script-src 'nonce-{NONCE}'"),
            format!("style-src 'nonce-{NONCE}'"),
            format!("<style nonce=\"{NONCE}\">"),
        ];
        for place in &own {
            if let Some((before, after)) = rest.split_once(place.as_str()) {
                out.push_str(before);
                out.push_str(&place.replace(NONCE, nonce));
                rest = after;
            }
        }
        let script = format!("<script nonce=\"{NONCE}\">");
        if let Some((before, after)) = rest.rsplit_once(script.as_str()) {
            out.push_str(before);
            out.push_str(&script.replace(NONCE, nonce));
            rest = after;
        }
        out.push_str(rest);
        out.push('\n');
        out
    }

    fn navigation(&self) -> Markup {
        html! {
            nav aria-label="parts and search" {
                ul {
                    @for parts in self.parts.chunk_by(|a, b| Ids::run(&a.id) == Ids::run(&b.id)) {
                        @match parts.first().and_then(|part| Ids::run(&part.id)) {
                            Some(run) => { li class="run" { b { "Run " (run) } ul { (links(parts)) } } }
                            None => { (links(parts)) }
                        }
                    }
                }
                form id="ask" role="search" {
                    input id="find" type="search" aria-label="search" placeholder=(self.finds) autocomplete="off" spellcheck="false";
                    select id="sort" aria-label="order" {
                        option value="" { "by state" }
                        option value="name" { "by place" }
                        option value="size" { "by size" }
                    }
                    button type="button" id="help" aria-expanded="false" aria-controls="keys" { "keys" }
                }
                p id="keys" hidden {
                    kbd { "/" } " search, " kbd { "j" } " " kbd { "k" } " next and previous, " kbd { "Enter" } " open, " kbd { "Esc" }
                    " clear, " kbd { "e" } " open what is shown, " kbd { "c" } " close, " kbd { "?" } " these keys"
                }
                p id="shown" role="status" {}
            }
        }
    }
}
