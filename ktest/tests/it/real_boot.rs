// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real boots. One needs an image of our configuration, the other a kernel's tree, so they are run by name:
//! `KTEST_IMAGE=…/bzImage cargo test -p ktest --test it unpatched_kernel -- --ignored`
//! `KTEST_TREE=…/linux-7.3 KTEST_RUNS=DIR cargo test -p ktest --test it built_from_a_tree -- --ignored --nocapture`

use callsites::report::Era;
use callsites::tree::Tree;
use camino::Utf8Path;
use failure::Exit;
use ktest::verdict::Outcome;
use ktest::{KtestOptions, Progress};

fn needs_no_module(name: &str) -> bool {
    let target = ktest::target::select(&[name.to_owned()]).unwrap().remove(0);
    let guest = target.guest();
    guest.is_some_and(|guest| !guest.probe && guest.module.is_none())
}

#[test]
#[ignore = "needs an emulator and KTEST_IMAGE, a bzImage of our configuration"]
fn every_target_passes_on_an_unpatched_kernel() {
    let image = std::env::var("KTEST_IMAGE").expect("KTEST_IMAGE names a bzImage");
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    let mut options = KtestOptions::new(root.join("cache"), root.join("runs"));
    options.image = Some(image.into());
    let verdict = ktest::run(&Tree::embedded(Era::Pin), None, &options).unwrap();
    assert_eq!(verdict.exit(), Exit::Clean, "{}", verdict.reason);
    let booted = ktest::target::all().unwrap();
    let booted: Vec<&str> = booted
        .iter()
        .filter(|t| t.guest().is_some())
        .map(|t| t.name.as_str())
        .collect();
    assert!(booted.len() >= 16);
    for target in &verdict.base.targets {
        // Nothing is known of an image to build a module against.
        if !booted.contains(&target.name.as_str()) || !needs_no_module(&target.name) {
            assert_eq!(target.result, Outcome::Skip, "{}", target.name);
            continue;
        }
        assert_eq!(
            target.result,
            Outcome::Pass,
            "{}: {:?}",
            target.name,
            target.reason
        );
        assert!(target.pins.unwrap().balanced, "{}", target.name);
    }
    options.resume = Some(verdict.run.clone());
    let again = ktest::run(&Tree::embedded(Era::Pin), None, &options).unwrap();
    assert_eq!(again, verdict);
}

/// What can be done on this release passes, and the rest says why it is skipped; the run stays in `KTEST_RUNS`.
/// `KTEST_TARGETS` names some.
#[test]
#[ignore = "builds and boots a kernel; needs KTEST_TREE"]
fn every_target_passes_on_a_kernel_built_from_a_tree() {
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    let runs = match of("KTEST_RUNS") {
        kept if kept.is_empty() => Utf8Path::from_path(dir.path()).unwrap().to_owned(),
        kept => kept.into(),
    };
    let cache = match of("KTEST_CACHE") {
        cache if cache.is_empty() => format!("{}/.cache/gup-toolkit", of("HOME")),
        cache => cache,
    };
    let mut options = KtestOptions::new(cache, runs);
    options.targets = of("KTEST_TARGETS")
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    options.progress = Progress::new(|sentence| eprintln!("{sentence}"));
    let verdict = ktest::run(&Tree::open(&of("KTEST_TREE")).unwrap(), None, &options).unwrap();
    let mut failed = Vec::new();
    for target in &verdict.base.targets {
        let (result, reason) = (target.result, target.reason.as_deref().unwrap_or_default());
        eprintln!("{result:?} {}: {:?} {reason}", target.name, target.pins);
        if !matches!(result, Outcome::Pass | Outcome::Skip) {
            failed.push((&target.name, reason));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(verdict.exit(), Exit::Clean, "{}", verdict.reason);
}
