// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series becomes a directory, or leaves nothing behind.

use super::{CONTEXT, Fixture, HOST, author, put};
use crate::apply::apply;
use crate::error::Error;
use crate::options::{ApplyOptions, Form};
use crate::series::Series;
use callsites::tree::beneath::Entry;
use camino::Utf8Path;
use failure::{Exit, Failure};
use proc::git::store;
use std::fs;

#[test]
fn a_series_applies_to_a_tree_without_git_and_leaves_that_tree_alone() {
    let fixture = Fixture::new();
    let series = fixture.written();
    let target = fixture.path("patched");
    let applied =
        apply(&fixture.tree(), &series, &ApplyOptions::touched(&target)).expect("it applies");
    assert_eq!(applied.patches.len(), 1);
    let host = fs::read_to_string(target.join("drivers/misc/toy/host.c")).expect("a file");
    assert!(host.contains("pin_user_pages_fast(addr"));
    let patch = &applied.patches[0];
    let file = &patch.files[Utf8Path::new("drivers/misc/toy/host.c")];
    assert!(
        matches!(file, Some(Entry::File { bytes, .. }) if bytes == host.as_bytes()),
        "{file:?}"
    );
    let before = fs::read_to_string(fixture.path("tree/drivers/misc/toy/host.c")).expect("a file");
    assert_eq!(before, HOST);
}

#[test]
fn a_full_copy_has_every_file_of_the_tree() {
    let fixture = Fixture::new();
    let series = fixture.written();
    let target = fixture.path("full");
    apply(&fixture.tree(), &series, &ApplyOptions::full(&target)).expect("it applies");
    assert!(target.join("include/linux/mm.h").is_file());
    let host = fs::read_to_string(target.join("drivers/misc/toy/host.c")).expect("a file");
    assert!(host.contains("pin_user_pages_fast(addr"));
}

#[test]
fn a_worktree_of_the_users_repository_gets_the_branch_that_was_asked_for() {
    let fixture = Fixture::new().with_git();
    let series = fixture.written();
    let target = fixture.path("worktree");
    let options = ApplyOptions {
        form: Form::Worktree,
        branch: Some("pins".into()),
        ..ApplyOptions::touched(&target)
    };
    apply(&fixture.tree(), &series, &options).expect("it applies");
    let tree = fixture.path("tree");
    assert!(store::branch_exists(tree.as_std_path(), "pins").expect("git works"));
    let status = proc::git::status(tree.as_std_path()).expect("git works");
    assert_eq!(status.stdout_text(), "");
}

#[test]
fn a_series_that_does_not_apply_shows_hunk_and_tree_and_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let series = fixture.written();
    let other = CONTEXT.replace("if (toy->page)", "if (toy->page && toy->bound)");
    put(&fixture.path("tree"), "drivers/misc/toy/context.c", &other);
    let target = fixture.path("patched");
    let error =
        apply(&fixture.tree(), &series, &ApplyOptions::touched(&target)).expect_err("a conflict");
    assert_eq!(error.exit(), Exit::Conflict);
    insta::assert_snapshot!("conflict", error.to_string().replace('\t', "→"));
    let left: Vec<_> = fixture
        .dir
        .path()
        .read_dir()
        .expect("a directory")
        .collect();
    assert_eq!(
        left.len(),
        3,
        "tree, series and work are all there is: {left:?}"
    );
}

#[test]
fn a_conflict_in_a_worktree_takes_the_worktree_away_again() {
    let fixture = Fixture::new().with_git();
    let series = fixture.written();
    let tree = fixture.path("tree");
    let other = CONTEXT.replace("if (toy->page)", "if (toy->page && toy->bound)");
    put(&tree, "drivers/misc/toy/context.c", &other);
    store::commit_all(tree.as_std_path(), "misc: toy: bind", &author()).expect("git commit");
    let target = fixture.path("worktree");
    let options = ApplyOptions {
        form: Form::Worktree,
        ..ApplyOptions::touched(&target)
    };
    let error = apply(&fixture.tree(), &series, &options).expect_err("a conflict");
    assert_eq!(error.exit(), Exit::Conflict);
    assert!(!target.exists());
    let list = proc::git::git(tree.as_std_path())
        .args(["worktree", "list"])
        .run()
        .expect("git works");
    assert_eq!(list.stdout_text().lines().count(), 1);
}

#[test]
fn a_target_in_use_is_refused() {
    let fixture = Fixture::new();
    let series = fixture.written();
    put(&fixture.path("patched"), "mine", "precious\n");
    let options = ApplyOptions::touched(fixture.path("patched"));
    let error = apply(&fixture.tree(), &series, &options).expect_err("in use");
    assert!(matches!(error, Error::TargetInUse(_)));
    let series = Series::read(&series).expect("a series");
    assert!(matches!(
        series.write(&fixture.path("patched")),
        Err(Error::TargetInUse(_))
    ));
}

#[test]
fn a_damaged_series_is_told_by_what_is_wrong_with_it() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let series = Series::read(&dir).expect("a series");
    fs::remove_file(dir.join(&series.mails[1].file)).expect("it is there");
    let error = Series::read(&dir).expect_err("a mail is missing");
    assert!(error.to_string().contains(&series.mails[1].file), "{error}");
    assert!(matches!(
        Series::read(&fixture.path("tree")),
        Err(Error::BadSeries { .. })
    ));
}
