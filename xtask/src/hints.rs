// SPDX-License-Identifier: MIT OR Apache-2.0
//! How what a library proposes is typed: the only table from acts to command lines.

use failure::{Act, Hint};

/// A hint in words.
pub(crate) fn words(hint: Hint) -> String {
    match hint {
        Hint::Say(words) => words,
        Hint::Do(act) => typed(act),
    }
}

fn typed(act: Act) -> String {
    match act {
        Act::InstallWhatIsMissing => "cargo xtask doctor --install".into(),
        Act::ListTrees => "cargo xtask kernel list".into(),
        Act::GetTree => "cargo xtask kernel get 6.12, then --kernel with the directory it prints".into(),
        Act::UseEmbeddedTree => {
            "leave out --kernel to use the tree that comes with the program".into()
        }
        Act::ReadCommit { repository } => {
            format!("commit them, or read the commit alone: --kernel {repository}@HEAD")
        }
        Act::GivePathsOfTree => {
            "paths are relative to the working directory where that lies in the tree, else to the tree, as in \
             `cargo xtask audit drivers/infiniband`"
                .into()
        }
        Act::UseFewerJobs => "use fewer at a time: -j1".into(),
        Act::ListCallsites => {
            "cargo xtask audit lists callsites, groups and findings; with --json each has its id".into()
        }
        Act::ExplainCallsite => {
            "cargo xtask audit --explain ID tells what stops a callsite".into()
        }
        Act::NameSet { file } => format!("--set takes the directory that holds {file}"),
        Act::NamePair => "--pair takes two versions, as in 5.4-5.9".into(),
        Act::ConvertToWhatTheTreeHas => "leave --api out to convert to what the tree has".into(),
        Act::ConvertWithoutSteps => {
            "cargo xtask convert without --series converts to what the tree has".into()
        }
        Act::MakeSeries => "cargo xtask convert -o SERIES_DIR makes a series for this tree".into(),
        Act::ApplyToCopy => "leave --worktree out: the series is then applied to a copy".into(),
        Act::ListTargets => "cargo xtask ktest --list-targets".into(),
        Act::RunInUserSpace => "cargo xtask ktest --via refimpl".into(),
        Act::SubmitElsewhere => {
            "run it on a machine that submits jobs; --dry-run prints the file for sbatch, and --shard K/N does one part here".into()
        }
        Act::StartNewRun => "leave --resume out to start a new run".into(),
        Act::ListScenarios => "cargo xtask model list tells what each scenario is about".into(),
        Act::ShowGrowth => {
            "take fewer pages, devices or CPUs; cargo xtask model table --growth shows what each costs".into()
        }
    }
}
