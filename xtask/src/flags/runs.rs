// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags of the verbs that run something and show what came of it.

use super::Module;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

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
