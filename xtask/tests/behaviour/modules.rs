// SPDX-License-Identifier: MIT OR Apache-2.0
//! Modules outside the kernel: audited, converted and applied as a kernel tree is.

use crate::sandbox::Sandbox;

const DRIVER: &str = "#include <linux/mm.h>
#include <linux/version.h>

struct box {
\tstruct page *pages[8];
\tint n;
};

int box_fill(struct box *b, unsigned long at, int n)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
\tb->n = get_user_pages_fast(at, n, 1, b->pages);
#else
\tb->n = get_user_pages_fast(at, n, FOLL_WRITE, b->pages);
#endif
\treturn b->n;
}

void box_empty(struct box *b)
{
\tint i;

\tfor (i = 0; i < b->n; i++) {
\t\tset_page_dirty_lock(b->pages[i]);
\t\tput_page(b->pages[i]);
\t}
}
";

/// A module in two directories, with a Makefile of its own.
pub(crate) fn module() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("drv/Makefile", b"obj-m := box.o\n");
    sandbox.write("drv/src/box.c", DRIVER.as_bytes());
    sandbox
}

#[test]
fn a_module_is_audited_for_the_kernel_that_is_named() {
    let sandbox = module();
    let module = sandbox.path("drv");
    let audit = |words: &[&str]| {
        let mut all = vec!["audit", "--module", module.as_str()];
        all.extend(words);
        sandbox.run(&all)
    };
    let outcome = audit(&["--for", "6.12"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for line in [
        "convert src/box.c:14 box_fill() get_user_pages_fast -> pin_user_pages_fast",
        "Module for Linux 6.12, era of pin",
        "  1 call in arms of #if that are not compiled",
        "    src/box.c:12 get_user_pages_fast() where LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)",
    ] {
        assert!(outcome.stdout.contains(line), "{line}: {}", outcome.stdout);
    }
    let outcome = audit(&["--for", "4.19"]);
    assert!(
        outcome.stdout.contains("src/box.c:12 box_fill()"),
        "{}",
        outcome.stdout
    );
    let outcome = audit(&["--for", "6.12", "src"]);
    assert!(
        outcome.stdout.contains("src/box.c:14"),
        "{}",
        outcome.stdout
    );
    let outcome = audit(&["--for", "6.12", "lib"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .contains(&format!("the module in `{module}`, for Linux 6.12")),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_module_without_its_kernel_or_with_two_is_refused() {
    let sandbox = module();
    let module = sandbox.path("drv");
    let outcome = sandbox.run(&["audit", "--module", module.as_str()]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .contains("the kernel that the module is built for was not named")
    );
    sandbox.write(
        "tree/Makefile",
        b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\n",
    );
    let tree = sandbox.path("tree");
    let words = [
        "audit",
        "--module",
        module.as_str(),
        "--for",
        "6.12",
        "--kernel",
        tree.as_str(),
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("--for says 6.12, and"),
        "{}",
        outcome.stderr
    );
    let outcome = sandbox.run(&["audit", "--module", tree.as_str(), "--for", "6.12"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("no module (no .c file)"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_macro_that_is_given_decides_conditions() {
    let sandbox = Sandbox::new();
    let text = "#ifdef HAVE_PIN\nint f(unsigned long at, struct page **p)\n{\n\treturn pin_user_pages_fast(at, 1, 0, p);\n}\n#endif\n";
    let file = sandbox.write("drv/f.c", text.as_bytes());
    let module = file.parent().unwrap().as_str();
    let words = ["audit", "--module", module, "--for", "6.12", "--json"];
    let sites = |more: &[&str]| {
        let outcome = sandbox.run(&[&words[..], more].concat());
        let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        report["callsites"].as_array().unwrap().len()
    };
    assert_eq!(sites(&[]), 1);
    assert_eq!(sites(&["--define", "HAVE_PIN"]), 1);
    let without = "#ifndef HAVE_GET\nint f(unsigned long at, struct page **p)\n{\n\treturn pin_user_pages_fast(at, 1, 0, p);\n}\n#endif\n";
    sandbox.write("drv/f.c", without.as_bytes());
    assert_eq!(sites(&[]), 1);
    assert_eq!(sites(&["--define", "HAVE_GET=1"]), 0);
    let outcome = sandbox.run(&[&words[..], &["--define", "1X"]].concat());
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn a_module_is_converted_under_its_own_name_and_the_series_applies() {
    let sandbox = module();
    let module = sandbox.path("drv");
    let (series, copy) = (sandbox.path("series"), sandbox.path("copy"));
    let of = ["--module", module.as_str(), "--for", "6.12"];
    let words = [&["convert", "--unsigned", "-o", series.as_str()][..], &of].concat();
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stdout
            .contains(": drv: convert get_user_pages_fast() to pin_user_pages_fast()"),
        "{}",
        outcome.stdout
    );
    let mail = outcome.stdout.split(':').next().unwrap();
    let mail = std::fs::read_to_string(series.join(mail)).unwrap();
    let one_line = mail.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "src/box.c takes pages in arms of #if that Linux 6.12 does not compile (line 12).";
    assert!(one_line.contains(said), "{mail}");
    assert!(
        mail.contains("+\tb->n = pin_user_pages_fast(at, n, FOLL_WRITE, b->pages);"),
        "{mail}"
    );
    let words = [&["apply", series.as_str(), "-o", copy.as_str()][..], &of].concat();
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let text = std::fs::read_to_string(copy.join("src/box.c")).unwrap();
    assert!(
        text.contains("unpin_user_pages_dirty_lock(b->pages, b->n, true);"),
        "{text}"
    );
    // A kernel without the functions cannot be given them by a module.
    let words = [
        "convert",
        "--unsigned",
        "-o",
        copy.as_str(),
        "--module",
        module.as_str(),
        "--for",
        "4.19",
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("put_user_page() came with 5.2"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_module_that_is_built_for_old_kernels_keeps_what_they_compile() {
    let sandbox = module();
    let module = sandbox.path("drv");
    let convert = |oldest: &str, series: &str| {
        let series = sandbox.path(series);
        let of = [
            "--module",
            module.as_str(),
            "--for",
            "6.12",
            "--oldest",
            oldest,
        ];
        let words = [&["convert", "--unsigned", "-o", series.as_str()][..], &of].concat();
        sandbox.run(&words)
    };
    let read = |series: &str, outcome: &crate::sandbox::Outcome| {
        let mail = outcome.stdout.split(':').next().unwrap();
        std::fs::read_to_string(sandbox.path(series).join(mail)).unwrap()
    };
    let outcome = convert("5.4", "old");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mail = read("old", &outcome);
    for line in [
        "+#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)",
        "+\tunpin_user_pages_dirty_lock(b->pages, b->n, true);",
        " \t\tput_page(b->pages[i]);",
        "+#endif",
    ] {
        assert!(mail.lines().any(|other| other == line), "{line}: {mail}");
    }
    let said = mail.split_whitespace().collect::<Vec<_>>().join(" ");
    let remark = "The module is built for kernels from 5.4 on. What is converted stands in arms for 5.6 and later;";
    assert!(said.contains(remark), "{mail}");
    assert!(
        !said.contains("This patch is for kernels that compile what it converts."),
        "{mail}"
    );
    // Where all of them have the functions, no arm is needed.
    let outcome = convert("5.10", "new");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!read("new", &outcome).contains("+#if"));
    let outcome = convert("6.13", "none");
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("Linux 6.12 is older than 6.13"),
        "{}",
        outcome.stderr
    );
}

/// Headers whose make does no more than to compile what the module's Makefile names, where `word` is defined.
pub(crate) fn headers(sandbox: &Sandbox, name: &str, word: &str) -> camino::Utf8PathBuf {
    let makefile = format!(
        "modules:\n\t@for c in $$(find $(M) -name '*.c'); do grep -q '{word}' $$c || {{ echo \"$$c:1: error: no {word}\" >&2; exit 1; }}; done\n"
    );
    let file = sandbox.write(&format!("{name}/Makefile"), makefile.as_bytes());
    file.parent().unwrap().to_owned()
}

#[test]
fn a_module_is_built_with_each_kernels_headers_before_and_after() {
    let sandbox = module();
    if proc::on_path("make").is_none() {
        eprintln!("skipped: no make");
        return;
    }
    let module = sandbox.path("drv");
    let series = sandbox.path("series");
    let of = ["--module", module.as_str(), "--for", "6.12"];
    let outcome =
        sandbox.run(&[&["convert", "--unsigned", "-o", series.as_str()][..], &of].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let old = headers(&sandbox, "linux-headers-old", "put_page(b");
    let all = headers(&sandbox, "linux-headers-all", "struct box");
    let none = headers(&sandbox, "linux-headers-none", "never");
    let build = |headers: &[&str]| {
        let words = [
            &["build", series.as_str()][..],
            &of,
            &["--headers"],
            headers,
        ]
        .concat();
        sandbox.run(&words)
    };
    let outcome = build(&[all.as_str(), none.as_str()]);
    assert_eq!(
        outcome.code,
        Some(0),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(
        outcome.stdout.contains("  ok   linux-headers-all"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .contains("  none linux-headers-none: src/box.c:1: error: no never"),
        "{}",
        outcome.stdout
    );
    // What the module itself builds with, and the patched one does not.
    let outcome = build(&[old.as_str()]);
    assert_eq!(
        outcome.code,
        Some(4),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(
        outcome
            .stdout
            .contains("  FAIL linux-headers-old: src/box.c:1: error"),
        "{}",
        outcome.stdout
    );
    let outcome = build(&[none.as_str()]);
    assert_eq!(
        outcome.code,
        Some(69),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    let outcome = build(&["no-such-headers"]);
    assert_eq!(
        outcome.code,
        Some(2),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    // Headers of a kernel say which it is.
    let dated = |name: &str, sublevel: &str| {
        let path = headers(&sandbox, name, "struct box").join("Makefile");
        let rest = std::fs::read_to_string(&path).unwrap();
        let first = format!("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = {sublevel}\n");
        std::fs::write(&path, format!("{first}{rest}")).unwrap();
        path.parent().unwrap().to_owned()
    };
    let (older, newer) = (dated("older", "3"), dated("newer", "40"));
    let words = [
        "build",
        "--module",
        module.as_str(),
        "--headers",
        newer.as_str(),
        older.as_str(),
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let said = "no --for: the module is read for Linux 6.12.40, the newest of its headers";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
}

#[test]
fn a_kernel_of_the_cache_is_named_by_its_version() {
    let sandbox = module();
    if proc::on_path("make").is_none() {
        eprintln!("skipped: no make");
        return;
    }
    let kernel = headers(
        &sandbox,
        "home/.cache/gup-toolkit/kernels/linux-9.8.7",
        "struct box",
    );
    let rules = std::fs::read_to_string(kernel.join("Makefile")).unwrap();
    let makefile = format!("VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\n{rules}");
    std::fs::write(kernel.join("Makefile"), makefile).unwrap();
    let module = sandbox.path("drv");
    let build =
        |version: &str| sandbox.run(&["build", "--module", module.as_str(), "--kernel", version]);
    let outcome = build("9.8");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "as it is\n  ok   linux-9.8.7");
    let outcome = build("9.7");
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("kernel get 9.7"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn two_audits_are_compared() {
    let sandbox = module();
    let module = sandbox.path("drv");
    let audit = |to: &str| {
        let to = sandbox.path(to);
        let words = [
            "audit",
            "--module",
            module.as_str(),
            "--for",
            "6.12",
            "--json",
            "-o",
            to.as_str(),
        ];
        assert_eq!(sandbox.run(&words).code, Some(0));
        to
    };
    let before = audit("a.json");
    let changed = DRIVER
        .replace("\t\tput_page(b->pages[i]);\n", "")
        .replace("\treturn b->n;", "\tput_page(b->pages[0]);\n\treturn b->n;");
    sandbox.write("drv/src/box.c", changed.as_bytes());
    let after = audit("b.json");
    let outcome = sandbox.run(&["diff-audit", before.as_str(), before.as_str()]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), "0 changed, 3 as before")
    );
    let outcome = sandbox.run(&["diff-audit", before.as_str(), after.as_str()]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stdout
            .contains("box_empty() put_page: gone, was convert"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("box_fill() put_page: new, "),
        "{}",
        outcome.stdout
    );
    let outcome = sandbox.run(&[
        "diff-audit",
        module.join("Makefile").as_str(),
        after.as_str(),
    ]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .contains("cargo xtask audit --json -o FILE writes one"),
        "{}",
        outcome.stderr
    );
}
