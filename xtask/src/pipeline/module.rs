// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trial of a module outside the kernel: it is compiled against headers, before and after each patch, and booted nowhere.

use crate::console::deliver_json;
use crate::exit::{Exit, Failure};
use crate::pipeline::progress::Came;
use callsites::tree::Tree;
use camino::Utf8Path;
use failure::counted;
use ktest::build::{ModuleBuild, ModuleReport};

/// Compiles the module, and the module after each patch; skipped where there is nothing to compile it with.
pub(crate) fn build(
    tree: &Tree,
    series: &Utf8Path,
    options: &ModuleBuild,
    report: &Utf8Path,
) -> Result<Came, Failure> {
    if options.headers.is_empty() {
        return Ok(Came::Skipped(
            "no headers to compile the module with".to_owned(),
            Some(
                "--headers linux-headers-6.1.0-13-amd64, or --kernel with a built tree".to_owned(),
            ),
        ));
    }
    if proc::on_path("make").is_none() {
        return Ok(Came::Skipped(
            "compiling a module needs make, which this machine lacks".to_owned(),
            Some("cargo xtask doctor --install".to_owned()),
        ));
    }
    let built = ktest::build::run_module(tree, Some(series), options)?;
    deliver_json(Some(report), &built)?;
    Ok(came(&built))
}

fn came(built: &ModuleReport) -> Came {
    let details = built.text().lines().map(str::to_owned).collect();
    let all = built.stages.first().map_or(0, |base| base.kernels.len());
    let base = built
        .stages
        .first()
        .into_iter()
        .flat_map(|base| &base.kernels);
    let good = base.filter(|kernel| kernel.built).count();
    let summary = match built.exit() {
        Exit::Clean => format!(
            "{} compiled against {good} of {}, without a new warning",
            counted(built.stages.len() - 1, "patch"),
            counted(all, "kernel"),
        ),
        Exit::Infrastructure => {
            "the module as it is compiles against none of the headers".to_owned()
        }
        _ => "a patch breaks what the module itself compiles with".to_owned(),
    };
    match built.exit() {
        Exit::Clean => Came::Well(summary, details),
        exit => Came::Ill(exit, summary, details),
    }
}
