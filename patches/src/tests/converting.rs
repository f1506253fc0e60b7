// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tree becomes a series: what stands in it, and what is refused.

use super::{CONTEXT, FILES, Fixture, HOST, put, text};
use crate::apply::apply;
use crate::error::Error;
use crate::fixture::report;
use crate::info::Outcome;
use crate::mbox::parse;
use crate::options::{ApplyOptions, Export, Form, Select};
use crate::series::Series;
use crate::verify::audit;
use crate::whole::convert;
use callsites::report::{Era, Step, When};
use camino::Utf8Path;
use failure::{Exit, Failure};
use proc::git::store;
use std::fs;

#[test]
fn a_tree_without_git_gives_this_series() {
    let fixture = Fixture::new();
    let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
    insta::assert_snapshot!("cover_without_git", text(&series.mails[0].bytes));
    insta::assert_snapshot!("mbox_without_git", text(&series.mbox()));
    let toml = toml::to_string(&series.info).expect("it serialises");
    insta::assert_snapshot!("series_toml_without_git", toml);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let fixture = Fixture::new();
    let first = fixture.convert(&fixture.rehearsal()).expect("it converts");
    let second = fixture.convert(&fixture.rehearsal()).expect("it converts");
    assert_eq!(first, second);
}

#[test]
fn a_git_tree_gives_its_prefix_its_signature_and_names_that_survive() {
    let fixture = Fixture::new().with_git();
    let series = fixture.convert(&fixture.options()).expect("it converts");
    assert_eq!(
        series.info.patches[0].subject,
        "misc: toy: convert get_user_pages_fast() to pin_user_pages_fast()"
    );
    let read = parse(&series.mails[1]).expect("a mail");
    assert_eq!(read.author.name, "Jørn Å. Müller");
    assert!(
        read.message
            .ends_with("Signed-off-by: Jørn Å. Müller <jm@example.org>"),
        "{}",
        read.message
    );
    // Nobody else has this commit, so no trailer may claim that it can be fetched.
    assert!(!text(&series.mbox()).contains("base-commit:"));
    assert!(text(&series.mails[0].bytes).contains("(not public)"));
}

#[test]
fn a_base_that_a_tag_holds_is_named_in_a_trailer() {
    let fixture = Fixture::new().with_git();
    let tree = fixture.path("tree");
    let git = proc::git::git(tree.as_std_path());
    git.args(["tag", "v6.12.1"]).run().expect("git tag");
    let head = proc::git::commit_id(tree.as_std_path(), "HEAD").expect("a commit");
    let series = fixture.convert(&fixture.options()).expect("it converts");
    assert!(text(&series.mails[0].bytes).contains(&format!("base-commit: {head}")));
}

#[test]
fn converting_writes_nothing_into_the_users_repository() {
    let fixture = Fixture::new().with_git();
    let listing = |dir: &Utf8Path| {
        let mut names: Vec<String> = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            for entry in dir.read_dir_utf8().expect("a directory") {
                let entry = entry.expect("an entry");
                match entry.file_type().expect("a type").is_dir() {
                    true => open.push(entry.path().to_owned()),
                    false => {
                        let bytes = fs::read(entry.path()).expect("a file");
                        names.push(format!("{} {}", entry.path(), bytes.len()));
                    }
                }
            }
        }
        names.sort();
        names
    };
    let before = listing(&fixture.path("tree"));
    fixture.convert(&fixture.options()).expect("it converts");
    assert_eq!(listing(&fixture.path("tree")), before);
}

#[test]
fn a_changed_file_in_the_checkout_is_refused() {
    let fixture = Fixture::new().with_git();
    put(
        &fixture.path("tree"),
        "drivers/misc/toy/host.c",
        &format!("\n{HOST}"),
    );
    let mut moved = fixture.report.clone();
    for site in moved
        .callsites
        .iter_mut()
        .filter(|site| site.path.ends_with("host.c"))
    {
        site.span.start += 1;
        site.span.end += 1;
    }
    let error = convert(&fixture.tree(), &moved, &fixture.options()).expect_err("dirty");
    assert!(matches!(error, Error::Dirty { .. }), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
}

#[test]
fn a_group_asked_for_by_a_wrong_id_is_an_error() {
    let fixture = Fixture::new();
    let mut options = fixture.rehearsal();
    options.select = Select::Groups(vec!["nonsense".into()]);
    let error = fixture.convert(&options).expect_err("no such group");
    assert!(matches!(error, Error::NoSuchGroup(_)));
}

#[test]
fn a_group_with_an_unknown_member_is_left_alone_with_its_reason() {
    let mut fixture = Fixture::new();
    fixture.report.groups[0].convertible = false;
    fixture.report.groups[0].blocked_by = vec!["toy_detach() may release other pages".into()];
    let error = fixture.convert(&fixture.rehearsal()).expect_err("blocked");
    assert_eq!(error.exit(), Exit::Findings);
    assert!(
        error
            .to_string()
            .contains("toy_detach() may release other pages")
    );
}

#[test]
fn a_branch_is_exported_only_once_and_only_when_asked_for() {
    let fixture = Fixture::new().with_git();
    let mut options = fixture.options();
    options.export = Some(Export {
        branch: "pins".into(),
        into: fixture.path("tree"),
    });
    fixture.convert(&options).expect("it converts");
    let tree = fixture.path("tree");
    let subject = store::subject(tree.as_std_path(), "pins").expect("a branch");
    assert_eq!(
        subject,
        "misc: toy: convert get_user_pages_fast() to pin_user_pages_fast()"
    );
    assert!(matches!(
        fixture.convert(&options),
        Err(Error::BranchExists { .. })
    ));
}

#[test]
fn the_audit_of_the_patched_tree_is_a_check_of_each_patch_and_writes_nothing_into_the_tree() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let work = fixture.path("work");
    fs::create_dir_all(&work).expect("a directory");
    let options = callsites::AuditOptions::default();
    let before = callsites::audit(&fixture.tree(), &options).expect("it is audited");
    let series =
        audit(fixture.tree(), &dir, &work, &before, &options).expect("it applies and is audited");
    let checks = &series.checks.patches[0].checks;
    let check = checks.iter().find(|check| check.name == "audit");
    assert_eq!(
        check.map(|check| check.outcome),
        Some(Outcome::Passed),
        "{check:?}"
    );
    assert_eq!(
        Series::read(&dir).expect("it was written").checks,
        series.checks
    );
    let host = fixture.path("tree").join("drivers/misc/toy/host.c");
    assert_eq!(fs::read_to_string(host).expect("it is there"), HOST);
    let left = work.read_dir_utf8().expect("a directory").count();
    assert_eq!(left, 0, "what was applied for the audit is gone");
}

#[test]
fn scripts_that_are_missing_are_skipped_and_an_unsigned_series_fails_its_check() {
    let fixture = Fixture::new();
    let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
    let outcomes: Vec<(&str, Outcome)> = series.checks.patches[0]
        .checks
        .iter()
        .map(|check| (check.name.as_str(), check.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("apply", Outcome::Passed),
            ("reverse", Outcome::Passed),
            ("mail", Outcome::Passed),
            ("signed-off-by", Outcome::Failed),
            ("checkpatch", Outcome::Skipped),
            ("get_maintainer", Outcome::Skipped),
            ("compile", Outcome::Skipped),
        ]
    );
}

#[test]
fn a_file_that_is_not_utf_8_is_converted_byte_by_byte() {
    let fixture = Fixture::new();
    let path = fixture.path("tree").join("drivers/misc/toy/host.c");
    // A comment by somebody whose editor wrote Latin-1, beside the call.
    let mut bytes = HOST
        .replace("\tint ret;", "\tint ret; /* Andr@ */")
        .into_bytes();
    let at = bytes
        .iter()
        .position(|&byte| byte == b'@')
        .expect("it is there");
    bytes[at] = 0xe9;
    fs::write(&path, &bytes).expect("a file");
    let mut report = fixture.report.clone();
    for site in report
        .callsites
        .iter_mut()
        .filter(|site| site.path.ends_with("host.c"))
    {
        site.span.start += 12;
        site.span.end += 12;
    }
    let series = convert(&fixture.tree(), &report, &fixture.rehearsal()).expect("it converts");
    let dir = fixture.path("series");
    series.write(&dir).expect("it can be written");
    let target = fixture.path("patched");
    apply(&fixture.tree(), &dir, &ApplyOptions::touched(&target)).expect("it applies");
    let patched = fs::read(target.join("drivers/misc/toy/host.c")).expect("a file");
    let old = bytes
        .windows(4)
        .position(|four| four == b"get_")
        .expect("it is there");
    let mut wanted = bytes.clone();
    wanted[old..old + 3].copy_from_slice(b"pin");
    assert_eq!(patched, wanted);
}

#[test]
fn what_is_for_reviewers_stands_below_the_line_and_never_becomes_history() {
    let mut fixture = Fixture::new().with_git();
    for site in &mut fixture.report.callsites {
        site.case = Some(2);
    }
    let mut options = fixture.options();
    options.export = Some(Export {
        branch: "pins".into(),
        into: fixture.path("tree"),
    });
    let series = fixture.convert(&options).expect("it converts");
    let mail = text(&series.mails[1].bytes);
    let (message, below) = mail.split_once("\n---\n").expect("a patch");
    assert!(!message.contains("FOLL_LONGTERM"), "{message}");
    let (notes, _diff) = below.split_once("\ndiff --git").expect("a diff");
    assert!(
        notes.starts_with("Left for review:\n\n - toy_attach()"),
        "{notes}"
    );
    assert!(notes.contains("FOLL_LONGTERM"), "{notes}");
    let log = proc::git::git(fixture.path("tree").as_std_path());
    let log = log.args(["log", "-1", "--format=%B", "pins"]);
    let said = log.run().expect("git works").stdout_text();
    assert!(!said.contains("FOLL_LONGTERM"), "{said}");
    let dir = fixture.path("series");
    series.write(&dir).expect("it can be written");
    let target = fixture.path("patched");
    apply(&fixture.tree(), &dir, &ApplyOptions::touched(&target)).expect("it applies");
}

#[test]
fn a_tree_without_the_functions_gets_them_in_the_first_patch() {
    let mut fixture = Fixture::new();
    let tree = fixture.path("tree");
    let old = "static inline void put_page(struct page *page)\n{\n\tput(page);\n}\n";
    put(&tree, "include/linux/mm.h", old);
    put(
        &tree,
        "Makefile",
        "VERSION = 4\nPATCHLEVEL = 19\nSUBLEVEL = 1\nEXTRAVERSION =\n",
    );
    fixture.report = report(Era::PutPage, &FILES);
    fixture.report.tree.version = "4.19.1".into();
    let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
    let subjects: Vec<&str> = series
        .info
        .patches
        .iter()
        .map(|p| p.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "mm: introduce put_user_page*(), without effect for now",
            "misc: toy: convert put_page() to put_user_page()",
        ]
    );
    let cover = text(&series.mails[0].bytes).replace('\n', " ");
    assert!(
        cover.contains("not have these functions yet: the first patch introduces them."),
        "{cover}"
    );
    let dir = fixture.path("series");
    series.write(&dir).expect("it can be written");
    let target = fixture.path("patched");
    apply(&fixture.tree(), &dir, &ApplyOptions::touched(&target)).expect("it applies");
    let header = fs::read_to_string(target.join("include/linux/mm.h")).expect("a file");
    let context = fs::read_to_string(target.join("drivers/misc/toy/context.c")).expect("a file");
    for name in ["put_user_page", "release_user_pages"] {
        assert!(
            header.contains(&format!("static inline void {name}(")),
            "{name}"
        );
        let called = context.contains(&format!("{name}("));
        assert_eq!(called, name == "put_user_page", "{context}");
    }
}

#[test]
fn carriage_returns_blanks_in_names_and_a_long_author_go_through_unchanged() {
    let mut fixture = Fixture::new();
    let (path, tree) = ("drivers/misc/my toy/host.c", fixture.path("tree"));
    let bytes = HOST.replace('\n', "\r\n");
    put(&tree, path, &bytes);
    fixture.report = report(Era::Pin, &[(path, &bytes)]);
    let fixture = fixture.with_git();
    let name = "Jørn-Ångström Łukasz von und zu Müller-Lüdenscheidt";
    let git = proc::git::git(tree.as_std_path());
    git.args(["config", "user.name", name])
        .run()
        .expect("git config");
    let series = fixture.convert(&fixture.options()).expect("it converts");
    let read = parse(&series.mails[1]).expect("a mail");
    assert_eq!(read.author.name, name);
    let dir = fixture.path("series");
    series.write(&dir).expect("it can be written");
    for (form, target) in [(Form::Touched, "touched"), (Form::Full, "full")] {
        let target = fixture.path(target);
        let options = ApplyOptions {
            form,
            ..ApplyOptions::touched(&target)
        };
        apply(&fixture.tree(), &dir, &options).expect("it applies");
        let patched = fs::read_to_string(target.join(path)).expect("a file");
        assert_eq!(
            patched,
            bytes.replace("get_user_pages_fast", "pin_user_pages_fast")
        );
    }
    // On a tree without git too.
    fs::remove_dir_all(tree.join(".git")).expect("it is there");
    let target = fixture.path("copy");
    apply(&fixture.tree(), &dir, &ApplyOptions::full(&target)).expect("it applies");
    let patched = fs::read_to_string(target.join(path)).expect("a file");
    assert_eq!(
        patched,
        bytes.replace("get_user_pages_fast", "pin_user_pages_fast")
    );
}

#[test]
fn a_subject_names_the_tree_of_the_entry_of_its_files_and_the_subsystem_that_the_entry_is_titled_after()
 {
    let subject = |maintainers: &str, path: &str| {
        let fixture = Fixture::of(&[(path, &format!("{HOST}\n{CONTEXT}"))]);
        put(&fixture.path("tree"), "MAINTAINERS", maintainers);
        let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
        let mail = text(&series.mails[1].bytes);
        let line = mail.lines().find(|line| line.starts_with("Subject: "));
        line.expect("a subject").to_owned()
    };
    let text = "NETWORKING [GENERAL]\nL:\tnetdev@vger.kernel.org\n\
                P:\tDocumentation/process/maintainer-netdev.rst\nF:\tnet/\n\n\
                VIRTUAL TOYS (VT)\nL:\tnetdev@vger.kernel.org\nF:\tdrivers/virt/virtual_toys/\n";
    assert!(subject(text, "net/toy/send.c").contains("[PATCH net-next 1/1] net/toy: "));
    // The same list, which is not what decides.
    let other = subject(text, "drivers/virt/virtual_toys/dev.c");
    assert!(other.contains("[PATCH 1/1] virtual_toys: "), "{other}");
    assert!(subject("", "net/toy/send.c").contains("[PATCH 1/1] net/toy: "));
}

#[test]
fn a_record_is_found_in_a_header_that_a_header_includes() {
    let path = "drivers/misc/toy/dev.c";
    let driver = format!("#include \"toy.h\"\n{HOST}\n{CONTEXT}");
    let mut fixture = Fixture::of(&[(path, &driver)]);
    let tree = fixture.path("tree");
    put(&tree, "drivers/misc/toy/toy.h", "#include \"toy_i.h\"\n");
    // A circle of headers ends.
    let record = "#include \"toy.h\"\nstruct toy_state {\n\tint n;\n};\n";
    put(&tree, "drivers/misc/toy/toy_i.h", record);
    let group = &mut fixture.report.groups[0];
    group.plan = vec![Step {
        id: group.acquires[0].clone(),
        becomes: "iov_iter_extract_pages".into(),
        when: When::WillPin,
        because: Vec::new(),
    }];
    let groups = [&fixture.report.groups[0]];
    let sources = crate::convert::read(&fixture.tree(), &fixture.report, &groups).expect("read");
    let header = &sources[Utf8Path::new("drivers/misc/toy/toy_i.h")];
    assert_eq!(header.facts.records[0].tag, "toy_state");
}

#[test]
fn a_group_that_shares_no_directory_is_named_after_its_acquires() {
    let files = [
        ("drivers/misc/toy/host.c", HOST),
        ("net/toy/context.c", CONTEXT),
    ];
    let mut fixture = Fixture::of(&files);
    let group = &mut fixture.report.groups[0];
    group.convertible = false;
    group.subsystem = ".".into();
    group.blocked_by = vec!["nobody knows".into()];
    match fixture.convert(&fixture.rehearsal()) {
        Err(Error::Nothing { reasons, .. }) => {
            assert_eq!(reasons, ["drivers/misc/toy: nobody knows"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_place_without_calls_is_told_from_groups_that_cannot_be_converted() {
    let fixture = Fixture::new();
    let mut options = fixture.rehearsal();
    options.select = Select::Paths(vec!["include/linux".into()]);
    let error = fixture.convert(&options).expect_err("nothing is there");
    assert_eq!(
        error.to_string(),
        "convert anything: the audit found no call there that has to change"
    );
}

/// A release so deep that its arguments take two lines.
const DEEP: &str = "\
static int toy_get(struct toy *pinned_pages, unsigned long addr)
{
	return get_user_pages_fast(addr, 1, FOLL_WRITE, pinned_pages->pages);
}

static void toy_put(struct toy *pinned_pages)
{
	while (toy_busy(pinned_pages)) {
		if (toy_head(pinned_pages)) {
			if (toy_tail(pinned_pages)) {
				if (toy_held(pinned_pages)) {
					release_pages(pinned_pages->pages, pinned_pages->nr_pages);
					return;
				}
			}
		}
	}
}
";

#[test]
fn lines_are_as_wide_as_the_release_of_the_tree_allows() {
    let mut fixture = Fixture::of(&[("drivers/misc/toy.c", DEEP)]);
    // Aligned with its parenthesis, the second line has 81 columns.
    for (version, blanks) in [("5.6.19", ""), ("6.12.1", " ")] {
        fixture.report.tree.version = version.into();
        let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
        let mail = text(&series.mails[1].bytes);
        let line = format!("\n+\t\t\t\t\t\t\t{blanks}pinned_pages->nr_pages);\n");
        assert!(mail.contains(&line), "{version}: {mail}");
    }
}
