// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags of the verbs about what the functions mean: the reference implementation and its model.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

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
