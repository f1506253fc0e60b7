// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of the functions that a patch changes ran. What was not run has not been tested, whatever the targets say.

use serde::{Deserialize, Serialize};

/// How much of a patch ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exercised {
    /// Every function that it changes, and every call that was watched in them.
    Exercised,
    /// Some of them.
    Partly,
    /// None, or none of the lines that it changes in them: the result is inconclusive.
    NotExercised,
}

/// The functions that one patch changes, and the calls in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercise {
    /// How much of it ran.
    pub result: Exercised,
    /// `path:function` of those that ran in a target, sorted.
    pub ran: Vec<String>,
    /// Those that ran in none.
    pub not_run: Vec<NotRun>,
    /// Calls that did not run, in functions that did: `path:function: call at +0x1a3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls_not_run: Vec<String>,
}

/// A function that was not seen running.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotRun {
    /// `path:function`.
    pub function: String,
    /// Why nothing could be seen, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Exercise {
    /// Of what was seen.
    pub fn new(mut ran: Vec<String>, mut not_run: Vec<NotRun>, mut calls: Vec<String>) -> Exercise {
        ran.sort();
        not_run.sort();
        calls.sort();
        let result = match (ran.is_empty(), not_run.is_empty() && calls.is_empty()) {
            (true, _) => Exercised::NotExercised,
            (false, true) => Exercised::Exercised,
            (false, false) => Exercised::Partly,
        };
        Exercise {
            result,
            ran,
            not_run,
            calls_not_run: calls,
        }
    }

    /// Of two shards together: what ran in either has run.
    #[must_use]
    pub fn with(&self, other: &Exercise) -> Exercise {
        let mut ran: Vec<String> = self.ran.iter().chain(&other.ran).cloned().collect();
        ran.sort();
        ran.dedup();
        let mut not_run: Vec<NotRun> = self.not_run.iter().chain(&other.not_run).cloned().collect();
        not_run.retain(|not| !ran.contains(&not.function));
        not_run.sort();
        not_run.dedup();
        let left = |of: &Exercise, beside: &Exercise| -> Vec<String> {
            let elsewhere = |call: &String| {
                let ran = |f: &String| call.starts_with(&format!("{f}: "));
                beside.ran.iter().any(ran) && !beside.calls_not_run.contains(call)
            };
            let calls = of.calls_not_run.iter().filter(|call| !elsewhere(call));
            calls.cloned().collect()
        };
        let mut calls = left(self, other);
        calls.extend(left(other, self));
        calls.sort();
        calls.dedup();
        Exercise::new(ran, not_run, calls)
    }

    /// One sentence where not everything ran.
    pub fn reason(&self) -> Option<String> {
        let functions: Vec<String> = self.not_run.iter().map(NotRun::told).collect();
        match self.result {
            Exercised::Exercised => None,
            Exercised::NotExercised if functions.is_empty() => {
                Some("not-exercised: no function that it changes could be watched".into())
            }
            Exercised::NotExercised => Some(format!(
                "not-exercised: nothing that it changes ran in any target: {}",
                functions.join(", ")
            )),
            Exercised::Partly => {
                let all: Vec<String> = functions
                    .into_iter()
                    .chain(self.calls_not_run.iter().cloned())
                    .collect();
                Some(format!("not run: {}", all.join(", ")))
            }
        }
    }
}

impl NotRun {
    fn told(&self) -> String {
        match &self.why {
            Some(why) => format!("{} ({why})", self.function),
            None => self.function.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_whole_needs_no_word() {
        let not = |function: &str| NotRun {
            function: function.into(),
            why: None,
        };
        let all = Exercise::new(vec!["a.c:f".into()], Vec::new(), Vec::new());
        assert_eq!((all.result, all.reason()), (Exercised::Exercised, None));
        let none = Exercise::new(Vec::new(), vec![not("a.c:f"), not("a.c:e")], Vec::new());
        assert_eq!(none.result, Exercised::NotExercised);
        assert!(none.reason().unwrap().ends_with("any target: a.c:e, a.c:f"));
        let calls = vec!["a.c:f: unpin_user_page at +0x12".to_owned()];
        let partly = Exercise::new(vec!["a.c:f".into()], Vec::new(), calls);
        assert_eq!(partly.result, Exercised::Partly);
        let said = "not run: a.c:f: unpin_user_page at +0x12";
        assert_eq!(partly.reason().as_deref(), Some(said));
    }

    #[test]
    fn what_ran_in_one_shard_has_run() {
        let call = |at: &str| format!("a.c:f: unpin_user_page at {at}");
        let ran = |calls: &[&str]| {
            let calls = calls.iter().map(|at| call(at)).collect();
            Exercise::new(vec!["a.c:f".into()], Vec::new(), calls)
        };
        let none = NotRun {
            function: "a.c:f".into(),
            why: None,
        };
        let none = Exercise::new(Vec::new(), vec![none], Vec::new());
        assert_eq!(none.with(&ran(&[])).result, Exercised::Exercised);
        assert_eq!(none.with(&none), none);
        let both = ran(&["+0x1", "+0x2"]).with(&ran(&["+0x2", "+0x3"]));
        assert_eq!(both.calls_not_run, [call("+0x2")]);
        assert_eq!(none.with(&ran(&["+0x1"])).calls_not_run, [call("+0x1")]);
    }
}
