// SPDX-License-Identifier: MIT OR Apache-2.0
//! Series as a hostile stranger would send them: what `xtask fuzz` gives to apply, build and ktest.
//!
//! A [`Desk`] has a tree with traps in it (a link that leads out, a FIFO, a link in the place of a file), a good series for
//! that tree, and a canary beside it: files that no series may read, write, or make more of. A case is the series, damaged
//! or made hostile by a seed; whatever is done with it, [`Desk::wrong`] says whether the tree and the canary are byte for
//! byte what they were.

use crate::apply::apply;
use crate::error::Error;
use crate::options::{ApplyOptions, ConvertOptions, Form, Select, Signer};
use crate::whole::convert;
use callsites::embedded::{Era, materialise};
use callsites::fuzz::broken::broken;
use callsites::fuzz::dice::Dice;
use callsites::fuzz::trap::fifo;
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Exit, Failure as _};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};

/// The drivers whose conversion is the good series: two patches, so that one stands on another.
const DRIVERS: [&str; 2] = ["drivers/misc/onebuf.c", "drivers/misc"];
/// What stands in the canary's file and nowhere else.
const SECRET: &str = "nobody may read or write this";
/// Every so many cases the whole tree is copied, which costs more than the touched files.
const FULL_EVERY: u64 = 8;

/// Names that a series might use to get elsewhere; `CANARY` stands for the absolute path of that directory.
const ELSEWHERE: [&str; 22] = [
    "../canary/file",
    "drivers/../../canary/file",
    "drivers/misc/../../../canary/new",
    "CANARY/file",
    "/CANARY/new",
    "out/file",
    "out/new",
    "drivers/misc/fifo.c",
    "drivers/misc/linked.c",
    "drivers/misc/onebuf.c/under-a-file",
    ".git/config",
    ".git/hooks/post-checkout",
    "drivers/.GIT/config",
    ".tree/file",
    "drivers//misc/onebuf.c",
    "./drivers/misc/onebuf.c",
    "drivers/misc/a\\nb.c",
    "",
    ".",
    "dev/null",
    "Makefile",
    "series.toml",
];

/// What stands under a name in the directory of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Laid {
    /// A file.
    File(Vec<u8>),
    /// A link that leads there.
    Link(String),
    /// A FIFO that nobody writes to.
    Fifo,
    /// An empty directory.
    Directory,
}

/// A series by the names of its files.
pub type Letters = BTreeMap<String, Laid>;

/// A tree with traps, a good series for it, and a canary beside both.
#[derive(Debug)]
pub struct Desk {
    root: Utf8PathBuf,
    good: Letters,
    before: BTreeMap<Utf8PathBuf, Kept>,
}

/// What is compared of a file that must not change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    mode: u32,
    contents: Vec<u8>,
}

impl Desk {
    /// Makes one in an empty directory.
    ///
    /// # Errors
    /// Where a file cannot be written, or git cannot make the good series.
    pub fn new(root: &Utf8Path) -> Result<Desk, Error> {
        let (tree, canary) = (root.join("tree"), root.join("canary"));
        std::fs::create_dir_all(&canary).map_err(Error::io(&canary))?;
        std::fs::write(canary.join("file"), format!("{SECRET}\n")).map_err(Error::io(&canary))?;
        fifo(&canary.join("fifo")).map_err(Error::io(&canary))?;
        materialise(Era::V6_12, &tree).map_err(|error| Error::Io {
            path: error.path,
            source: error.source,
        })?;
        let opened = Tree::open(tree.as_str())?;
        let report = audit(&opened, &AuditOptions::default())
            .map_err(|error| Error::Unproven(error.to_string()))?;
        let mut options = ConvertOptions::new(root.join("work"));
        options.select = Select::Paths(DRIVERS.iter().map(Utf8PathBuf::from).collect());
        options.signer = Signer::Unsigned;
        options.scripts = false;
        let series = root.join("good");
        convert(&opened, &report, &options)?.write(&series)?;
        let mut good = Letters::new();
        for entry in series.read_dir_utf8().map_err(Error::io(&series))? {
            let path = entry.map_err(Error::io(&series))?.into_path();
            let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
            good.insert(
                path.file_name().unwrap_or_default().to_owned(),
                Laid::File(bytes),
            );
        }
        // The traps come last: a tree that holds them is audited elsewhere.
        let misc = tree.join("drivers/misc");
        symlink("../canary", tree.join("out")).map_err(Error::io(&tree))?;
        symlink("onebuf.c", misc.join("linked.c")).map_err(Error::io(&misc))?;
        fifo(&misc.join("fifo.c")).map_err(Error::io(&misc))?;
        for made in ["good", "work"] {
            std::fs::remove_dir_all(root.join(made)).map_err(Error::io(root))?;
        }
        let mut desk = Desk {
            root: root.to_owned(),
            good,
            before: BTreeMap::new(),
        };
        desk.before = desk.kept().map_err(Error::io(root))?;
        Ok(desk)
    }

    /// The tree.
    pub fn tree(&self) -> Utf8PathBuf {
        self.root.join("tree")
    }

    /// The good series.
    pub fn good(&self) -> &Letters {
        &self.good
    }

    /// The series of a case.
    pub fn case(&self, seed: u64, number: u64) -> Letters {
        self.case_of(&self.good, seed, number)
    }

    /// Other files of a case, damaged alike.
    pub fn case_of(&self, good: &Letters, seed: u64, number: u64) -> Letters {
        let mut dice = Dice::of_case(seed, number);
        let mut letters = good.clone();
        for _ in 0..=dice.below(3) {
            self.damage(&mut letters, &mut dice);
        }
        letters
    }

    fn damage(&self, letters: &mut Letters, dice: &mut Dice) {
        let names: Vec<String> = letters.keys().cloned().collect();
        let Some(name) = dice.pick(&names) else {
            return;
        };
        let Some(Laid::File(bytes)) = letters.get(name) else {
            return;
        };
        let laid = match dice.below(8) {
            0 => match dice.below(4) {
                0 => Laid::Fifo,
                1 => Laid::Directory,
                2 => Laid::Link(self.elsewhere(dice)),
                // A stranger may send a device's name, and it has no end.
                _ => Laid::Link("/dev/zero".to_owned()),
            },
            1 => {
                letters.remove(name);
                return;
            }
            2 => Laid::File(broken(bytes, b"", dice)),
            _ if name.ends_with(".json") || name.ends_with(".toml") => {
                Laid::File(self.values(bytes, dice))
            }
            3 => Laid::File(self.with_a_diff(bytes, dice)),
            4 => Laid::File(numbers(bytes, dice)),
            _ => Laid::File(self.renamed(bytes, dice)),
        };
        letters.insert(name.clone(), laid);
    }

    fn elsewhere(&self, dice: &mut Dice) -> String {
        let name = dice.pick(&ELSEWHERE).copied().unwrap_or_default();
        let name = name.replace("CANARY", self.root.join("canary").as_str());
        match dice.once_in(16) {
            true => name.repeat(300),
            false => name,
        }
    }

    /// A path in a header of a diff that leads elsewhere.
    fn renamed(&self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let is_header = |line: &&mut String| {
            ["--- a/", "+++ b/", "diff --git a/"]
                .iter()
                .any(|mark| line.starts_with(mark))
        };
        let mut headers: Vec<&mut String> = lines.iter_mut().filter(is_header).collect();
        let (one, path) = (dice.below(headers.len()), self.elsewhere(dice));
        let (old, new) = (format!("a/{path}"), format!("b/{path}"));
        if let Some(line) = headers.get_mut(one) {
            **line = match line.get(..3) {
                Some("---") => format!("--- {old}"),
                Some("+++") => format!("+++ {new}"),
                _ if dice.once_in(2) => format!("diff --git {old} {new}"),
                _ => format!("diff --git \"{old}\" \"{new}\""),
            };
        }
        lines.join("\n").into_bytes()
    }

    /// A diff more, of a kind that git knows, for a path that leads elsewhere.
    fn with_a_diff(&self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        let (path, to) = (self.elsewhere(dice), self.elsewhere(dice));
        let head = format!("diff --git a/{path} b/{path}\n");
        let hunk = format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{SECRET}\n+x\n");
        let diff = match dice.below(9) {
            0 => format!(
                "{head}new file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
            ),
            1 => format!(
                "{head}deleted file mode 100644\n--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-{SECRET}\n"
            ),
            2 => format!("{head}old mode 100644\nnew mode 100755\n"),
            3 => format!(
                "{head}new file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{to}\n\\ No newline at end of file\n"
            ),
            4 => format!(
                "diff --git a/{path} b/drivers/misc/new.c\nsimilarity index 100%\nrename from {path}\nrename to drivers/misc/new.c\n"
            ),
            5 => format!(
                "diff --git a/drivers/misc/onebuf.c b/{to}\nsimilarity index 100%\ncopy from drivers/misc/onebuf.c\ncopy to {to}\n"
            ),
            6 => format!(
                "{head}new file mode 160000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+Subproject commit 0000000000000000000000000000000000000001\n"
            ),
            7 => format!("{head}{hunk}"),
            _ => hunk,
        };
        let mut out = bytes.to_vec();
        let ends: Vec<usize> = (0..out.len()).filter(|at| out[*at] == b'\n').collect();
        let at = dice.pick(&ends).map_or(0, |end| end + 1);
        out.splice(at..at, diff.into_bytes());
        out
    }

    /// A value of series.toml or checks.json that leads elsewhere, or is of another kind.
    fn values(&self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        let quotes: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'"').collect();
        let mut out = bytes.to_vec();
        let one = dice.below(quotes.len().saturating_sub(1));
        let [Some(open), Some(close)] = [one, one + 1].map(|at| quotes.get(at).copied()) else {
            return out;
        };
        let text = match dice.below(5) {
            0 => "-1".to_owned(),
            1 => "[".repeat(dice.below(5000)),
            2 => "\"\u{1b}[2J\\u0000\"".to_owned(),
            _ => format!("\"{}\"", self.elsewhere(dice)),
        };
        out.splice(open..=close, text.into_bytes());
        out
    }

    /// Writes a series.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn lay(letters: &Letters, dir: &Utf8Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for (name, laid) in letters {
            let path = dir.join(name);
            match laid {
                Laid::File(bytes) => std::fs::write(&path, bytes)?,
                Laid::Link(to) => {
                    // What is no text of a link is left out.
                    let _refused = symlink(to, &path);
                }
                Laid::Fifo => fifo(&path)?,
                Laid::Directory => std::fs::create_dir(&path)?,
            }
        }
        Ok(())
    }

    /// Applies the series in `dir`; what is wrong, a line each, and whether it was applied.
    pub fn apply(&self, dir: &Utf8Path, number: u64) -> (Vec<String>, bool) {
        let target = self.root.join("target");
        let options = match number % FULL_EVERY {
            0 => ApplyOptions::full(&target),
            _ => ApplyOptions::touched(&target),
        };
        let tree = match Tree::open(self.tree().as_str()) {
            Ok(tree) => tree,
            Err(error) => return (vec![format!("the tree cannot be opened: {error}")], false),
        };
        let done = apply(&tree, dir, &options);
        let mut wrong = self.wrong(&target);
        if let Err(error) = &done {
            if target.exists() {
                wrong.push("a series that was refused has left a directory".to_owned());
            }
            if !matches!(error.exit(), Exit::Usage | Exit::Conflict) {
                wrong.push(format!(
                    "{error:?} is the fault of neither machine nor program"
                ));
            }
            wrong.extend(self.repeats(dir, &format!("{error} {error:?}")));
        }
        if options.form == Form::Touched {
            wrong.extend(leading_out(&target));
        }
        let _gone = std::fs::remove_dir_all(&target);
        (wrong, done.is_ok())
    }

    /// A line where `text` has the words of the canary, and what lies in `dir` has not.
    pub fn repeats(&self, dir: &Utf8Path, text: &str) -> Option<String> {
        let repeated = text.contains(SECRET) && !says_secret(dir);
        repeated.then(|| "what must not be read is repeated".to_owned())
    }
    /// What is not as it was: tree and canary, and anything new beside them but `made`.
    pub fn wrong(&self, made: &Utf8Path) -> Vec<String> {
        let after = match self.kept() {
            Ok(after) => after,
            Err(error) => return vec![format!("the tree or the canary cannot be read: {error}")],
        };
        let all: BTreeSet<&Utf8PathBuf> = self.before.keys().chain(after.keys()).collect();
        let differ = all
            .into_iter()
            .filter(|path| self.before.get(*path) != after.get(*path));
        let mut wrong: Vec<String> = differ
            .map(|path| format!("{path} was changed from outside"))
            .collect();
        let beside = self.root.read_dir_utf8().into_iter().flatten().flatten();
        for entry in beside {
            let known = ["tree", "canary", "series", "shadow"].contains(&entry.file_name());
            if !known && entry.path() != made {
                wrong.push(format!("{} is new", entry.path()));
            }
        }
        wrong
    }

    /// Everything of the tree and the canary.
    fn kept(&self) -> std::io::Result<BTreeMap<Utf8PathBuf, Kept>> {
        let mut found = BTreeMap::new();
        for name in ["tree", "canary"] {
            kept(&self.root.join(name), &mut found)?;
        }
        Ok(found)
    }
}

fn kept(dir: &Utf8Path, found: &mut BTreeMap<Utf8PathBuf, Kept>) -> std::io::Result<()> {
    for entry in dir.read_dir_utf8()? {
        let path = entry?.into_path();
        let metadata = path.symlink_metadata()?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            kept(&path, found)?;
        }
        let contents = match () {
            () if kind.is_file() => std::fs::read(&path)?,
            () if kind.is_symlink() => path.read_link_utf8()?.into_string().into_bytes(),
            () if kind.is_fifo() => b"a FIFO".to_vec(),
            () => Vec::new(),
        };
        let mode = metadata.mode();
        found.insert(path, Kept { mode, contents });
    }
    Ok(())
}

/// Links beneath a directory that lead out of it, and files that hold the secret.
fn leading_out(dir: &Utf8Path) -> Vec<String> {
    let mut found = BTreeMap::new();
    if !dir.exists() || kept(dir, &mut found).is_err() {
        return Vec::new();
    }
    let Ok(root) = dir.canonicalize_utf8() else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for path in found.keys().filter(|path| path.is_symlink()) {
        if path
            .canonicalize_utf8()
            .is_ok_and(|to| !to.starts_with(&root))
        {
            wrong.push(format!("{path} leads out"));
        }
    }
    wrong
}

/// Whether a file of `dir` has the words of the canary.
fn says_secret(dir: &Utf8Path) -> bool {
    let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| std::fs::read(entry.path()).ok())
        .any(|bytes| bstr::ByteSlice::contains_str(bytes.as_slice(), SECRET))
}

/// Counts of a hunk, or other numbers, beyond every bound.
fn numbers(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let digits: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit())
        .collect();
    let mut out = bytes.to_vec();
    if let Some(at) = dice.pick(&digits) {
        let huge = [
            "18446744073709551615",
            "4294967296",
            "-1",
            "99999999999999999999999",
            "0",
        ];
        let huge = dice.pick(&huge).copied().unwrap_or_default();
        out.splice(*at..=*at, huge.bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> (tempfile::TempDir, Desk) {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        (dir, desk)
    }

    #[test]
    fn the_good_series_applies_and_changed_ones_do_no_harm() {
        let (_dir, desk) = desk();
        let series = desk.root.join("series");
        Desk::lay(desk.good(), &series).unwrap();
        assert_eq!(desk.apply(&series, 1), (Vec::new(), true));
        let mut applied = 0;
        for number in 1..25 {
            std::fs::remove_dir_all(&series).unwrap();
            let letters = desk.case(7, number);
            assert_eq!(letters, desk.case(7, number));
            Desk::lay(&letters, &series).unwrap();
            let (wrong, done) = desk.apply(&series, number);
            assert!(wrong.is_empty(), "case {number}: {wrong:?}");
            applied += usize::from(done);
        }
        assert!((1..24).contains(&applied), "{applied} of 24 apply");
    }

    #[test]
    fn a_canary_that_was_touched_is_told() {
        let (_dir, desk) = desk();
        assert_eq!(desk.wrong("none".into()), Vec::<String>::new());
        std::fs::write(desk.root.join("canary/new"), "x").unwrap();
        std::fs::write(desk.root.join("tree/Makefile"), "x").unwrap();
        std::fs::write(desk.root.join("beside"), "x").unwrap();
        assert_eq!(desk.wrong("none".into()).len(), 3);
    }
}
