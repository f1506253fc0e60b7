// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every flag of every verb, and nothing else.
//!
//! The doc comments here are the help texts; `cargo xtask codegen` writes `docs/cli.md` from them.

mod house;
mod meaning;
mod module;
mod runs;

pub(crate) use house::{Bench, Ci, Codegen, Doctor, Fuzz, Lsp, Measured, Test, Truth};
pub(crate) use meaning::{Model, ModelFormat, Refimpl, RefimplMutants, RefimplRun, RefimplTrace};
pub(crate) use module::Module;
pub(crate) use runs::{Ktest, Look, Pipeline, Report, ReportFormat, Via};

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;

/// Finds the callers of get_user_pages*() in a kernel tree, converts them to pin_user_pages*(), and proves the result.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Flags that every verb takes, before or after it.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What clap cannot derive: the kbuild variables and the exit codes.
const AFTER_HELP: &str = "\
kbuild variables are passed on as they are typed, anywhere after the verb:
    cargo xtask build SERIES --kernel TREE ARCH=arm64 LLVM=1 W=1 O=DIR

Exit codes: 0 clean, 1 findings or failed tests, 2 usage, 3 conflict, 4 build failed, 5 guest crashed, 6 timeout,
69 infrastructure (no qemu, disk full), 70 internal, 130 interrupted, 143 stopped by SIGTERM.";

/// Flags that every verb takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Kernel tree: a directory, REPO@REVISION, or a version that `kernel get` has fetched. Without it: the kernel tree
    /// that the working directory lies in; inside this repository the small embedded tree.
    #[arg(
        long,
        global = true,
        env = "KERNEL_TREE",
        hide_env_values = true,
        value_name = "TREE"
    )]
    pub(crate) kernel: Option<String>,
    /// Jobs to run at a time; all processors by default.
    #[arg(short, long, global = true, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write the result as JSON to standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Write the result to a file or directory instead of standard output.
    #[arg(short, long, global = true, value_name = "FILE|DIR")]
    pub(crate) output: Option<Utf8PathBuf>,
    /// Say nothing but the result and errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Say what would be done, and change nothing.
    #[arg(short = 'n', long, global = true)]
    pub(crate) dry_run: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the kernel trees at hand, or get one.
    #[command(subcommand)]
    Kernel(Kernel),
    /// Find every callsite of page-pinning functions, and say what ought to become of it.
    Audit(Audit),
    /// Compare two audits that were written with --json: callsites gained and lost, other verdicts and reasons, findings.
    DiffAudit(DiffAudit),
    /// Write a patch series that converts what can be converted.
    Convert(Convert),
    /// Apply a series to a copy or a new worktree, all or nothing; never to your own checkout.
    Apply(Apply),
    /// Compile what a series touches, patch by patch, and compare warnings with the base.
    Build(Build),
    /// Boot the base and every patched kernel, run targets in them, and give a verdict.
    Ktest(Ktest),
    /// Explore what policies for pinned pages allow and what they break.
    Model(Model),
    /// Run drivers of your own in user space, or answer a trace of calls, by the rules of a kernel version.
    #[command(subcommand)]
    Refimpl(Refimpl),
    /// Audit, convert, apply, build, ktest and report in one run that can be resumed.
    Pipeline(Pipeline),
    /// Show findings, stories and conversions in an editor: a language server on standard input and output.
    Lsp(Lsp),
    /// Make one HTML page of one or more runs.
    Report(Report),
    /// Open pages in Chromium: what they cost, what breaks at which width, and pictures of them.
    Look(Look),
    /// Compare the audit with what maintainers did.
    Truth(Truth),
    /// Compare cost with other programs in the same run.
    Bench(Bench),
    /// Say what this machine has and lacks, with the command that mends it.
    Doctor(Doctor),
    /// Check the rules of this repository that no compiler checks.
    Tidy,
    /// Write the files that are made from code, or check that they are up to date.
    Codegen(Codegen),
    /// Run the tests of this repository.
    Test(Test),
    /// Look for inputs that make a run panic, hang, escape or change its mind.
    Fuzz(Fuzz),
    /// Do everything that must hold before a change lands.
    Ci(Ci),
}

/// `kernel`
#[derive(Debug, Subcommand)]
pub(crate) enum Kernel {
    /// List the kernel trees at hand.
    List,
    /// Get a release and print its directory.
    Get(KernelGet),
}

/// `kernel get`
#[derive(Debug, Args)]
pub(crate) struct KernelGet {
    /// A series (6.12) or a release (6.12.117).
    pub(crate) version: String,
    /// Clone from this repository instead of asking the distribution's packages.
    #[arg(long, value_name = "REPO")]
    pub(crate) from: Option<String>,
}

/// `audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// Files or directories: absolute, relative to the working directory inside the tree, or relative to the tree; all of
    /// it by default.
    pub(crate) paths: Vec<Utf8PathBuf>,
    /// How to write the result.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json", "sarif", "csv", "html", "quickfix"])]
    pub(crate) format: String,
    /// Only callsites of this verdict: convert, keep, mixed, unknown or done.
    #[arg(long, value_name = "VERDICT", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only findings of this rule, by number or name.
    #[arg(long, value_name = "R", value_delimiter = ',')]
    pub(crate) rule: Vec<String>,
    /// Decide conditions of the preprocessor as if this macro had this value (1 without one), as -D of a compiler does.
    #[arg(long, value_name = "NAME[=V]", value_parser = module::definition)]
    pub(crate) define: Vec<(String, i64)>,
    /// Read every file anew.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// List releases of pages that are not user pages too.
    #[arg(long)]
    pub(crate) all: bool,
    /// List every group of a whole tree on a terminal, where a summary by subsystem is shown otherwise; what is piped or
    /// written to a file is always complete.
    #[arg(long)]
    pub(crate) all_groups: bool,
    /// Tell the whole story of a callsite, a group or a finding, by its id or as PATH:LINE, or of a rule (R7).
    #[arg(long, value_name = "ID")]
    pub(crate) explain: Option<String>,
    /// What has changed since this revision of the tree's repository.
    #[arg(long, value_name = "REV", conflicts_with_all = ["baseline", "write_baseline", "sample", "explain", "rule", "only"])]
    pub(crate) since: Option<String>,
    /// Only this many findings, drawn by the seed, to be read and judged.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<usize>,
    /// Draws the sample.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Exit with 1 when there is a finding of severity error; with --rule, one of these rules; with --baseline or --since, when
    /// one of those is new.
    #[arg(long)]
    pub(crate) check: bool,
    /// Findings in this file are known: they are counted and not shown, and what is no longer found is told.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<Utf8PathBuf>,
    /// Write all findings into this file, to be given to --baseline later.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<Utf8PathBuf>,
}

/// `diff-audit`
#[derive(Debug, Args)]
pub(crate) struct DiffAudit {
    /// The earlier audit.
    #[arg(value_name = "A.json")]
    pub(crate) before: Utf8PathBuf,
    /// The later audit.
    #[arg(value_name = "B.json")]
    pub(crate) after: Utf8PathBuf,
}

/// `convert`
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// Files or directories: absolute, relative to the working directory inside the tree, or relative to the tree; all of
    /// it by default.
    pub(crate) paths: Vec<Utf8PathBuf>,
    /// Only these groups.
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "paths")]
    pub(crate) group: Vec<String>,
    /// Make a series that is described step by step instead: first-steps introduces put_user_page() and
    /// release_user_pages() in a tree of before 5.2 and converts their first callers, first-steps-v5 does the same with
    /// put_user_pages(), put_user_pages_dirty() and put_user_pages_dirty_lock().
    #[arg(long, value_name = "NAME", value_parser = patches::steps::names(), conflicts_with_all = ["paths", "group", "api", "module"])]
    pub(crate) series: Option<String>,
    /// Which releasing functions to write.
    #[arg(long, value_name = "API", default_value = "auto")]
    pub(crate) api: Api,
    /// Text of the cover letter: its first line is the title.
    #[arg(long, value_name = "FILE")]
    pub(crate) cover: Option<Utf8PathBuf>,
    /// Make a new version of this series.
    #[arg(long, value_name = "OLD_SERIES")]
    pub(crate) v2: Option<Utf8PathBuf>,
    /// Also create this branch, in the repository that --into names.
    #[arg(long, value_name = "NAME", requires = "into")]
    pub(crate) export_branch: Option<String>,
    /// The repository for --export-branch.
    #[arg(long, value_name = "REPO", requires = "export_branch")]
    pub(crate) into: Option<Utf8PathBuf>,
    /// Only patches that mend what is wrong as it stands: pins that are released plainly, user pages that are given back as
    /// if they had been allocated.
    #[arg(long, conflicts_with = "series")]
    pub(crate) fixes: bool,
    /// Nobody signs: a rehearsal, not to be sent.
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// The module must still build for kernels from this one on: what older ones cannot compile stands in an arm of #if.
    #[arg(long, value_name = "VERSION", requires = "module")]
    pub(crate) oldest: Option<String>,
    /// Run none of the tree's own scripts: no check by checkpatch.pl, and no recipients from get_maintainer.pl.
    #[arg(long)]
    pub(crate) no_scripts: bool,
}

/// Which releasing functions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Api {
    /// What the tree has.
    Auto,
    /// put_user_page*(), before 5.6.
    PutUserPage,
    /// pin_user_pages*() and unpin_user_page*().
    Pin,
}

/// `apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// A directory that `convert` has written.
    pub(crate) series: Utf8PathBuf,
    /// Make a linked worktree of the tree's repository here, instead of a copy under -o.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub(crate) worktree: Option<Utf8PathBuf>,
    /// Leave the commits on this new branch.
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
}

/// `build`
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// The headers to build the module with: installed packages (linux-headers-6.1.0-13-amd64) or directories; those of
    /// --kernel by default, which may be a version of the cache.
    #[arg(long, value_name = "PKG", num_args = 1.., requires = "module")]
    pub(crate) headers: Vec<Utf8PathBuf>,
    /// A series: a directory that `convert` has written, mails in a directory, one .patch, an mbox, or BASE..HEAD; the base
    /// alone without it.
    pub(crate) series: Option<Utf8PathBuf>,
    /// More kbuild options, on top of ours.
    #[arg(long, value_name = "FRAGMENT", num_args = 1..)]
    pub(crate) config: Vec<Utf8PathBuf>,
    /// Compile the touched objects only (the default).
    #[arg(long, conflicts_with = "image")]
    pub(crate) objects: bool,
    /// Build the whole image.
    #[arg(long)]
    pub(crate) image: bool,
}
