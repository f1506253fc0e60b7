// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every flag of every verb, and nothing else.
//!
//! The doc comments here are the help texts; `cargo xtask codegen` writes `docs/cli.md` from them.

mod module;

pub(crate) use module::Module;

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

/// `ktest`
#[derive(Debug, Args)]
pub(crate) struct Ktest {
    /// A directory of mails, as `convert` and `git format-patch` write it, one patch, an mbox, or BASE..HEAD of the
    /// tree's repository; the base alone without it.
    pub(crate) series: Option<Utf8PathBuf>,
    /// Kernels that check more: kasan, lockdep, kmemleak, failing.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "image"
    )]
    pub(crate) variant: Vec<String>,
    /// Which targets; all by default.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    pub(crate) target: Vec<String>,
    /// List the targets.
    #[arg(long)]
    pub(crate) list_targets: bool,
    /// Boot this image and build nothing.
    #[arg(long, value_name = "BZIMAGE", conflicts_with = "series")]
    pub(crate) image: Option<Utf8PathBuf>,
    /// How to write the verdict.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json", "junit", "ktap", "html"])]
    pub(crate) format: String,
    /// How to run: kernels in qemu, by ourselves or by the tree's ktest.pl, or the embedded tree's drivers against the
    /// reference implementation in user space (the default for that tree).
    #[arg(long, value_name = "WAY")]
    pub(crate) via: Option<Via>,
    /// A configuration of ktest.pl of your own: it says which machine is booted, and how (power, console, installing,
    /// login); what is built and tested stays ours. Means --via ktest.pl.
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(crate) ktest_conf: Option<Utf8PathBuf>,
    /// What executes the guests' instructions: tcg (software emulation) or kvm. Without it KVM is tried once after every
    /// boot of the host, and used where a kernel comes up with it.
    #[arg(long, value_name = "NAME")]
    pub(crate) accel: Option<ktest::boot::Accelerator>,
    /// Boot a kernel although its image is byte for byte that of an earlier one of the series.
    #[arg(long)]
    pub(crate) boot_all: bool,
    /// Finish this run.
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<String>,
    /// Only part K of N of the jobs; `report` puts the parts together.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<ktest::Shard>,
    /// More kbuild options, on top of ours.
    #[arg(long, value_name = "FRAGMENT", num_args = 1..)]
    pub(crate) config: Vec<Utf8PathBuf>,
    /// Boot on the nodes of a batch engine: every kernel is built here once, and the jobs are submitted in shards,
    /// followed, and put together (docs/batch.md). With --dry-run its file is printed.
    #[arg(long, value_name = "ENGINE", conflicts_with_all = ["shard", "via", "ktest_conf"])]
    pub(crate) on: Option<Engine>,
    /// The engine's partition; its own choice without it.
    #[arg(long, value_name = "P", requires = "on")]
    pub(crate) partition: Option<String>,
    /// Into how many shards the run is cut; one for every four patched kernels without it.
    #[arg(long, value_name = "N", requires = "on", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: Option<u16>,
    /// A directory that all nodes see, for the run's directory; target/runs without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) shared: Option<Utf8PathBuf>,
    /// Build every kernel, boot none, and print the directory that --prepared takes.
    #[arg(long, conflicts_with_all = ["on", "shard", "via", "ktest_conf"])]
    pub(crate) prepare: bool,
    /// Boot what --prepare or --on has left in this directory, all or with --shard a part of it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["series", "target", "image", "variant", "via", "ktest_conf", "boot_all", "resume", "config", "on", "prepare", "shared"])]
    pub(crate) prepared: Option<Utf8PathBuf>,
    /// Print how the cost of a run on an engine grows with patches and configurations, computed from what the shards of
    /// this one have cost.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["series", "prepared", "prepare", "on", "resume", "shard"])]
    pub(crate) estimate: Option<Utf8PathBuf>,
}

/// What submits jobs to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Slurm's job arrays.
    Slurm,
}

/// How targets are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Kernels are built and booted.
    Qemu,
    /// The tree's own ktest.pl builds and boots them, with a configuration that is written for it.
    #[value(name = "ktest.pl")]
    KtestPl,
    /// Drivers are compiled for user space and linked with the reference implementation.
    Refimpl,
}

/// `model`
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// Scenarios by name (S1), all by default; or one of `list`, `table` and `mutants`.
    pub(crate) scenario: Vec<String>,
    /// Compare these policies instead of the scenario's own; a name that ends in .toml is a file with a policy, a device,
    /// or both of one's own (docs/model.md).
    #[arg(long, value_name = "P", value_delimiter = ',', num_args = 1..)]
    pub(crate) policy: Vec<String>,
    /// Compare these drivers instead of the scenario's own.
    #[arg(long, value_name = "D", value_delimiter = ',', num_args = 1..)]
    pub(crate) driver: Vec<String>,
    /// Compare these callsites instead of the scenario's own.
    #[arg(long, value_name = "C", value_delimiter = ',', num_args = 1..)]
    pub(crate) callsites: Vec<String>,
    /// Pages of the file, 1 to 4, instead of the scenario's own.
    #[arg(long, value_name = "N")]
    pub(crate) pages: Option<u8>,
    /// Devices, 0 to 4.
    #[arg(long, value_name = "N")]
    pub(crate) devices: Option<u8>,
    /// Tasks that call fsync, 0 to 4.
    #[arg(long, value_name = "N")]
    pub(crate) fsyncs: Option<u8>,
    /// Processors that the tasks share, 1 to 4.
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<u8>,
    /// With `table`: how the number of states grows with pages and devices.
    #[arg(long)]
    pub(crate) growth: bool,
    /// Tell the story of each broken property.
    #[arg(long)]
    pub(crate) trace: bool,
    /// How to write it down.
    #[arg(long, value_name = "F", value_enum, default_value = "text")]
    pub(crate) format: ModelFormat,
}

/// How `model` writes down what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelFormat {
    /// For a terminal.
    Text,
    /// One page, with the story of each broken property.
    Html,
}

/// `refimpl`
#[derive(Debug, Subcommand)]
pub(crate) enum Refimpl {
    /// Compile C files against the headers of docs/refimpl.md, run each driver, and report every mistake with its place
    /// and the other end.
    Run(RefimplRun),
    /// Print what the calls of a trace return and leave behind.
    Trace(RefimplTrace),
    /// Make small mistakes in a copy of the reference implementation, and list those that its tests do not notice.
    Mutants(RefimplMutants),
}

/// `refimpl run`
#[derive(Debug, Args)]
pub(crate) struct RefimplRun {
    /// C files that are compiled together; each module_init() is a driver.
    #[arg(required = true)]
    pub(crate) files: Vec<Utf8PathBuf>,
    /// The kernel version whose rules and calls apply.
    #[arg(long = "version", value_name = "VERSION", default_value = "6.12")]
    pub(crate) kernel_version: String,
}

/// `refimpl mutants`
#[derive(Debug, Args)]
pub(crate) struct RefimplMutants {
    /// Files of this repository to make mistakes in; all that keep counts or follow rules by default.
    pub(crate) files: Vec<Utf8PathBuf>,
    /// How many are drawn by lot; each costs a compilation of the crate's tests.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) sample: usize,
    /// Where the lot begins.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// `refimpl trace`
#[derive(Debug, Args)]
pub(crate) struct RefimplTrace {
    /// A trace as `refimpl/data/traces` has them.
    pub(crate) file: Utf8PathBuf,
    /// The kernel version whose rules apply.
    #[arg(long = "version", value_name = "VERSION", default_value = "6.12")]
    pub(crate) kernel_version: String,
}

/// `pipeline`
#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// The headers to compile the module with: installed packages (linux-headers-6.1.0-13-amd64) or directories; those of
    /// --kernel by default.
    #[arg(long, value_name = "PKG", num_args = 1.., requires = "module")]
    pub(crate) headers: Vec<Utf8PathBuf>,
    /// The module must still build for kernels from this one on: what older ones cannot compile stands in an arm of #if.
    #[arg(long, value_name = "VERSION", requires = "module")]
    pub(crate) oldest: Option<String>,
    /// Files or directories: absolute, relative to the working directory inside the tree, or relative to the tree; all of
    /// it by default.
    pub(crate) paths: Vec<Utf8PathBuf>,
    /// Which targets to boot; those that reach a converted file by default.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    pub(crate) target: Vec<String>,
    /// Go on with this run: what it has finished is not done again.
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<String>,
    /// Run none of the tree's own scripts while the series is made: no check by checkpatch.pl, and no recipients from
    /// get_maintainer.pl.
    #[arg(long)]
    pub(crate) no_scripts: bool,
}

/// `lsp`
#[derive(Debug, Args)]
pub(crate) struct Lsp {
    /// Which module.
    #[command(flatten)]
    pub(crate) module: Module,
    /// The module must still build for kernels from this one on, as convert's flag of this name says.
    #[arg(long, value_name = "VERSION", requires = "module")]
    pub(crate) oldest: Option<String>,
    /// Tell what is wrong in files that are not open, too.
    #[arg(long)]
    pub(crate) all_files: bool,
}

/// `report`
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Runs by id or directory.
    #[arg(required = true)]
    pub(crate) runs: Vec<String>,

    /// How the verdict of a run is written; html is one page of all runs.
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub(crate) format: ReportFormat,
}

/// What `report` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One self-contained page.
    Html,
    /// For CI systems.
    Junit,
    /// For the kernel's own tools.
    Ktap,
    /// The runs with their verdicts.
    Json,
}

/// `look`
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// Pages that this program has made. With -o, pictures go to that directory.
    #[arg(required = true)]
    pub(crate) pages: Vec<Utf8PathBuf>,
    /// What to take pictures of beside the head of the page, by the name that a link has behind `#`: group=ID.
    #[arg(long, value_name = "NAME")]
    pub(crate) at: Vec<String>,
}

/// `truth`
#[derive(Debug, Args)]
pub(crate) struct Truth {
    /// Directory with the labelled sets.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "series",
        requires = "pair"
    )]
    pub(crate) set: Option<Utf8PathBuf>,
    /// Which versions the set compares, as in 4.19-5.9.
    #[arg(long, value_name = "A-B", requires = "set")]
    pub(crate) pair: Option<String>,
    /// With --later, without a set: every function that tree B pins and the kernel tree does not is compared.
    #[arg(long, requires = "later", conflicts_with_all = ["set", "pair"])]
    pub(crate) series: bool,
    /// Tree B: compares our patches with what maintainers changed, instead of the audit with the calls they converted.
    #[arg(long, value_name = "TREE")]
    pub(crate) later: Option<String>,
    /// With --later: a page with a table of file, function, judgement and reason for functions that are not the same.
    #[arg(long, value_name = "FILE", requires = "later")]
    pub(crate) judged: Option<Utf8PathBuf>,
}

/// `bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How often each program runs; the median counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Leave out programs that need more than a minute.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure only the audit, only the audit's page, or only what a verdict costs.
    #[arg(long, value_name = "WHAT")]
    pub(crate) only: Option<Measured>,
    /// The target whose verdict is measured.
    #[arg(long, value_name = "NAME", default_value = "vmci")]
    pub(crate) target: String,
}

/// What `bench` can measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measured {
    /// The audit, against searching programs.
    Audit,
    /// The page of the audit in a browser.
    Page,
    /// A changed file to its verdict, and a boot to its init.
    Ktest,
}

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Install what is missing, with the distribution's package manager.
    #[arg(long)]
    pub(crate) install: bool,
}

/// `codegen`
#[derive(Debug, Args)]
pub(crate) struct Codegen {
    /// Write nothing; fail when a file is not what would be written.
    #[arg(long)]
    pub(crate) check: bool,
    /// Compare the catalogue of functions with kernel trees instead: existence, arguments, lines.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "check")]
    pub(crate) trees: Vec<Utf8PathBuf>,
}

/// `test`
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Passed on to `cargo nextest run` (or `cargo test`): names of tests, -p CRATE.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    pub(crate) arguments: Vec<String>,
}

/// `fuzz`
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Draws the cases; the same seed draws the same ones.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Files of the tree to damage or rewrite, and to audit. 20000 for a long run.
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub(crate) files: u64,
    /// Series to damage or make hostile, and to apply; as many directories of runs are damaged and shown. 2000 for a long
    /// run.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub(crate) series: u64,
    /// Outputs of guests to damage, and to judge. 2000 for a long run.
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub(crate) guest: u64,
    /// How often the whole tree is rewritten in each way (layout, comments, braces, locals, conditions), and audited.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) rounds: u64,
    /// Keep what was found here, made small.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// Run these cases and say how they went: how this verb starts itself.
    #[arg(long, value_name = "ORDER", hide = true)]
    pub(crate) worker: Option<String>,
}

/// `ci`
#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// Only these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// All but these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
}
