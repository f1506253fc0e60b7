// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads Kconfig files for one purpose: to say why an option did not take.
//!
//! `config NAME` blocks with their `depends on` lines and the `if` blocks and menus around them are read; the language's
//! macros and comparisons are not evaluated.

use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};
use walkdir::WalkDir;

/// One definition of an option.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Symbol {
    /// Every expression that must hold, as written.
    pub depends: Vec<String>,
}

/// The definitions of `names` in every Kconfig file below `source`, architectures other than x86 left out.
pub(crate) fn find_symbols(
    source: &Utf8Path,
    names: &BTreeSet<&str>,
) -> BTreeMap<String, Vec<Symbol>> {
    let mut symbols: BTreeMap<String, Vec<Symbol>> = BTreeMap::new();
    let of_interest = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let other_arch = entry.depth() == 2
            && entry.path().parent().is_some_and(|p| p.ends_with("arch"))
            && name != "x86";
        let hidden = entry.depth() > 0 && name.starts_with('.');
        let unread = entry.depth() == 1 && matches!(&*name, "Documentation" | "tools" | "scripts");
        !(hidden || other_arch || unread)
    };
    let files = WalkDir::new(source)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(of_interest)
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("Kconfig"));
    for file in files {
        // A file that cannot be read has nothing to say; the error it is asked about stands anyway.
        let Ok(bytes) = std::fs::read(file.path()) else {
            continue;
        };
        read(&String::from_utf8_lossy(&bytes), names, &mut symbols);
    }
    symbols
}

/// What a line can be within.
enum Around {
    /// An `if` block.
    If(String),
    /// A menu or choice, whose own `depends on` lines hold for all in it.
    Menu(Vec<String>),
}

fn read(text: &str, names: &BTreeSet<&str>, symbols: &mut BTreeMap<String, Vec<Symbol>>) {
    let mut around: Vec<Around> = Vec::new();
    let mut current: Option<(String, Symbol)> = None;
    let mut head_of_menu = false;
    let mut in_help = false;
    for line in text.replace("\\\n", " ").lines() {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (in_help && indented) {
            continue;
        }
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim();
        in_help = matches!(word, "help" | "---help---");
        match word {
            "depends" => {
                let expression = rest.trim_start_matches("on").trim().to_owned();
                if let Some((_, symbol)) = &mut current {
                    symbol.depends.push(expression);
                } else if let (true, Some(Around::Menu(depends))) =
                    (head_of_menu, around.last_mut())
                {
                    depends.push(expression);
                }
                continue;
            }
            "config" | "menuconfig" | "if" | "endif" | "menu" | "endmenu" | "choice"
            | "endchoice" | "source" | "comment" | "mainmenu" => {}
            _ => continue,
        }
        close(&mut current, symbols);
        head_of_menu = matches!(word, "menu" | "choice");
        match word {
            "config" | "menuconfig" if names.contains(rest) => {
                let depends = around
                    .iter()
                    .flat_map(|a| match a {
                        Around::If(expression) => vec![expression.clone()],
                        Around::Menu(depends) => depends.clone(),
                    })
                    .collect();
                current = Some((rest.to_owned(), Symbol { depends }));
            }
            "if" => around.push(Around::If(rest.to_owned())),
            "menu" | "choice" => around.push(Around::Menu(Vec::new())),
            "endif" | "endmenu" | "endchoice" => {
                around.pop();
            }
            _ => {}
        }
    }
    close(&mut current, symbols);
}

fn close(current: &mut Option<(String, Symbol)>, symbols: &mut BTreeMap<String, Vec<Symbol>>) {
    if let Some((name, symbol)) = current.take() {
        symbols.entry(name).or_default().push(symbol);
    }
}
