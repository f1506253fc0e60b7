// SPDX-License-Identifier: MIT OR Apache-2.0
//! kbuild variables on the command line: `ARCH=arm64 LLVM=1 O=DIR`, as kernel developers type them to make.
//!
//! They are taken out before clap sees the rest, because make accepts them anywhere between other words.

use std::collections::BTreeSet;
use std::ffi::OsString;

/// Name and value, in the order typed.
pub(crate) type Variables = Vec<(String, String)>;

/// Splits a command line (without the program's name) into the words for clap and the kbuild variables.
///
/// A variable is an upper-case name, `=`, and anything. Words before the verb and after `--` are left alone, and so is
/// the word after one of `options`, which take a value (`-o O=dir` is a file name).
pub(crate) fn split(
    words: impl IntoIterator<Item = OsString>,
    verbs: &[&str],
    options: &BTreeSet<String>,
) -> (Vec<OsString>, Variables) {
    let (mut rest, mut variables) = (Vec::new(), Variables::new());
    let (mut after_verb, mut closed, mut value_follows) = (false, false, false);
    for word in words {
        let text = word.to_string_lossy();
        let free = after_verb && !closed && !value_follows;
        value_follows = options.contains(&*text);
        closed |= text == "--";
        after_verb |= verbs.contains(&&*text);
        match variable(&text) {
            Some(pair) if free => variables.push(pair),
            _ => rest.push(word),
        }
    }
    (rest, variables)
}

/// The options of a command and of its subcommands that take a value, as they are typed: "-o", "--output".
pub(crate) fn with_values(command: &clap::Command) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for argument in command
        .get_arguments()
        .filter(|it| it.get_action().takes_values())
    {
        options.extend(argument.get_long().map(|name| format!("--{name}")));
        options.extend(argument.get_short().map(|name| format!("-{name}")));
    }
    options.extend(command.get_subcommands().flat_map(with_values));
    options
}

fn variable(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let mut bytes = name.bytes();
    let first_is_letter = bytes.next().is_some_and(|byte| byte.is_ascii_uppercase());
    (first_is_letter
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'))
    .then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn of(line: &str) -> (Vec<String>, Variables) {
        let words = line.split('|').map(OsString::from);
        let options = with_values(&crate::flags::Cli::command());
        let (rest, variables) = split(words, &["build", "audit"], &options);
        (
            rest.into_iter()
                .map(|word| word.into_string().unwrap())
                .collect(),
            variables,
        )
    }

    fn pairs(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn variables_stand_anywhere_after_the_verb() {
        let (rest, variables) = of("build|ARCH=arm64|series|CC=ccache gcc|-v|O=../out|W=1");
        assert_eq!(rest, ["build", "series", "-v"]);
        assert_eq!(
            variables,
            pairs(&[
                ("ARCH", "arm64"),
                ("CC", "ccache gcc"),
                ("O", "../out"),
                ("W", "1")
            ])
        );
    }

    #[test]
    fn values_of_options_and_words_after_two_dashes_are_left_alone() {
        assert_eq!(
            of("build|-o|O=dir|--|A=b"),
            (
                vec![
                    "build".into(),
                    "-o".into(),
                    "O=dir".into(),
                    "--".into(),
                    "A=b".into()
                ],
                vec![]
            )
        );
        assert_eq!(of("audit|--define|A=1|-D").1, vec![]);
        assert_eq!(of("build|-v|A=1").1, pairs(&[("A", "1")]));
        assert_eq!(of("--kernel=x|audit|lower=1|--format=json").1, vec![]);
    }
}
