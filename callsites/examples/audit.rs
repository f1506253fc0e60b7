// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audits a tree and prints the report as JSON: what the flow is measured with while it is worked on.
//!
//! `audit TREE [--all] [--cache DIR]`

use camino::Utf8PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let all = std::env::args().any(|arg| arg == "--all");
    let cache = std::env::args().skip_while(|arg| arg != "--cache").nth(1);
    let cache: Option<Utf8PathBuf> = cache.map(Into::into);
    let tree = callsites::tree::Tree::open_with(&spec, cache.as_deref())?;
    let report = callsites::audit(
        &tree,
        &callsites::AuditOptions {
            all,
            cache,
            ..Default::default()
        },
    )?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
