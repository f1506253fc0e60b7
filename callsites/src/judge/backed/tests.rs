// SPDX-License-Identifier: MIT OR Apache-2.0
//! Iterators that are user-backed whoever calls, and their neighbours that are not.

use super::*;

/// What sees to it that the iterator of the one acquire of `text` is user-backed.
fn sees(text: &str) -> Option<Vec<String>> {
    let backed = Backed::new(Utf8Path::new("drivers/misc/toy.c"), text.as_bytes());
    let mut span = None;
    for function in &backed.facts.functions {
        walk::expressions(&function.body, &mut |expr| {
            if expr.callee_name() == Some("iov_iter_get_pages2") {
                span = Some(expr.span());
            }
        });
    }
    let set_ups = backed.set_ups(span.expect("it acquires"))?;
    let text = |set_up: SetUp| format!("{} in {}", set_up.call, set_up.function);
    Some(set_ups.into_iter().map(text).collect())
}

const TAKE: &str = "static ssize_t take(struct iov_iter *from, struct page **pages)\n{\n\tsize_t off;\n\n\
                    \treturn iov_iter_get_pages2(from, pages, 4096, 1, &off);\n}\n";

#[test]
fn every_caller_of_a_static_function_has_to_set_up_user_memory() {
    let first = "static int one(void __user *p)\n{\n\tstruct iov_iter iter;\n\n\tif (import_ubuf(ITER_DEST, p, 9, &iter) < 0)\n\
                 \t\treturn 0;\n\treturn take(&iter, toy_pages);\n}\n";
    let text = format!("{TAKE}{first}");
    assert_eq!(sees(&text), Some(vec!["import_ubuf in one".to_owned()]));
    let kernel = "static int two(struct bio_vec *v)\n{\n\tstruct iov_iter iter;\n\n\tiov_iter_bvec(&iter, ITER_DEST, v, 1, 9);\n\
                  \treturn take(&iter, toy_pages);\n}\n";
    assert_eq!(sees(&format!("{text}{kernel}")), None);
    let handed = "static const struct toy_ops ops = { .take = take };\n";
    assert_eq!(sees(&format!("{text}{handed}")), None);
    assert_eq!(sees(&text.replacen("static ssize_t", "ssize_t", 1)), None);
    let made = first
        .replace("one(", "three(")
        .replace("\treturn take", "\tmake(&iter);\n\treturn take");
    let maker = "static void make(struct iov_iter *i)\n{\n\tiov_iter_kvec(i, ITER_DEST, toy_vec, 1, 9);\n}\n";
    assert_eq!(sees(&format!("{text}{maker}{made}")), None);
}

#[test]
fn a_test_counts_where_nothing_else_gets_past_it() {
    let entry = |body: &str| {
        format!(
            "{TAKE}ssize_t toy_read(struct kiocb *iocb, struct iov_iter *to)\n{{\n{body}\treturn take(to, toy_pages);\n}}\n"
        )
    };
    let refused = "\tif (!user_backed_iter(to))\n\t\treturn -EINVAL;\n";
    assert_eq!(
        sees(&entry(refused)),
        Some(vec!["user_backed_iter in toy_read".to_owned()])
    );
    let either = "\tif (toy_gone(iocb) || !user_backed_iter(to))\n\t\treturn -EINVAL;\n";
    assert!(sees(&entry(either)).is_some());
    // Both must fail here, and only asking changes nothing.
    assert_eq!(sees(&entry(&either.replace("||", "&&"))), None);
    assert_eq!(sees(&entry("\ttoy_dirty = user_backed_iter(to);\n")), None);
    assert_eq!(sees(&entry(&format!("{refused}again:\n"))), None);
    assert_eq!(
        sees(&entry(&format!("{refused}\tto = toy_other(iocb);\n"))),
        None
    );
    let inside = format!(
        "{TAKE}ssize_t toy_read(struct iov_iter *to)\n{{\n\tif (user_backed_iter(to))\n\t\treturn take(to, toy_pages);\n\
         \treturn 0;\n}}\n"
    );
    assert!(sees(&inside).is_some());
    assert_eq!(
        sees(&inside.replace("(user_backed_iter(to))", "(toy_late(to))")),
        None
    );
}

#[test]
fn a_callee_that_fails_for_other_iterators_is_a_test() {
    let text = format!(
        "{TAKE}static struct toy *check(struct kiocb *iocb, struct iov_iter *iter)\n{{\n\tif (!user_backed_iter(iter))\n\
         \t\treturn ERR_PTR(-EACCES);\n\treturn toy_of(iocb);\n}}\n\
         ssize_t toy_read(struct kiocb *iocb, struct iov_iter *to)\n{{\n\tstruct toy *toy;\n\n\ttoy = check(iocb, to);\n\
         \tif (IS_ERR(toy))\n\t\treturn PTR_ERR(toy);\n\treturn take(to, toy_pages);\n}}\n"
    );
    assert_eq!(
        sees(&text),
        Some(vec!["user_backed_iter in check".to_owned()])
    );
    assert_eq!(
        sees(&text.replace("\tif (IS_ERR(toy))\n\t\treturn PTR_ERR(toy);\n", "")),
        None
    );
    assert_eq!(
        sees(&text.replace("return ERR_PTR(-EACCES)", "return toy_none")),
        None
    );
}

#[test]
fn everything_stored_in_a_member_of_a_record_of_the_file_has_to_be() {
    let text = "struct state {\n\tstruct iov_iter *iter;\n};\n\
                static void start(struct state *st, struct iov_iter *iter)\n{\n\tst->iter = iter;\n}\n\
                static int fill(struct state *st)\n{\n\tsize_t off;\n\n\treturn iov_iter_get_pages2(st->iter, toy_pages, 9, 1, &off);\n}\n\
                ssize_t toy_read(struct iov_iter *to)\n{\n\tstruct state st;\n\n\tif (!user_backed_iter(to))\n\t\treturn -EINVAL;\n\
                \tstart(&st, to);\n\treturn fill(&st);\n}\n\
                void toy_none(struct state *st)\n{\n\tstart(st, NULL);\n}\n";
    assert_eq!(
        sees(text),
        Some(vec!["user_backed_iter in toy_read".to_owned()])
    );
    let open = text.replace("\tif (!user_backed_iter(to))\n\t\treturn -EINVAL;\n", "");
    assert_eq!(sees(&open), None);
    let more = format!(
        "{text}void toy_more(struct state *st, struct iov_iter *i)\n{{\n\tst->iter = i;\n}}\n"
    );
    assert_eq!(sees(&more), None);
    // The record of a header may be filled by others.
    assert_eq!(
        sees(&text.replace("struct state {\n\tstruct iov_iter *iter;\n};\n", "")),
        None
    );
}

#[test]
fn a_copy_of_an_iterator_is_of_its_kind() {
    let text = format!(
        "{TAKE}struct ctx {{\n\tstruct iov_iter out;\n}};\n\
         static void desc(struct ctx *c, struct iovec *v)\n{{\n\tiov_iter_init(&c->out, ITER_SOURCE, v, 1, 9);\n}}\n\
         void handle(struct ctx *c, struct iovec *v)\n{{\n\tstruct iov_iter data, in;\n\n\tif (c->write) {{\n\t\tdata = c->out;\n\
         \t}} else {{\n\t\tiov_iter_init(&in, ITER_DEST, v, 1, 9);\n\t\tdata = in;\n\t}}\n\ttake(&data, toy_pages);\n}}\n"
    );
    let set_ups = vec![
        "iov_iter_init in desc".to_owned(),
        "iov_iter_init in handle".to_owned(),
    ];
    assert_eq!(sees(&text), Some(set_ups));
    let kernel = text.replace(
        "iov_iter_init(&c->out, ITER_SOURCE, v, 1, 9)",
        "iov_iter_kvec(&c->out, ITER_SOURCE, v, 1, 9)",
    );
    assert_eq!(sees(&kernel), None);
}
