// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kernel list` and `kernel get VERSION`.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Kernel, KernelGet};
use crate::kernels::store::{Cached, Store};
use crate::kernels::version::{NoVersion, Version};
use crate::kernels::{debian, stable};
use serde_json::json;

/// Runs `kernel …`.
pub(crate) fn run(common: &Common, verb: Kernel, console: &Console) -> Result<Exit, Failure> {
    let store = Store::of_user()?;
    match verb {
        Kernel::List => list(common, &store, console),
        Kernel::Get(wanted) => get(common, &store, &wanted, console),
    }
}

fn list(common: &Common, store: &Store, console: &Console) -> Result<Exit, Failure> {
    let trees = store.list();
    if common.json {
        let trees: Vec<_> = trees
            .iter()
            .map(|tree| json!({ "version": tree.version.to_string(), "dir": tree.dir }))
            .collect();
        deliver_json(
            common.output.as_deref(),
            &json!({ "schema": "kernels/1", "trees": trees }),
        )?;
        return Ok(Exit::Clean);
    }
    if trees.is_empty() {
        console.say("no kernel tree at hand; `cargo xtask kernel get 6.12` gets one");
    }
    deliver(common.output.as_deref(), |to| {
        for tree in &trees {
            writeln!(to, "{}\t{}", tree.version, tree.dir)?;
        }
        Ok(())
    })?;
    Ok(Exit::Clean)
}

fn get(
    common: &Common,
    store: &Store,
    wanted: &KernelGet,
    console: &Console,
) -> Result<Exit, Failure> {
    let version: Version = wanted.version.parse().map_err(|error: NoVersion| {
        Failure::new(Exit::Usage, "failed to get a kernel")
            .because(error)
            .hint("name a series or a release: cargo xtask kernel get 6.12")
    })?;
    let from = wanted.from.as_deref();
    let found = match store.find(version) {
        Some(tree) => {
            match from {
                Some(repository) => console.say(format!(
                    "{} is in the cache already; {repository} was not asked",
                    tree.version
                )),
                None => console.detail("already in the cache"),
            }
            tree
        }
        None if common.dry_run => {
            console.say(format!("would get {version} from {}", source(from)));
            return Ok(Exit::Clean);
        }
        None => fetch(store, version, from, console)?,
    };
    if common.json {
        let value =
            json!({ "schema": "kernel/1", "version": found.version.to_string(), "dir": found.dir });
        deliver_json(common.output.as_deref(), &value)?;
    } else {
        deliver(common.output.as_deref(), |to| {
            Ok(writeln!(to, "{}", found.dir)?)
        })?;
    }
    Ok(Exit::Clean)
}

fn source(from: Option<&str>) -> &str {
    match from {
        Some(repository) => repository,
        None if debian::is_here() => "Debian's source packages",
        None => stable::STABLE,
    }
}

fn fetch(
    store: &Store,
    version: Version,
    from: Option<&str>,
    console: &Console,
) -> Result<Cached, Failure> {
    let store = store.lock()?;
    if let Some(repository) = from {
        return stable::get(version, repository, &store, console);
    }
    if debian::is_here() {
        if let Some(tree) = debian::get(version, &store, console)? {
            return Ok(tree);
        }
        console.say(format!("no package holds {version}"));
    }
    stable::get(version, stable::STABLE, &store, console)
}
