// SPDX-License-Identifier: MIT OR Apache-2.0
//! docs/api.md: every function of the catalogue that acquires, releases or dirties, by kernel version.

use refimpl::api::{
    Catalogue, Count, Dirties, Era, Function, KernelVersion, Role, Signature, Sleeps, catalogue,
};
use refimpl::version::Version;
use std::fmt::Write;

const HEAD: &str = "\
<!-- Made by `cargo xtask codegen` from refimpl/data/api.toml: edit that. -->
# The catalogue

What every function means that takes, gives back, or dirties user pages, by kernel version. A version stands for the later ones
up to the next. Where a function or a form came or went between two versions that were read, the first that has it is named, or the first
that no longer does: 5.3, 5.5, 5.13, 5.18, 6.7, 6.15, 6.16 and 7.2 were not read.
`cargo xtask codegen --trees DIR…` compares all of it, and what only the audit asks for, with kernel trees. The audit, the edits and the model read the same data; what the counts are after each call is in
`refimpl`'s model, and `cargo xtask ktest --target refimpl-conformance` compares that with a booted kernel.

";

/// The page.
pub(crate) fn page() -> String {
    let mut text = HEAD.to_owned();
    for (role, title) in [
        (Role::Acquire, "Functions that acquire"),
        (Role::Release, "Functions that release"),
        (Role::Dirty, "Functions that dirty"),
        (Role::Reference, "Functions that add to what is held"),
    ] {
        section(catalogue(), role, title, &mut text);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(catalogue: &Catalogue, role: Role, title: &str, text: &mut String) {
    let names: Vec<&str> = Version::ALL.iter().map(|version| version.name()).collect();
    let _infallible = writeln!(
        text,
        "## {title}\n\n| function | count | {} | instead, before 5.6 | instead, since |\n|---|---|{}---|---|",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for function in catalogue.with_role(role) {
        let there = Version::ALL.map(|version| {
            let exists = version
                .name()
                .parse()
                .is_ok_and(|version| function.exists_in(version));
            if exists { "x" } else { " " }
        });
        let _infallible = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            function.name,
            count(function.count),
            there.join(" | "),
            replacement(function, Era::PutPage),
            replacement(function, Era::Pin)
        );
    }
    text.push('\n');
    for function in catalogue.with_role(role) {
        describe(function, text);
    }
}

fn count(count: Count) -> &'static str {
    match count {
        Count::Get => "reference +1",
        Count::Pin => "pin +1",
        Count::Put => "reference -1",
        Count::Unpin => "pin -1",
        Count::None => "",
    }
}

/// What to take instead, and where that is gone again, until when.
fn replacement(function: &Function, era: Era) -> String {
    let Some(name) = function.replacement(era) else {
        return String::new();
    };
    let other = catalogue().get(name).filter(|_| era == Era::Pin);
    // The era of pins begins with 5.6.
    let since = other
        .and_then(|other| other.since)
        .filter(|since| *since > KernelVersion { major: 5, minor: 6 });
    let life = [
        ("since", since),
        ("before", other.and_then(|other| other.until)),
    ];
    let bounds = life
        .into_iter()
        .filter_map(|(word, version)| Some(format!(", {word} {}", version?)));
    format!("`{name}`{}", bounds.collect::<String>())
}

fn describe(function: &Function, text: &mut String) {
    let _infallible = writeln!(
        text,
        "### `{}`\n\n{}.\n",
        function.name,
        capital(&function.reason)
    );
    let mut line = |word: &str, what: &str| {
        if !what.is_empty() {
            let _infallible = writeln!(text, "- {word}: {what}");
        }
    };
    let forms: Vec<String> = function.signatures.iter().map(form).collect();
    line("arguments", &forms.join("; "));
    line("returns", &function.errors);
    line("NULL", &function.null);
    line("context", &function.context);
    line(
        "sleeps",
        match function.sleeps {
            Sleeps::Unsaid => "",
            Sleeps::Never => "never",
            Sleeps::May => "may",
            Sleeps::WhenDirty => "when it is asked to mark dirty",
        },
    );
    line(
        "marks dirty",
        match function.dirties {
            Dirties::No => "",
            Dirties::Yes => "always",
            Dirties::Argument => "where asked, before the reference goes",
        },
    );
    line("source", &function.source);
    line("stands at", &function.at);
    for change in &function.history {
        let _infallible = writeln!(
            text,
            "- {}: {} ({})",
            change.since, change.says, change.source
        );
    }
    text.push('\n');
}

/// Where the arguments of one form stand, in their order, and which versions have it.
fn form(form: &Signature) -> String {
    let mut named: Vec<(usize, &str)> = [
        (form.mm, "mm"),
        (form.start, "start"),
        (form.nr, "count"),
        (form.flags, "flags"),
        (form.write, "write"),
        (form.pages, "pages"),
        (form.page, "page"),
        (form.vmas, "vmas"),
        (form.dirty, "make_dirty"),
        (form.iter, "iter"),
        (form.order, "order"),
        (form.address, "address"),
    ]
    .into_iter()
    .filter_map(|(at, name)| Some((at?, name)))
    .collect();
    named.sort_unstable();
    let all = (0..form.args).map(|at| {
        let found = named.iter().find(|(place, _)| *place == at);
        found.map_or("_", |(_, name)| *name)
    });
    let life = [("since", form.since), ("before", form.until)];
    let bounds = life
        .into_iter()
        .filter_map(|(word, version)| Some(format!(" {word} {}", version?)));
    let places = all.collect::<Vec<_>>().join(", ");
    format!("({places}){}", bounds.collect::<Vec<_>>().join(","))
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_marked_in_the_versions_that_have_it() {
        let text = page();
        assert!(text.contains("| `memfd_pin_folios` | pin +1 |   |   |   |   |   |   | x | x |"));
        assert!(text.contains("- 5.10: an error number for the count warns and returns"));
    }
}
