// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the files of a kernel tree declare at their left border: prototypes, functions and macros.

use refimpl::api::catalogue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a header declares or a file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Declaration {
    pub(super) file: String,
    pub(super) form: Form,
    /// Static in a `.c` file: nobody else sees it.
    pub(super) hidden: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Types and names of the arguments.
    Function(Vec<String>),
    /// A macro with so many arguments.
    Macro(usize),
    /// A macro that stands for another name, or takes any number of arguments.
    Any,
}

impl Declaration {
    /// None where any number fits.
    pub(super) fn args(&self) -> Option<usize> {
        match &self.form {
            Form::Function(arguments) => Some(arguments.len()),
            Form::Macro(args) => Some(*args),
            Form::Any => None,
        }
    }
}

pub(super) type Declarations = BTreeMap<String, BTreeSet<Declaration>>;

/// Where the functions of the catalogue are declared: directories, with how a file's name ends and whether those below count.
const PLACES: [(&str, &[&str], bool); 14] = [
    ("include", &[".h"], true),
    ("mm", &[".c", ".h"], false),
    ("lib", &[".c"], false),
    ("block", &[".c", ".h"], true),
    ("fs", &[".c"], false),
    ("fs/iomap", &[".c"], false),
    ("kernel", &[".c"], false),
    ("kernel/dma", &[".c"], false),
    ("kernel/sched", &[".c"], false),
    ("kernel/locking", &[".c"], false),
    ("net/core", &[".c"], false),
    ("arch/x86/include", &[".h"], true),
    ("drivers/xen", &[".c"], false),
    ("drivers/base", &[".c"], false),
];
const FILES: [&str; 1] = ["drivers/gpu/drm/drm_prime.c"];

pub(super) fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All that the tree declares of the catalogue's names, and all that mm/gup.c defines.
pub(super) fn declarations(tree: &Path) -> Declarations {
    let mut files: Vec<PathBuf> = FILES.map(|file| tree.join(file)).to_vec();
    for (dir, ends, below) in PLACES {
        list(&tree.join(dir), ends, below, &mut files);
    }
    files.sort();
    let mut found = Declarations::new();
    for path in files {
        let file = path.strip_prefix(tree).unwrap_or(&path);
        scan(&file.to_string_lossy(), &read(&path), &mut found);
    }
    found
}

fn list(dir: &Path, ends: &[&str], below: bool, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if below {
                list(&path, ends, below, files);
            }
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            files.push(path);
        }
    }
}

/// Adds what stands at the left border of a file. Of static functions in `.c` files count those that the catalogue places there,
/// and those of mm/gup.c, of which it knows some.
pub(super) fn scan(file: &str, text: &str, found: &mut Declarations) {
    let text = plain(text);
    if file.ends_with("page-flags.h") {
        flags(&text, file, found);
    }
    let mut at = 0;
    while at < text.len() {
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let line = &text[at..line_end];
        let define = line.trim_start().strip_prefix('#').map(str::trim_start);
        if let Some(rest) = define.and_then(|line| line.strip_prefix("define")) {
            defined(rest.trim_start(), file, found);
        } else if line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let end = text[at..]
                .find([';', '{'])
                .map_or(text.len(), |end| at + end);
            let chunk = &text[at..end];
            // A label, or a macro that makes functions.
            let made = line.starts_with("typedef")
                || line.trim_end().ends_with(':')
                || call(line).is_some_and(|(name, _)| line.starts_with(name));
            if !made {
                let called = call(chunk).filter(|(name, _)| !chunk.starts_with(name));
                if let Some((name, arguments)) = called {
                    let hidden = file.ends_with(".c") && chunk.starts_with("static");
                    if !hidden || file == "mm/gup.c" || stands(name, file) {
                        add(found, file, name, Form::Function(arguments), hidden);
                    }
                }
                at = end.max(line_end);
                continue;
            }
        }
        at = line_end + 1;
    }
}

fn stands(name: &str, file: &str) -> bool {
    let listed = catalogue().get(name);
    listed.is_some_and(|function| function.at.split(':').next() == Some(file))
}

fn defined(rest: &str, file: &str, found: &mut Declarations) {
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    let form = match call(rest) {
        Some((_, arguments)) if behind.starts_with('(') => {
            let any = arguments.iter().any(|argument| argument.contains("..."));
            if any {
                Form::Any
            } else {
                Form::Macro(arguments.len())
            }
        }
        _ => Form::Any,
    };
    add(found, file, name, form, false);
}

/// Functions that include/linux/page-flags.h makes by macro.
fn flags(text: &str, file: &str, found: &mut Declarations) {
    let folios = text.contains("folio_test_##");
    let made = text.match_indices("FLAG");
    for (at, _) in made.chain(text.match_indices("PAGE_TYPE_OPS")) {
        let start = text[..at].rfind(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        let Some((word, arguments)) = call(&text[start.map_or(0, |start| start + 1)..]) else {
            continue;
        };
        let [upper, lower, ..] = &arguments[..] else {
            continue;
        };
        let (tests, sets, clears, twice) = match word
            .trim_start_matches('_')
            .trim_end_matches("_FALSE")
            .trim_end_matches("_NOOP")
        {
            "PAGEFLAG" => (true, true, true, false),
            "TESTPAGEFLAG" | "PAGE_TYPE_OPS" => (true, false, false, false),
            "SETPAGEFLAG" => (false, true, false, false),
            "CLEARPAGEFLAG" => (false, false, true, false),
            "TESTSCFLAG" => (false, false, false, true),
            _ => continue,
        };
        let made = [
            (tests, "Page", "folio_test_"),
            (sets, "SetPage", "folio_set_"),
            (clears, "ClearPage", "folio_clear_"),
            (twice, "TestSetPage", "folio_test_set_"),
        ];
        for (_, page, folio) in made.into_iter().filter(|(made, ..)| *made) {
            let form = |kind: &str| Form::Function(vec![format!("struct {kind} *{kind}")]);
            add(found, file, &format!("{page}{upper}"), form("page"), false);
            if folios {
                add(
                    found,
                    file,
                    &format!("{folio}{lower}"),
                    form("folio"),
                    false,
                );
            }
        }
    }
}

fn add(found: &mut Declarations, file: &str, name: &str, form: Form, hidden: bool) {
    let file = file.to_owned();
    let declaration = Declaration { file, form, hidden };
    let all = found.entry(name.to_owned()).or_default();
    all.insert(declaration);
}

/// The first `name(arguments)` of a text.
fn call(text: &str) -> Option<(&str, Vec<String>)> {
    let open = text.find('(')?;
    let before = text[..open].trim_end();
    let start = before
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(0, |at| at + 1);
    let name = &before[start..];
    let mut arguments = vec![String::new()];
    let mut depth = 0;
    for letter in text[open..].chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        match letter {
            '(' if depth == 1 => {}
            ',' if depth == 1 => arguments.push(String::new()),
            letter => arguments.last_mut()?.push(letter),
        }
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.is_empty() && text != "void")
        .collect();
    (!name.is_empty()).then_some((name, arguments))
}

/// A text without comments, and without attributes that look like calls.
fn plain(text: &str) -> String {
    const ATTRIBUTES: [&str; 6] = [
        "__alloc_size",
        "__realloc_size",
        "__printf",
        "__acquires",
        "__releases",
        "__attribute__",
    ];
    let mut text = without_comments(text);
    for attribute in ATTRIBUTES {
        let mut from = 0;
        while let Some(found) = text[from..].find(attribute) {
            let start = from + found;
            let open = start + attribute.len();
            from = open;
            if !text[open..].trim_start().starts_with('(') {
                continue;
            }
            let mut depth = 0;
            let end = text[open..].find(|c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0 && c == ')'
            });
            if let Some(end) = end {
                text.replace_range(start..open + end + 1, "");
                from = start;
            }
        }
    }
    text
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        kept.push_str(&rest[..start]);
        let end = rest[start..]
            .find("*/")
            .map_or(rest.len(), |end| start + end + 2);
        kept.push(' ');
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}
