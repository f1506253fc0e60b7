// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small modules, and what their files say of macros.

use super::*;
use crate::tree::Kernel;
use std::fs;

/// A module of these files, read for a release: what is told of each macro, "HAVE_X=1" or "!HAVE_X".
fn told(files: &[(&str, &str)], release: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let kernel = Kernel::Release(release.to_owned());
    let tree = Tree::module(root.as_str(), kernel, None).unwrap();
    let features = Module::features(&tree);
    let told = features.told.iter().map(|(name, told)| match told {
        Told::Absent => format!("!{name}"),
        Told::Text { text, .. } => format!("{name}={text}"),
    });
    told.collect()
}

const USE: (&str, &str) = (
    "src/a.c",
    "#include \"compat.h\"\n#ifdef HAVE_A\nput_page(a);\n#elif HAVE_B\nput_page(b);\n#endif\n",
);

#[test]
fn a_header_that_is_included_tells_by_release() {
    let header = "#ifndef COMPAT_H\n#define COMPAT_H\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)\n#define HAVE_A\n#else\n#define HAVE_B 1\n#endif\n#endif\n";
    let files = [USE, ("include/compat.h", header)];
    assert_eq!(told(&files, "6.12"), ["HAVE_A=1", "!HAVE_B"]);
    assert_eq!(told(&files, "5.4"), ["!HAVE_A", "HAVE_B=1"]);
    // Nobody includes it.
    let files = [
        ("src/a.c", "#ifdef HAVE_A\nput_page(a);\n#endif\n"),
        ("include/compat.h", header),
    ];
    assert!(told(&files, "6.12").is_empty());
    // What a Makefile gives may be anything.
    let files = [
        USE,
        ("include/compat.h", header),
        ("Makefile", "ccflags-y += -DHAVE_A=$(A)\n"),
    ];
    assert_eq!(told(&files, "6.12"), ["!HAVE_B"]);
}

#[test]
fn what_a_configure_script_has_written_is_read() {
    let config = "#define HAVE_A 1\n/* #undef HAVE_B */\n";
    let files = [
        USE,
        ("config.h", config),
        ("Makefile", "ccflags-y := -include $(src)/config.h\n"),
    ];
    assert_eq!(told(&files, "6.12"), ["HAVE_A=1", "!HAVE_B"]);
}

#[test]
fn a_default_and_two_opinions_tell_nothing() {
    let default = "#ifndef HAVE_A\n#define HAVE_A 0\n#endif\n";
    assert!(told(&[USE, ("compat.h", default)], "6.12").is_empty());
    let files = [
        USE,
        ("compat.h", "#define HAVE_B 1\n"),
        ("b/compat.h", "#define HAVE_B 2\n"),
    ];
    assert!(told(&files, "6.12").is_empty());
    // On what else it depends is not known.
    let open = "#ifdef CONFIG_X\n#define HAVE_A\n#endif\n";
    assert!(told(&[USE, ("compat.h", open)], "6.12").is_empty());
}

#[test]
fn what_one_file_tells_of_a_macro_holds_in_the_others() {
    let a = "#ifdef HAVE_VMAS\nget_user_pages(a, b, c, d, NULL);\n#else\nget_user_pages(a, b, c, d);\n#endif\n";
    let b = "#ifdef HAVE_VMAS\nput_page(a);\n#endif\n";
    let files = [("a.c", a), ("b.c", b)];
    assert_eq!(told(&files, "6.12"), ["!HAVE_VMAS"]);
    assert_eq!(told(&files, "6.1"), ["HAVE_VMAS=1"]);
    // The module's own function of that name takes other arguments.
    let own = "#define get_user_pages(s, n, f, p, v) get_user_pages_of_ours(s, n, f, p, v)\n";
    let a = format!("#include \"own.h\"\n{a}");
    let files = [("a.c", a.as_str()), ("own.h", own)];
    assert!(told(&files, "6.12").is_empty());
}
