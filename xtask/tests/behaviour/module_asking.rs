// SPDX-License-Identifier: MIT OR Apache-2.0
//! Modules outside the kernel that ask what a configure script would have found, and that are built in a directory below.

use crate::modules::{headers, module};
use crate::sandbox::Sandbox;

/// A module that asks what a configure script would have found, takes pages by a macro of a compatibility header, and is built
/// from a directory below.
const ASKING: &str = "#include <linux/mm.h>
#include \"compat.h\"

struct box {
\tstruct page *page;
};

long box_fill(struct box *b, unsigned long at)
{
#ifdef HAVE_VMAS
\treturn get_user_pages(at, 1, FOLL_WRITE, &b->page, NULL);
#else
\treturn box_get(at, 1, FOLL_WRITE, &b->page);
#endif
}

void box_empty(struct box *b)
{
\tset_page_dirty_lock(b->page);
\tput_page(b->page); /* put_page() */
}
";

#[test]
fn what_a_configure_script_would_have_found_is_told_by_the_arms() {
    let sandbox = Sandbox::new();
    sandbox.write("drv/src/Makefile", b"obj-m := box.o\n");
    sandbox.write("drv/src/box.c", ASKING.as_bytes());
    sandbox.write("drv/src/compat.h", b"#define box_get get_user_pages\n");
    let module = sandbox.path("drv");
    let of = |release| ["--module", module.as_str(), "--for", release];
    let audit = |release| {
        let outcome = sandbox.run(&[&["audit"][..], &of(release)].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout
    };
    let text = audit("6.12");
    for line in [
        "convert src/box.c:13 box_fill() get_user_pages -> pin_user_pages",
        "  no header says whether HAVE_VMAS is defined; for Linux 6.12 it is not defined, as get_user_pages() at src/box.c:11 tells",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let series = sandbox.path("series");
    let words = ["convert", "--unsigned", "-o", series.as_str()];
    let outcome = sandbox.run(&[&words[..], &of("6.12")].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mail = |outcome: &crate::sandbox::Outcome| {
        let file = outcome.stdout.split(':').next().unwrap();
        std::fs::read_to_string(series.join(file)).unwrap()
    };
    let text = mail(&outcome);
    assert!(
        text.contains("+\treturn pin_user_pages(at, 1, FOLL_WRITE, &b->page);"),
        "{text}"
    );
    assert!(
        !text.contains("-\treturn get_user_pages(at, 1, FOLL_WRITE, &b->page, NULL);"),
        "{text}"
    );
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("The module is then for kernels from 6.5 on"),
        "{text}"
    );
    // The arm for older kernels stays, and so does what they release.
    let outcome = sandbox.run(&[&words[..], &of("6.12"), &["--oldest", "5.4"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let text = mail(&outcome);
    assert!(
        text.contains("+#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)"),
        "{text}"
    );
    assert!(!text.contains("5, 6, 0"), "{text}");
    assert!(!text.contains("+\t/*"), "{text}");
}

#[test]
fn a_module_is_built_in_the_directory_that_names_its_objects() {
    let sandbox = module();
    if proc::on_path("make").is_none() {
        eprintln!("skipped: no make");
        return;
    }
    std::fs::rename(
        sandbox.path("drv/Makefile"),
        sandbox.path("drv/src/Makefile"),
    )
    .unwrap();
    sandbox.write("drv/Makefile", b"all:\n\t@echo nothing to do\n");
    let good = headers(&sandbox, "linux-headers-good", "struct box");
    let bad = headers(&sandbox, "linux-headers-bad", "never");
    let module = sandbox.path("drv");
    let build = |headers: &str| {
        sandbox.run(&[
            "build",
            "--module",
            module.as_str(),
            "--for",
            "6.12",
            "--headers",
            headers,
        ])
    };
    let outcome = build(good.as_str());
    assert_eq!(
        outcome.code,
        Some(0),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert_eq!(
        outcome.stdout,
        "as it is\n  ok   linux-headers-good (in src)"
    );
    // A Makefile that makes no module has built none.
    let outcome = build(bad.as_str());
    assert_eq!(
        outcome.code,
        Some(69),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    // One that knows more than kbuild is asked second, and told of the kernel.
    let rules = format!("all:\n\t@test $(KDIR) = {bad} && touch box.ko\n");
    sandbox.write("drv/Makefile", rules.as_bytes());
    let outcome = build(bad.as_str());
    assert_eq!(
        outcome.code,
        Some(0),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert_eq!(
        outcome.stdout,
        "as it is\n  ok   linux-headers-bad (by its own Makefile)"
    );
}
