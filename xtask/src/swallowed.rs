// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags that take several names also take what was meant as the verb's own argument: `--target vmci SERIES_DIR`.
//!
//! What such a flag took is given back where it can only be the argument, before a verb sees either.

use crate::flags::{Build, Ktest, Pipeline};
use camino::{Utf8Path, Utf8PathBuf};

/// Gives back a series that `--target` or `--config` took.
pub(crate) fn from_ktest(args: &mut Ktest, is_target: impl Fn(&str) -> bool) {
    let is_range = |name: &str| {
        name.split_once("..")
            .is_some_and(|(base, head)| !base.is_empty() && !head.is_empty())
    };
    let is_series =
        |name: &String| !is_target(name) && (is_range(name) || Utf8Path::new(name).exists());
    if args.series.is_none() {
        args.series = give_back(&mut args.target, is_series).map(Utf8PathBuf::from);
    }
    if args.series.is_none() {
        args.series = give_back(&mut args.config, |path| path.is_dir());
    }
}

/// Gives back a series that `--config` or `--headers` took.
pub(crate) fn from_build(args: &mut Build) {
    if args.series.is_none() {
        args.series = give_back(&mut args.headers, |path| path.join("series.toml").exists());
    }
    if args.series.is_none() {
        args.series = give_back(&mut args.config, |path| path.is_dir());
    }
}

/// Gives back the paths that `--target` took, whatever names no target, and those that `--headers` took, whatever has no
/// Makefile.
pub(crate) fn from_pipeline(
    args: &mut Pipeline,
    is_target: impl Fn(&str) -> bool,
    has_makefile: impl Fn(&Utf8Path) -> bool,
) {
    while let Some(path) = give_back(&mut args.headers, |name| !has_makefile(name)) {
        args.paths.insert(0, path);
    }
    while let Some(path) = give_back(&mut args.target, |name| {
        !is_target(name) && name.contains('/')
    }) {
        args.paths.insert(0, path.into());
    }
}

/// The last value, where it is what the flag has no use for. The first is the flag's in any case.
fn give_back<T>(values: &mut Vec<T>, is_argument: impl Fn(&T) -> bool) -> Option<T> {
    match values.len() > 1 && values.last().is_some_and(is_argument) {
        true => values.pop(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Cli, Verb};
    use clap::Parser;

    fn ktest(words: &[&str]) -> Ktest {
        let words = ["xtask", "ktest"].iter().chain(words);
        let Verb::Ktest(mut args) = Cli::try_parse_from(words).unwrap().verb else {
            panic!("it is ktest");
        };
        from_ktest(&mut args, |name| matches!(name, "vmci" | "gup-test"));
        args
    }

    #[test]
    fn a_series_after_the_targets_is_a_series() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().to_str().unwrap();
        for words in [
            &["--target", "vmci", dir][..],
            &["--target", "vmci,gup-test", dir],
            &[dir, "--target", "vmci"],
            &["--config", "a.fragment", dir],
        ] {
            assert_eq!(
                ktest(words).series.as_deref(),
                Some(dir.into()),
                "{words:?}"
            );
        }
        let two = ktest(&["--target", "vmci", "gup-test"]);
        assert_eq!((two.target.len(), two.series), (2, None));
        assert_eq!(ktest(&["--target", "vmci", "no-such"]).target.len(), 2);
    }

    #[test]
    fn paths_after_the_headers_are_paths() {
        let line = "xtask pipeline --module m --headers one two src include";
        let parsed = Cli::try_parse_from(line.split(' ')).unwrap();
        let Verb::Pipeline(mut args) = parsed.verb else {
            panic!("it is pipeline");
        };
        let has_makefile = |name: &Utf8Path| matches!(name.as_str(), "one" | "two");
        from_pipeline(&mut args, |_| false, has_makefile);
        assert_eq!(
            (args.headers, args.paths),
            (
                vec!["one".into(), "two".into()],
                vec!["src".into(), "include".into()]
            )
        );
    }

    #[test]
    fn paths_after_the_targets_are_paths() {
        let words = [
            "xtask",
            "pipeline",
            "--target",
            "vmci",
            "drivers/a",
            "drivers/b",
        ];
        let Verb::Pipeline(mut args) = Cli::try_parse_from(words).unwrap().verb else {
            panic!("it is pipeline");
        };
        from_pipeline(&mut args, |name| name == "vmci", |_| false);
        assert_eq!(
            (args.target, args.paths),
            (
                vec!["vmci".to_owned()],
                vec!["drivers/a".into(), "drivers/b".into()]
            )
        );
    }
}
