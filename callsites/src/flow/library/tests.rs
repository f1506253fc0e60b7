// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where definitions are found.

use super::*;

struct Small(Vec<(Utf8PathBuf, &'static str)>, Vec<Utf8PathBuf>);

impl Small {
    fn new(mut files: Vec<(Utf8PathBuf, &'static str)>) -> Self {
        files.sort();
        let paths = files.iter().map(|(path, _)| path.clone()).collect();
        Small(files, paths)
    }
}

impl Files for Small {
    fn paths(&self) -> &[Utf8PathBuf] {
        &self.1
    }

    fn read_into(&self, path: &Utf8Path, buffer: &mut Vec<u8>) -> Option<()> {
        let (_, text) = self.0.iter().find(|(known, _)| known == path)?;
        buffer.clear();
        buffer.extend_from_slice(text.as_bytes());
        Some(())
    }
}

/// The files that are read for bio_add_page() when a driver asks; `many` other files stand beside them.
fn read(files: &[&str], many: usize) -> Vec<String> {
    let defines = "int bio_add_page(struct bio *bio)\n{\n\treturn 0;\n}\n";
    let mut all: Vec<(Utf8PathBuf, &'static str)> = files
        .iter()
        .map(|path| (Utf8PathBuf::from(*path), defines))
        .collect();
    let others = (0..many).map(|n| {
        (
            Utf8PathBuf::from(format!("block/other{n}.c")),
            "int other;\n",
        )
    });
    all.extend(others);
    all.push((Utf8PathBuf::from("drivers/a/a.c"), "int a;\n"));
    let files = Small::new(all);
    let shelf = Shelf::none();
    let mut library = Library::new(&files, Vec::new(), &shelf, Answers::none());
    library.ask(&[Want::Definition {
        from: Utf8PathBuf::from("drivers/a/a.c"),
        name: "bio_add_page".to_owned(),
    }]);
    library.settle();
    let facts = library.facts();
    facts.iter().map(|facts| facts.path.to_string()).collect()
}

#[test]
fn a_function_of_the_kernel_is_found_where_the_catalogue_says_or_beside_it() {
    assert_eq!(read(&["block/bio.c"], 3), ["block/bio.c"]);
    assert_eq!(read(&["block/renamed.c"], 3), ["block/renamed.c"]);
    // The file that the catalogue names comes before others of the same function.
    assert_eq!(read(&["block/bio.c", "block/also.c"], 3), ["block/bio.c"]);
    assert_eq!(read(&["fs/elsewhere.c"], 3), [""; 0]);
    // A directory of so many files is not looked through for one function.
    assert_eq!(read(&["block/renamed.c"], 500), [""; 0]);
}
