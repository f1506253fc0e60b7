// SPDX-License-Identifier: MIT OR Apache-2.0
//! What decides a run's outcome, gathered.

use super::directory::{Inputs, ToolVersion};
use crate::boot::QEMU;
use crate::build::stage::{fragment, hash};
use crate::config::Variant;
use crate::error::Error;
use crate::host;
use crate::options::KtestOptions;
use crate::perl::User;
use crate::series::{Overlay, Staged};
use crate::source::Source;
use crate::target::TargetSpec;

pub(super) fn inputs(
    source: &Source,
    staged: &[Staged],
    targets: &[TargetSpec],
    user: Option<&User>,
    variants: &[Variant],
    options: &KtestOptions,
) -> Result<Inputs, Error> {
    let digest = |overlay: &Overlay| {
        let mut hasher = blake3::Hasher::new();
        for (path, contents) in overlay {
            hasher.update(path.as_str().as_bytes());
            hasher.update(&[0]);
            hasher.update(blake3::hash(format!("{contents:?}").as_bytes()).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    };
    let config = fragment(source, variants, &options.fragments)?.text();
    let names: Vec<String> = targets.iter().map(|t| t.name.clone()).collect();
    let tools = ["cc", "ld", "make", QEMU].map(|name| ToolVersion {
        name: name.to_owned(),
        version: host::version(name),
    });
    Ok(Inputs {
        schema: "run/1".into(),
        tree: source.version.clone(),
        patches: staged
            .iter()
            .map(|s| (s.subject.clone(), digest(&s.overlay)))
            .collect(),
        reproduce: format!(
            "cargo xtask ktest --kernel TREE SERIES_DIR --target {}{}{}{}{}{}",
            names.join(","),
            match variants {
                [] => String::new(),
                some => {
                    let names: Vec<&str> = some.iter().map(|v| v.name.as_str()).collect();
                    format!(" --variant {}", names.join(","))
                }
            },
            user.map_or(String::new(), |user| format!(" --ktest-conf {}", user.path)),
            options
                .shard
                .map_or(String::new(), |shard| format!(" --shard {shard}")),
            options
                .accelerator
                .map_or(String::new(), |with| format!(" --accel {with}")),
            if options.boot_all { " --boot-all" } else { "" }
        ),
        shard: options.shard,
        targets: names,
        config: blake3::hash(config.as_bytes()).to_hex().to_string(),
        kbuild: options.kbuild.clone(),
        image: options.image.as_deref().map(hash).transpose()?,
        machine: (options.memory_mib, options.cpus),
        accelerator: options.accelerator,
        boot_all: options.boot_all,
        conf: user.map(User::digest).transpose()?,
        tools: tools.to_vec(),
    })
}
