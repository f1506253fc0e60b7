// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new version of a series keeps what people wrote into the old one.

use super::{Fixture, text};
use crate::series::Series;
use failure::Failure;
use std::fs;

#[test]
fn a_second_version_keeps_the_hand_written_cover_and_shows_the_difference() {
    let fixture = Fixture::new().with_git();
    let mut options = fixture.options();
    options.cover = Some("toy: let the toys be pinned\n\nWritten by hand.".into());
    let first = fixture.convert(&options).expect("it converts");
    let dir = fixture.path("series");
    first.write(&dir).expect("it can be written");
    let cover = dir.join("0000-cover-letter.patch");
    let edited = text(&first.mails[0].bytes).replace("Written by hand.", "Edited in the mail.");
    fs::write(&cover, edited).expect("a file");
    options.cover = None;
    options.previous = Some(dir);
    let second = fixture.convert(&options).expect("it converts");
    assert_eq!(second.info.version, 2);
    assert_eq!(second.info.title, "toy: let the toys be pinned");
    let cover = text(&second.mails[0].bytes);
    assert!(
        cover.contains("Subject: [PATCH v2 0/1] toy: let the toys be pinned"),
        "{cover}"
    );
    assert!(cover.contains("Edited in the mail."), "{cover}");
    assert!(cover.contains("Changes since v1:"), "{cover}");
    assert!(text(&second.mails[1].bytes).contains("[PATCH v2 1/1]"));
}

#[test]
fn a_second_version_keeps_what_was_changed_by_hand_in_a_message_and_in_code() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let first = Series::read(&dir).expect("it was written");
    let file = dir.join(&first.info.patches[0].file);
    let mail = fs::read_to_string(&file).expect("the mail");
    let edited = mail
        .replace("Not tested.", "Tested on a toy by hand.")
        .replace(
            "+\tret = pin_user_pages_fast(",
            "+\tret =  pin_user_pages_fast(",
        );
    assert_ne!(edited, mail);
    assert!(edited.contains("=  pin_user"), "{edited}");
    fs::write(&file, edited).expect("edited by hand");
    let mut options = fixture.rehearsal();
    options.previous = Some(dir.clone());
    let second = fixture.convert(&options).expect("it converts");
    let now = text(&second.mails[1].bytes);
    assert!(now.contains("Tested on a toy by hand."), "{now}");
    assert!(now.contains("+\tret =  pin_user_pages_fast("), "{now}");
    assert!(!now.contains("Not tested."), "{now}");
    // They are edits for the version after it as well.
    second.write(&dir).expect("a directory of its own");
    let third = fixture.convert(&options).expect("it converts");
    assert_eq!(third.info.version, 3);
    let now = text(&third.mails[1].bytes);
    assert!(now.contains("Tested on a toy by hand."), "{now}");
    assert!(now.contains("+\tret =  pin_user_pages_fast("), "{now}");
}

#[test]
fn a_hand_edit_that_no_longer_applies_is_an_error_and_not_lost() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let first = Series::read(&dir).expect("it was written");
    let file = dir.join(&first.info.patches[0].file);
    let mail = fs::read_to_string(&file).expect("the mail");
    let edited = mail.replace(
        "-\tret = get_user_pages_fast(",
        "-\tret = another_function(",
    );
    assert_ne!(edited, mail);
    fs::write(&file, &edited).expect("edited by hand");
    let mut options = fixture.rehearsal();
    options.previous = Some(dir);
    let error = fixture
        .convert(&options)
        .expect_err("it cannot be taken over");
    assert!(
        error.to_string().contains("changed by hand in 0001-"),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert_eq!(fs::read_to_string(&file).expect("the mail"), edited);
}
