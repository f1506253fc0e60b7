// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a group stands, and what stops it.

use crate::formats::words;
use crate::report::{Callsite, Group, Verdict};
use page::Mark;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A patch can be written.
    Convert,
    /// It would be converted if something did not stop it.
    Blocked,
    /// It uses the pinning API.
    Done,
    /// Its calls must stay as they are.
    Keep,
}

impl Standing {
    pub(super) const ALL: [Standing; 4] = [
        Standing::Convert,
        Standing::Blocked,
        Standing::Done,
        Standing::Keep,
    ];

    /// Of a group: a member that is mixed or unknown stops it only where another one ought to be converted or stops it too.
    pub(super) fn of(group: &Group, members: &[&Callsite]) -> Standing {
        let settled = |site: &&Callsite| matches!(site.verdict, Verdict::Keep | Verdict::Done);
        match words::state(group, members) {
            "convertible" => Standing::Convert,
            "blocked" if members.iter().all(settled) => Standing::Keep,
            "blocked" => Standing::Blocked,
            "done" => Standing::Done,
            _ => Standing::Keep,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Standing::Convert => "convert",
            Standing::Blocked => "blocked",
            Standing::Done => "done",
            Standing::Keep => "keep",
        }
    }

    pub(super) fn mark(self) -> Mark {
        match self {
            Standing::Convert => Mark::Do,
            Standing::Blocked => Mark::Stop,
            Standing::Done => Mark::Done,
            Standing::Keep => Mark::Keep,
        }
    }
}

/// The colour and shape of a verdict on a call.
pub(super) fn marked(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Convert => Mark::Do,
        Verdict::Keep => Mark::Keep,
        Verdict::Mixed => Mark::Split,
        Verdict::Unknown => Mark::Unsure,
        Verdict::Done => Mark::Done,
    }
}

/// What kinds of members stop a group, each with how many there are and what to do about it.
pub(super) fn causes(members: &[&Callsite]) -> Vec<(&'static str, usize, &'static str)> {
    let count = |verdict| {
        members
            .iter()
            .filter(|site| site.verdict == verdict)
            .count()
    };
    let kinds = [
        (
            Verdict::Mixed,
            "mixed origin",
            "Split the call by hand: it releases pages of more than one origin, and only some of them are pinned.",
        ),
        (
            Verdict::Unknown,
            "not known",
            "Read where the analysis stopped: what it could not follow is named beside the call.",
        ),
        (
            Verdict::Keep,
            "must stay",
            "Leave these calls; the others can only change if their pages never reach them.",
        ),
    ];
    let found = kinds.map(|(verdict, cause, next)| (cause, count(verdict), next));
    found
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .collect()
}
