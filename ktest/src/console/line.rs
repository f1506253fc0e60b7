// SPDX-License-Identifier: MIT OR Apache-2.0
//! One line of a console: what printk puts before the text, and the functions that the text names.

use regex::Regex;
use std::sync::LazyLock;

/// `<4>`, `[    1.234567]`, `[   T41]` or `[    C0]` behind it (CONFIG_PRINTK_CALLER), in brackets of any length since callers
/// carry a name (kernel/printk/printk.c: print_time(), print_caller()). What a program left on the line before it goes too.
static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:<\d{1,3}>)?\[ *\d{1,9}\.\d{1,9}\](?:\[ *[TC]\d[^\]]{0,40}\])? ?")
        .expect("a literal pattern compiles")
});

/// The text behind the last stamp of a line.
pub(super) fn text(raw: &str) -> &str {
    let line = raw.trim_end_matches(['\r', '\n']);
    match STAMP.find_iter(line).last() {
        Some(stamp) => &line[stamp.end()..],
        None => line.trim_start_matches('\0'),
    }
}

/// `name+0x12/0x34`, with a dot where the compiler split it (`%pS`, lib/vsprintf.c).
static SYMBOL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+/0x[0-9a-f]+")
        .expect("a literal pattern compiles")
});

/// The first function that a text names with a place in it, without what the compiler adds to the name of a part.
pub(super) fn function(text: &str) -> Option<String> {
    let name = SYMBOL.captures(text)?.get(1)?.as_str();
    let base = name.split('.').next().filter(|base| !base.is_empty());
    Some(base.unwrap_or(name).to_owned())
}

/// What a line of a trace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Where the processor was: `RIP: 0010:f+0x1/0x2`, `pc : f+0x1/0x2`.
    At(String),
    /// A caller: ` f+0x1/0x2`.
    Caller(String),
    /// Another line.
    Other,
}

pub(super) fn step(text: &str) -> Step {
    let inner = text.trim_start();
    let at = ["RIP: ", "RIP; ", "EIP: ", "pc : ", "epc : ", "NIP "];
    let name = || function(inner);
    if at.iter().any(|word| inner.starts_with(word)) {
        return name().map_or(Step::Other, Step::At);
    }
    // A caller stands alone and indented; one with a question mark was found on the stack and may be old.
    let alone = SYMBOL.find(inner).is_some_and(|symbol| symbol.start() == 0);
    if alone && inner.len() < text.len() {
        return name().map_or(Step::Other, Step::Caller);
    }
    Step::Other
}

/// Addresses and numbers.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9a-f]{8,}\b|0x[0-9a-f]+|[0-9]+").expect("a literal pattern compiles")
});

/// A text by which two complaints are the same one: without numbers and addresses.
pub(crate) fn identity(text: &str) -> String {
    NUMBER.replace_all(text, "N").into_owned()
}

/// The same with the line of a file kept: in one boot nothing moves lines.
pub(super) fn identity_of_place(text: &str) -> String {
    let blotted = NUMBER.replace_all(text, |found: &regex::Captures<'_>| {
        let number = &found[0];
        let start = found.get(0).map_or(0, |all| all.start());
        match text[..start].ends_with(':') {
            true => number.to_owned(),
            false => "N".to_owned(),
        }
    });
    blotted.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_printk_puts_before_a_text_is_taken_off() {
        for line in [
            "BUG: x",
            "[    1.234567] BUG: x",
            "[12345.678901][  T41] BUG: x\r",
            "[    1.234567][    C0] BUG: x",
            "<4>[    1.234567] BUG: x",
            "/bin/x: not fin[    1.234567] BUG: x",
        ] {
            assert_eq!(text(line), "BUG: x", "{line}");
        }
        assert_eq!(text("[    1.2]  f+0x1/0x2"), " f+0x1/0x2");
        assert_eq!(
            text("[ BUG: Invalid wait context ]"),
            "[ BUG: Invalid wait context ]"
        );
        assert_eq!(text(""), "");
    }

    #[test]
    fn callers_that_are_only_guessed_are_left_out() {
        let caller = |name: &str| Step::Caller(name.into());
        assert_eq!(step("RIP: 0010:f.isra.0+0x1/0x2"), Step::At("f".into()));
        assert_eq!(step(" f+0x1/0x2"), caller("f"));
        assert_eq!(step(" f+0x1/0x2 [mod]"), caller("f"));
        for line in [
            " ? f+0x1/0x2",
            "f+0x1/0x2",
            "RIP: 0033:0x7f00",
            "Code: 00",
            "",
        ] {
            assert_eq!(step(line), Step::Other, "{line}");
        }
    }

    #[test]
    fn numbers_and_addresses_make_no_difference() {
        assert_eq!(identity("at 0xdead pid 12"), identity("at 0xbeef pid 3"));
        assert_ne!(identity("in f+0x12"), identity("in g+0x12"));
        assert_eq!(
            identity("at ffffea0004c3a008 mm/gup.c:84"),
            "at N mm/gup.c:N"
        );
        let line = "WARNING: CPU: 1 PID: 41 at mm/gup.c:84 f+0x1/0x2";
        let place = "WARNING: CPU: N PID: N at mm/gup.c:84 f+N/N";
        assert_eq!(identity_of_place(line), place);
    }
}
