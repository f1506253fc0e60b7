// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where in an object the code of each source line stands: a probe there shows whether a line that a patch changes was run, not only its
//! function.
//!
//! The object that is linked has no line table. kbuild keeps the command that made it (`.NAME.o.cmd`); the same command with `-g1` makes an
//! object of the same code that has one, beside the linked one, and objdump says which line each instruction comes from. A function
//! whose code is not the same in both is left out. Read of x86-64 objects, which is what guests run.

use super::elf::{EM_X86_64, parse};
use super::functions::{base_name, of_file};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// Instructions of a line that are watched at most: a line that is compiled into several places has a few in each, and one that ran
/// suffices.
const MOST_OF_A_LINE: usize = 8;

/// Files that are compiled once more at most: each takes about a second, and the base of a long series touches all that its patches do. Of
/// the others the functions stand for their lines.
const MOST_FILES: usize = 32;

/// The places (`symbol+0x12`) of each line that has code, by its number from 1.
pub(crate) type Lines = BTreeMap<usize, Vec<String>>;

/// Of every file of `files` that was compiled to an object in `output`; files of which nothing can be told are left out.
pub(super) fn lines_of(
    output: &Utf8Path,
    files: &[Utf8PathBuf],
    scratch: &Utf8Path,
) -> BTreeMap<Utf8PathBuf, Lines> {
    let units = files.iter().filter(|file| file.extension() == Some("c"));
    let lines = units
        .take(MOST_FILES)
        .filter_map(|file| Some((file.clone(), of_unit(output, file, scratch)?)));
    lines.collect()
}

fn of_unit(output: &Utf8Path, file: &Utf8Path, scratch: &Utf8Path) -> Option<Lines> {
    let object = output.join(file.with_extension("o"));
    let stem = file.file_stem()?;
    let saved = object.with_file_name(format!(".{stem}.o.cmd"));
    let command = words(&command(&std::fs::read_to_string(saved).ok()?)?)?;
    let made = scratch.join(format!("{stem}.lines.o"));
    let (program, arguments) = command.split_first()?;
    let arguments = with_lines(arguments, &made)?;
    let compiled = proc::Command::new(program)
        .args(arguments)
        .current_dir(output)
        .run_unchecked();
    let lines = compiled
        .is_ok_and(|said| said.success())
        .then(|| told(&object, &made, file))
        .flatten();
    // A file of ours that is of no use any more.
    let _not_there = std::fs::remove_file(&made);
    lines
}

fn told(linked: &Utf8Path, with_lines: &Utf8Path, file: &Utf8Path) -> Option<Lines> {
    let machine = parse(&std::fs::read(with_lines).ok()?).ok()?.machine;
    if machine != EM_X86_64 {
        return None;
    }
    let (before, now) = (of_file(linked).ok()?, of_file(with_lines).ok()?);
    let same: BTreeSet<&String> = now
        .iter()
        .filter(|(name, hash)| before.get(*name) == Some(*hash))
        .map(|(name, _)| name)
        .collect();
    let said = proc::Command::new("objdump")
        .args(["-d", "-l", "--no-show-raw-insn"])
        .arg(with_lines)
        .env("LC_ALL", "C")
        .run_unchecked();
    let said = said.ok().filter(|said| said.success())?;
    let is_same = |symbol: &str| same.iter().any(|name| *name == base_name(symbol));
    Some(read(&said.stdout_text(), file.as_str(), is_same))
}

/// What objdump says: a heading `0000000000000010 <f>:` for each symbol, a line `/path/a.c:12 (discriminator 3)` where the source
/// line changes, and ` 1f:\tmov …` for each instruction.
fn read(text: &str, file: &str, is_same: impl Fn(&str) -> bool) -> Lines {
    let mut lines = Lines::new();
    let (mut symbol, mut start, mut at): (Option<&str>, u64, Option<usize>) = (None, 0, None);
    for line in text.lines() {
        if let Some((address, name)) = heading(line) {
            (symbol, start, at) = (Some(name).filter(|name| is_same(name)), address, None);
        } else if let Some((address, _)) = instruction(line) {
            let (Some(symbol), Some(number)) = (symbol, at) else {
                continue;
            };
            let places = lines.entry(number).or_default();
            if places.len() < MOST_OF_A_LINE {
                places.push(format!("{symbol}+{:#x}", address.saturating_sub(start)));
            }
        } else if let Some((path, number)) = source(line) {
            let own = path
                .strip_suffix(file)
                .is_some_and(|ahead| ahead.is_empty() || ahead.ends_with('/'));
            at = own.then_some(number);
        }
    }
    lines
}

fn heading(line: &str) -> Option<(u64, &str)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

fn instruction(line: &str) -> Option<(u64, &str)> {
    let (address, what) = line.strip_prefix(' ')?.split_once(":\t")?;
    Some((u64::from_str_radix(address.trim(), 16).ok()?, what))
}

fn source(line: &str) -> Option<(&str, usize)> {
    let line = line.split(" (discriminator").next().unwrap_or(line);
    let (path, number) = line.rsplit_once(':')?;
    Some((path, number.parse().ok()?))
}

/// The compiler's command of a `.cmd` file; what kbuild does with the object afterwards follows behind a semicolon.
fn command(saved: &str) -> Option<String> {
    let line = saved
        .lines()
        .find(|line| line.starts_with("cmd_") || line.starts_with("savedcmd_"))?;
    let (_, command) = line.split_once(":=")?;
    Some(command.trim().to_owned())
}

/// The words of a shell command up to the first `;`, `&&` or `|`; `None` where one of them would take a shell to read.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('$' | '`', None | Some('"')) => return None,
            ('\\', None | Some('"')) => word.get_or_insert_default().push(letters.next()?),
            (letter, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (';' | '&' | '|' | '<' | '>', None) => break,
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (quote.is_none() && !words.is_empty()).then_some(words)
}

/// The arguments with line tables, and with `made` for the output; kbuild's list of dependencies is not written again.
fn with_lines(arguments: &[String], made: &Utf8Path) -> Option<Vec<String>> {
    let output = arguments.iter().position(|argument| argument == "-o")?;
    let mut changed = arguments.to_vec();
    *changed.get_mut(output + 1)? = made.to_string();
    changed
        .retain(|argument| !argument.starts_with("-Wp,-MMD") && !argument.starts_with("-Wp,-MD"));
    changed.insert(0, "-g1".to_owned());
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_command_is_read_without_a_shell() {
        let saved = "savedcmd_d/a.o := gcc -Wp,-MMD,d/.a.o.d -DNAME='\"a b\"' -c -o d/a.o /s/d/a.c ; ./tools/objtool/objtool d/a.o\n\nsource_d/a.o := /s/d/a.c\n";
        let read = words(&command(saved).unwrap()).unwrap();
        assert_eq!(
            read,
            [
                "gcc",
                "-Wp,-MMD,d/.a.o.d",
                "-DNAME=\"a b\"",
                "-c",
                "-o",
                "d/a.o",
                "/s/d/a.c"
            ]
        );
        let changed = with_lines(&read[1..], "/x/a.o".into()).unwrap();
        assert_eq!(
            changed,
            ["-g1", "-DNAME=\"a b\"", "-c", "-o", "/x/a.o", "/s/d/a.c"]
        );
        assert_eq!(words("gcc $(pound)"), None);
        assert_eq!(words("gcc 'open"), None);
    }

    #[test]
    fn places_are_those_of_the_file_and_of_functions_with_the_same_code() {
        let said = "\nDisassembly of section .text:\n\n0000000000000010 <f>:\nf():\n/b/source/d/a.c:5\n  10:\tpush   %rbx\n\
            /b/source/include/x.h:9\n  11:\tmov    %rdi,%rbx\n/b/source/d/a.c:6 (discriminator 2)\n  14:\tcall   19 <f+0x9>\n  19:\tpop    %rbx\n\
            0000000000000020 <g>:\ng():\n/b/source/d/a.c:9\n  20:\tret\n\nDisassembly of section .text.unlikely:\n\n\
            0000000000000000 <f.cold>:\nf.cold():\n/b/source/d/a.c:5\n   0:\tud2\n/b/source/dd/a.c:7\n   2:\tud2\n";
        let lines = read(said, "d/a.c", |symbol| base_name(symbol) == "f");
        let expected = [
            (5, vec!["f+0x0".to_owned(), "f.cold+0x0".to_owned()]),
            (6, vec!["f+0x4".to_owned(), "f+0x9".to_owned()]),
        ];
        assert_eq!(lines, Lines::from(expected));
    }

    #[test]
    fn lines_are_told_of_an_object_whose_command_was_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let text = "void give(void *);\nint f(int a, void *p)\n{\n\tif (a > 3)\n\t\tgive(p);\n\treturn a;\n}\n";
        std::fs::write(root.join("a.c"), text).unwrap();
        let arguments = ["-O2", "-c", "-o", "a.o", "a.c"];
        let made = proc::Command::new("cc")
            .args(arguments)
            .current_dir(root)
            .run_unchecked();
        let objdump = crate::host::require("objdump", "this test");
        if !made.is_ok_and(|made| made.success())
            || objdump.is_err()
            || !cfg!(target_arch = "x86_64")
        {
            eprintln!("skip: no C compiler for x86-64, or no objdump");
            return;
        }
        let saved = format!("cmd_a.o := cc {}\n", arguments.join(" "));
        std::fs::write(root.join(".a.o.cmd"), saved).unwrap();
        let scratch = root.join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let lines = lines_of(root, &["a.c".into()], &scratch);
        let lines = &lines[Utf8Path::new("a.c")];
        assert!(
            lines[&5].iter().all(|place| place.starts_with("f+0x")),
            "{lines:?}"
        );
        assert!(!lines.contains_key(&3) || lines[&3] != lines[&5]);
        assert!(scratch.read_dir_utf8().unwrap().next().is_none());
        // Another code than that of the object.
        std::fs::write(root.join("a.c"), text.replace("a > 3", "a > 4")).unwrap();
        assert!(lines_of(root, &["a.c".into()], &scratch)[Utf8Path::new("a.c")].is_empty());
    }
}
