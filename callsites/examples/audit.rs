// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audits a tree and prints the report as JSON: what the flow is measured with while it is worked on.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let tree = callsites::tree::Tree::open(&spec)?;
    let all = std::env::args().any(|arg| arg == "--all");
    let report = callsites::audit(
        &tree,
        &callsites::AuditOptions {
            all,
            ..Default::default()
        },
    )?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
