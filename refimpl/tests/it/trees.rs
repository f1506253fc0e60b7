// SPDX-License-Identifier: MIT OR Apache-2.0
//! The catalogue against kernel trees: each function is declared in exactly the versions that the catalogue names, with those
//! arguments, at the line that it names, and no function of mm/gup.c that takes or gives back references is missing. A name that a
//! tree declares stands in a file that its source names: acts.toml, too.
//!
//! Of the API every declaration must fit. Of what only the audit asks for one must, since its names are those of macros and inline
//! functions that several architectures and configurations make in several ways.
//!
//! Ignored, since it needs trees; where `KERNEL_TREES` (directories with `:` between them) is not set, the test fails and
//! says so:
//!
//!     cargo xtask codegen --trees linux-6.1 linux-6.12
//!     KERNEL_TREES=linux-6.1:linux-6.12 cargo test -p refimpl --test it trees -- --ignored --nocapture

mod scan;

use refimpl::api::{Function, KernelVersion, Role, Signature, catalogue};
use scan::{Declaration, Declarations, Form, declarations, read, scan};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
            wrong.extend(compare(function, version, &found));
        }
        wrong.extend(missing_forms(version, &found));
        wrong.extend(unlisted(tree, version));
        wrong.extend(other_lines(tree));
        let differences = wrong.len() - before;
        println!(
            "{version}: {} functions, {differences} differences",
            catalogue().functions().count()
        );
    }
    wrong.extend(elsewhere(&trees));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} trees, no difference", trees.len());
}

/// The names and the sources of acts.toml.
#[derive(Deserialize)]
struct Acts {
    act: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    names: Vec<String>,
    source: String,
}

/// A source says what was read last, and a name of its entry may be older: between them these have every name of acts.toml.
const OF_SOURCES: [&str; 5] = ["4.19", "5.4", "6.1", "6.12", "7.3"];

/// Names that stand in none of the files that their source names, where all versions are there that it names.
fn elsewhere(trees: &[PathBuf]) -> Vec<String> {
    let versions: Vec<KernelVersion> = trees.iter().map(|tree| version(tree)).collect();
    let other = |version: KernelVersion| !versions.contains(&version);
    if OF_SOURCES
        .iter()
        .filter_map(|one| one.parse().ok())
        .any(other)
    {
        println!("names are looked up in their sources where trees of {OF_SOURCES:?} are given");
        return Vec::new();
    }
    let acts: Acts = toml::from_str(include_str!("../../data/acts.toml")).expect("acts");
    let of_acts = acts.act.iter().flat_map(|act| {
        let names = act.names.iter();
        names.map(|name| (name.as_str(), act.source.as_str()))
    });
    let functions = catalogue().functions();
    let of_functions = functions.map(|one| (one.name.as_str(), one.source.as_str()));
    let mut texts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, source) in of_functions.chain(of_acts) {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let parts = || source.split(|c: char| !is_path(c));
        let mut files = parts().filter(|part| part.ends_with(".c") || part.ends_with(".h"));
        let mut seen = parts().filter(|part| part.contains('.') && part.parse().is_ok_and(other));
        if seen.next().is_some() {
            continue;
        }
        let stands = files.any(|file| {
            let words = texts.entry(file).or_insert_with(|| {
                let all = trees.iter().map(|tree| read(&tree.join(file)));
                all.flat_map(|text| words(&text)).collect()
            });
            words.contains(name) || words.contains(&flag_of(name))
        });
        if !stands {
            wrong.push(format!("{name} is in no file of its source: {source}"));
        }
    }
    wrong
}

fn words(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let all = text.split(|c| !is_word(c));
    all.map(str::to_owned).collect()
}

/// `Dirty` of `SetPageDirty` and `dirty` of `folio_set_dirty`: PAGEFLAG() and its kin make these functions.
fn flag_of(name: &str) -> String {
    let makes = ["folio_test_", "folio_set_", "folio_clear_"];
    let of_folio = makes.iter().find_map(|makes| name.strip_prefix(makes));
    let of_page = name.split_once("Page").map(|(_, flag)| flag);
    of_folio.or(of_page).unwrap_or(name).to_owned()
}

/// The test above notices: a version that lacks a function, another order of arguments, a function that nobody listed.
#[test]
fn a_tree_that_differs_is_noticed() {
    let text = "/* put_user_page(x); */\nlong pin_user_pages(unsigned int gup_flags, unsigned long start,\n\t\
                unsigned long nr_pages, struct page **pages);\nvoid unpin_user_page(struct page *page)\n{\n}\n";
    let mut found = Declarations::new();
    scan("include/linux/mm.h", text, &mut found);
    let version = "6.12".parse().unwrap();
    let of = |name: &str| compare(catalogue().get(name).unwrap(), version, &found);
    assert_eq!(of("unpin_user_page"), Vec::<String>::new());
    assert_eq!(of("put_user_page"), Vec::<String>::new());
    assert!(of("pin_user_pages")[0].contains("argument 0"));
    assert!(of("pin_user_pages_fast")[0].contains("not declared"));
    let gone = "void put_user_page(struct page *page);\n";
    scan("include/linux/mm.h", gone, &mut found);
    let differences = compare(catalogue().get("put_user_page").unwrap(), version, &found);
    assert!(differences[0].contains("declared"), "{differences:?}");
    assert_eq!(
        unlisted_in(
            "long pin_user_pages_twice(struct page *page)\n{\n}\nstatic int x(int a)\n{\n}\n"
        ),
        ["pin_user_pages_twice"]
    );
}

fn is_api(function: &Function) -> bool {
    ROLES.contains(&function.role)
}

/// Where the API is declared.
fn is_of_the_api(file: &str) -> bool {
    let header = file.strip_prefix("include/linux/");
    header.is_some_and(|name| !name.contains('/'))
        || [
            "mm/",
            "block/",
            "lib/iov_iter.c",
            "lib/scatterlist.c",
            "fs/buffer.c",
        ]
        .iter()
        .any(|place| file.starts_with(place))
}

fn compare(function: &Function, version: KernelVersion, found: &Declarations) -> Vec<String> {
    let (name, expected) = (&function.name, function.exists_in(version));
    let declared: Vec<&Declaration> = found
        .get(name)
        .into_iter()
        .flatten()
        .filter(|one| !is_api(function) || is_of_the_api(&one.file))
        // Another function of that name, in a file of its own.
        .filter(|one| expected || !one.hidden)
        .collect();
    if declared.is_empty() == expected {
        let files: Vec<&str> = declared.iter().map(|one| one.file.as_str()).collect();
        let what = if expected {
            "is not declared".to_owned()
        } else {
            format!("is declared in {files:?}")
        };
        return vec![format!("{version}: {name} {what}")];
    }
    let wrong = declared.iter().map(|one| unfit(function, version, one));
    if is_api(function) {
        return wrong.flatten().collect();
    }
    wrong.min_by_key(Vec::len).unwrap_or_default()
}

/// What of a declaration is not as one of the function's forms says.
fn unfit(function: &Function, version: KernelVersion, one: &Declaration) -> Vec<String> {
    let (name, file) = (&function.name, &one.file);
    let Some(args) = one.args().filter(|_| !function.signatures.is_empty()) else {
        return Vec::new();
    };
    let mut forms = function.signatures.iter();
    let Some(form) = forms.find(|form| form.args == args && form.exists_in(version)) else {
        return vec![format!("{version}: {name} has {args} arguments in {file}")];
    };
    let Form::Function(arguments) = &one.form else {
        return Vec::new();
    };
    misplaced(form, arguments)
        .into_iter()
        .map(|why| format!("{version}: {name} in {file}: {why}"))
        .collect()
}

/// Functions that do not stand at the line that the catalogue names, where the tree is of that very release.
fn other_lines(tree: &Path) -> Vec<String> {
    let release = release(tree);
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for function in catalogue().functions() {
        let parts: Vec<&str> = function.at.split([':', ',']).map(str::trim).collect();
        let [file, line, seen] = parts[..] else {
            continue;
        };
        if seen != release {
            continue;
        }
        let lines = files.entry(file).or_insert_with(|| {
            let text = read(&tree.join(file));
            text.lines().map(str::to_owned).collect()
        });
        let number: usize = line.parse().expect("a line number");
        let text = lines.get(number - 1).map_or("", String::as_str);
        // A macro of a .c file is that file's own; mm/nommu.c is built where there is no MMU, and no page to pin.
        if file == "mm/nommu.c" || file.ends_with(".c") && text.starts_with("#define") {
            wrong.push(format!(
                "{release}: {} of {file}:{line} is not the one that callers get",
                function.name
            ));
        }
        if !text.contains(&function.name) && !text.contains("FLAG(") {
            wrong.push(format!(
                "{release}: {} is not at {file}:{line}",
                function.name
            ));
        }
    }
    wrong
}

/// Arguments whose type is not what the form says of their place.
fn misplaced(form: &Signature, arguments: &[String]) -> Vec<String> {
    let words: [(Option<usize>, &str, &[&str]); 10] = [
        (
            form.address,
            "address",
            &[
                "*",
                "unsigned long",
                "uint64_t",
                "phys_addr_t",
                "dma_addr_t",
            ],
        ),
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
                "scatterlist",
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
        if is_api(function) {
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
                .any(|one| one.args().is_none_or(|args| args == form.args));
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
    // By another name, so that static functions do not count.
    scan("gup.c", text, &mut found);
    found
        .into_iter()
        .filter(|(_, all)| all.iter().all(|one| matches!(one.form, Form::Function(_))))
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
    let text = release(tree);
    text.parse().expect("a tree's Makefile names its version")
}

/// 6.12.117
fn release(tree: &Path) -> String {
    let makefile = read(&tree.join("Makefile"));
    let number = |word: &str| {
        let mut lines = makefile.lines();
        let line = lines.find_map(|line| line.strip_prefix(word)?.trim().strip_prefix('='));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    ["VERSION", "PATCHLEVEL", "SUBLEVEL"].map(number).join(".")
}
