// SPDX-License-Identifier: MIT OR Apache-2.0
//! The catalogue: what every kernel-wide function that touches page references means.
//!
//! The data stand in `refimpl/data/api.toml` and, of what only the audit asks for, in `refimpl/data/audit.toml`; this module
//! reads them once and answers questions. What functions do besides stands in `refimpl/data/acts.toml`
//! ([`acts`](fn@acts)). Whoever needs to know whether a call takes a reference, where its page array stands, or what
//! replaces it in which era asks here; no other room repeats it.
//!
//! ```
//! use refimpl::api::{Era, Role, catalogue};
//! let put_page = catalogue().get("put_page").expect("listed");
//! assert_eq!(put_page.role, Role::Release);
//! assert_eq!(put_page.replacement(Era::Pin), Some("unpin_user_page"));
//! ```

mod acts;
mod flow;

pub use crate::version::KernelVersion;
pub use acts::{Act, Acts, Does, acts};
pub use flow::{Flow, Place};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a function is to the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes references on user pages.
    Acquire,
    /// Drops references.
    Release,
    /// Marks pages dirty.
    Dirty,
    /// Makes a page its caller owns.
    Allocate,
    /// Finds a page of a mapping or of a page table.
    Lookup,
    /// Takes one more reference on a page somebody already holds.
    Reference,
    /// Turns a page into a number or an address, or back.
    Translate,
    /// Puts a page into a carrier (scatterlist, bio, socket buffer).
    Store,
    /// Takes a page out of a carrier.
    Load,
    /// An iterator over a carrier.
    Iterate,
    /// Does something with the page or its data; `kind` says what.
    Use,
    /// Makes kernel memory that may hold page pointers.
    Container,
    /// Registers or consults an mmu notifier.
    Notifier,
    /// Says what memory an iterator walks.
    Origin,
}

/// What one call does to the count of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// A plain reference more.
    Get,
    /// A pin more.
    Pin,
    /// A plain reference less.
    Put,
    /// A pin less.
    Unpin,
    /// Nothing.
    #[default]
    None,
}

/// Whether a function may sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sleeps {
    /// Nobody has looked: what only the audit asks for.
    #[default]
    Unsaid,
    /// Never, and so may be called in atomic context.
    Never,
    /// It may.
    May,
    /// Only when it is asked to mark dirty.
    WhenDirty,
}

/// Whether a function marks pages dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dirties {
    /// No.
    #[default]
    No,
    /// Always.
    Yes,
    /// When the argument at [`Signature::dirty`] is true.
    Argument,
}

/// The ages of the releasing API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Before 5.2.
    PutPage,
    /// 5.2 to 5.5.
    PutUserPage,
    /// Since 5.6.
    Pin,
}

/// Argument positions, counted from 0, of one form of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Number of arguments of this form.
    pub args: usize,
    /// First version with this form; none when it had it from the start.
    pub since: Option<KernelVersion>,
    /// First version without it again.
    pub until: Option<KernelVersion>,
    /// The mm.
    pub mm: Option<usize>,
    /// The user address.
    pub start: Option<usize>,
    /// The number of pages.
    pub nr: Option<usize>,
    /// FOLL flags (a `write` boolean in old forms of the fast functions).
    pub flags: Option<usize>,
    /// The `write` boolean of forms without flags.
    pub write: Option<usize>,
    /// An array of pages, or what stands for one.
    pub pages: Option<usize>,
    /// One page.
    pub page: Option<usize>,
    /// The vma array.
    pub vmas: Option<usize>,
    /// The `make_dirty` boolean.
    pub dirty: Option<usize>,
    /// The iov_iter.
    pub iter: Option<usize>,
    /// The allocation order.
    pub order: Option<usize>,
    /// A kernel address.
    pub address: Option<usize>,
}

/// One function of the kernel. An entry of the data is one of them for each of its names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    names: BTreeMap<String, Life>,
    /// What it is to the audit.
    pub role: Role,
    /// What it does to the count of a page.
    #[serde(default)]
    pub count: Count,
    /// A finer word than the role: "iter", "dma", "cpu-map", "page cache", …; empty when there is none.
    #[serde(default)]
    pub kind: String,
    /// Its forms, by number of arguments.
    #[serde(default, rename = "signature")]
    pub signatures: Vec<Signature>,
    /// First version that has it.
    pub since: Option<KernelVersion>,
    /// First version that no longer has it.
    pub until: Option<KernelVersion>,
    /// Versions in between without it: from the first on, before the second.
    #[serde(skip)]
    pub gap: Option<[KernelVersion; 2]>,
    /// Whether it may sleep.
    #[serde(default)]
    pub sleeps: Sleeps,
    /// Whether it marks dirty.
    #[serde(default)]
    pub dirties: Dirties,
    /// What a null page or array means to it; empty when nothing special.
    #[serde(default)]
    pub null: String,
    /// What it returns on failure.
    #[serde(default)]
    pub errors: String,
    /// Locks that the caller holds, or must not hold; empty when nothing special.
    #[serde(default)]
    pub context: String,
    /// What changed in which version, the oldest first.
    #[serde(default)]
    pub history: Vec<Change>,
    /// One sentence: what the call does.
    pub reason: String,
    /// Where in the kernel that stands.
    pub source: String,
    /// Where the function itself stands: `mm/gup.c:2739, 6.12.117`; empty of what was gone before 4.19.
    #[serde(skip)]
    pub at: String,
    #[serde(default, rename = "flow")]
    flows: Vec<String>,
    #[serde(default)]
    replacement: Replacement,
}

/// When one name of an entry came and went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Life {
    since: Option<KernelVersion>,
    until: Option<KernelVersion>,
    gap: Option<[KernelVersion; 2]>,
    #[serde(default)]
    at: String,
}

/// What a version changed about a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first version in which it is so.
    pub since: KernelVersion,
    /// What is so.
    pub says: String,
    /// Where in the kernel that stands.
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    put_user_page: Option<String>,
    pin: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    function: Vec<Function>,
    carriers: Option<Names>,
    fragments: Option<Names>,
}

/// The reason and the source beside the names are for people.
#[derive(Debug, Deserialize)]
struct Names {
    #[serde(alias = "types", alias = "releases")]
    names: BTreeSet<String>,
}

impl Signature {
    /// Whether a tree of `version` may have this form.
    pub fn exists_in(&self, version: KernelVersion) -> bool {
        lives(self.since, self.until, version)
    }
}

fn lives(
    since: Option<KernelVersion>,
    until: Option<KernelVersion>,
    version: KernelVersion,
) -> bool {
    since.is_none_or(|since| since <= version) && until.is_none_or(|until| version < until)
}

impl Function {
    /// The form with `args` arguments; the first form when none has that number (a macro may hide some).
    pub fn signature(&self, args: usize) -> Option<&Signature> {
        self.signatures
            .iter()
            .find(|form| form.args == args)
            .or_else(|| self.signatures.first())
    }

    /// Where page values go in a call with `args` arguments. A position that form lacks is left out.
    pub fn flows(&self, args: usize) -> Vec<Flow> {
        let signature = self.signature(args);
        self.flows
            .iter()
            .filter_map(|text| Flow::parse(text, signature))
            .collect()
    }

    /// The position of the page or page array of a call with `args` arguments.
    pub fn page_argument(&self, args: usize) -> Option<usize> {
        self.signature(args)
            .and_then(|form| form.page.or(form.pages))
            .filter(|at| *at < args)
    }

    /// Whether that position is an array of pages rather than one page.
    pub fn takes_array(&self, args: usize) -> bool {
        self.signature(args)
            .is_some_and(|form| form.page.is_none() && form.pages.is_some())
    }

    /// What should stand in its place once its pages are user pages that ought to be pinned.
    ///
    /// Of an acquire it is null before 5.6: there its text stays, and only releases change.
    pub fn replacement(&self, era: Era) -> Option<&str> {
        match era {
            Era::PutPage | Era::PutUserPage => self.replacement.put_user_page.as_deref(),
            Era::Pin => self.replacement.pin.as_deref(),
        }
    }

    /// Whether a tree of `version` may have it.
    pub fn exists_in(&self, version: KernelVersion) -> bool {
        lives(self.since, self.until, version)
            && !self
                .gap
                .is_some_and(|[from, to]| lives(Some(from), Some(to), version))
    }

    /// Whether the call takes one more pin on a page that somebody has pinned.
    pub fn adds_pins(&self) -> bool {
        self.role == Role::Reference && self.count == Count::Pin
    }

    /// The file that defines the function itself, in the release in which somebody looked; empty when nobody did.
    pub fn file(&self) -> &str {
        self.at.split(':').next().unwrap_or_default()
    }

    /// Whether the call is one of the pinning API: pin_user_pages*(), unpin_*(), put_user_page*().
    pub fn is_pinning(&self) -> bool {
        matches!(self.count, Count::Pin | Count::Unpin)
    }
}

/// All functions, by name.
#[derive(Debug)]
pub struct Catalogue {
    /// Sorted by name.
    functions: Vec<Function>,
    /// Where each stands: the audit asks of every name in a tree.
    by_name: FxHashMap<String, usize>,
    carriers: BTreeSet<String>,
    fragments: BTreeSet<String>,
}

impl Catalogue {
    /// The function of that name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        let at = *self.by_name.get(name)?;
        self.functions.get(at)
    }

    /// Whether `name` is listed with that role.
    pub fn is(&self, name: &str, role: Role) -> bool {
        self.get(name).is_some_and(|function| function.role == role)
    }

    /// Whether the record of that tag (without `struct`) carries pages of every origin for all of the kernel.
    pub fn is_carrier(&self, tag: &str) -> bool {
        self.carriers.contains(tag)
    }

    /// Whether the function of that name drops the reference of a fragment of any socket buffer.
    pub fn drops_fragments(&self, name: &str) -> bool {
        self.fragments.contains(name)
    }

    /// All functions, sorted by name.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter()
    }

    /// All functions of a role, sorted by name.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Function> {
        self.functions()
            .filter(move |function| function.role == role)
    }

    /// The names that make a file worth reading: whoever acquires, releases or pins user pages says one of them.
    ///
    /// Left out are releases of folios and frees, which are everywhere, and what marks single pages dirty: only whoever
    /// does so with all pages of a carrier is sure to have them from somewhere.
    pub fn seeds(&self) -> impl Iterator<Item = &str> {
        self.functions()
            .filter(|function| {
                function.role == Role::Acquire
                    || function.role == Role::Dirty && function.kind == "carrier"
                    || function.adds_pins()
                    || (function.role == Role::Release
                        && function.signatures.iter().all(|form| form.args <= 3))
                        && (function.is_pinning()
                            || function.kind.is_empty() && !function.name.starts_with("folio_put"))
            })
            .map(|function| function.name.as_str())
            .chain(acts().names(Does::HoldsPins))
    }
}

/// The catalogue, read on first use.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| read(|_| true));
    &CATALOGUE
}

/// The catalogue without the functions that take pages for a bio or give them back (kind "bio"): an audit follows these
/// functions into their bodies, where the pages of a bio meet those that are not user pages.
pub fn followed() -> &'static Catalogue {
    static FOLLOWED: LazyLock<Catalogue> = LazyLock::new(|| {
        read(|function| {
            function.kind != "bio" || !matches!(function.role, Role::Acquire | Role::Release)
        })
    });
    &FOLLOWED
}

/// What the API is, and what only the audit asks for.
const DATA: [&str; 2] = [
    include_str!("../data/api.toml"),
    include_str!("../data/audit.toml"),
];

fn data(text: &str) -> Data {
    toml::from_str(text).expect("the catalogue is part of the program, and a test reads it")
}

/// Reads the entries that are wanted.
fn read(wanted: fn(&Function) -> bool) -> Catalogue {
    let [mut all, audit] = DATA.map(data);
    all.function.extend(audit.function);
    let mut functions = BTreeMap::new();
    for mut entry in all.function.into_iter().filter(wanted) {
        for (name, life) in std::mem::take(&mut entry.names) {
            let function = Function {
                name: name.clone(),
                since: life.since.or(entry.since),
                until: life.until.or(entry.until),
                gap: life.gap,
                at: life.at,
                ..entry.clone()
            };
            functions.insert(name, function);
        }
    }
    let functions: Vec<Function> = functions.into_values().collect();
    let places = functions.iter().enumerate();
    let names = |listed: Option<Names>| listed.map(|listed| listed.names).unwrap_or_default();
    Catalogue {
        by_name: places
            .map(|(at, function)| (function.name.clone(), at))
            .collect(),
        functions,
        carriers: names(audit.carriers),
        fragments: names(audit.fragments),
    }
}

#[cfg(test)]
mod tests;
