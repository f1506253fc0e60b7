// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole way on small trees: convert, write, read, apply, and what must be refused.

use crate::fixture::{self, header};
use crate::series::tested::{News, record};
use crate::series::{Outcome, Replaced};
use crate::{
    ApplyOptions, ConvertOptions, Error, Evidence, Export, Form, Select, Series, Signer, apply,
    convert,
};
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Exit, Failure};
use proc::git::mail::Committer;
use proc::git::store;
use std::fs;

const HOST: &str = "\
static int toy_attach(struct toy *toy, unsigned long addr)
{
	int ret;

	ret = get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
	if (ret != 1)
		return -EFAULT;
	return 0;
}
";

const CONTEXT: &str = "\
void toy_detach(struct toy *toy)
{
	if (toy->page)
		put_page(toy->page);
}

static void toy_free(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}
}
";

const FILES: [(&str, &str); 2] = [
    ("drivers/misc/toy/context.c", CONTEXT),
    ("drivers/misc/toy/host.c", HOST),
];

/// A small tree in a directory of its own, with its report.
struct Fixture {
    dir: tempfile::TempDir,
    report: Report,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().expect("a directory");
        let fixture = Fixture {
            dir,
            report: fixture::report(Era::Pin, &FILES),
        };
        let tree = fixture.path("tree");
        let makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n";
        put(&tree, "Makefile", makefile);
        put(&tree, "include/linux/mm.h", header(Era::Pin));
        for (path, text) in FILES {
            put(&tree, path, text);
        }
        fixture
    }

    fn with_git(self) -> Fixture {
        let tree = self.path("tree");
        store::init(tree.as_std_path()).expect("git init");
        let subject = "misc: toy: add a driver to play with";
        store::commit_all(tree.as_std_path(), subject, &author()).expect("git commit");
        for (key, value) in [
            ("user.name", "Jørn Å. Müller"),
            ("user.email", "jm@example.org"),
        ] {
            let git = proc::git::git(tree.as_std_path());
            git.args(["config", key, value]).run().expect("git config");
        }
        self
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        let path = self.dir.path().join(name);
        Utf8PathBuf::from_path_buf(path).expect("temporary directories are UTF-8")
    }

    fn tree(&self) -> Tree {
        Tree::open(self.path("tree").as_str()).expect("a kernel tree")
    }

    fn options(&self) -> ConvertOptions {
        ConvertOptions::new(self.path("work"))
    }

    fn rehearsal(&self) -> ConvertOptions {
        ConvertOptions {
            signer: Signer::Unsigned,
            ..self.options()
        }
    }

    fn convert(&self, options: &ConvertOptions) -> Result<Series, Error> {
        convert(&self.tree(), &self.report, options)
    }

    /// The rehearsal's series, written out.
    fn written(&self) -> Utf8PathBuf {
        let series = self.convert(&self.rehearsal()).expect("it converts");
        let dir = self.path("series");
        series.write(&dir).expect("it can be written");
        dir
    }
}

fn put(tree: &Utf8Path, path: &str, text: &str) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().expect("a file")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn author() -> Committer {
    Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

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
    let read = crate::mbox::parse(&series.mails[1]).expect("a mail");
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
    assert_eq!(
        patch.files[Utf8Path::new("drivers/misc/toy/host.c")],
        host.as_bytes()
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

#[test]
fn the_audit_of_the_patched_tree_is_a_check_of_each_patch_and_writes_nothing_into_the_tree() {
    let fixture = Fixture::new();
    let dir = fixture.written();
    let work = fixture.path("work");
    fs::create_dir_all(&work).expect("a directory");
    let options = callsites::AuditOptions::default();
    let before = callsites::audit(&fixture.tree(), &options).expect("it is audited");
    let series = crate::verify::audit(fixture.tree(), &dir, &work, &before, &options)
        .expect("it applies and is audited");
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

fn version_of(mail: &crate::mbox::Mail) -> String {
    crate::version::digest(&crate::mbox::parse(mail).expect("a mail")).diff
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

/// The series of the embedded tree, and the tree applied to.
fn embedded(era: callsites::embedded::Era) -> Series {
    let fixture = Fixture::new();
    let dir = fixture.path("embedded");
    callsites::embedded::materialise(era, &dir).expect("it can be written");
    let tree = Tree::open(dir.as_str()).expect("a kernel tree");
    let report = fixture::embedded_report(&tree, era);
    let series = convert(&tree, &report, &fixture.rehearsal()).expect("it converts");
    let refused = series
        .refused()
        .iter()
        .map(|group| group.subsystem.as_str());
    assert_eq!(refused.collect::<Vec<_>>(), ["drivers/misc/mixpool"]);
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let target = fixture.path("patched");
    let applied = apply(&tree, &out, &ApplyOptions::full(&target)).expect("it applies");
    assert_eq!(applied.patches.len(), series.info.patches.len());
    series
}

#[test]
fn the_tree_that_comes_with_the_program_is_written_out_whole_and_patched() {
    let fixture = Fixture::new();
    let era = callsites::embedded::Era::V6_12;
    let tree = Tree::embedded(Era::Pin);
    let report = fixture::embedded_report(&tree, era);
    let series = convert(&tree, &report, &fixture.rehearsal()).expect("it converts");
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let target = fixture.path("patched");
    let applied = apply(&tree, &out, &ApplyOptions::full(&target)).expect("it applies");
    let last: std::collections::BTreeMap<_, _> = applied
        .patches
        .iter()
        .flat_map(|patch| &patch.files)
        .collect();
    assert!(!last.is_empty());
    for (path, base) in callsites::embedded::files(era) {
        let now = fs::read(target.join(path)).expect("every file is there");
        let expected = last
            .get(&path.to_owned())
            .map_or(base, |bytes| bytes.as_slice());
        assert_eq!(now, expected, "{path}");
    }
}

#[test]
fn the_embedded_tree_gives_this_mbox() {
    let series = embedded(callsites::embedded::Era::V6_12);
    insta::assert_snapshot!("mbox_embedded", text(&series.mbox()));
}

#[test]
fn the_older_embedded_tree_gives_this_mbox() {
    let series = embedded(callsites::embedded::Era::V4_19);
    insta::assert_snapshot!("mbox_embedded_4_19", text(&series.mbox()));
}
