// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which compiled files take in a header, as the compiler itself said: kbuild keeps its list beside each object (`.NAME.o.cmd`,
//! scripts/basic/fixdep.c).
//!
//! A header has no object of its own; what a patch of it changes stands in the objects of those files.

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

/// The `.c` files whose objects in `output` were made of one of `headers` of the tree that lies at `source`; sorted.
pub(super) fn dependents(
    source: &Utf8Path,
    output: &Utf8Path,
    headers: &[&Utf8PathBuf],
) -> Vec<Utf8PathBuf> {
    let mut found = BTreeSet::new();
    if headers.is_empty() {
        return Vec::new();
    }
    let wanted: BTreeSet<String> = headers.iter().map(|h| source.join(h).to_string()).collect();
    let mut directories = vec![output.to_owned()];
    while let Some(directory) = directories.pop() {
        // What cannot be listed holds no object that was made.
        let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path().to_owned()),
                Ok(kind) if kind.is_file() && name.ends_with(".o.cmd") => {
                    let text = std::fs::read(entry.path()).unwrap_or_default();
                    let text = String::from_utf8_lossy(&text);
                    found.extend(compiled_of(&text, source, &wanted));
                }
                _ => {}
            }
        }
    }
    found.into_iter().collect()
}

/// The source of one object, relative to the tree, where the object was made of one of `wanted`.
fn compiled_of(text: &str, source: &Utf8Path, wanted: &BTreeSet<String>) -> Option<Utf8PathBuf> {
    let word = |line: &str| line.trim().trim_end_matches('\\').trim().to_owned();
    if !text.lines().any(|line| wanted.contains(&word(line))) {
        return None;
    }
    let of = text.lines().find(|line| line.starts_with("source_"))?;
    let (_, path) = of.split_once(":=")?;
    let path = Utf8Path::new(path.trim());
    let path = path.strip_prefix(source).ok()?;
    (path.extension() == Some("c")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_header_in_is_what_the_compiler_said() {
        let dir = tempfile::tempdir().unwrap();
        let output = Utf8Path::from_path(dir.path()).unwrap();
        let put = |name: &str, of: &str, header: &str| {
            let path = output.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!(
                "savedcmd_x := gcc -c\n\nsource_x := /tree/{of}\n\ndeps_x := \\\n  /tree/include/other.h \\\n    $(wildcard include/config/X) \\\n  /tree/include/{header} \\\n\nx: $(deps_x)\n"
            );
            std::fs::write(path, text).unwrap();
        };
        put("d/.a.o.cmd", "d/a.c", "mm.h");
        put("d/e/.b.o.cmd", "d/e/b.c", "mm.h");
        put("d/.c.o.cmd", "d/c.c", "xmm.h");
        put("d/.s.o.cmd", "d/s.S", "mm.h");
        put("d/.built-in.a.cmd", "d/n.c", "mm.h");
        let of = |header: &str| {
            let header = Utf8PathBuf::from(header);
            dependents(Utf8Path::new("/tree"), output, &[&header])
        };
        assert_eq!(of("include/mm.h"), ["d/a.c", "d/e/b.c"]);
        assert!(of("include/none.h").is_empty());
        assert!(dependents(Utf8Path::new("/tree"), output, &[]).is_empty());
    }
}
