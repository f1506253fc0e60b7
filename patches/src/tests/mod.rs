// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole way on small trees: convert, write, read, apply, and what must be refused.

mod applying;
mod converting;
mod embedded;
mod fixing;
mod hostile;
mod strangers;
mod tested;
mod versions;

use crate::error::Error;
use crate::fixture::{self, header};
use crate::options::{ConvertOptions, Signer};
use crate::series::Series;
use crate::whole::convert;
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use proc::git::mail::Committer;
use proc::git::store;
use std::fs;

const HOST: &str = "\
static int toy_attach(struct toy *toy, unsigned long addr)
{
	int ret;

	ret = get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
	if (ret != 1)
		return -EFAULT;
	return 0;
}
";

const CONTEXT: &str = "\
void toy_detach(struct toy *toy)
{
	if (toy->page)
		put_page(toy->page);
}

static void toy_free(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}
}
";

const FILES: [(&str, &str); 2] = [
    ("drivers/misc/toy/context.c", CONTEXT),
    ("drivers/misc/toy/host.c", HOST),
];

/// A small tree in a directory of its own, with its report.
struct Fixture {
    dir: tempfile::TempDir,
    report: Report,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::of(&FILES)
    }

    fn of(files: &[(&str, &str)]) -> Fixture {
        let dir = tempfile::tempdir().expect("a directory");
        let fixture = Fixture {
            dir,
            report: fixture::report(Era::Pin, files),
        };
        let tree = fixture.path("tree");
        let makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n";
        put(&tree, "Makefile", makefile);
        put(&tree, "include/linux/mm.h", header(Era::Pin));
        for (path, text) in files {
            put(&tree, path, text);
        }
        fixture
    }

    fn with_git(self) -> Fixture {
        let tree = self.path("tree");
        store::init(tree.as_std_path()).expect("git init");
        let subject = "misc: toy: add a driver to play with";
        store::commit_all(tree.as_std_path(), subject, &author()).expect("git commit");
        for (key, value) in [
            ("user.name", "Jørn Å. Müller"),
            ("user.email", "jm@example.org"),
        ] {
            let git = proc::git::git(tree.as_std_path());
            git.args(["config", key, value]).run().expect("git config");
        }
        self
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        let path = self.dir.path().join(name);
        Utf8PathBuf::from_path_buf(path).expect("temporary directories are UTF-8")
    }

    fn tree(&self) -> Tree {
        Tree::open(self.path("tree").as_str()).expect("a kernel tree")
    }

    fn options(&self) -> ConvertOptions {
        ConvertOptions::new(self.path("work"))
    }

    fn rehearsal(&self) -> ConvertOptions {
        ConvertOptions {
            signer: Signer::Unsigned,
            ..self.options()
        }
    }

    fn convert(&self, options: &ConvertOptions) -> Result<Series, Error> {
        convert(&self.tree(), &self.report, options)
    }

    /// The rehearsal's series, written out.
    fn written(&self) -> Utf8PathBuf {
        let series = self.convert(&self.rehearsal()).expect("it converts");
        let dir = self.path("series");
        series.write(&dir).expect("it can be written");
        dir
    }
}

fn put(tree: &Utf8Path, path: &str, text: &str) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().expect("a file")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn author() -> Committer {
    Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
