// SPDX-License-Identifier: MIT OR Apache-2.0
//! A module that lives outside the kernel: its own files, and the kernel that it is built for.
//!
//! The files of the module are what is audited and changed. The kernel gives its version, its era and its headers, and
//! none of its callsites: what a module does changes no verdict in the kernel.

use super::{Error, Tree, directory, version};
use crate::report::Era;
use camino::{Utf8Path, Utf8PathBuf};

/// The kernel that a module is built for.
#[derive(Debug)]
pub enum Kernel {
    /// Its sources, or the headers that are installed for building modules.
    Tree(Box<Tree>),
    /// No more than the number of its release; what it declares is asked of the catalogue.
    Release(String),
}

impl Kernel {
    /// A kernel tree, or the directory that "/lib/modules/RELEASE/build" leads to. There Debian keeps no more than what the
    /// configuration decides, and a Makefile that includes the one of all configurations.
    ///
    /// # Errors
    /// Those of [`Tree::open`].
    pub fn open(spec: &str) -> Result<Kernel, Error> {
        let opened = Tree::open(spec);
        let shared = match &opened {
            Err(Error::NotKernel { .. }) => shared_headers(Utf8Path::new(spec)),
            _ => None,
        };
        let tree = match shared {
            Some(shared) => Tree::open(shared.as_str())?,
            None => opened?,
        };
        Ok(Kernel::Tree(Box::new(tree)))
    }

    /// "6.12.117", or the number that was given.
    pub fn version(&self) -> &str {
        match self {
            Kernel::Tree(tree) => tree.version(),
            Kernel::Release(number) => number,
        }
    }

    /// Which releasing functions it declares.
    pub fn era(&self) -> Era {
        match self {
            Kernel::Tree(tree) => tree.era(),
            Kernel::Release(number) => version::era_by_number(number),
        }
    }
}

/// The directory of the Makefile that this one includes and has nothing beside, "include /usr/src/…-common/Makefile".
pub fn shared_headers(directory: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut bytes = Vec::new();
    directory::read(&directory.join("Makefile"), &mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let included = text.lines().find_map(|line| line.strip_prefix("include "));
    let makefile = Utf8Path::new(included?.trim());
    let named = makefile
        .parent()
        .filter(|_| makefile.is_absolute() && makefile.file_name() == Some("Makefile"))?;
    // A package that was unpacked elsewhere still names where it is installed; what it names lies beside it then.
    let beside = || Some(directory.parent()?.join(named.file_name()?));
    match named.is_dir() {
        true => Some(named.to_owned()),
        false => beside().filter(|beside| beside.join("Makefile").is_file()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_path_buf()).unwrap();
        (dir, root)
    }

    #[test]
    fn a_module_has_its_own_files_and_the_version_of_its_kernel() {
        let (_dir, root) = directory();
        for (path, text) in [
            ("Makefile", "obj-m := m.o\n"),
            ("src/m.c", "int a;\n"),
            ("README", "x"),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        for (release, era) in [
            ("4.19", Era::PutPage),
            ("5.4", Era::PutUserPage),
            ("6.12", Era::Pin),
        ] {
            let kernel = Kernel::Release(release.to_owned());
            let module = Tree::module(root.as_str(), kernel, None).unwrap();
            assert_eq!(module.files(), ["src/m.c"]);
            assert_eq!((module.version(), module.era()), (release, era));
        }
        let kernel = Kernel::Tree(Box::new(Tree::embedded(Era::Pin)));
        let module = Tree::module(root.as_str(), kernel, None).unwrap();
        assert_eq!(module.version(), Tree::embedded(Era::Pin).version());
    }

    #[test]
    fn a_module_without_a_source_is_refused() {
        let (_dir, root) = directory();
        fs::write(root.join("README"), "x").unwrap();
        let kernel = || Kernel::Release("6.12".into());
        let error = Tree::module(root.as_str(), kernel(), None).unwrap_err();
        assert!(matches!(error, Error::NoModule { .. }));
        let error = Tree::module("/no/such/module", kernel(), None).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }));
    }

    #[test]
    fn installed_headers_lead_to_those_of_all_configurations() {
        let (_dir, root) = directory();
        fs::create_dir_all(root.join("common/include/linux")).unwrap();
        fs::create_dir_all(root.join("amd64")).unwrap();
        fs::write(
            root.join("common/Makefile"),
            "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\n",
        )
        .unwrap();
        fs::write(
            root.join("common/include/linux/mm.h"),
            "void put_user_page(struct page *page);\n",
        )
        .unwrap();
        fs::write(
            root.join("amd64/Makefile"),
            format!("include {root}/common/Makefile\n"),
        )
        .unwrap();
        let kernel = Kernel::open(root.join("amd64").as_str()).unwrap();
        assert_eq!(
            (kernel.version(), kernel.era()),
            ("6.1.9", Era::PutUserPage)
        );
        // Unpacked elsewhere, not installed.
        let installed = "include /usr/src/no-such-headers/common/Makefile\n";
        fs::write(root.join("amd64/Makefile"), installed).unwrap();
        let kernel = Kernel::open(root.join("amd64").as_str()).unwrap();
        assert_eq!(kernel.version(), "6.1.9");
        let installed = installed.replace("common", "another");
        fs::write(root.join("amd64/Makefile"), installed).unwrap();
        let error = Kernel::open(root.join("amd64").as_str()).unwrap_err();
        assert!(matches!(error, Error::NotKernel { .. }));
        fs::write(root.join("amd64/Makefile"), "all:\n").unwrap();
        let error = Kernel::open(root.join("amd64").as_str()).unwrap_err();
        assert!(matches!(error, Error::NotKernel { .. }));
    }
}
