// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares what was wanted with the `.config` that kbuild made.

use super::fragment::{Fragment, option_line};
use super::kconfig::{Symbol, find_symbols};
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};

/// A parsed `.config`: only what is set, names without `CONFIG_`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DotConfig(pub BTreeMap<String, String>);

impl DotConfig {
    /// Of the text of a `.config`.
    pub(crate) fn parse(text: &str) -> DotConfig {
        DotConfig(
            text.lines()
                .filter_map(option_line)
                .filter(|(_, value)| *value != "n")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// Whether `name` is y or m.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(String::as_str), Some("y" | "m"))
    }
}

/// One sentence for every option that did not take, naming what its dependencies lack; empty when all did.
///
/// `source` is only read where something is wrong.
pub(crate) fn prove(wanted: &Fragment, got: &DotConfig, source: &Utf8Path) -> Vec<String> {
    let differing: Vec<_> = wanted
        .settings
        .iter()
        .filter(|(name, setting)| got.0.get(*name).map_or("n", String::as_str) != setting.value)
        .collect();
    if differing.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&str> = differing.iter().map(|(name, _)| name.as_str()).collect();
    let symbols = find_symbols(source, &names);
    differing
        .iter()
        .map(|(name, setting)| {
            let found = got.0.get(*name).map_or("off", String::as_str);
            let why = why(name, symbols.get(name.as_str()), got, setting.value == "n");
            format!(
                "CONFIG_{name}: wanted {} ({}: {}), found {found}; {why}",
                setting.value, setting.from, setting.reason
            )
        })
        .collect()
}

fn why(name: &str, symbols: Option<&Vec<Symbol>>, got: &DotConfig, wanted_off: bool) -> String {
    let Some(symbols) = symbols else {
        return format!("this tree has no option {name}");
    };
    if wanted_off {
        return "another option selects it, or it cannot be switched off".into();
    }
    let lacking: BTreeSet<String> = symbols
        .iter()
        .flat_map(|symbol| &symbol.depends)
        .filter(|expression| !holds(expression, got))
        .cloned()
        .collect();
    if lacking.is_empty() {
        return "its dependencies hold, but it has no prompt here or belongs to a choice".into();
    }
    let lacking: Vec<String> = lacking.into_iter().collect();
    format!("not met: depends on {}", lacking.join("; "))
}

/// Whether a Kconfig expression holds. What compares more than states (`y`, `m`, `n`) and macros are taken to hold, so that only
/// plain lacks are named.
fn holds(expression: &str, got: &DotConfig) -> bool {
    let tokens = tokens(expression);
    let mut at = 0;
    let value = or(&tokens, &mut at, got);
    // What could not be read to its end is not accused.
    value || at < tokens.len()
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || matches!(c, '_' | '$' | '"' | '-' | ',') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match c {
            '&' | '|' => {
                chars.next_if_eq(&c);
                tokens.push(c.to_string());
            }
            '!' if chars.peek() == Some(&'=') => {
                chars.next();
                tokens.push("!=".into());
            }
            '!' | '(' | ')' | '=' | '<' | '>' => tokens.push(c.to_string()),
            _ => {}
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn or(tokens: &[String], at: &mut usize, got: &DotConfig) -> bool {
    let mut value = and(tokens, at, got);
    while tokens.get(*at).is_some_and(|t| t == "|") {
        *at += 1;
        value |= and(tokens, at, got);
    }
    value
}

fn and(tokens: &[String], at: &mut usize, got: &DotConfig) -> bool {
    let mut value = not(tokens, at, got);
    while tokens.get(*at).is_some_and(|t| t == "&") {
        *at += 1;
        value &= not(tokens, at, got);
    }
    value
}

fn not(tokens: &[String], at: &mut usize, got: &DotConfig) -> bool {
    let Some(token) = tokens.get(*at) else {
        return true;
    };
    *at += 1;
    match token.as_str() {
        "!" => !not(tokens, at, got),
        "(" => {
            let value = or(tokens, at, got);
            *at += 1;
            value
        }
        name => {
            if tokens
                .get(*at)
                .is_some_and(|t| matches!(t.as_str(), "=" | "!=" | "<" | ">"))
            {
                let sign = tokens[*at].as_str();
                *at += 1;
                let mut ordered = matches!(sign, "<" | ">");
                while tokens.get(*at).is_some_and(|t| t == "=") {
                    ordered = true;
                    *at += 1;
                }
                let other = tokens.get(*at).and_then(|token| state(token, got));
                *at += 1;
                return match (state(name, got), other) {
                    (Some(one), Some(other)) if !ordered => (one == other) == (sign == "="),
                    _ => true,
                };
            }
            name == "y" || name.starts_with(['$', '"']) || got.is_on(name)
        }
    }
}

/// The state of an option, or the one that is written; `None` of text, numbers and macros.
fn state<'t>(token: &'t str, got: &'t DotConfig) -> Option<&'t str> {
    let is_state = |word: &&str| matches!(*word, "y" | "m" | "n");
    if is_state(&token) {
        return Some(token);
    }
    if token.starts_with(|c: char| !c.is_alphabetic()) {
        return None;
    }
    Some(got.0.get(token).map_or("n", String::as_str)).filter(is_state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        std::fs::create_dir(root.join("drivers")).unwrap();
        std::fs::write(
            root.join("drivers/Kconfig"),
            "if NET\nconfig RDMA\n\ttristate \"RDMA\"\n\tdepends on PCI && (INET || !MMU)\n\tdepends on m || IPV6 != m\n\thelp\n\t  config LIES\n\nendif\n\
             config LOUD\n\tbool\n\tdefault y\n",
        )
        .unwrap();
        (dir, root)
    }

    fn wanted(name: &str, value: &str) -> Fragment {
        let mut fragment = Fragment::default();
        fragment.set(name, value, "a reason", "a.toml");
        fragment
    }

    #[test]
    fn an_option_that_took_says_nothing() {
        let (_dir, root) = tree();
        let got = DotConfig::parse("CONFIG_RDMA=y\n# CONFIG_LOUD is not set\n");
        assert!(prove(&wanted("RDMA", "y"), &got, &root).is_empty());
        assert!(prove(&wanted("LOUD", "n"), &got, &root).is_empty());
    }

    #[test]
    fn an_option_that_did_not_take_names_what_is_lacking() {
        let (_dir, root) = tree();
        let got = DotConfig::parse("CONFIG_PCI=y\nCONFIG_MMU=y\n");
        insta::assert_snapshot!(prove(&wanted("RDMA", "y"), &got, &root).join("\n"),
            @"CONFIG_RDMA: wanted y (a.toml: a reason), found off; not met: depends on NET; PCI && (INET || !MMU)");
    }

    #[test]
    fn states_are_compared_and_nothing_else_is() {
        let got = DotConfig::parse("CONFIG_A=y\nCONFIG_B=m\nCONFIG_TEXT=\"t\"\n");
        for (expression, expected) in [
            ("A=y", true),
            ("A=B", false),
            ("NOWHERE=y || A=NOWHERE", false),
            ("A!=B && NOWHERE!=m", true),
            ("B!=m", false),
            ("TEXT=\"other\"", true),
            ("GCC_VERSION >= 100 && A", true),
        ] {
            assert_eq!(holds(expression, &got), expected, "{expression}");
        }
    }

    #[test]
    fn an_option_that_does_not_exist_or_stays_on_is_named() {
        let (_dir, root) = tree();
        let got = DotConfig::parse("CONFIG_LOUD=y\n");
        let missing = prove(&wanted("NOWHERE", "y"), &got, &root).join("\n");
        assert!(
            missing.ends_with("this tree has no option NOWHERE"),
            "{missing}"
        );
        let loud = prove(&wanted("LOUD", "n"), &got, &root).join("\n");
        assert!(loud.contains("another option selects it"), "{loud}");
        assert_eq!(prove(&wanted("LIES", "y"), &got, &root).len(), 1);
    }
}
