// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags of the verbs for editors, measurements, and this repository.

use super::Module;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

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
