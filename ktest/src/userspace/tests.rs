// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drivers of the embedded tree as they are, converted, and converted wrongly.

use super::*;
use callsites::embedded::{self, Era, Expected};
use failure::Failure as _;
use refimpl::capi::report::Class;
use std::collections::BTreeSet;

struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new(era: Era) -> Self {
        let tree = Tree {
            dir: tempfile::tempdir().unwrap(),
        };
        embedded::materialise(era, tree.root()).unwrap();
        tree
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).unwrap()
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Replaces text that must be there.
    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        std::fs::write(self.root().join(path), text.replace(from, to)).unwrap();
    }

    /// The line of the nth place, from 0, that holds a text.
    fn line(&self, path: &str, text: &str, nth: usize) -> u32 {
        let lines = self.text(path);
        let mut found = lines
            .lines()
            .zip(1..)
            .filter(|(line, _)| line.contains(text))
            .map(|(_, number)| number);
        found.nth(nth).unwrap()
    }

    fn run(&self) -> UserspaceRun {
        run(self.root(), &Options::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Converts by hand, as far as names go, every file whose head says that all of its calls are to be converted, and
    /// returns those files.
    fn convert(&self, era: Era, names: [(&str, &str); 4]) -> BTreeSet<Utf8PathBuf> {
        let all = embedded::expectations(era);
        let mut converted: BTreeSet<Utf8PathBuf> =
            all.iter().map(|item| item.path.clone()).collect();
        for item in all.iter().filter(|item| item.expected != Expected::Convert) {
            converted.remove(&item.path);
        }
        for path in &converted {
            let mut text = self.text(path.as_str());
            for (from, to) in names {
                // Neither a longer name that ends so, nor a field.
                text = text.replace(&format!("\t{from}("), &format!("\t{to}("));
                text = text.replace(&format!(" {from}("), &format!(" {to}("));
                text = text.replace(&format!("({from}("), &format!("({to}("));
            }
            std::fs::write(self.root().join(path), text).unwrap();
        }
        converted
    }
}

fn lines(run: &UserspaceRun) -> Vec<String> {
    run.problems()
        .map(|(_, problem)| format!("{:?} {} {}", problem.class, problem.site, problem.call))
        .collect()
}

#[test]
fn before_conversion_devices_write_pages_that_nobody_can_see_are_pinned() {
    let run = Tree::new(Era::V6_12).run();
    assert_eq!(lines(&run), Vec::<String>::new());
    assert_eq!(run.warnings, Vec::<String>::new());
    assert!(run.clean() && run.unseen() > 0, "{}", run.text());
    assert!(run.drivers.len() >= 18, "{}", run.text());
    // What an MMU notifier can take back, and what is pinned already, is nothing to worry about.
    for module in ["drivers/platform/mirror.c", "mm/gup_test.c"] {
        let driver = run.driver(module).unwrap();
        assert_eq!(driver.unseen(), 0, "{module}");
        assert!(driver.run.as_ref().unwrap().device_writes > 0, "{module}");
    }
    let seen_from = |module: &str| {
        run.driver(module)
            .unwrap()
            .run
            .as_ref()
            .unwrap()
            .unseen_writes
            .clone()
    };
    let writes = seen_from("drivers/infiniband/hw/toy/toy_mr.c");
    let acquired = writes[0].acquired.as_ref().unwrap();
    assert_eq!(acquired.path, "drivers/infiniband/core/region.c");
    assert_eq!(acquired.function, "ib_region_get");
}

#[test]
fn every_call_of_the_embedded_trees_is_executed() {
    for era in Era::ALL {
        let run = Tree::new(era).run();
        let mut executed = BTreeSet::new();
        for report in run.drivers.iter().filter_map(|driver| driver.run.as_ref()) {
            for traffic in report.acquires.iter().chain(&report.releases) {
                executed.insert((
                    traffic.site.path.clone(),
                    traffic.site.function.clone(),
                    traffic.call.clone(),
                ));
            }
        }
        for item in embedded::expectations(era) {
            // A macro's calls are made in the function that uses it.
            let ran = executed.iter().any(|(path, function, call)| {
                *path == item.path.as_str()
                    && *call == item.call
                    && (*function == item.function || item.function.ends_with("_drop"))
            });
            assert!(ran, "{item:?} was never executed");
        }
    }
}

#[test]
fn after_conversion_pins_balance_and_every_write_is_seen() {
    let tree = Tree::new(Era::V6_12);
    let converted = tree.convert(
        Era::V6_12,
        [
            ("get_user_pages_fast", "pin_user_pages_fast"),
            ("get_user_pages_unlocked", "pin_user_pages_unlocked"),
            ("put_page", "unpin_user_page"),
            ("release_pages", "unpin_user_pages"),
        ],
    );
    assert!(converted.len() >= 13, "{converted:?}");
    let run = tree.run();
    assert_eq!(lines(&run), Vec::<String>::new());
    assert!(run.clean(), "{}", run.text());
    for driver in &run.drivers {
        let files = driver.files();
        if !files.is_empty()
            && files
                .iter()
                .all(|file| converted.contains(Utf8Path::new(file)))
        {
            assert_eq!(driver.unseen(), 0, "{}", driver.module);
            let report = driver.run.as_ref().unwrap();
            assert!(
                report.totals.pins > 0 && report.totals.gets == 0,
                "{}",
                driver.module
            );
            assert_eq!(report.vmstat_acquired, report.vmstat_released);
        }
    }
    assert!(
        run.driver("drivers/misc/mixpool.c").unwrap().unseen() > 0,
        "what could not be converted is not hidden"
    );
}

#[test]
fn in_the_older_era_conversion_marks_every_release_of_a_user_page() {
    let tree = Tree::new(Era::V4_19);
    let names = [
        ("put_page", "put_user_page"),
        ("release_pages", "put_user_pages"),
        ("\0", "\0"),
        ("\0", "\0"),
    ];
    let converted = tree.convert(Era::V4_19, names);
    let run = tree.run();
    assert!(run.clean(), "{}", run.text());
    for driver in &run.drivers {
        let files = driver.files();
        if !files.is_empty()
            && files
                .iter()
                .all(|file| converted.contains(Utf8Path::new(file)))
        {
            let totals = driver.run.as_ref().unwrap().totals;
            assert!(
                totals.put_user_page > 0 && totals.put_page == 0,
                "{}",
                driver.module
            );
        }
    }
}

#[test]
fn a_wrong_driver_is_caught_with_file_and_line() {
    let tree = Tree::new(Era::V6_12);
    let (onebuf, helper) = ("drivers/misc/onebuf.c", "drivers/misc/helper_arg.c");
    tree.edit(onebuf, "get_user_pages_fast(", "pin_user_pages_fast(");
    tree.edit(helper, "\t\tput_page(", "\t\tunpin_user_page(");
    tree.edit(
        onebuf,
        "\t\tput_page(pages[i]);",
        "\t\tput_page(pages[i]);\n\t\tonebuf_fill(&onebuf_misc.this_device, pages[i]);",
    );
    let sdma = "drivers/infiniband/hw/toy/toy_sdma.c";
    tree.edit(
        sdma,
        "\t\tif (pkt->frag[i].put_page)\n",
        "\t\tdma_run(dev, pkt->frag[i].addr, pkt->frag[i].length, DMA_TO_DEVICE);\n\t\tif (pkt->frag[i].put_page)\n",
    );

    let doorbell = "drivers/misc/doorbell.c";
    tree.edit(doorbell, "get_user_pages_fast(", "pin_user_pages_fast(");
    tree.edit(
        doorbell,
        "\tput_page(db->bell);",
        "\tunpin_user_page(db->bell);\n\tunpin_user_page(db->bell);",
    );

    let partial = "drivers/misc/partial.c";
    tree.edit(
        partial,
        "\t\tfor (i = 0; i < got; i++)\n\t\t\tput_page(pages[i]);\n",
        "",
    );
    tree.edit(partial, "get_user_pages_fast(", "pin_user_pages_fast(");
    tree.edit(
        partial,
        "\t\tput_page(pages[i]);",
        "\t\tunpin_user_page(pages[i]);",
    );

    let macroloop = "drivers/misc/macroloop.c";
    tree.edit(
        macroloop,
        "set_page_dirty_lock(page);\n\t\tput_page(page);",
        "put_page(page);\n\t\tset_page_dirty_lock(page);",
    );
    let pfnmap = "drivers/misc/pfnmap.c";
    tree.edit(pfnmap, "\tif (dirty)\n\t\tset_page_dirty_lock(page);\n", "");

    let ringpipe = "drivers/platform/ringpipe.c";
    tree.edit(
        ringpipe,
        "#include <linux/slab.h>",
        "#include <linux/slab.h>\n#include <linux/spinlock.h>",
    );
    tree.edit(ringpipe, "\t\t\tset_page_dirty_lock(pages[i]);", "{\n\t\t\tpreempt_disable();\n\t\t\tset_page_dirty_lock(pages[i]);\n\t\t\tpreempt_enable();\n}");

    let region = "drivers/infiniband/core/region.c";
    tree.edit(
        region,
        "for_each_sg(region->table.sgl, sg, region->npages, i)",
        "for_each_sg(region->table.sgl, sg, region->table.nents, i)",
    );
    let mixpool = "drivers/misc/mixpool.c";
    tree.edit(mixpool, "nr, FOLL_WRITE, buf->pages", "nr, 0, buf->pages");
    let unmap = "\t\tdma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);\n";
    tree.edit(mixpool, unmap, "");
    let snapshot = "drivers/misc/snapshot.c";
    tree.edit(snapshot, "get_user_pages_fast(", "pin_user_pages_fast(");
    tree.edit(snapshot, "\tput_page(", "\tunpin_user_page(");
    tree.edit(
        "drivers/misc/scratch.c",
        "\tif (!scratch)\n\t\treturn -ENOMEM;\n\taddr",
        "\t__builtin_trap();\n\taddr",
    );

    let run = tree.run();
    let said = lines(&run);
    let expected =
        |class: Class, path: &str, text: &str, nth: usize, function: &str, call: &str| {
            let line = tree.line(path, text, nth);
            let wanted = format!("{class:?} {path}:{line} {function}() {call}");
            assert!(
                said.contains(&wanted),
                "{wanted} is not among\n{}",
                said.join("\n")
            );
        };
    expected(
        Class::KindMismatch,
        onebuf,
        "put_page(",
        0,
        "onebuf_read",
        "put_page",
    );
    expected(
        Class::KindMismatch,
        helper,
        "unpin_user_page(",
        0,
        "helper_arg_put_all",
        "unpin_user_page",
    );
    expected(
        Class::DoubleRelease,
        doorbell,
        "unpin_user_page(",
        1,
        "doorbell_drop",
        "unpin_user_page",
    );
    expected(
        Class::Leak,
        partial,
        "pin_user_pages_fast(",
        0,
        "partial_write",
        "pin_user_pages_fast",
    );
    expected(
        Class::DirtyAfterRelease,
        macroloop,
        "set_page_dirty_lock(",
        0,
        "macroloop_put",
        "set_page_dirty_lock",
    );
    expected(
        Class::NotDirtied,
        pfnmap,
        "\tput_page(",
        0,
        "pfnmap_put_pfn",
        "put_page",
    );
    expected(
        Class::SleepsInAtomic,
        ringpipe,
        "set_page_dirty_lock(",
        0,
        "release_user_pages",
        "set_page_dirty_lock",
    );
    expected(
        Class::Misuse,
        region,
        "\tput_page(",
        0,
        "ib_region_put_pages",
        "put_page",
    );
    expected(
        Class::KindMismatch,
        snapshot,
        "unpin_user_page(",
        0,
        "snapshot_hide",
        "unpin_user_page",
    );
    expected(
        Class::WriteAfterRelease,
        onebuf,
        "dma_run(",
        0,
        "onebuf_fill",
        "dma_run",
    );
    expected(
        Class::DmaUnmapped,
        sdma,
        "dma_run(",
        0,
        "toy_sdma_free",
        "dma_run",
    );
    expected(
        Class::NotWritable,
        mixpool,
        "dma_run(",
        0,
        "mixpool_move",
        "dma_run",
    );
    expected(
        Class::StillMapped,
        mixpool,
        "\tput_page(",
        0,
        "mixpool_free",
        "put_page",
    );
    let classes: BTreeSet<Class> = run.problems().map(|(_, problem)| problem.class).collect();
    assert_eq!(classes, BTreeSet::from(Class::ALL), "each class once");
    assert_eq!(
        run.driver("drivers/misc/scratch.c").unwrap().ended,
        Ended::Crashed
    );
    assert!(!run.clean());
    // What was left alone is not blamed.
    for path in [
        "fs/toyfs/direct.c",
        "net/zc/af_zc.c",
        "drivers/misc/eitherway.c",
    ] {
        assert!(run.driver(path).unwrap().clean(), "{path}");
    }
}

#[test]
fn what_does_not_compile_is_told_with_the_compilers_words() {
    let tree = Tree::new(Era::V4_19);
    tree.edit(
        "drivers/misc/onebuf.c",
        "\t\tput_page(",
        "\t\tunpin_user_page(",
    );
    match run(tree.root(), &Options::default()) {
        Err(Error::Compile { file, said }) => {
            assert_eq!(file, "drivers/misc/onebuf.c");
            assert!(said.contains("unpin_user_page"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_that_is_no_embedded_tree_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    assert!(matches!(
        run(root, &Options::default()),
        Err(Error::NotEmbedded { .. })
    ));
    std::fs::write(
        root.join("Makefile"),
        "VERSION = 6\nPATCHLEVEL = 12\nEXTRAVERSION =\n",
    )
    .unwrap();
    let error = run(root, &Options::default()).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let tree = Tree::new(Era::V6_12);
    let options = Options {
        cc: "no-such-compiler -x".to_owned(),
        ..Options::default()
    };
    let error = run(tree.root(), &options).unwrap_err();
    assert!(error.to_string().contains("no-such-compiler"), "{error}");
}

#[test]
fn a_series_passes_when_whole_and_fails_when_one_release_was_left() {
    let kernel = |subject: &str, tree: &Tree| Kernel {
        subject: subject.to_owned(),
        tree: tree.root().to_owned(),
    };
    let (base, whole, half) = (
        Tree::new(Era::V6_12),
        Tree::new(Era::V6_12),
        Tree::new(Era::V6_12),
    );
    let onebuf = "drivers/misc/onebuf.c";
    for tree in [&whole, &half] {
        tree.edit(onebuf, "get_user_pages_fast(", "pin_user_pages_fast(");
    }
    whole.edit(onebuf, "\t\tput_page(", "\t\tunpin_user_page(");
    let patches = [kernel("misc: whole", &whole), kernel("misc: half", &half)];
    let options = Options::default();
    let base = kernel("6.12", &base);

    let good = verdict("good", &base, &patches[..1], &[], &options).unwrap();
    assert_eq!(
        good.result,
        crate::verdict::Outcome::Pass,
        "{}",
        good.reason
    );
    let target = good.patches[0]
        .targets
        .iter()
        .find(|target| target.name == onebuf)
        .unwrap();
    assert!(target.pins.unwrap().balanced && target.pins.unwrap().acquired > 0);

    let bad = verdict("bad", &base, &patches, &[], &options).unwrap();
    assert_eq!(bad.result, crate::verdict::Outcome::Fail);
    assert_eq!(bad.first_bad.as_deref(), Some("misc: half"));
    assert!(
        bad.reason.contains("onebuf.c:") && bad.reason.contains("put_page()"),
        "{}",
        bad.reason
    );
}

/// A mail that `git apply` takes, made of two versions of a file.
fn mail(dir: &Utf8Path, number: usize, subject: &str, path: &str, from: &str, to: &str) {
    let scratch = tempfile::tempdir().unwrap();
    for (side, text) in [("a", from), ("b", to)] {
        let file = scratch.path().join(side).join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let diff = proc::Command::new("git")
        .args(["diff", "--no-index", "--no-prefix", "a", "b"])
        .current_dir(scratch.path())
        .run_unchecked()
        .unwrap();
    let text = format!(
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: A Developer <dev@example.org>\nSubject: [PATCH {number}/2] {subject}\n\n---\n{}",
        diff.stdout_text()
    );
    std::fs::write(dir.join(format!("{number:04}-x.patch")), text + "\n").unwrap();
}

#[test]
fn a_series_is_applied_patch_by_patch_to_copies_of_the_embedded_tree() {
    let dir = tempfile::tempdir().unwrap();
    let series = Utf8Path::from_path(dir.path()).unwrap();
    let path = "drivers/misc/onebuf.c";
    let original = Tree::new(Era::V6_12).text(path);
    let half = original.replace("get_user_pages_fast(", "pin_user_pages_fast(");
    let whole = half.replace("\t\tput_page(", "\t\tunpin_user_page(");
    let tree = callsites::tree::Tree::embedded(callsites::report::Era::Pin);
    let options = Options::default();

    mail(series, 1, "misc: onebuf: pin", path, &original, &whole);
    let verdict =
        test("run", &tree, Some(series), &[], &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        verdict.result,
        crate::verdict::Outcome::Pass,
        "{}",
        verdict.reason
    );
    assert_eq!(verdict.patches[0].subject, "misc: onebuf: pin");

    mail(series, 1, "misc: onebuf: pin", path, &original, &half);
    mail(series, 2, "misc: onebuf: unpin", path, &half, &whole);
    let verdict = test("run", &tree, Some(series), &[], &options).unwrap();
    assert_eq!(verdict.first_bad.as_deref(), Some("misc: onebuf: pin"));
    assert_eq!(verdict.exit(), failure::Exit::Findings);

    mail(series, 2, "misc: onebuf: unpin", path, &whole, &half);
    let error = test("run", &tree, Some(series), &[], &options).unwrap_err();
    assert_eq!(error.exit(), failure::Exit::Conflict, "{error}");
}

/// The driver of docs/refimpl.md, and what the page says of it. With UPDATE_DOCS=1 the page is written anew.
#[test]
fn the_driver_of_the_page_has_the_mistakes_that_the_page_shows() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refimpl.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (head, rest) = text.split_once("```c\n").unwrap();
    let (driver, rest) = rest.split_once("```\n\n```text\n").unwrap();
    let (shown, tail) = rest.split_once("```\n").unwrap();
    let run = of_ones_own("camera.c", driver, "6.12");
    let said = mistakes(&run);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let fresh = format!("{head}```c\n{driver}```\n\n```text\n{said}```\n{tail}");
        std::fs::write(page, fresh).unwrap();
        return;
    }
    assert_eq!(said, shown);
    let classes: BTreeSet<Class> = run.problems().map(|(_, problem)| problem.class).collect();
    assert_eq!(classes, BTreeSet::from([Class::Leak, Class::NotDirtied]));
}

/// Runs a driver by the name that reports give it.
fn of_ones_own(name: &str, text: &str, version: &str) -> UserspaceRun {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    std::fs::write(dir.join(name), text).unwrap();
    let mut run = drivers(&[dir.join(name)], version, &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    // The directory is this run's own.
    let json = serde_json::to_string(&run).unwrap();
    run = serde_json::from_str(&json.replace(&format!("{dir}/"), "")).unwrap();
    run
}

/// A driver whose module_init() does it all.
fn in_init(body: &str) -> String {
    format!(
        "#include <linux/bio.h>\n#include <linux/file.h>\n#include <linux/module.h>\n#include <linux/spinlock.h>\n\
         #include <refimpl_control.h>\n\nstatic int begin(void)\n{{\n{body}\treturn 0;\n}}\n\nmodule_init(begin);\n"
    )
}

/// Each call that a header makes of others is told by its own name, and each family of calls gives back what it took.
#[test]
fn iterators_bios_lists_memfds_and_folios_give_back_what_they_take() {
    let right = in_init(
        "\tunsigned long buf = refimpl_user_map(4, 1, 1), large = refimpl_user_folios(2, 2);\n\
         \tstruct page *list[8], **pages = NULL;\n\tstruct folio *folios[4];\n\tstruct iov_iter iter;\n\
         \tstruct sg_table table;\n\tstruct sg_page_iter piter;\n\tstruct file *memfd = fget(3);\n\
         \tstruct bio *bio = bio_alloc(NULL, 4, REQ_OP_READ, GFP_KERNEL);\n\tpgoff_t offset;\n\tsize_t off;\n\tint locked = 1;\n\
         \tiov_iter_ubuf(&iter, ITER_DEST, (void *)(buf + 100), 2 * PAGE_SIZE);\n\
         \tif (iov_iter_extract_pages(&iter, &pages, 2 * PAGE_SIZE, 8, 0, &off) != 2 * PAGE_SIZE || off != 100)\n\t\treturn -1;\n\
         \tunpin_user_pages(pages, 3);\n\tkfree(pages);\n\
         \tiov_iter_ubuf(&iter, ITER_DEST, (void *)buf, 4 * PAGE_SIZE);\n\
         \tif (bio_iov_iter_get_pages(bio, &iter) || bio->bi_vcnt != 4 || submit_bio_wait(bio))\n\t\treturn -1;\n\
         \tbio_release_pages(bio, true);\n\tbio_put(bio);\n\
         \tif (memfd_pin_folios(memfd, 0, 3 * PAGE_SIZE - 1, folios, 4, &offset) != 3)\n\t\treturn -1;\n\
         \tunpin_folios(folios, 3);\n\tfput(memfd);\n\
         \tif (pin_user_pages_fast(large, 8, FOLL_WRITE, list) != 8)\n\t\treturn -1;\n\
         \tif (sg_alloc_table_from_pages(&table, list, 8, 0, 8 * PAGE_SIZE, GFP_KERNEL) || folio_order(page_folio(list[3])) != 2)\n\t\treturn -1;\n\
         \tunpin_user_folio(page_folio(list[0]), 4);\n\
         \tfor_each_sg_page(table.sgl, &piter, table.orig_nents, 0) {\n\
         \t\tif (page_to_pfn(sg_page_iter_page(&piter)) >= page_to_pfn(list[4]))\n\t\t\tunpin_user_page(sg_page_iter_page(&piter));\n\t}\n\
         \tsg_free_table(&table);\n\
         \tif (pin_user_pages_remote(NULL, large, 1, FOLL_WRITE, list, &locked) != 1)\n\t\treturn -1;\n\
         \tfolio_lock(page_folio(list[0]));\n\tfolio_mark_dirty(page_folio(list[0]));\n\tfolio_unlock(page_folio(list[0]));\n\
         \tunpin_folio(page_folio(list[0]));\n\
         \tif (get_user_pages_fast_only(large, 1, 0, list) != 1)\n\t\treturn -1;\n\tfolio_put(page_folio(list[0]));\n",
    );
    let run = of_ones_own("all.c", &right, "6.12");
    assert!(run.clean(), "{}", mistakes(&run));
    let totals = run.drivers[0].run.as_ref().unwrap().totals;
    assert_eq!(
        (totals.pins, totals.unpins, totals.gets),
        (3 + 4 + 3 + 8 + 1, 19, 1)
    );
    let wrong = right
        .replace("\tunpin_folios(folios, 3);\n", "\tfolio_put(folios[0]);\n")
        .replace(
            "\tbio_release_pages(bio, true);\n",
            "\tbio_release_pages(bio, false);\n",
        );
    let run = of_ones_own("all.c", &wrong, "6.12");
    let mut said = lines(&run);
    said.sort();
    let call = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
    let calls: Vec<String> = said.iter().map(call).collect();
    assert_eq!(
        calls,
        ["folio_put", "memfd_pin_folios", "bio_release_pages"],
        "{said:?}"
    );
}

/// What a version lacks does not compile under it, and its forms are those of that version.
#[test]
fn a_driver_meets_the_calls_of_the_version_that_it_is_run_under() {
    let pins = in_init(
        "\tstruct page *page;\n\tif (pin_user_pages(refimpl_user_map(1, 0, 1), 1, FOLL_WRITE, &page, NULL) != 1)\n\t\treturn -1;\n\
         \tunpin_user_page(page);\n",
    );
    let run = of_ones_own("old.c", &pins, "6.1");
    assert!(run.clean(), "{}", mistakes(&run));
    let dir = tempfile::tempdir().unwrap();
    let file = Utf8Path::from_path(dir.path()).unwrap().join("old.c");
    std::fs::write(&file, &pins).unwrap();
    for version in ["5.4", "6.12"] {
        let error = drivers(std::slice::from_ref(&file), version, &Options::default()).unwrap_err();
        assert!(matches!(error, Error::Compile { .. }), "{version}: {error}");
    }
    std::fs::write(&file, "int nothing;\n").unwrap();
    let none = drivers(std::slice::from_ref(&file), "6.12", &Options::default()).unwrap_err();
    assert!(matches!(none, Error::NoModule { .. }), "{none}");
    let no_version = drivers(&[file], "next", &Options::default()).unwrap_err();
    assert!(matches!(no_version, Error::Version(_)), "{no_version}");
}

/// The forms that older kernels have, and the scatterlist of an iterator, which comes whole or not at all.
#[test]
fn each_kernel_has_its_own_calls_for_iterators_and_for_a_lock_that_may_be_dropped() {
    let head = "\tunsigned long buf = refimpl_user_map(4, 0, 1);\n\tstruct page *list[8];\n\tstruct iov_iter iter;\n\tint i;\n\
                \tiov_iter_ubuf(&iter, ITER_DEST, (void *)(buf + 100), 2 * PAGE_SIZE);\n";
    let older = in_init(&format!(
        "{head}\tint locked = 1;\n\tsize_t off;\n\
         \tif (iov_iter_get_pages(&iter, list, 2 * PAGE_SIZE, 8, &off) != 2 * PAGE_SIZE || off != 100)\n\t\treturn -1;\n\
         \tif (iov_iter_count(&iter) != 2 * PAGE_SIZE)\n\t\treturn -1;\n\tfor (i = 0; i < 3; i++)\n\t\tput_page(list[i]);\n\
         \tif (get_user_pages_locked(buf, 1, FOLL_WRITE, list, &locked) != 1)\n\t\treturn -1;\n\tput_page(list[0]);\n\
         \tif (pin_user_pages_locked(buf, 2, FOLL_WRITE, list, &locked) != 2)\n\t\treturn -1;\n\tunpin_user_pages(list, 2);\n",
    ));
    let newer = in_init(&format!(
        "{head}\tstruct sg_table table;\n\tif (sg_alloc_table(&table, 8, GFP_KERNEL))\n\t\treturn -1;\n\ttable.nents = 0;\n\
         \tif (extract_iter_to_sg(&iter, 2 * PAGE_SIZE, &table, 8, 0) != 2 * PAGE_SIZE || table.nents != 3)\n\t\treturn -1;\n\
         \tfor (i = 0; i < 3; i++)\n\t\tlist[i] = sg_page(&table.sgl[i]);\n\tunpin_user_pages(list, 3);\n\ttable.nents = 0;\n\
         \tiov_iter_ubuf(&iter, ITER_DEST, (void *)buf, 6 * PAGE_SIZE);\n\
         \tif (extract_iter_to_sg(&iter, 6 * PAGE_SIZE, &table, 8, 0) != -EFAULT || table.nents)\n\t\treturn -1;\n\
         \tsg_free_table(&table);\n",
    ));
    for (text, version, taken) in [(older, "5.10", (4, 2)), (newer, "6.12", (0, 7))] {
        let run = of_ones_own("forms.c", &text, version);
        assert!(run.clean(), "{}", mistakes(&run));
        let totals = run.drivers[0].run.as_ref().unwrap().totals;
        assert_eq!((totals.gets, totals.pins), taken, "{version}");
    }
}

/// Each mistake stands at its line, with the other end where there is one.
#[test]
fn what_a_spinlock_a_device_or_a_missing_array_makes_wrong_is_named_with_its_other_end() {
    let text = in_init(
        "\tstatic DEFINE_SPINLOCK(lock);\n\tstatic DEFINE_MUTEX(mutex);\n\tstatic struct device dev;\n\
         \tunsigned long buf = refimpl_user_map(4, 0, 1);\n\tstruct page *page;\n\tdma_addr_t bus;\n\
         \tpin_user_pages_fast(buf, 1, 0, &page);\n\
         \tbus = dma_map_page(&dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);\n\
         \tdma_run(&dev, bus + 512, 512, DMA_FROM_DEVICE); /* not-writable */\n\
         \tunpin_user_page(page); /* still-mapped */\n\
         \tdma_unmap_page(&dev, bus, PAGE_SIZE, DMA_FROM_DEVICE);\n\
         \tspin_lock(&lock);\n\tmutex_lock(&mutex); /* sleeps-in-atomic */\n\tmutex_unlock(&mutex);\n\
         \tkfree(kmalloc(8, GFP_KERNEL)); /* sleeps-in-atomic */\n\tkfree(kmalloc(8, GFP_ATOMIC));\n\
         \tpin_user_pages_fast(buf, 1, FOLL_WRITE, &page); /* sleeps-in-atomic */\n\tspin_unlock(&lock);\n\
         \tunpin_user_page(page);\n\tpin_user_pages(buf, 1, FOLL_WRITE, NULL); /* misuse */\n",
    );
    let run = of_ones_own("wrong.c", &text, "6.12");
    let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap() as u32 + 1;
    let mut marked: Vec<(u32, &str)> = text
        .lines()
        .zip(1..)
        .filter_map(|(text, line)| Some((line, text.split("/* ").nth(1)?.split(' ').next()?)))
        .collect();
    let said = mistakes(&run);
    let mut found: Vec<(u32, &str)> = said
        .lines()
        .filter_map(|text| {
            let (line, rest) = text.strip_prefix("wrong.c:")?.split_once(':')?;
            let class = rest.rsplit_once('[')?.1.trim_end_matches(']');
            Some((line.parse().ok()?, class))
        })
        .collect();
    marked.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, marked, "{said}");
    for (class, other) in [
        (Class::NotWritable, line("pin_user_pages_fast(buf, 1, 0")),
        (Class::StillMapped, line("bus = dma_map_page")),
    ] {
        let problem = run.problems().find(|(_, problem)| problem.class == class);
        let related = problem.unwrap().1.related.as_ref();
        assert_eq!(related.map(|site| site.line), Some(other), "{class:?}");
    }
}
