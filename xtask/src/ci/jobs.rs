// SPDX-License-Identifier: MIT OR Apache-2.0
//! The job files of docs/ci.md: read as YAML, held against what the two services ask for, and every command in them given to the
//! parser of the command line.
//!
//! The reader knows the part of YAML that job files need: mappings and lists by indentation, lists in brackets, plain and
//! quoted scalars, and blocks behind `|`. What it does not know it refuses.

use crate::flags::Cli;
use crate::kbuild;
use clap::{CommandFactory, Parser};
use serde_json::{Map, Value, json};

const PAGE: &str = include_str!("../../../docs/ci.md");

/// The block of the page that begins with this comment.
fn block(language: &str, name: &str) -> &'static str {
    let head = format!("```{language}\n{name}\n");
    let at = PAGE
        .find(&head)
        .unwrap_or_else(|| panic!("{name} is there"));
    let rest = &PAGE[at + language.len() + 4..];
    &rest[..rest.find("\n```").unwrap() + 1]
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

fn yaml(text: &str) -> Result<Value, String> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let text = line.trim_start_matches(' ');
        if text.starts_with('\t') {
            return Err(format!("line {}: a tab", at + 1));
        }
        lines.push(Line {
            number: at + 1,
            indent,
            text,
        });
    }
    let mut rest = lines.as_slice();
    let value = node(&mut rest, 0)?;
    skip(&mut rest);
    match rest.first() {
        None => Ok(value),
        Some(line) => Err(format!("line {}: indented otherwise", line.number)),
    }
}

fn skip(lines: &mut &[Line<'_>]) {
    while let Some((first, rest)) = lines.split_first() {
        if !first.text.is_empty() && !first.text.starts_with('#') {
            return;
        }
        *lines = rest;
    }
}

fn node(lines: &mut &[Line<'_>], least: usize) -> Result<Value, String> {
    skip(lines);
    let Some(first) = lines.first().copied().filter(|line| line.indent >= least) else {
        return Ok(Value::Null);
    };
    match first.text.strip_prefix("- ") {
        Some(_) => sequence(lines, first.indent),
        None => mapping(lines, first.indent),
    }
}

fn sequence(lines: &mut &[Line<'_>], indent: usize) -> Result<Value, String> {
    let mut items = Vec::new();
    loop {
        skip(lines);
        let Some(line) = lines.first().copied().filter(|line| line.indent == indent) else {
            return Ok(Value::Array(items));
        };
        let Some(item) = line.text.strip_prefix("- ") else {
            return Ok(Value::Array(items));
        };
        if key(item).is_some() {
            // A mapping whose first key stands behind the dash.
            let mut own = lines.to_vec();
            own[0] = Line {
                indent: indent + 2,
                text: item,
                ..line
            };
            let mut rest = own.as_slice();
            items.push(mapping(&mut rest, indent + 2)?);
            *lines = &lines[own.len() - rest.len()..];
        } else {
            *lines = &lines[1..];
            items.push(scalar(item, line.number)?);
        }
    }
}

fn mapping(lines: &mut &[Line<'_>], indent: usize) -> Result<Value, String> {
    let mut fields = Map::new();
    loop {
        skip(lines);
        let Some(line) = lines.first().copied().filter(|line| line.indent == indent) else {
            return Ok(Value::Object(fields));
        };
        let Some((name, value)) = key(line.text) else {
            return Err(format!("line {}: no key", line.number));
        };
        *lines = &lines[1..];
        let value = match value {
            "" => node(lines, indent + 1)?,
            "|" => block_scalar(lines, indent),
            value => scalar(value, line.number)?,
        };
        if fields.insert(name.to_owned(), value).is_some() {
            return Err(format!("line {}: `{name}` again", line.number));
        }
    }
}

/// A plain key and what stands behind its colon.
fn key(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_key = !name.is_empty() && name.chars().all(plain);
    (is_key && (value.is_empty() || value.starts_with(' '))).then(|| (name, value.trim()))
}

fn block_scalar(lines: &mut &[Line<'_>], above: usize) -> Value {
    let mut text = String::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent <= above && !line.text.is_empty() {
            break;
        }
        text.push_str(line.text);
        text.push('\n');
        *lines = rest;
    }
    Value::String(text)
}

fn scalar(text: &str, number: usize) -> Result<Value, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner
            .strip_suffix(']')
            .ok_or_else(|| format!("line {number}: an open bracket"))?;
        let items = inner.split(',').map(|item| scalar(item.trim(), number));
        return Ok(Value::Array(items.collect::<Result<_, _>>()?));
    }
    // A plain scalar holds neither; one that begins so is an anchor, a tag, a flow mapping, or worse.
    let special = text.starts_with(['{', '&', '*', '!', '>', '%', '@', '`', '"', '\''])
        || text.contains(": ")
        || text.contains(" #");
    if special || text.is_empty() {
        return Err(format!("line {number}: `{text}` is not known here"));
    }
    Ok(match (text, text.parse::<u64>()) {
        ("true", _) => json!(true),
        ("false", _) => json!(false),
        (_, Ok(number)) => json!(number),
        _ => json!(text),
    })
}

/// Every command of the toolkit in a text, as words, with an example in place of each variable.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let blocks = text.split("```").skip(1).step_by(2);
    for line in blocks.flat_map(str::lines) {
        let Some((_, rest)) = line.split_once("cargo xtask ") else {
            continue;
        };
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        let (mut quoted, mut chars) = (false, rest.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '$' if chars.peek() == Some(&'{') => {
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    // "${{ matrix.shard }}" ends with two.
                    if name.starts_with("{{") {
                        chars.next();
                    }
                    word.push('1');
                }
                '$' => {
                    let mut name = String::new();
                    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    word.push_str(if name == "CI_NODE_TOTAL" { "4" } else { "1" });
                }
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                ')' | '|' if !quoted => break,
                c => word.push(c),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        found.push(words);
    }
    found
}

/// Gives a command to the parser, as `main` does.
fn parsed(words: &[String]) -> Result<Cli, String> {
    let command = Cli::command();
    let verbs: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let words = words.iter().map(Into::into);
    let (words, _) = kbuild::split(words, &verbs, &kbuild::with_values(&command));
    let all = std::iter::once("xtask".into()).chain(words);
    Cli::try_parse_from(all).map_err(|error| error.to_string())
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn every_command_of_the_page_is_one_that_the_program_takes() {
    let all = commands(PAGE);
    assert!(all.len() >= 12, "{}", all.len());
    for words in &all {
        // What the hook gives is put together by the shell, and run by a test of its own.
        if *words == ["1@"] {
            continue;
        }
        if let Err(error) = parsed(words) {
            panic!("{words:?}: {error}");
        }
    }
    assert!(parsed(&["audit".to_owned(), "--no-such".to_owned()]).is_err());
    let shards: Vec<&Vec<String>> = all
        .iter()
        .filter(|words| words.contains(&"--shard".to_owned()))
        .collect();
    assert_eq!(shards.len(), 2);
    assert!(shards.iter().all(|words| words.contains(&"1/4".to_owned())));
}

#[test]
fn the_workflow_has_what_github_asks_for() {
    let flow = yaml(block("yaml", "# github")).unwrap();
    assert!(flow["on"].is_object() && flow["name"].is_string());
    assert_eq!(flow["permissions"]["security-events"], "write");
    let jobs = flow["jobs"].as_object().unwrap();
    for (name, job) in jobs {
        assert!(job["runs-on"].is_string(), "{name}");
        assert!(job["timeout-minutes"].is_u64(), "{name}");
        let steps = job["steps"].as_array().unwrap();
        assert!(!steps.is_empty(), "{name}");
        for step in steps {
            let (uses, run) = (step["uses"].as_str(), step["run"].as_str());
            assert!(uses.is_some() != run.is_some(), "{step}");
            if let Some(uses) = uses {
                let (action, version) = uses.split_once('@').unwrap();
                assert!(action.contains('/') && version.starts_with('v'), "{uses}");
            }
            // A runner has the toolkit where it was checked out, and nowhere else.
            if run.is_some_and(|run| run.contains("cargo xtask")) {
                assert_eq!(step["working-directory"], "toolkit", "{step}");
            }
        }
        if let Some(needed) = job["needs"].as_str() {
            assert!(jobs.contains_key(needed), "{needed}");
        }
    }
    let shards = &jobs["boot"]["strategy"]["matrix"]["shard"];
    assert_eq!(*shards, json!([1, 2, 3, 4]));
    assert_eq!(jobs["boot"]["strategy"]["fail-fast"], false);
    assert_eq!(jobs["verdict"]["if"], "always()");
    let text = flow.to_string();
    assert!(text.contains("--shard ${{ matrix.shard }}/4"), "{text}");
}

#[test]
fn the_pipeline_has_what_gitlab_asks_for() {
    let pipeline = yaml(block("yaml", "# gitlab")).unwrap();
    let stages = strings(&pipeline["stages"]);
    let keywords = ["stages", "variables", "default"];
    let jobs: Vec<(&String, &Value)> = pipeline
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !keywords.contains(&name.as_str()))
        .collect();
    assert_eq!(jobs.len(), 4);
    for (name, job) in &jobs {
        assert!(stages.contains(&job["stage"].as_str().unwrap()), "{name}");
        assert!(!strings(&job["script"]).is_empty(), "{name}");
        assert!(job["timeout"].is_string(), "{name}");
        for needed in strings(&job["needs"]) {
            assert!(jobs.iter().any(|(name, _)| *name == needed), "{needed}");
        }
        let known = ["when", "paths", "reports"];
        let artifacts = job["artifacts"].as_object().unwrap();
        assert!(artifacts.keys().all(|key| known.contains(&key.as_str())));
    }
    assert_eq!(pipeline["boot"]["parallel"], 4);
    assert_eq!(
        pipeline["verdict"]["artifacts"]["reports"]["junit"],
        "verdict.xml"
    );
}

#[test]
fn the_reader_refuses_what_is_no_job_file() {
    for wrong in [
        "a: 1\na: 2\n",
        "a: 1\n  b: 2\n",
        "\ta: 1\n",
        "a: &anchor 1\n",
        "a: {b: 1}\n",
        "a: [1\n",
        "just words\n",
        "a: b: c\n",
    ] {
        assert!(yaml(wrong).is_err(), "{wrong}");
    }
    let right = "# c\na:\n  - b: 1\n    c: x y\n  - d: [e, 2]\nf: |\n  one\n\n  two\ng:\n";
    assert_eq!(
        yaml(right).unwrap(),
        json!({"a": [{"b": 1, "c": "x y"}, {"d": ["e", 2]}], "f": "one\n\ntwo\n", "g": null})
    );
}
