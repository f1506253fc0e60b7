// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was shown of a series stands in its mails, and never more.

use super::{FILES, Fixture, text};
use crate::apply::apply;
use crate::info::{Evidence, Replaced};
use crate::mbox::{Mail, digest, parse};
use crate::options::ApplyOptions;
use crate::series::Series;
use crate::series::tested::{News, record};
use std::fs;

/// What a build for `architecture` says of the files of the series.
fn compiled(architecture: &str, well: bool) -> Vec<News> {
    let objects = FILES.map(|(path, _)| (path.to_owned(), architecture.to_owned(), well));
    vec![News {
        objects: objects.to_vec(),
        ..News::default()
    }]
}

#[test]
fn what_was_compiled_and_seen_to_run_stands_in_mail_cover_and_series_and_never_more() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    fs::write(dir.join("notes"), "mine").expect("a file");
    let before = Series::read(&dir).expect("it was written");
    let told = |news: &[News]| {
        let silent = record(&dir, "6.12.1", news).expect("it is recorded");
        assert_eq!(silent, Vec::<String>::new());
        let series = Series::read(&dir).expect("it reads");
        let tested = series.info.patches[0].tested.clone();
        let flat = |mail: &[u8]| text(mail).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&series.mails[1].bytes).contains(&tested), "{tested}");
        let row = format!("Testing: 1: {tested}");
        assert!(flat(&series.mails[0].bytes).contains(&row), "{row}");
        assert_eq!(
            fs::read(dir.join("series.mbox")).expect("it is there"),
            series.mbox()
        );
        assert_eq!(crate::version::edited(&series).expect("it reads"), []);
        tested
    };
    assert_eq!(
        told(&compiled("x86_64", true)),
        "Compile tested only, for x86_64."
    );
    assert_eq!(
        told(&compiled("powerpc", true)),
        "Compile tested only, for powerpc and x86_64."
    );
    assert_eq!(
        told(&compiled("powerpc", false)),
        "Compile tested only, for x86_64."
    );
    let mut one = compiled("arm64", true);
    one[0].objects.pop();
    assert_eq!(
        told(&one),
        "Compile tested only: drivers/misc/toy/context.c for arm64 and x86_64, drivers/misc/toy/host.c for x86_64."
    );
    let calls = &before.info.patches[0].callsites;
    let ran = |ids: &[Replaced], evidence| News {
        calls: ids.iter().map(|site| (site.id.clone(), evidence)).collect(),
        ..News::default()
    };
    let mut again = compiled("arm64", true);
    again[0].calls = ran(calls, Evidence::Booted).calls;
    assert_eq!(
        told(&again),
        "Compile tested, for arm64 and x86_64. Booted; no function with one of the converted calls ran."
    );
    assert_eq!(
        told(&[ran(&calls[..1], Evidence::Executed)]),
        "Compile tested, for arm64 and x86_64. Booted; functions with 1 of the 4 calls ran."
    );
    let diff = |series: &Series| version_of(&series.mails[1]);
    let after = Series::read(&dir).expect("it reads");
    assert_eq!(diff(&after), diff(&before));
    assert!(dir.join("notes").is_file());
    let target = fixture.path("patched");
    apply(&fixture.tree(), &dir, &ApplyOptions::touched(&target)).expect("it still applies");
}

fn version_of(mail: &Mail) -> String {
    digest(&parse(mail).expect("a mail")).diff
}

#[test]
fn what_was_compiled_of_another_diff_or_base_is_not_claimed_and_words_by_hand_stay() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let other = record(&dir, "6.1.1", &compiled("x86_64", true)).expect("it is read");
    assert_eq!(
        other,
        ["the series is for Linux 6.12.1 and says nothing of a test on 6.1.1"]
    );
    record(&dir, "6.12.1", &compiled("x86_64", true)).expect("it is recorded");
    let file = dir.join(&Series::read(&dir).expect("it reads").info.patches[0].file);
    let change = |from: &str, to: &str| {
        let mail = fs::read_to_string(&file).expect("the mail");
        assert!(mail.contains(from), "{mail}");
        fs::write(&file, mail.replace(from, to)).expect("edited by hand");
    };
    change("+\tret = pin_user", "+\tret =  pin_user");
    record(&dir, "6.12.1", &compiled("arm64", true)).expect("it is recorded");
    let tested = &Series::read(&dir).expect("it reads").info.patches[0].tested;
    assert_eq!(tested, "Compile tested only, for arm64.");
    change("Compile tested only, for arm64.", "Tested on a toy.");
    let silent = record(&dir, "6.12.1", &compiled("s390", true)).expect("it is recorded");
    assert!(silent[0].contains("changed by hand"), "{silent:?}");
    let mail = fs::read_to_string(&file).expect("the mail");
    assert!(mail.contains("Tested on a toy."), "{mail}");
}
