// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules that need no flow, over a whole kernel tree. Needs `KERNEL_TREE`; without it the test is skipped and says so.

use callsites::findings::{Input, run};
use callsites::index::{NameSet, Wanted, parse};
use callsites::report::{Era, Finding};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Role, catalogue};
use std::sync::Arc;

fn findings(root: &Utf8Path) -> Vec<Finding> {
    let api = catalogue();
    let names = NameSet::new(
        api.functions()
            .filter(|f| f.role == Role::Acquire || f.is_pinning())
            .map(|f| f.name.as_str()),
    );
    let mut paths: Vec<Utf8PathBuf> = walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok)
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.into_path()).ok())
        .filter(|path| matches!(path.extension(), Some("c" | "h")))
        .filter_map(|path| path.strip_prefix(root).map(Utf8Path::to_owned).ok())
        .filter(|path| !path.starts_with("tools"))
        .collect();
    paths.sort();
    let read = |path: &Utf8Path| std::fs::read(root.join(path)).ok();
    let holds = |bytes: &[u8]| {
        memchr::memmem::find(bytes, b"user_page").is_some()
            && names
                .names()
                .iter()
                .any(|n| memchr::memmem::find(bytes, n.as_bytes()).is_some())
    };
    let files: Vec<_> = paths
        .iter()
        .filter_map(|path| Some((path, read(path)?)))
        .filter(|(_, bytes)| holds(bytes))
        .map(|(path, bytes)| Arc::new(parse(path, &bytes, &Wanted::Holding(&names))))
        .collect();
    println!(
        "{} files, {} functions",
        files.len(),
        files.iter().map(|f| f.functions.len()).sum::<usize>()
    );
    run(&Input {
        files: &files,
        callsites: &[],
        groups: &[],
        era: Era::Pin,
        released: Era::Pin,
        code: None,
        read: &read,
        any_in: &|_, _| false,
    })
}

/// Mistakes in 6.12 that were found by reading before this program was written, and that need no flow to be seen.
const IN_6_12: [(&str, &str, &str); 8] = [
    (
        "R3",
        "drivers/infiniband/hw/usnic/usnic_uiom.c",
        "usnic_uiom_get_pages",
    ),
    ("R4", "drivers/video/fbdev/pvr2fb.c", "pvr2fb_write"),
    (
        "R5",
        "drivers/infiniband/hw/mthca/mthca_memfree.c",
        "mthca_map_user_db",
    ),
    ("R5", "drivers/video/fbdev/pvr2fb.c", "pvr2fb_write"),
    (
        "R8",
        "drivers/infiniband/hw/usnic/usnic_uiom.c",
        "__usnic_uiom_reg_release",
    ),
    (
        "R11",
        "drivers/infiniband/hw/usnic/usnic_uiom.c",
        "usnic_uiom_get_pages",
    ),
    ("R12", "drivers/misc/bcm-vk/bcm_vk_sg.c", "bcm_vk_dma_alloc"),
    (
        "R13",
        "drivers/infiniband/hw/qib/qib_user_sdma.c",
        "qib_user_sdma_pkt::addr",
    ),
];

#[test]
fn findings_of_a_tree_name_places_that_exist() {
    let Ok(root) = std::env::var("KERNEL_TREE") else {
        println!("skipped: KERNEL_TREE names no tree");
        return;
    };
    let root = Utf8PathBuf::from(root);
    let findings = findings(&root);
    for finding in &findings {
        println!(
            "{} {}:{} {}() {}",
            finding.rule, finding.path, finding.line, finding.function, finding.message
        );
        for step in &finding.evidence {
            println!("      {}: {}", step.line, step.text);
        }
        let lines = std::fs::read(root.join(&finding.path))
            .expect("a file")
            .split(|b| *b == b'\n')
            .count();
        assert!(finding.line as usize <= lines);
    }
    let makefile = std::fs::read_to_string(root.join("Makefile")).expect("a kernel tree");
    if makefile.contains("VERSION = 6\nPATCHLEVEL = 12\n") {
        for (rule, path, function) in IN_6_12 {
            let found = |f: &&Finding| f.rule == rule && f.path == path && f.function == function;
            assert!(
                findings.iter().any(|f| found(&f)),
                "{rule} in {function}() is not found"
            );
        }
    }
}
