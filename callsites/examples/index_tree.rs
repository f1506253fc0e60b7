// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the index of a whole tree and says what it holds, and what it took.
//!
//! `KERNEL_TREE=DIR cargo run -p callsites --example index_tree [NAME…]`; each NAME is then demanded: its definition,
//! its callers, and the users of a field of that name. With INDEX_CACHE=DIR the index is kept there.

use callsites::index::{Demand, Index, Reach, cache::Session};
use callsites::tree::Tree;
use camino::Utf8Path;
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
    let seeds = || refimpl::api::catalogue().seeds();
    let cache = std::env::var("INDEX_CACHE").ok();
    let session = cache
        .as_deref()
        .map(|dir| Session::open(&tree, seeds(), Utf8Path::new(dir)));
    if let Some(session) = &session {
        eprintln!("{:?}: digest {}", start.elapsed(), session.digest());
    }
    let mut index = session
        .as_ref()
        .map_or_else(|| Index::build(&tree, seeds()), Session::index);
    eprintln!("{:?}: {}", start.elapsed(), index.summary());
    for reach in [Reach::Near, Reach::Tree] {
        let mut demand = Demand::default();
        for name in std::env::args().skip(1) {
            demand.definitions.insert(name.clone());
            demand.callers.insert(name.clone());
            demand.fields.insert((name.clone(), String::new()));
            demand.records.insert(name);
        }
        let added = index.expand(&tree, &demand, reach);
        eprintln!("{:?}: {added} added, {}", start.elapsed(), index.summary());
    }
    if let Some(Err(error)) = session.map(|session| session.save(&index)) {
        eprintln!("failed to keep the index: {error}");
    }
    for item in index.unread() {
        println!(
            "{}:{}: {}: {}",
            item.path,
            item.line,
            item.function.as_deref().unwrap_or("-"),
            item.why
        );
    }
}
