// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do next, typed.

/// What to do next: something that this toolkit does, or words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// An act of this toolkit, which the command line words.
    Do(Act),
    /// A sentence that names no verb and no flag of ours; a command of another program may stand in it.
    Say(String),
}

impl From<Act> for Hint {
    fn from(act: Act) -> Self {
        Hint::Do(act)
    }
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Hint::Say(words)
    }
}

impl From<&str> for Hint {
    fn from(words: &str) -> Self {
        Hint::Say(words.to_owned())
    }
}

/// What this toolkit can be asked to do, or to do otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Install the programs that this machine lacks.
    InstallWhatIsMissing,
    /// List the kernel trees at hand.
    ListTrees,
    /// Get a release, and name the directory that it is in.
    GetTree,
    /// Work on the tree that comes with the program.
    UseEmbeddedTree,
    /// Read one commit of a repository instead of its checkout.
    ReadCommit { repository: String },
    /// Paths are relative to the tree, or to the working directory inside it.
    GivePathsOfTree,
    /// Use fewer threads or jobs at a time.
    UseFewerJobs,
    /// List callsites, groups and findings with their ids.
    ListCallsites,
    /// Ask what stops a callsite.
    ExplainCallsite,
    /// Name the directory that holds the file of a labelled set.
    NameSet { file: String },
    /// Name two versions, as in 5.4-5.9.
    NamePair,
    /// Convert to the functions that the tree has.
    ConvertToWhatTheTreeHas,
    /// Convert callsites instead of following described steps.
    ConvertWithoutSteps,
    /// Make a series.
    MakeSeries,
    /// Make a copy instead of a worktree.
    ApplyToCopy,
    /// List the targets.
    ListTargets,
    /// Run drivers in user space instead of booting.
    RunInUserSpace,
    /// Submit the jobs on a machine that has the batch engine, or do with less here.
    SubmitElsewhere,
    /// Start a new run instead of going on with one.
    StartNewRun,
    /// List the model's scenarios.
    ListScenarios,
    /// Show what pages, devices and processors cost the model.
    ShowGrowth,
}
