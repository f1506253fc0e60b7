// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules that need what the flow found: origins across files, groups, cases.

use callsites::findings::{AnyIn, Input, run};
use callsites::index::ir::{FileFacts, Span};
use callsites::index::{Wanted, parse};
use callsites::report::*;
use camino::Utf8Path;
use std::sync::Arc;

const TAKES: &str = "int frob_take(struct frob *frob, unsigned long start)\n\
{\n\
\treturn pin_user_pages_fast(start, 1, FOLL_WRITE, &frob->page);\n\
}\n\
int frob_peek(struct frob *frob, unsigned long start)\n\
{\n\
\treturn get_user_pages_fast(start, 1, 0, &frob->page);\n\
}\n";

const GIVES: &str = "void frob_give(struct frob *frob)\n\
{\n\
\tset_page_dirty(frob->page);\n\
\tput_page(frob->page);\n\
}\n\
void frob_drop(struct frob *frob)\n\
{\n\
\tunpin_user_page(frob->page);\n\
}\n\
void frob_clean(struct frob *frob, bool dirty)\n\
{\n\
\tunpin_user_pages_dirty_lock(&frob->page, 1, dirty);\n\
}\n";

/// Pins or takes a plain reference, as its caller wishes.
const CHOOSES: &str = "int frob_either(struct frob *frob, unsigned long start)\n\
{\n\
\tint got;\n\
\tif (frob->hold)\n\
\t\tgot = pin_user_pages_unlocked(start, 1, &frob->page, FOLL_WRITE);\n\
\telse\n\
\t\tgot = get_user_pages_unlocked(start, 1, &frob->page, FOLL_WRITE);\n\
\treturn got;\n\
}\n";

/// Sets the flag alone; and maps for a device that only reads, by the name that the PCI layer had for it.
const FLAGS: &str = "void frob_flag(struct frob *frob)\n\
{\n\
\tSetPageDirty(frob->page);\n\
}\n\
void frob_unmap(struct frob *frob)\n\
{\n\
\tpci_unmap_sg(frob->pdev, &frob->sg, 1, PCI_DMA_TODEVICE);\n\
\tunpin_user_pages(&frob->page, 1);\n\
}\n";

/// Before 5.2 a number told whether to write.
const EARLY: &str = "int frob_early(struct frob *frob, unsigned long start)\n\
{\n\
\treturn get_user_pages_fast_only(start, 1, frob->writes, &frob->page);\n\
}\n";

const PATHS: [(&str, &str); 6] = [
    ("net/frob/take.c", TAKES),
    ("net/frob/give.c", GIVES),
    ("net/frob/either.c", CHOOSES),
    ("net/frob/flags.c", FLAGS),
    ("mm/give.c", GIVES),
    ("net/frob/early.c", EARLY),
];

/// The callsite of `call`, which stands once in the sources.
fn site(call: &str, role: Role, verdict: Verdict, origins: &[&str]) -> Callsite {
    let (path, source) = PATHS
        .iter()
        .find(|(_, source)| source.contains(&format!("{call}(")))
        .expect("a source");
    let start = source.find(&format!("{call}(")).expect("a call");
    let before = &source[..start];
    let function = before
        .rsplit("\n{\n")
        .nth(1)
        .and_then(|head| head.rsplit('\n').next())
        .expect("a head");
    let function = function
        .split('(')
        .next()
        .and_then(|head| head.split([' ', '*']).next_back())
        .expect("a name");
    Callsite {
        id: call.into(),
        path: (*path).into(),
        line: before.matches('\n').count() as u32 + 1,
        column: 1,
        function: function.into(),
        call: call.into(),
        role,
        verdict,
        case: Some(2),
        confidence: Confidence::High,
        reason: "the device writes until user space lets go".into(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        group: Some("g".into()),
        replacement: None,
        shape: None,
        guards: vec![],
        evidence: vec![],
        span: Span {
            start: start as u32,
            end: start as u32 + 1,
        },
        edit: None,
    }
}

fn findings(callsites: &[Callsite]) -> Vec<String> {
    found(callsites)
        .iter()
        .map(|f| format!("{} {}:{} {}: {}", f.rule, f.path, f.line, f.name, f.message))
        .collect()
}

fn found(callsites: &[Callsite]) -> Vec<Finding> {
    found_in(Era::Pin, callsites)
}

fn found_in(era: Era, callsites: &[Callsite]) -> Vec<Finding> {
    found_among(era, callsites, &|_, _| false)
}

/// The same, with the sources of a directory to ask.
fn found_among(era: Era, callsites: &[Callsite], any_in: &AnyIn<'_>) -> Vec<Finding> {
    let ids = |role| {
        callsites
            .iter()
            .filter(|s| s.role == role && s.group.is_some())
            .map(|s| s.id.clone())
            .collect::<Vec<_>>()
    };
    let groups = [Group {
        id: "g".into(),
        subsystem: "net/frob".into(),
        acquires: ids(Role::Acquire),
        releases: ids(Role::Release),
        dirties: ids(Role::Dirty),
        convertible: false,
        blocked_by: vec![],
        plan: vec![],
    }];
    let files: Vec<Arc<FileFacts>> = PATHS
        .iter()
        .map(|(path, source)| Arc::new(parse(Utf8Path::new(path), source.as_bytes(), &Wanted::All)))
        .collect();
    let read = |path: &Utf8Path| {
        PATHS
            .iter()
            .find(|(name, _)| path == *name)
            .map(|(_, text)| text.as_bytes().to_vec())
    };
    let input = Input {
        files: &files,
        callsites,
        groups: &groups,
        era,
        released: era,
        code: None,
        read: &read,
        any_in,
    };
    run(&input)
}

const PIN: &str = "pin_user_pages_fast net/frob/take.c:3";
const GET: &str = "get_user_pages_fast net/frob/take.c:7";

#[test]
fn put_page_of_what_another_file_pinned_is_a_mismatch_across_files() {
    let acquire = site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]);
    let found = findings(&[
        acquire,
        site("put_page", Role::Release, Verdict::Convert, &[PIN]),
    ]);
    assert!(found.contains(
        &"R2 net/frob/give.c:4 kind-mismatch-across-files: put_page() releases pages that pin_user_pages_fast() has pinned \
          at net/frob/take.c:3"
            .to_owned()
    ), "{found:#?}");
}

#[test]
fn before_pins_were_counted_apart_an_unpin_of_a_reference_is_no_mismatch() {
    let sites = [site(
        "unpin_user_page",
        Role::Release,
        Verdict::Convert,
        &[GET],
    )];
    let mismatches = |era| {
        let found = found_in(era, &sites);
        found.iter().filter(|f| f.name.contains("mismatch")).count()
    };
    assert_eq!(mismatches(Era::PutUserPage), 0);
    assert_eq!(mismatches(Era::Pin), 1);
}

#[test]
fn a_mismatch_is_mended_by_the_release_of_the_other_kind() {
    let mut release = site("put_page", Role::Release, Verdict::Convert, &[PIN]);
    let callee = Span {
        start: release.span.start,
        end: release.span.start + 8,
    };
    release.edit = Some(EditSite {
        statement: release.span,
        callee,
        alias: None,
        arguments: vec![],
        array: None,
        range: None,
        dirty_condition: None,
        unused_after: vec![],
        only_releases: true,
    });
    let found = found(&[
        site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]),
        release,
    ]);
    let fix = found
        .iter()
        .find(|f| f.rule == "R2")
        .and_then(|f| f.fix.as_ref());
    let fix = fix.expect("a fix");
    assert_eq!((fix.span, fix.text.as_str()), (callee, "unpin_user_page"));
    assert_eq!(
        &GIVES[callee.start as usize..callee.end as usize],
        "put_page"
    );
}

#[test]
fn a_release_of_both_kinds_is_half_converted_and_no_mismatch() {
    let found = findings(&[site("put_page", Role::Release, Verdict::Mixed, &[PIN, GET])]);
    assert_eq!(
        found,
        [
            "R2 net/frob/give.c:4 half-converted-group: put_page() releases what pin_user_pages_fast() pins at \
         net/frob/take.c:3 and what get_user_pages_fast() takes as a plain reference at net/frob/take.c:7"
        ]
    );
}

#[test]
fn what_one_function_took_in_one_of_two_ways_and_two_release_is_chosen() {
    let either = [
        "pin_user_pages_unlocked net/frob/either.c:5",
        "get_user_pages_unlocked net/frob/either.c:7",
    ];
    let taken = [
        site("pin_user_pages_unlocked", Role::Acquire, Verdict::Done, &[]),
        site("get_user_pages_unlocked", Role::Acquire, Verdict::Keep, &[]),
    ];
    let put = site("put_page", Role::Release, Verdict::Mixed, &either);
    let unpin = site("unpin_user_page", Role::Release, Verdict::Done, &either);
    let half = |sites: &[Callsite]| {
        let sites = [&taken[..], sites].concat();
        let found = findings(&sites);
        found
            .iter()
            .filter(|f| f.contains("half-converted"))
            .count()
    };
    assert_eq!(half(&[put.clone(), unpin.clone()]), 0);
    // With one way of releasing, nobody has chosen, and with two that take, nobody could.
    assert_eq!(half(std::slice::from_ref(&put)), 1);
    let two = [PIN, GET];
    let put = site("put_page", Role::Release, Verdict::Mixed, &two);
    let unpin = site("unpin_user_page", Role::Release, Verdict::Done, &two);
    assert_eq!(half(&[put, unpin]), 2);
}

#[test]
fn a_release_whose_origin_is_not_known_is_left_alone() {
    assert!(findings(&[site("put_page", Role::Release, Verdict::Unknown, &[PIN])]).is_empty());
    assert!(
        findings(&[site(
            "put_page",
            Role::Release,
            Verdict::Mixed,
            &[PIN, "alloc_page net/frob/take.c:9"]
        )])
        .is_empty()
    );
    assert!(findings(&[site("put_page", Role::Release, Verdict::Convert, &[GET])]).is_empty());
}

#[test]
fn pages_taken_for_writing_and_never_dirtied_are_reported_once() {
    let acquire = site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]);
    let release = site("unpin_user_page", Role::Release, Verdict::Done, &[PIN]);
    let found = findings(&[acquire.clone(), release]);
    assert!(
        found
            .iter()
            .any(|f| f.starts_with("R7 net/frob/take.c:3 dirty-never:")),
        "{found:#?}"
    );
    let dirties = site(
        "unpin_user_pages_dirty_lock",
        Role::Release,
        Verdict::Done,
        &[PIN],
    );
    let found = findings(&[acquire, dirties]);
    assert!(
        !found.iter().any(|f| f.contains("dirty-never")),
        "{found:#?}"
    );
}

#[test]
fn a_dirtying_call_of_pages_that_are_known_is_about_no_others() {
    let acquire = site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]);
    let release = site("unpin_user_page", Role::Release, Verdict::Done, &[PIN]);
    let never = |origins: &[&str]| {
        let mut dirty = site("set_page_dirty", Role::Dirty, Verdict::Keep, origins);
        dirty.group = None;
        let sites = [acquire.clone(), release.clone(), dirty];
        let beside = |directory: &Utf8Path, test: &dyn Fn(&Utf8Path, &[u8]) -> bool| {
            let mut paths = PATHS
                .iter()
                .filter(|(path, _)| Utf8Path::new(path).parent() == Some(directory));
            paths.any(|(path, text)| {
                *path == "net/frob/give.c" && test(Utf8Path::new(path), text.as_bytes())
            })
        };
        let found = found_among(Era::Pin, &sites, &beside);
        found.iter().any(|finding| finding.name == "dirty-never")
    };
    assert!(never(&[GET]));
    assert!(!never(&[]));
}

#[test]
fn a_number_told_the_fast_functions_to_write_before_5_2() {
    let never = |acquire: &str, origin: &str| {
        let acquire = site(acquire, Role::Acquire, Verdict::Convert, &[]);
        let release = site("put_page", Role::Release, Verdict::Convert, &[origin]);
        let found = found_in(Era::PutPage, &[acquire, release]);
        found.iter().any(|f| f.name == "dirty-never")
    };
    assert!(never(
        "get_user_pages_fast_only",
        "get_user_pages_fast_only net/frob/early.c:3"
    ));
    assert!(!never("get_user_pages_fast", GET));
}

#[test]
fn dirtying_user_pages_without_their_lock_is_reported() {
    let found = findings(&[site(
        "set_page_dirty",
        Role::Dirty,
        Verdict::Convert,
        &[GET],
    )]);
    assert_eq!(
        found,
        [
            "R7 net/frob/give.c:3 dirty-unlocked: set_page_dirty() on user pages without the page lock; set_page_dirty_lock() \
         takes it"
        ]
    );
    assert!(findings(&[site("set_page_dirty", Role::Dirty, Verdict::Unknown, &[])]).is_empty());
    // Of an iterator they are a user's where the call would be converted.
    let iterator = ["iov_iter_get_pages2 net/frob/take.c:3"];
    let of_iterator = |verdict| site("set_page_dirty", Role::Dirty, verdict, &iterator);
    assert_eq!(findings(&[of_iterator(Verdict::Convert)]).len(), 1);
    assert!(findings(&[of_iterator(Verdict::Keep)]).is_empty());
    // The rules are about callers, and mm/ is none.
    let mut inside = site("set_page_dirty", Role::Dirty, Verdict::Keep, &[GET]);
    inside.path = "mm/give.c".into();
    assert!(findings(&[inside]).is_empty());
}

#[test]
fn the_flag_set_alone_on_user_pages_is_reported() {
    let flag = |origins: &[&str]| {
        findings(&[site("SetPageDirty", Role::Dirty, Verdict::Convert, origins)])
    };
    assert_eq!(
        flag(&[GET]),
        [
            "R7 net/frob/flags.c:3 dirty-flag-alone: SetPageDirty() on user pages sets the flag alone; the mapping is told \
         by set_page_dirty_lock()"
        ]
    );
    assert!(flag(&[]).is_empty());
}

#[test]
fn what_a_device_only_reads_need_not_be_dirtied_whatever_the_direction_is_called() {
    let acquire = site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]);
    let release = site("unpin_user_pages", Role::Release, Verdict::Done, &[PIN]);
    let found = findings(&[acquire, release]);
    assert!(
        !found.iter().any(|f| f.contains("dirty-never")),
        "{found:#?}"
    );
}

#[test]
fn a_long_pin_without_longterm_is_reported_only_in_case_2() {
    let mut acquire = site("pin_user_pages_fast", Role::Acquire, Verdict::Done, &[]);
    let longterm = |found: &[String]| {
        found
            .iter()
            .filter(|f| f.contains("longterm-missing"))
            .count()
    };
    assert_eq!(longterm(&findings(&[acquire.clone()])), 1);
    acquire.case = Some(1);
    assert_eq!(longterm(&findings(&[acquire])), 0);
}
