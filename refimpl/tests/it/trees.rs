// SPDX-License-Identifier: MIT OR Apache-2.0
//! The catalogue against kernel trees: each function that acquires, releases, dirties or adds references is declared in
//! exactly the versions that the catalogue names, with those arguments, and no function of mm/gup.c that takes or gives back
//! references is missing.
//!
//! Ignored, since it needs trees; where `KERNEL_TREES` (directories with `:` between them) is not set, the test fails and
//! says so:
//!
//!     KERNEL_TREES=linux-6.1:linux-6.12 cargo test -p refimpl --test it trees -- --ignored --nocapture

use refimpl::api::{Function, KernelVersion, Role, Signature, catalogue};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a header declares or a file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Declaration {
    file: String,
    /// Types and names; empty of a macro, which has names only.
    arguments: Vec<String>,
    macro_args: Option<usize>,
}

type Declarations = BTreeMap<String, BTreeSet<Declaration>>;

/// Of mm/gup.c, and seen by other files: what faults pages in, or looks, and leaves counts alone.
const WITHOUT_REFERENCE: [&str; 12] = [
    "__mm_populate",
    "fault_in_readable",
    "fault_in_safe_writeable",
    "fault_in_subpage_writeable",
    "fault_in_writeable",
    "faultin_page_range",
    "faultin_vma_page_range",
    "fixup_user_fault",
    // A page found under the lock of its page table; FOLL_GET on it is __get_user_pages()'s business.
    "follow_page",
    "follow_page_mask",
    "populate_vma_page_range",
    "gup_fast_permitted",
];

const ROLES: [Role; 4] = [Role::Acquire, Role::Release, Role::Dirty, Role::Reference];

#[test]
#[ignore = "needs kernel trees: KERNEL_TREES=DIR:DIR"]
fn every_version_declares_what_the_catalogue_says() {
    let mut wrong = Vec::new();
    let trees = trees();
    for tree in &trees {
        let (version, found) = (version(tree), declarations(tree));
        let before = wrong.len();
        for function in catalogue().functions() {
            if ROLES.contains(&function.role) {
                wrong.extend(compare(function, version, &found));
            }
        }
        wrong.extend(missing_forms(version, &found));
        wrong.extend(unlisted(tree, version));
        let differences = wrong.len() - before;
        println!(
            "{version}: {} names, {differences} differences",
            found.len()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} trees, no difference", trees.len());
}

/// The test above notices: a version that lacks a function, another order of arguments, a function that nobody listed.
#[test]
fn a_tree_that_differs_is_noticed() {
    let text = "/* put_user_page(x); */\nlong pin_user_pages(unsigned int gup_flags, unsigned long start,\n\t\
                unsigned long nr_pages, struct page **pages);\nvoid unpin_user_page(struct page *page)\n{\n}\n";
    let mut found = Declarations::new();
    scan("include/linux/mm.h", text, false, &mut found);
    let version = "6.12".parse().unwrap();
    let of = |name: &str| compare(catalogue().get(name).unwrap(), version, &found);
    assert_eq!(of("unpin_user_page"), Vec::<String>::new());
    assert_eq!(of("put_user_page"), Vec::<String>::new());
    assert!(of("pin_user_pages")[0].contains("argument 0"));
    assert!(of("pin_user_pages_fast")[0].contains("not declared"));
    let gone = "void put_user_page(struct page *page);\n";
    scan("include/linux/mm.h", gone, false, &mut found);
    let differences = compare(catalogue().get("put_user_page").unwrap(), version, &found);
    assert!(differences[0].contains("declared"), "{differences:?}");
    assert_eq!(
        unlisted_in(
            "long pin_user_pages_twice(struct page *page)\n{\n}\nstatic int x(int a)\n{\n}\n"
        ),
        ["pin_user_pages_twice"]
    );
}

fn compare(function: &Function, version: KernelVersion, found: &Declarations) -> Vec<String> {
    let (name, expected) = (&function.name, function.exists_in(version));
    let Some(declared) = found.get(name) else {
        let says = || format!("{version}: {name} is not declared");
        return expected.then(says).into_iter().collect();
    };
    if !expected {
        let files: Vec<&str> = declared.iter().map(|one| one.file.as_str()).collect();
        return vec![format!("{version}: {name} is declared in {files:?}")];
    }
    let mut wrong = Vec::new();
    for one in declared {
        let args = one.macro_args.unwrap_or(one.arguments.len());
        let forms = function.signatures.iter();
        let form = forms
            .clone()
            .find(|form| form.args == args && form.exists_in(version));
        let Some(form) = form else {
            wrong.push(format!(
                "{version}: {name} has {args} arguments in {}",
                one.file
            ));
            continue;
        };
        if one.macro_args.is_none() {
            let places = misplaced(form, &one.arguments);
            let places = places.into_iter();
            wrong.extend(places.map(|why| format!("{version}: {name} in {}: {why}", one.file)));
        }
    }
    wrong
}

/// Arguments whose type is not what the form says of their place.
fn misplaced(form: &Signature, arguments: &[String]) -> Vec<String> {
    let words: [(Option<usize>, &str, &[&str]); 9] = [
        (form.mm, "mm", &["mm_struct *"]),
        (form.start, "user address", &["unsigned long", "loff_t"]),
        (form.flags, "flags", &["int "]),
        (form.vmas, "vmas", &["vm_area_struct **"]),
        (form.dirty, "make_dirty", &["bool "]),
        (form.iter, "iterator", &["iov_iter *"]),
        (form.nr, "count", &["int ", "long "]),
        // What holds a page stands for it.
        (
            form.page,
            "page",
            &[
                "struct page *",
                "struct folio *",
                "sk_buff *",
                "skb_frag_t *",
            ],
        ),
        (
            form.pages,
            "pages",
            &[
                "**",
                "[]",
                "iov_iter",
                "batch",
                "pagevec",
                "list_head",
                "bio",
                "sg_table",
                "release_pages_arg",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (place, what, words) in words {
        let Some((at, text)) = place.and_then(|at| Some((at, arguments.get(at)?))) else {
            continue;
        };
        let array = what == "page" && text.contains("**");
        if array || !words.iter().any(|word| text.contains(word)) {
            wrong.push(format!("argument {at} is no {what}: {text}"));
        }
    }
    wrong
}

/// Forms that the catalogue gives a version and that no function of their entry has there.
fn missing_forms(version: KernelVersion, found: &Declarations) -> Vec<String> {
    let mut entries: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in catalogue().functions() {
        if ROLES.contains(&function.role) {
            entries.entry(&function.reason).or_default().push(function);
        }
    }
    let mut wrong = Vec::new();
    for functions in entries.values() {
        let there: Vec<&Declaration> = functions
            .iter()
            .filter_map(|function| found.get(&function.name))
            .flatten()
            .collect();
        for form in &functions[0].signatures {
            let has = there
                .iter()
                .any(|one| one.macro_args.unwrap_or(one.arguments.len()) == form.args);
            if form.exists_in(version) && !there.is_empty() && !has {
                let name = &functions[0].name;
                wrong.push(format!("{version}: no {name} with {} arguments", form.args));
            }
        }
    }
    wrong
}

fn unlisted(tree: &Path, version: KernelVersion) -> Vec<String> {
    let names = unlisted_in(&read(&tree.join("mm/gup.c")));
    names
        .into_iter()
        .map(|name| format!("{version}: {name} of mm/gup.c is not in the catalogue"))
        .collect()
}

fn unlisted_in(text: &str) -> Vec<String> {
    let mut found = Declarations::new();
    scan("mm/gup.c", text, false, &mut found);
    found
        .into_iter()
        .filter(|(_, all)| all.iter().all(|one| one.macro_args.is_none()))
        .map(|(name, _)| name)
        .filter(|name| catalogue().get(name).is_none())
        .filter(|name| !WITHOUT_REFERENCE.contains(&name.as_str()))
        .collect()
}

fn trees() -> Vec<PathBuf> {
    let list = std::env::var("KERNEL_TREES").expect("KERNEL_TREES=DIR:DIR names the trees");
    list.split(':').map(PathBuf::from).collect()
}

fn version(tree: &Path) -> KernelVersion {
    let makefile = read(&tree.join("Makefile"));
    let number = |word: &str| {
        let mut lines = makefile.lines();
        let line = lines.find_map(|line| line.strip_prefix(word)?.trim().strip_prefix('='));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let text = format!("{}.{}", number("VERSION"), number("PATCHLEVEL"));
    text.parse().expect("a tree's Makefile names its version")
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn declarations(tree: &Path) -> Declarations {
    let mut found = Declarations::new();
    let mut files: Vec<String> = ["lib/iov_iter.c", "lib/scatterlist.c", "block/bio.c"]
        .map(str::to_owned)
        .to_vec();
    for dir in ["include/linux", "mm"] {
        let entries = std::fs::read_dir(tree.join(dir)).expect("a kernel tree has it");
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".h") || (dir == "mm" && name.ends_with(".c")) {
                files.push(format!("{dir}/{name}"));
            }
        }
    }
    for file in files {
        // What only mm/gup.c itself sees counts as there: the catalogue knows some of it.
        scan(
            &file,
            &read(&tree.join(&file)),
            file == "mm/gup.c",
            &mut found,
        );
    }
    found
}

/// Adds what stands at the left border of a file: prototypes, functions (of `.c` files those that others see) and macros.
fn scan(file: &str, text: &str, statics: bool, found: &mut Declarations) {
    let text = without_comments(text);
    if file.ends_with("page-flags.h") {
        flags(&text, file, found);
    }
    let mut at = 0;
    while at < text.len() {
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let line = &text[at..line_end];
        if let Some(rest) = line.strip_prefix("#define ") {
            if let Some((name, arguments)) = call(rest) {
                let macro_args = Some(arguments.len());
                add(found, file, name, Vec::new(), macro_args);
            }
        } else if line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let end = text[at..]
                .find([';', '{'])
                .map_or(text.len(), |end| at + end);
            let chunk = &text[at..end];
            // A label, or a macro that makes functions.
            let plain = line.starts_with("typedef")
                || line.trim_end().ends_with(':')
                || call(line).is_some_and(|(name, _)| line.starts_with(name));
            if !plain {
                let seen = !file.ends_with(".c") || statics || !chunk.starts_with("static");
                let called = call(chunk).filter(|(name, _)| seen && !chunk.starts_with(name));
                if let Some((name, arguments)) = called {
                    add(found, file, name, arguments, None);
                }
                at = end.max(line_end);
                continue;
            }
        }
        at = line_end + 1;
    }
}

/// Functions that include/linux/page-flags.h makes by macro: of the dirty flag alone they matter here.
fn flags(text: &str, file: &str, found: &mut Declarations) {
    let made = [
        ("SetPageDirty", "PAGEFLAG(Dirty,"),
        ("TestSetPageDirty", "TESTSCFLAG(Dirty,"),
        ("folio_set_dirty", "folio_set_##"),
    ];
    for (name, by) in made {
        if text.contains(by) {
            add(
                found,
                file,
                name,
                vec!["struct page *page".to_owned()],
                None,
            );
        }
    }
}

fn add(
    found: &mut Declarations,
    file: &str,
    name: &str,
    arguments: Vec<String>,
    macro_args: Option<usize>,
) {
    let declaration = Declaration {
        file: file.to_owned(),
        arguments,
        macro_args,
    };
    found
        .entry(name.to_owned())
        .or_default()
        .insert(declaration);
}

/// The first `name(arguments)` of a text.
fn call(text: &str) -> Option<(&str, Vec<String>)> {
    let open = text.find('(')?;
    let before = text[..open].trim_end();
    let start = before
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(0, |at| at + 1);
    let name = &before[start..];
    let mut arguments = vec![String::new()];
    let mut depth = 0;
    for letter in text[open..].chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        match letter {
            '(' if depth == 1 => {}
            ',' if depth == 1 => arguments.push(String::new()),
            letter => arguments.last_mut()?.push(letter),
        }
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.is_empty() && text != "void")
        .collect();
    (!name.is_empty()).then_some((name, arguments))
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        kept.push_str(&rest[..start]);
        let end = rest[start..]
            .find("*/")
            .map_or(rest.len(), |end| start + end + 2);
        kept.push(' ');
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}
