// SPDX-License-Identifier: MIT OR Apache-2.0
//! R9, double-release: a page is released more often than it was acquired on one way through a function.
//!
//! Matches a second release of a page that this function acquired, with no reference taken in between and the page not
//! handed on; a second unpin of what a member holds, with the member unchanged; a release of pages that are looked up in an
//! array, in a scatterlist, or in an object, which the way has freed; a page that is mapped, or read through a mapping,
//! after its release; and a way that releases its pages because a call failed, and returns 0 as the way does that keeps
//! them, so that the caller releases them again. Wrong because the second one drops a reference of somebody else: the page
//! is freed while it is in use. Would have caught fs/direct-io.c's dio_cleanup(), which did not advance its head, and
//! io_uring's double unpin of rings whose address was invalid (03d89a2de25b).

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};

/// Reports each second release once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let before = Shown::Way("released before on this way");
    let mut tell = |what, name, shown: &Shown, message: &dyn Fn(&str, u32) -> String| {
        told(view, (what, name, shown), message, findings);
    };
    tell(
        What::ReleasedTwice,
        "double-release",
        &before,
        &|name, line| format!("a page that {name}() took at line {line} is released a second time"),
    );
    let twice = Shown::Both("released", "the same, unchanged since");
    tell(
        What::ReleasedAgain,
        "double-release",
        &twice,
        &|name, line| format!("{name}() releases again what was released at line {line}"),
    );
    let end = Shown::Way("tells of success");
    tell(
        What::SuccessAfterRelease,
        "success-after-release",
        &end,
        &|name, line| {
            format!(
                "what {name}() took at line {line} was released for a failure, but 0 is returned, as where it is kept"
            )
        },
    );
    let freed = Shown::Both("freed", "used");
    tell(
        What::ReleasedFromFreed,
        "release-through-freed",
        &freed,
        &|_, line| {
            format!(
                "pages are looked up in what was freed at line {line}, in order to release them"
            )
        },
    );
    tell(
        What::UsedAfterRelease,
        "use-after-release",
        &before,
        &|name, line| {
            format!("a page that {name}() took at line {line} is used after it was released")
        },
    );
}

/// What a finding shows.
enum Shown {
    /// The way, with what is said of the fact's place.
    Way(&'static str),
    /// The cause and the fact's place, with what is said of each.
    Both(&'static str, &'static str),
}

/// Reports what happens in functions; `message` is given a fact's name and the line of its cause.
fn told(
    view: &View<'_>,
    (what, name, shown): (What, &str, &Shown),
    message: &dyn Fn(&str, u32) -> String,
    findings: &mut Vec<Finding>,
) {
    let rule = ("R9", name, Severity::Error);
    for walked in view.walked(&[what]) {
        for fact in &walked.facts {
            let Some(cause) = fact.cause else { continue };
            let message = message(&fact.name, view.line(walked.file, cause.start));
            findings.push(match shown {
                Shown::Way(said) => {
                    let place = (walked.file, &*walked.function.name, fact.at);
                    view.finding(rule, place, message, view.way(walked.file, fact, said))
                }
                Shown::Both(earlier, later) => {
                    let (earlier, later) = ((cause, *earlier), (fact.at, *later));
                    view.finding_of_two(rule, &walked, earlier, later, message)
                }
            });
        }
    }
}
