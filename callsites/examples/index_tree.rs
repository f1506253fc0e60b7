// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the index of a whole tree and says what it holds.
//!
//! `KERNEL_TREE=DIR cargo run -p callsites --example index_tree [NAME…]`; each NAME is then demanded: its definition,
//! its callers, and the users of a field of that name.

use callsites::index::{Demand, Index, Reach};
use callsites::tree::Tree;
use std::time::Instant;

fn main() {
    let Ok(spec) = std::env::var("KERNEL_TREE") else {
        println!("set KERNEL_TREE to a kernel tree");
        return;
    };
    let start = Instant::now();
    let tree = match Tree::open(&spec) {
        Ok(tree) => tree,
        Err(error) => return println!("failed to {error}"),
    };
    eprintln!(
        "{:?}: {} {:?}, {} files",
        start.elapsed(),
        tree.version(),
        tree.era(),
        tree.files().len()
    );
    let mut index = Index::build(&tree, refimpl::api::catalogue().seeds());
    let count = |index: &Index| {
        let functions: usize = index.files().map(|f| f.functions.len()).sum();
        let records: usize = index.files().map(|f| f.records.len()).sum();
        format!(
            "{} files, {functions} functions, {records} records, {} unread",
            index.files().count(),
            index.unread().len()
        )
    };
    eprintln!(
        "{:?}: {} hits; {}; {}",
        start.elapsed(),
        index.hits().count(),
        count(&index),
        index.near_summary()
    );
    for reach in [Reach::Near, Reach::Tree] {
        let mut demand = Demand::default();
        for name in std::env::args().skip(1) {
            demand.definitions.insert(name.clone());
            demand.callers.insert(name.clone());
            demand.fields.insert((name.clone(), String::new()));
            demand.records.insert(name);
        }
        let added = index.expand(&tree, &demand, reach);
        eprintln!("{:?}: {added} added, {}", start.elapsed(), count(&index));
    }
}
