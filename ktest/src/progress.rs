// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes on while kernels are built and booted, for whoever waits at a terminal.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// One short sentence.
    Said(&'a str),
    /// A run of this name has begun: it can be gone on with when it is stopped.
    Begun(&'a str),
    /// These jobs of a batch engine have been submitted, and go on without us.
    Queued(&'a [u64]),
    /// make has begun another file.
    Step {
        /// How many it has begun.
        done: usize,
        /// How many an earlier build of a whole image came to, where this one makes a whole image too.
        about: Option<usize>,
        /// The file.
        what: &'a str,
    },
    /// make has ended.
    Ended,
}

/// Told what is going on.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Event<'_>) + Send + Sync>);

impl Progress {
    /// Calls `f` with every sentence, and leaves the steps of make out.
    pub fn new(f: impl Fn(&str) + Send + Sync + 'static) -> Progress {
        Progress::with_steps(move |event| {
            if let Event::Said(sentence) = event {
                f(sentence);
            }
        })
    }

    /// Calls `f` with everything; from more than one thread.
    pub fn with_steps(f: impl Fn(Event<'_>) + Send + Sync + 'static) -> Progress {
        Progress(Arc::new(f))
    }

    /// Says nothing.
    pub fn silent() -> Progress {
        Progress::new(|_| {})
    }

    /// Passes on what another was told.
    pub fn tell(&self, event: Event<'_>) {
        (self.0)(event);
    }

    pub(crate) fn say(&self, sentence: &str) {
        (self.0)(Event::Said(sentence));
    }

    pub(crate) fn begun(&self, run: &str) {
        (self.0)(Event::Begun(run));
    }

    pub(crate) fn queued(&self, jobs: &[u64]) {
        (self.0)(Event::Queued(jobs));
    }

    /// A count of make's steps, which ends with its owner.
    pub(crate) fn steps(&self, about: Option<usize>) -> Steps {
        Steps {
            progress: self.clone(),
            about,
            done: AtomicUsize::new(0),
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// Counts the steps that make names.
pub(crate) struct Steps {
    progress: Progress,
    about: Option<usize>,
    done: AtomicUsize,
}

impl Steps {
    /// Looks at one line of make's output.
    pub(crate) fn line(&self, line: &str) {
        if let Some(what) = made(line) {
            let done = 1 + self.done.fetch_add(1, Ordering::Relaxed);
            let about = self.about;
            (self.progress.0)(Event::Step { done, about, what });
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        (self.progress.0)(Event::Ended);
    }
}

/// How many steps make named.
pub(crate) fn count(said: &str) -> usize {
    said.lines().filter_map(made).count()
}

/// The file of a line like `  CC [M]  drivers/a.o`: scripts/Kbuild.include, cmd and quiet_cmd_*, version 6.12.
pub(crate) fn made(line: &str) -> Option<&str> {
    let (word, rest) = line.strip_prefix("  ")?.split_once(' ')?;
    let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-+".contains(c);
    let file = rest.trim().trim_start_matches("[M]").trim_start();
    // A compiler shows a line of source as `  169 |  …`.
    let begins = word.starts_with(|c: char| c.is_ascii_uppercase());
    (begins && word.chars().all(name) && !file.is_empty()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn steps_of_make_are_told_and_end_with_make() {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let to = Arc::clone(&told);
        let progress = Progress::with_steps(move |event| {
            to.lock().unwrap().push(format!("{event:?}"));
        });
        let steps = progress.steps(Some(9));
        for line in [
            "make[1]: Entering directory 'out'",
            "  CC      mm/gup.o",
            "  GEN     Makefile",
            "mm/gup.c:3:1: warning: here",
            "  LD [M]  drivers/a.ko",
            "  169 |         if (odd)",
            "      | ^~~~",
        ] {
            steps.line(line);
        }
        drop(steps);
        let told = told.lock().unwrap();
        assert_eq!(
            *told,
            [
                "Step { done: 1, about: Some(9), what: \"mm/gup.o\" }",
                "Step { done: 2, about: Some(9), what: \"Makefile\" }",
                "Step { done: 3, about: Some(9), what: \"drivers/a.ko\" }",
                "Ended",
            ]
        );
    }

    #[test]
    fn who_wants_sentences_hears_nothing_else() {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let to = Arc::clone(&told);
        let progress = Progress::new(move |sentence| to.lock().unwrap().push(sentence.to_owned()));
        progress.say("booting");
        progress.begun("0001-abcd");
        progress.steps(None).line("  CC      mm/gup.o");
        assert_eq!(*told.lock().unwrap(), ["booting"]);
    }
}
