// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands in arms, and for which releases.

use super::*;

const RELEASE: &str =
    "#include <linux/mm.h>\n\nvoid f(struct page *p)\n{\n\tint i;\n\n\tput_page(p);\n\tg();\n}\n";

fn edit(text: &str, old: &str, new: &str) -> Edit {
    let at = text.find(old).unwrap();
    Edit::new(at, at + old.len(), new)
}

fn kernels(oldest: &str) -> Kernels {
    Kernels {
        oldest: VersionCode::of(oldest),
        audited: VersionCode::of("6.12.0").unwrap(),
        ladder: Ladder::default(),
    }
}

fn written(names: &[(&str, Option<usize>)]) -> BTreeSet<(String, Option<usize>)> {
    let names = names.iter();
    names
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn what_older_kernels_lack_stands_in_an_arm() {
    let written = written(&[("unpin_user_page", None)]);
    let floor = kernels("5.4")
        .floor(&[RELEASE.as_bytes()], &written)
        .unwrap()
        .unwrap();
    assert_eq!(floor.words(), "5.6 and later");
    let edits = [
        edit(RELEASE, "\tint i;\n\n", ""),
        edit(RELEASE, "put_page", "unpin_user_page"),
    ];
    let laddered = floor
        .carry_out(&Ladder::default(), RELEASE.as_bytes(), &edits)
        .unwrap();
    assert_eq!(
        String::from_utf8(laddered).unwrap(),
        "#include <linux/mm.h>\n#include <linux/version.h>\n\nvoid f(struct page *p)\n{\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)\n\tunpin_user_page(p);\n#else\n\tint i;\n\n\tput_page(p);\n#endif\n\tg();\n}\n"
    );
}

#[test]
fn where_all_kernels_have_it_there_is_no_arm() {
    let written = written(&[("unpin_user_page", None)]);
    let floor = kernels("5.10").floor(&[RELEASE.as_bytes()], &written);
    assert_eq!(floor, Ok(None));
    assert!(
        kernels("6.13")
            .floor(&[RELEASE.as_bytes()], &written)
            .is_err()
    );
}

#[test]
fn an_arm_that_older_kernels_do_not_compile_stays_one() {
    let text = "#include <linux/version.h>\n#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nget_user_pages(a, b, c, d, e);\n#else\nget_user_pages(a, b, c, d);\n#endif\nput_page(p);\n";
    let written = written(&[("unpin_user_page", None), ("pin_user_pages", Some(4))]);
    let floor = kernels("5.4")
        .floor(&[text.as_bytes()], &written)
        .unwrap()
        .unwrap();
    assert_eq!(floor.words(), "6.5 and later");
    let edits = [
        edit(
            text,
            "get_user_pages(a, b, c, d);",
            "pin_user_pages(a, b, c, d);",
        ),
        edit(text, "put_page", "unpin_user_page"),
    ];
    let laddered = floor
        .carry_out(&Ladder::default(), text.as_bytes(), &edits)
        .unwrap();
    assert_eq!(
        String::from_utf8(laddered).unwrap(),
        "#include <linux/version.h>\n#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nget_user_pages(a, b, c, d, e);\n#else\npin_user_pages(a, b, c, d);\n#endif\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)\nunpin_user_page(p);\n#else\nput_page(p);\n#endif\n"
    );
}

#[test]
fn a_macro_of_several_lines_is_refused() {
    let text = "#define F(p) do { \\\n\tput_page(p); \\\n} while (0)\n";
    let floor = kernels("5.4")
        .floor(&[text.as_bytes()], &written(&[("unpin_user_page", None)]))
        .unwrap()
        .unwrap();
    let refused = floor.carry_out(
        &Ladder::default(),
        text.as_bytes(),
        &[edit(text, "put_page", "unpin_user_page")],
    );
    assert!(refused.unwrap_err().contains("in the middle of a macro"));
}

/// What `text` becomes where `old` becomes `new` for kernels from 5.6 on.
fn laddered(text: &str, old: &str, new: &str) -> String {
    let written = written(&[("unpin_user_page", None)]);
    let files = [text.as_bytes()];
    let floor = kernels("5.4").floor(&files, &written).unwrap().unwrap();
    let edits = [edit(text, old, new)];
    let laddered = floor.carry_out(&Ladder::default(), text.as_bytes(), &edits);
    String::from_utf8(laddered.unwrap()).unwrap()
}

#[test]
fn an_arm_holds_whole_calls() {
    let text = "#include <linux/version.h>\n\tn = min(get_user_pages_fast(a, b,\n\t\tc, d),\n\t\te);\n\tput_page(p);\n";
    let arms = laddered(text, "get_user_pages_fast", "pin_user_pages_fast");
    assert_eq!(
        arms,
        "#include <linux/version.h>\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)\n\tn = min(pin_user_pages_fast(a, b,\n\t\tc, d),\n\t\te);\n#else\n\tn = min(get_user_pages_fast(a, b,\n\t\tc, d),\n\t\te);\n#endif\n\tput_page(p);\n"
    );
    // From its later lines, too.
    let text = "#include <linux/version.h>\n\tf(a,\n\t  put_page(p));\n";
    let arms = laddered(text, "put_page", "unpin_user_page");
    assert!(
        arms.contains("0)\n\tf(a,\n\t  unpin_user_page(p));\n#else\n\tf(a,\n"),
        "{arms}"
    );
}

#[test]
fn what_is_no_code_gets_no_arm() {
    let text = "#include <linux/version.h>\n\t/* put_page() below */\n\tput_page(p);\n";
    assert_eq!(laddered(text, "put_page()", "unpin_user_page()"), text);
    let text = "#include <linux/version.h>\n\tpr_err(\"put_page(%p)\", p);\n\tput_page(p);\n";
    assert_eq!(laddered(text, "put_page(%", "unpin_user_page(%"), text);
}

#[test]
fn what_is_right_for_the_audited_kernel_alone_stands_in_an_arm_for_it() {
    let text = "#include <linux/version.h>\n#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nget_user_pages(a, b, c, d, e);\n#else\nget_user_pages(a, b, c, d);\n#endif\nput_page(p);\n";
    let kernels = Kernels {
        audited: VersionCode::of("5.10").unwrap(),
        ..kernels("5.4")
    };
    let written = written(&[("unpin_user_page", None), ("pin_user_pages", Some(5))]);
    let floor = kernels.floor(&[text.as_bytes()], &written);
    let floor = floor.unwrap().unwrap();
    assert_eq!(floor.words(), "5.6 and later, and before 6.5");
    let edits = [edit(text, "put_page", "unpin_user_page")];
    let arms = floor.carry_out(&kernels.ladder, text.as_bytes(), &edits);
    let arms = String::from_utf8(arms.unwrap()).unwrap();
    assert!(
        arms.ends_with("#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nunpin_user_page(p);\n#else\nput_page(p);\n#endif\n"),
        "{arms}"
    );
}

#[test]
fn a_call_is_written_only_where_its_arguments_are_right() {
    // A wrapper in a header gives older kernels the four arguments of get_user_pages(); pin_user_pages() has none.
    let text = "#include <linux/version.h>\nget_user_pages(a, b, c, d);\nput_page(p);\n";
    let written = written(&[("unpin_user_page", None), ("pin_user_pages", Some(4))]);
    let floor = kernels("5.4").floor(&[text.as_bytes()], &written);
    assert_eq!(floor.unwrap().unwrap().words(), "6.5 and later");
}
