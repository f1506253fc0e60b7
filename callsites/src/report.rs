// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audit returns: callsites, groups, findings, coverage. Plain data, sorted, the schema `audit/1`.
//!
//! The field names are a contract: scripts read them (`audit --json`). Add to them freely, never change them.

use crate::span::Span;
use serde::{Deserialize, Serialize};

/// A whole audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The tree that was read.
    pub tree: TreeInfo,
    /// What was read, and what was not.
    pub coverage: Coverage,
    /// Sorted by (path, line, column).
    pub callsites: Vec<Callsite>,
    /// Sorted by their first member.
    pub groups: Vec<Group>,
    /// Sorted by (path, line, rule).
    pub findings: Vec<Finding>,
}

/// The schema this crate writes.
pub const SCHEMA: &str = "audit/1";

/// Version and era of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeInfo {
    /// From the top Makefile, "6.12.117"; of a module that of the kernel it is built for.
    pub version: String,
    /// A module outside the kernel was read, and not the kernel.
    #[serde(default)]
    pub module: bool,
    /// Macros that were given, "NAME=1".
    #[serde(default)]
    pub defines: Vec<String>,
    /// Of a module: macros that its conditions ask, and that its own files decide; sorted by name.
    #[serde(default)]
    pub decided: Vec<Decided>,
    /// Which releasing functions the tree has.
    pub era: Era,
    /// The git revision, when the tree was read from one.
    pub revision: Option<String>,
}

/// A macro that the conditions of a module ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Its name.
    pub name: String,
    /// What it stands for; None where it is not defined.
    pub value: Option<String>,
    /// Where no header says so: the call that the release has, or cannot compile, in the arms of its condition.
    pub because: Option<String>,
}

/// The three ages of the API, told by what the tree's headers declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Era {
    /// Before 5.2: pages from get_user_pages*() go back with put_page().
    PutPage,
    /// 5.2 to 5.5: put_user_page*() exist.
    PutUserPage,
    /// Since 5.6: pin_user_pages*() and unpin_user_page*().
    Pin,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Coverage {
    /// `.c` and `.h` files seen.
    pub files_walked: usize,
    /// Files that name a call of the catalogue.
    pub files_with_hits: usize,
    /// Files of which at least one function was parsed.
    pub files_parsed: usize,
    /// Functions parsed.
    pub functions: usize,
    /// Releases shown to be of pages that are not user pages and therefore not listed (without `--all`).
    #[serde(default)]
    pub releases_of_other_pages: usize,
    /// Every function or file that could not be read, with its reason.
    pub unread: Vec<UnreadItem>,
    /// Calls of the catalogue in arms of `#if` that this release, or a macro that was given, leaves out: not judged.
    #[serde(default)]
    pub not_compiled: Vec<NotCompiled>,
    /// What the audit was asked for, where that is less than the tree; everything above is of the whole tree.
    #[serde(default)]
    pub asked: Option<Asked>,
}

/// A call that the kernel of the tree does not compile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotCompiled {
    /// Relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// The callee.
    pub call: String,
    /// What it is to the audit.
    pub role: Role,
    /// The condition of the arm, as it is written; of `#else` that of none before it.
    pub condition: String,
}

/// The part of a tree that an audit was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Files and directories, relative to the tree.
    pub paths: Vec<String>,
    /// `.c` and `.h` files in them.
    pub files: usize,
    /// Those of them with a callsite.
    pub files_with_callsites: usize,
}

impl Asked {
    /// Whether a file belongs to what was asked for.
    pub fn holds(&self, path: &str) -> bool {
        let path = camino::Utf8Path::new(path);
        self.paths.iter().any(|wanted| path.starts_with(wanted))
    }
}

/// A function or file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadItem {
    /// Relative to the tree.
    pub path: String,
    /// Function, when the file itself could be read.
    pub function: Option<String>,
    /// 1-based; 0 when it is the whole file.
    pub line: u32,
    /// The reason.
    pub why: String,
}

/// What a call does to the page references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes references on user pages.
    Acquire,
    /// Drops references.
    Release,
    /// Marks pages dirty.
    Dirty,
}

/// What ought to become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Belongs to a conversion.
    Convert,
    /// Must stay as it is; the reason says why.
    Keep,
    /// Releases pages of more than one origin; a human must split it.
    Mixed,
    /// The analysis cannot say; the reason says what stopped it.
    Unknown,
    /// Already the pinning API.
    Done,
}

/// How sure a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Every step was read in the source.
    High,
    /// A step rests on a convention (a name of a kernel-wide API, an ops table with one entry).
    Medium,
    /// A step was assumed.
    Low,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Callsite {
    /// Stable across runs and unrelated edits: from path, function, callee and ordinal.
    pub id: String,
    /// Relative to the tree.
    pub path: String,
    /// 1-based line of the callee's name.
    pub line: u32,
    /// 1-based column in bytes.
    pub column: u32,
    /// Enclosing function or macro.
    pub function: String,
    /// The callee as written.
    pub call: String,
    /// What it does.
    pub role: Role,
    /// What ought to become of it.
    pub verdict: Verdict,
    /// Case 1 to 5 of Documentation/core-api/pin_user_pages.rst.
    pub case: Option<u8>,
    /// How sure.
    pub confidence: Confidence,
    /// One sentence that a maintainer would accept.
    pub reason: String,
    /// Of a release: where the pages come from. Of an acquire: where they go.
    pub origins: Vec<String>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// The call that should stand there instead; of an acquire null before 5.6.
    pub replacement: Option<String>,
    /// The shape of the release: single, loop, loop-dirty-lock, …; see [`Shape`].
    pub shape: Option<String>,
    /// `#if` conditions around it.
    pub guards: Vec<String>,
    /// Lines of source that show it.
    pub evidence: Vec<Evidence>,
    /// Span of the whole call expression in the original bytes, for editing.
    pub span: Span,
    /// What an edit must replace and reuse; releases of a known shape and acquires.
    #[serde(default)]
    pub edit: Option<EditSite>,
}

/// What the edits of a callsite need to know, all spans into the original bytes of the callsite's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditSite {
    /// The statement (call, or the whole loop) that a replacement replaces.
    pub statement: Span,
    /// The callee's name.
    pub callee: Span,
    /// The object-like macro that stands there for the callee.
    #[serde(default)]
    pub alias: Option<String>,
    /// Arguments of the call.
    pub arguments: Vec<Span>,
    /// The page array of a loop (`pages` of `put_page(pages[i])`), as written.
    pub array: Option<String>,
    /// First index and one-past-last index of a counting loop, as written (`0`, `npages`).
    pub range: Option<(String, String)>,
    /// The condition under which pages are dirtied (`write`), as written; `true` when always.
    pub dirty_condition: Option<String>,
    /// The loop's index variable, where nothing but this loop uses it: its declaration may go.
    pub unused_after: Vec<String>,
    /// The loop body does nothing but (dirty and) release.
    pub only_releases: bool,
}

/// The shapes a release can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One call on one page.
    Single,
    /// A counting loop over an array that only releases.
    Loop,
    /// The same with set_page_dirty_lock() first.
    LoopDirtyLock,
    /// The same with set_page_dirty() or SetPageDirty() first.
    LoopDirty,
    /// release_pages() on an array.
    ReleasePages,
    /// A loop over a scatterlist.
    SgLoop,
    /// The same with dirtying.
    SgLoopDirty,
    /// Dirty, then release, of one page.
    SingleDirty,
    /// Another loop, or one that does more than release.
    LoopOther,
}

/// A line of source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// Relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// The line, trimmed, with what it shows.
    pub text: String,
}

/// What must change together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Hash of the member ids.
    pub id: String,
    /// The directory or subsystem its members share.
    pub subsystem: String,
    /// Ids of acquiring callsites.
    pub acquires: Vec<String>,
    /// Ids of releasing callsites.
    pub releases: Vec<String>,
    /// Ids of dirtying callsites.
    #[serde(default)]
    pub dirties: Vec<String>,
    /// Whether all members are known and belong to a conversion.
    pub convertible: bool,
    /// Why not: one sentence a member.
    pub blocked_by: Vec<String>,
    /// What each acquire and release becomes, in their order; empty where a member stops the group for another reason than
    /// an iterator whose kind only the running kernel knows.
    #[serde(default)]
    pub plan: Vec<Step>,
}

/// What a member of a group becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Id of the callsite.
    pub id: String,
    /// The call that stands there afterwards.
    pub becomes: String,
    /// Under which condition.
    pub when: When,
    /// Of an acquire whose iterator is always user-backed: what sees to that.
    #[serde(default)]
    pub because: Vec<SetUp>,
}

/// The condition of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// None.
    Always,
    /// What iov_iter_extract_will_pin() says of the iterator before it moves.
    WillPin,
}

/// A call that makes an iterator user-backed, or lets no other pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SetUp {
    /// The function called.
    pub call: String,
    /// The function in which that call stands.
    pub function: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Pages leak, are corrupted, or the kernel warns.
    Error,
    /// Likely wrong, or wrong under conditions that the audit cannot see.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The same across runs and unrelated edits: path, function, rule, name, and which of several such.
    #[serde(default)]
    pub id: String,
    /// "R1" to "R16".
    pub rule: String,
    /// "leak-on-error-path"
    pub name: String,
    /// How bad.
    pub severity: Severity,
    /// Relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in bytes.
    #[serde(default)]
    pub column: u32,
    /// Enclosing function.
    pub function: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// A path that a person can walk.
    pub evidence: Vec<Evidence>,
    /// A replacement, where one is safe.
    pub fix: Option<Fix>,
}

/// A safe replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Relative to the tree.
    pub path: String,
    /// Bytes to replace.
    pub span: Span,
    /// With what.
    pub text: String,
}
