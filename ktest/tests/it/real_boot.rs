// SPDX-License-Identifier: MIT OR Apache-2.0
//! One real boot. It needs an image of our configuration, so it is run by name:
//! `KTEST_IMAGE=…/bzImage cargo test -p ktest --test it real_boot -- --ignored`

use callsites::report::Era;
use callsites::tree::Tree;
use camino::Utf8Path;
use failure::Exit;
use ktest::KtestOptions;
use ktest::verdict::Outcome;

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
