// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the shapes of kernel C become. The fixtures are our own.

use super::*;
use crate::index::ir::{Expr, Function, LoopKind, Stmt};
use crate::index::walk;

fn read(text: &str) -> FileFacts {
    parse(Utf8Path::new("a.c"), text.as_bytes(), &Wanted::All)
}

fn body(text: &str) -> Function {
    let facts = read(&format!("static int f(struct foo *x)\n{{\n{text}\n}}\n"));
    assert_eq!(facts.unread, [], "unread in {text}");
    facts.functions.into_iter().next().unwrap()
}

/// The names of all calls, in source order.
fn calls(function: &Function) -> Vec<String> {
    let mut out = Vec::new();
    walk::expressions(&function.body, &mut |e| {
        out.extend(e.callee_name().map(str::to_owned))
    });
    out
}

#[test]
fn a_dereference_as_the_only_argument_is_a_call_and_no_declaration() {
    for text in [
        "put_page(*pages);",
        "put_page(pages[i]);",
        "put_page(page);",
        "put_page((page));",
        "kfree(*a->b);",
    ] {
        let f = body(text);
        assert!(
            matches!(&f.body[..], [Stmt::Expr(Expr::Call { .. }, _)]),
            "{text}: {:?}",
            f.body
        );
    }
    assert!(matches!(&body("foo_t *page;").body[..], [Stmt::Decl(..)]));
}

#[test]
fn iterator_macros_are_loops_with_their_arguments() {
    for text in [
        "list_for_each_entry(p, &x->list, node)\n\tput_page(p->page);",
        "for_each_sg(sgl, sg, n, i) {\n\tput_page(sg_page(sg));\n}",
    ] {
        let f = body(text);
        let [
            Stmt::Loop {
                kind: LoopKind::Iterator { name, args, .. },
                ..
            },
        ] = &f.body[..]
        else {
            panic!("{:?}", f.body)
        };
        assert!(name.contains("for_each"));
        assert!(args.len() >= 3);
        assert!(calls(&f).contains(&"put_page".to_owned()));
    }
}

#[test]
fn types_as_arguments_are_types() {
    let f = body(
        "struct foo *p = container_of(x, struct foo, node);\nn = min_t(unsigned long, a, b);\nq = list_entry(x, foo_t, n);",
    );
    let mut types = Vec::new();
    walk::expressions(&f.body, &mut |e| {
        if let Expr::Type(ty, _) = e {
            types.push(ty.name.clone());
        }
    });
    assert_eq!(types, ["struct foo", "unsigned long", "foo_t"]);
}

#[test]
fn both_arms_of_an_if_group_are_kept() {
    let f = body("#ifdef CONFIG_A\n\tput_page(a);\n#else\n\tput_page(b);\n#endif\n\tg();");
    let [Stmt::Arms(arms, _), Stmt::Expr(..)] = &f.body[..] else {
        panic!("{:?}", f.body)
    };
    assert_eq!(
        arms.iter()
            .map(|(c, s)| (c.as_str(), s.len()))
            .collect::<Vec<_>>(),
        [("CONFIG_A", 1), ("!CONFIG_A", 1)]
    );
}

#[test]
fn arms_that_split_a_statement_lose_no_call() {
    let f = body(
        "#ifdef A\n\tif (p(x)) {\n#else\n\tif (q(x)) {\n#endif\n\t\tput_page(a);\n\t}\n\tg();",
    );
    let mut names = calls(&f);
    names.sort();
    assert_eq!(names, ["g", "p", "put_page", "q"]);
    let f = body("\tif (a) {\n\t\tp();\n#ifdef A\n\t} else if (b) {\n\t\tq();\n#endif\n\t}");
    assert_eq!(calls(&f), ["p", "q"]);
    let f = body("\tif (a\n#ifdef A\n\t    && p(b)\n#endif\n\t   )\n\t\tq();");
    assert_eq!(calls(&f), ["p", "q"]);
    let f = body("\tr = h(a,\n#ifdef A\n\t      p(b)\n#else\n\t      q(c)\n#endif\n\t     );");
    let mut names = calls(&f);
    names.sort();
    assert_eq!(names, ["h", "p", "q"]);
}

#[test]
fn kernel_words_do_not_stop_the_reading() {
    let f = body(
        "struct page __maybe_unused *p = (struct page __force *)x;
	static DEFINE_MUTEX(lock);
	void *q __free(kfree) = NULL;
	u64 v = (u64)(a + b), w = (u64)&c, z = (u8)(d);
	asm volatile(\"nop\" : : \"r\" (x) : \"memory\");
	size_t n = sizeof(struct foo) * 2 + sizeof(*p), off = offsetof(struct foo, a.b[1]);
	typeof(*p) *r = p;
	pr_info(KERN_INFO \"a\" FOO \"b\\n\"
		\"c\", x);
	scoped_guard(mutex, &lock) {
		put_page(p);
	}
	switch (n) { case 0 ... 3: g(); fallthrough; default: break; }
	WARN(a, ==, b)
	h();
	return ({ int k = g(); k; });",
    );
    assert!(!f.has_unread);
    assert_eq!(
        calls(&f),
        ["DEFINE_MUTEX", "pr_info", "put_page", "g", "WARN", "h", "g"]
    );
}

#[test]
fn a_cast_of_an_address_keeps_its_operand() {
    let f = body("x = (u64)&y;");
    let [Stmt::Expr(Expr::Assign { value, .. }, _)] = &f.body[..] else {
        panic!("{:?}", f.body)
    };
    let Expr::Cast { ty, operand, .. } = value.as_ref() else {
        panic!("{value:?}")
    };
    assert_eq!(ty.name, "u64");
    assert!(matches!(operand.as_ref(), Expr::AddressOf(..)));
}

#[test]
fn a_macro_that_is_an_expression_returns_it() {
    let facts = read(
        "#define put(p, n) \\\n\tput_page((p)->pages[n])\n#define all(p) do { put_page(p); x(p); } while (0)\n#define alias put_page\n",
    );
    let [put, all, alias] = &facts.functions[..] else {
        panic!("{facts:?}")
    };
    assert_eq!(
        put.params
            .iter()
            .map(|p| p.name.as_str())
            .collect::<Vec<_>>(),
        ["p", "n"]
    );
    assert!(matches!(
        &put.body[..],
        [Stmt::Return(Some(Expr::Call { .. }), _)]
    ));
    assert_eq!(calls(all), ["put_page", "x"]);
    assert!(
        matches!(&alias.body[..], [Stmt::Return(Some(Expr::Name(name, _)), _)] if name == "put_page")
    );
}

#[test]
fn a_macro_that_defines_functions_keeps_their_calls() {
    let facts = read(
        "#define DEFINE_PUT(n) \\\nstatic void n##_put(struct n *x) \\\n{ \\\n\tput_page(x->n##_page); \\\n}\n",
    );
    assert_eq!(calls(&facts.functions[0]), ["put_page"]);
    let facts = read("DEFINE_FREE(put, struct page *, if (_T) put_page(_T))\n");
    assert!(calls(&facts.functions[0]).contains(&"put_page".to_owned()));
}

#[test]
fn heads_are_read_with_their_types() {
    let facts = read(
        "SYSCALL_DEFINE2(peek, struct foo __user *, p, int, n)\n{\n\treturn 0;\n}\nstatic struct page **get(unsigned long a, struct page **, void (*cb)(int))\n{\n}\nint f(a, b)\n\tchar *a;\n\tint b;\n{\n}\n",
    );
    let head = |f: &Function| {
        let params: Vec<String> = f
            .params
            .iter()
            .map(|p| {
                format!(
                    "{}{} {}",
                    p.ty.name,
                    "*".repeat(p.ty.pointers.into()),
                    p.name
                )
            })
            .collect();
        format!(
            "{}{} {}({})",
            f.returns.name,
            "*".repeat(f.returns.pointers.into()),
            f.name,
            params.join(", ")
        )
    };
    assert_eq!(
        facts.functions.iter().map(head).collect::<Vec<_>>(),
        [
            "long sys_peek(struct foo* p, int n)",
            "struct page** get(unsigned long a, struct page** , void cb)",
            "int f(char* a, int b)"
        ]
    );
}

#[test]
fn an_ops_table_names_its_functions() {
    let facts = read(
        "static void put(void)\n{\n}\nstatic const struct ops ops = {\n\t.put = put,\n\t.nested = { .x = &put },\n};\n",
    );
    let Some(Expr::Initialiser { items, .. }) = &facts.globals[0].init else {
        panic!("{:?}", facts.globals)
    };
    assert_eq!(items[0].fields, ["put"]);
    assert!(matches!(&items[0].value, Expr::Name(name, _) if name == "put"));
}

#[test]
fn guards_are_the_conditions_around_a_function() {
    let facts = read(
        "#ifndef _H\n#define _H\n#ifdef CONFIG_MMU\n#if A > 1\nint f(void) { return 0; }\n#endif\n#else\nint g(void) { return 0; }\n#endif\n#endif\n",
    );
    assert_eq!(facts.functions[0].guards, ["CONFIG_MMU", "A > 1"]);
    assert_eq!(facts.functions[1].guards, ["!CONFIG_MMU"]);
}

#[test]
fn positions_count_from_one() {
    let facts = read("int a;\nint b;\n");
    assert_eq!(facts.position(0), (1, 1));
    assert_eq!(facts.position(11), (2, 5));
}

#[test]
fn what_was_parsed_before_is_left_out_of_a_second_reading() {
    let text =
        b"#define F 1\nint f(void)\n{\n\treturn put();\n}\n\nint g(void)\n{\n\treturn put();\n}\n";
    let path = Utf8Path::new("a.c");
    let (f, put) = (NameSet::new(["f"]), NameSet::new(["put"]));
    let first = parse(path, text, &Wanted::Named(&f));
    let held = Wanted::Holding(&put);
    let more = parse_more(path, text, &held, &first);
    let names = |facts: &FileFacts| -> Vec<String> {
        facts.functions.iter().map(|f| f.name.to_string()).collect()
    };
    assert_eq!(names(&first), ["f"]);
    assert_eq!(names(&more), ["g"]);
    let mut merged = first;
    merged.merge(more);
    let whole = parse(path, text, &held);
    assert_eq!(merged.functions, whole.functions);
}
