// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mails and diffs as they are read: headers, message, and files with the words that differ marked.

use crate::soft::soft;
use maud::{Markup, html};

/// Tokens of a line beyond which words are not compared: the comparison takes the square of it.
const TOKENS: usize = 120;

/// A mail: its headers, and a body that is a message with a diff below.
pub fn mail(headers: &[(String, String)], body: &str) -> Markup {
    let (message, changes) = split(body);
    html! {
        article class="mail" {
            dl { @for (name, value) in headers { dt { (name) } dd { (soft(value)) } } }
            pre class="message" { (soft(message.trim_end())) }
            @if !changes.is_empty() { (diff(changes)) }
        }
    }
}

/// What a person wrote, and where the diff begins.
fn split(body: &str) -> (&str, &str) {
    if body.starts_with("diff --git ") {
        return ("", body);
    }
    match body.find("\ndiff --git ") {
        Some(at) => body.split_at(at + 1),
        None => (body, ""),
    }
}

/// A diff in git's form, a figure for each file.
pub fn diff(text: &str) -> Markup {
    let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        // The signature of a mail ends its last file.
        if line == "-- " {
            break;
        }
        if let Some(names) = line.strip_prefix("diff --git ") {
            let name = names.split_once(" b/").map_or(names, |(_, new)| new);
            files.push((name, Vec::new()));
        } else if let Some((_, lines)) = files.last_mut() {
            lines.push(line);
        }
    }
    html! {
        @for (name, lines) in &files {
            figure class="diff" {
                figcaption { (soft(name)) }
                div class="hunks" { (hunks(lines)) }
            }
        }
    }
}

fn hunks(lines: &[&str]) -> Markup {
    // What stands above the first hunk repeats the names.
    let first = lines.iter().position(|line| line.starts_with("@@"));
    let Some(lines) = first.and_then(|first| lines.get(first..)) else {
        return html! { @for line in lines { div class="meta" { (line) } } };
    };
    let mut at = 0;
    let mut out = Vec::new();
    while let Some(line) = lines.get(at) {
        let removed = run(&lines[at..], '-');
        let added = run(&lines[at + removed..], '+');
        if removed + added == 0 {
            let class = if line.starts_with("@@") {
                "hunk"
            } else {
                "same"
            };
            out.push(html! { div class=(class) { (line) } });
            at += 1;
            continue;
        }
        let (old, new) = (
            &lines[at..at + removed],
            &lines[at + removed..at + removed + added],
        );
        for (index, line) in old.iter().enumerate() {
            out.push(changed("del", line, new.get(index).copied()));
        }
        for (index, line) in new.iter().enumerate() {
            out.push(changed("add", line, old.get(index).copied()));
        }
        at += removed + added;
    }
    html! { @for line in out { (line) } }
}

fn run(lines: &[&str], sign: char) -> usize {
    lines
        .iter()
        .take_while(|line| line.starts_with(sign))
        .count()
}

/// A line that was removed or added, with the words marked in which it differs from its counterpart.
fn changed(class: &str, line: &str, counterpart: Option<&str>) -> Markup {
    let sign = line.get(..1).unwrap_or_default();
    let text = line.get(1..).unwrap_or_default();
    let pieces = match counterpart.and_then(|other| other.get(1..)) {
        Some(other) => words(text, other),
        None => vec![(text.to_owned(), false)],
    };
    html! {
        div class=(class) {
            (sign)
            @for (piece, differs) in pieces { @if differs { mark { (piece) } } @else { (piece) } }
        }
    }
}

/// `text` in pieces, each with whether it is missing in `other`; one piece where the two have too little in common.
fn words(text: &str, other: &str) -> Vec<(String, bool)> {
    let (a, b) = (tokens(text), tokens(other));
    let whole = || vec![(text.to_owned(), false)];
    if a.len() > TOKENS || b.len() > TOKENS {
        return whole();
    }
    let kept = common(&a, &b);
    let word = |token: &&str| token.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let alike = a
        .iter()
        .zip(&kept)
        .filter(|(t, kept)| **kept && word(t))
        .count();
    if alike == 0 || kept.iter().all(|kept| *kept) {
        return whole();
    }
    let mut pieces: Vec<(String, bool)> = Vec::new();
    for (token, kept) in a.iter().zip(kept) {
        match pieces.last_mut() {
            Some((piece, differs)) if *differs != kept => piece.push_str(token),
            _ => pieces.push(((*token).to_owned(), !kept)),
        }
    }
    pieces
}

/// Names and numbers whole, everything else by the character.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match word(first) {
            true => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// Which of `a` belong to a longest common subsequence with `b`.
fn common(a: &[&str], b: &[&str]) -> Vec<bool> {
    let mut best = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            best[i][j] = match a[i] == b[j] {
                true => best[i + 1][j + 1] + 1,
                false => best[i + 1][j].max(best[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut kept = vec![false; a.len()];
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            kept[i] = true;
            (i, j) = (i + 1, j + 1);
        } else if best[i + 1][j] >= best[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_differ_are_marked_and_nothing_is_lost() {
        let pieces = words("\tput_page(pages[i]);", "\tunpin_user_page(pages[i]);");
        let marked: Vec<&str> = pieces
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(piece, _)| piece.as_str())
            .collect();
        assert_eq!(marked, ["put_page"]);
        let all: String = pieces.into_iter().map(|(piece, _)| piece).collect();
        assert_eq!(all, "\tput_page(pages[i]);");
        assert_eq!(words("foo(a);", "{").len(), 1, "too little in common");
    }

    #[test]
    fn a_mail_is_its_message_and_a_figure_for_each_file() {
        let body = "why\n\n---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\nindex 1..2 100644\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-old <x>\n+new <x>\n-- \n2.39\n";
        let page = mail(&[("Subject".into(), "[PATCH] a".into())], body).into_string();
        assert!(page.contains("<figcaption>a.c</figcaption>"), "{page}");
        assert!(
            page.contains("<div class=\"del\">-<mark>old</mark> &lt;x&gt;</div>"),
            "{page}"
        );
        assert!(
            !page.contains("2.39"),
            "the signature is no part of a file: {page}"
        );
    }
}
