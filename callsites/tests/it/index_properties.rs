// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold of the index for any bytes at all: no panic, no lost byte, no span outside the file.

use callsites::index::ir::{FileFacts, Span};
use callsites::index::{Wanted, lex, parse, walk};
use camino::Utf8Path;
use proptest::prelude::*;

/// Pieces of C that the lexer and the splitter look at, whole and broken.
const PIECES: [&str; 44] = [
    "int f(void)\n{\n",
    "}\n",
    "{",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    "#if A\n",
    "#else\n",
    "#elif B\n",
    "#endif\n",
    "#ifdef X\n",
    "put_page(p);\n",
    "list_for_each_entry(a, b, c)\n",
    "struct foo ",
    "union { int a; } u;",
    "container_of(x, struct foo, m)",
    "(u64)(x)",
    "sizeof(",
    "typeof(x) y = ",
    "asm volatile(\"nop\");",
    "\"str",
    "'",
    "/* ",
    "*/",
    "// x\n",
    "\\\n",
    "#define M(a, b) a ## b \\\n\tput_page(a)\n",
    "#define T { .x = 1 }\n",
    "SYSCALL_DEFINE2(n, int, a, char *, b)\n",
    "__attribute__((x)) ",
    "__user ",
    "case 1 ... 2:",
    "goto out;",
    "out:",
    "static const struct ops o = { .p = f };",
    "->x",
    "= ",
    "DEFINE_FREE(a, b, if (_T) put_page(_T))\n",
    "if (x)",
    "else ",
    "\u{e9}\u{0}",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..PIECES.len(), 0..60)
        .prop_map(|picks| picks.iter().flat_map(|n| PIECES[*n].bytes()).collect())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..400), pieces()]
}

fn inside(span: Span, length: usize) -> bool {
    span.start <= span.end && span.end as usize <= length
}

fn check(facts: &FileFacts, length: usize) {
    for function in &facts.functions {
        for span in [function.span, function.name_span, function.body_span] {
            assert!(inside(span, length), "{} has {span:?}", function.name);
        }
        walk::expressions(&function.body, &mut |e| {
            assert!(inside(e.span(), length), "{e:?}")
        });
        assert!(function.body.iter().all(|s| inside(s.span(), length)));
    }
    assert!(facts.unread.iter().all(|u| inside(u.span, length)));
    assert!(facts.outline.iter().all(|o| inside(o.span, length)));
    assert!(facts.globals.iter().all(|g| inside(g.span, length)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic_and_with_spans_inside_the_file(text in bytes()) {
        let facts = parse(Utf8Path::new("x.c"), &text, &Wanted::All);
        check(&facts, text.len());
    }

    #[test]
    fn tokens_are_in_order_and_do_not_overlap(text in bytes()) {
        let tokens = lex::tokens(&text, 0, text.len(), lex::Mode::File);
        for pair in tokens.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start && pair[0].start < pair[0].end);
        }
    }

    #[test]
    fn a_call_in_any_function_is_found_or_listed(before in pieces()) {
        // Whatever stands before it, a function that begins after a line of its own `}` is read.
        let mut text = b"static int g(int a)\n{\n\treturn a;\n}\n".to_vec();
        text.extend(before.iter().filter(|b| !matches!(b, b'"' | b'\'' | b'/' | b'#' | b'\\' | b'{' | b'(' | b'[')));
        text.extend_from_slice(b"\n;\n}\nvoid last(struct page *p)\n{\n\tput_page(p);\n}\n");
        let facts = parse(Utf8Path::new("x.c"), &text, &Wanted::All);
        let mut found = false;
        for function in &facts.functions {
            walk::expressions(&function.body, &mut |e| found |= e.callee_name() == Some("put_page"));
        }
        prop_assert!(found || !facts.unread.is_empty(), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn deep_nesting_is_listed_and_overflows_no_stack() {
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("if (a) ", ""),
        ("f(", ")"),
        ("!", ""),
        ("a ? b : ", ""),
    ] {
        let text = format!(
            "int f(void)\n{{\n{}x;{}\n}}\n",
            open.repeat(20_000),
            close.repeat(20_000)
        );
        let facts = parse(Utf8Path::new("x.c"), text.as_bytes(), &Wanted::All);
        assert!(
            !facts.unread.is_empty(),
            "{open} nested 20,000 deep was not listed"
        );
    }
}

#[test]
fn a_huge_file_is_listed_and_not_read() {
    let text = vec![b' '; (16 << 20) + 1];
    let facts = parse(Utf8Path::new("x.c"), &text, &Wanted::All);
    assert_eq!(facts.unread.len(), 1);
    assert!(facts.unread[0].why.contains("MiB"));
}
