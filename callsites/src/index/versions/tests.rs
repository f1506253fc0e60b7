// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ladders of conditions, and what a release compiles of them.

use super::*;

fn compiled(text: &str) -> String {
    let bytes = text.as_bytes();
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let (kept, _) = live(bytes, all, &Defined::release(6 << 16 | 12 << 8 | 117));
    let texts = kept
        .iter()
        .map(|token| String::from_utf8_lossy(token.text(bytes)));
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn one_arm_of_a_ladder_is_code() {
    assert_eq!(
        compiled(
            "a\n#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 6, 0)\nb\n#elif LINUX_VERSION_CODE < KERNEL_VERSION(6,5,0)\nc\n#else\nd\n#endif\ne"
        ),
        "a d e"
    );
    assert_eq!(
        compiled("#if (LINUX_VERSION_CODE >= KERNEL_VERSION(6,12,0)) && !0\nb\n#endif\n"),
        "b"
    );
}

#[test]
fn a_name_that_is_given_decides() {
    let text = "#ifdef HAVE_A\na\n#endif\n#if HAVE_A\nb\n#else\nc\n#endif\n#if defined(HAVE_A) && HAVE_B\nd\n#endif\n#ifndef HAVE_A\ne\n#endif\n#ifdef HAVE_B\nf\n#endif";
    let bytes = text.as_bytes();
    let words = |names: &[(&str, i64)]| {
        let given = Defined {
            code: None,
            names: names
                .iter()
                .map(|(name, value)| ((*name).into(), *value))
                .collect(),
            module: None,
        };
        let all = tokens(bytes, 0, bytes.len(), Mode::File);
        let kept = live(bytes, all, &given).0;
        let kept = kept.iter().filter(|token| token.kind == Kind::Ident);
        let kept = kept.map(|token| String::from_utf8_lossy(token.text(bytes)));
        kept.collect::<String>()
    };
    assert_eq!(words(&[]), "abcdef");
    assert_eq!(words(&[("HAVE_A", 1)]), "abdf");
    assert_eq!(words(&[("HAVE_A", 0)]), "acdf");
    assert_eq!(words(&[("HAVE_A", 1), ("HAVE_B", 0)]), "abf");
}

#[test]
fn calls_in_arms_that_are_left_out_are_kept_with_their_conditions() {
    let text = "#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)\nget_user_pages(a); f(b);\n#else\npin_user_pages(c);\n#endif\n";
    let bytes = text.as_bytes();
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let (_, calls) = live(bytes, all, &Defined::release(6 << 16 | 12 << 8));
    let calls: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.condition.as_str()))
        .collect();
    assert_eq!(
        calls,
        [(
            "get_user_pages",
            "LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)"
        )]
    );
}

#[test]
fn what_the_version_does_not_decide_stays() {
    let open =
        "#if LINUX_VERSION_CODE > KERNEL_VERSION(6,1,0) && defined(CONFIG_A)\nb\n#else\nc\n#endif";
    assert_eq!(compiled(open).matches(['b', 'c']).count(), 2);
    assert_eq!(
        compiled("#if LINUX_VERSION_CODE < KERNEL_VERSION(6,1,0) && RHEL(1, 2)\nb\n#endif\nc"),
        "c"
    );
    assert_eq!(
        compiled("#if 0\nb\n#endif\n/* KERNEL_VERSION */"),
        "#if 0 b #endif"
    );
}

#[test]
fn macros_and_names_of_the_version_decide() {
    assert!(
        compiled("#define NEW (LINUX_VERSION_CODE >= KERNEL_VERSION(6,5,0))\n#if NEW\nb\n#else\nc\n#endif").ends_with(" b")
    );
    let shim = "#if LINUX_VERSION_CODE < KERNEL_VERSION(5,6,0)\n#define OLD\n#endif\n#ifdef OLD\nb\n#else\nc\n#endif\n#ifndef OLD\nd\n#endif";
    assert_eq!(compiled(shim), "c d");
}

#[test]
fn a_macro_that_takes_the_version_apart_decides() {
    let text = "#define AT_LEAST(a, b) (LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, 0))\n#if AT_LEAST(5, 6)\nb\n#elif AT_LEAST(4, 9)\nc\n#else\nd\n#endif\n#if !AT_LEAST((7), 1)\ne\n#endif\n#if AT_LEAST(5)\nf\n#endif";
    let compiled = compiled(text);
    let code = compiled.split_once("0))").map_or("", |(_, code)| code);
    assert_eq!(code.trim(), "b e #if AT_LEAST(5) f #endif");
    assert!(
        tests::compiled("#define A(a) A(a) + KERNEL_VERSION(1,2,3)\n#if A(1)\nb\n#endif")
            .contains('b')
    );
}

#[test]
fn what_only_a_vendor_defines_is_not_defined() {
    let code = "#if defined(RHEL_RELEASE_CODE) && RHEL_RELEASE_CODE >= RHEL_RELEASE_VERSION(8, 3)\nb\n#else\nc\n#endif\n#ifdef RHEL_RELEASE_CODE\nd\n#endif\n#ifndef RHEL_RELEASE_CODE\ne\n#endif";
    assert_eq!(compiled(code), "c e");
    let zero = "#ifndef RHEL_RELEASE_CODE\n#define RHEL_RELEASE_CODE 0\n#endif\n#if RHEL_RELEASE_CODE && RHEL_RELEASE_CODE < 1797\nb\n#else\nc\n#endif";
    assert!(compiled(zero).ends_with(" c"), "{}", compiled(zero));
    let given = Defined {
        code: Some(VersionCode(4 << 16 | 18 << 8)),
        names: vec![("RHEL_RELEASE_CODE".into(), 8 << 8 | 4)],
        module: None,
    };
    let all = tokens(code.as_bytes(), 0, code.len(), Mode::File);
    let kept = live(code.as_bytes(), all, &given).0;
    let kept = kept
        .iter()
        .map(|token| String::from_utf8_lossy(token.text(code.as_bytes())));
    assert_eq!(kept.collect::<Vec<_>>(), ["b", "d"]);
}

#[test]
fn a_name_that_an_arm_defines_has_the_value_of_that_arm() {
    let text = "#if LINUX_VERSION_CODE < KERNEL_VERSION(5,6,0)\n#define PINS 0\n#else\n#define PINS 1\n#endif\n#if PINS\nb\n#else\nc\n#endif";
    assert!(compiled(text).ends_with(" b"));
    let text = text.replace("< KERNEL", ">= KERNEL");
    assert!(compiled(&text).ends_with(" c"));
}

#[test]
fn a_condition_without_end_ends() {
    let deep = format!("#if {}LINUX_VERSION_CODE\nb\n#endif", "(".repeat(10_000));
    assert!(compiled(&deep).contains('b'));
    assert!(compiled("#define A A + LINUX_VERSION_CODE\n#if A\nb\n#endif").contains('b'));
    assert!(compiled("#if KERNEL_VERSION(\nb\n#endif").contains('b'));
}

#[test]
fn conditions_compute() {
    for (condition, holds) in [
        (
            "LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(6, 12, 0) >> 8",
            true,
        ),
        (
            "LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0) && (!defined(RHEL_RELEASE_CODE) || RHEL_RELEASE_CODE -0 < RHEL_RELEASE_VERSION(9, 6))",
            false,
        ),
        ("LINUX_VERSION_CODE >= 0x060c00", true),
        ("(LINUX_VERSION_CODE & 0xff0000) == 0x050000", false),
        (
            "LINUX_VERSION_CODE < KERNEL_VERSION(5, 0, 0) ? 1 : 0",
            false,
        ),
        ("1 + 2 * 3 == 7 && LINUX_VERSION_CODE", true),
        ("-1 < 0 && ~0 == -1 && LINUX_VERSION_CODE", true),
        ("10 - 3 - 2 == 5 && LINUX_VERSION_CODE", true),
        ("LINUX_VERSION_CODE / 0", true),
    ] {
        let text = format!("#if {condition}\nb\n#else\nc\n#endif");
        let compiled = compiled(&text);
        // What has no value stays open, and both arms with it.
        match condition.ends_with("/ 0") {
            true => assert!(compiled.contains("b #else c"), "{compiled}"),
            false => assert_eq!(compiled, if holds { "b" } else { "c" }, "{condition}"),
        }
    }
}
