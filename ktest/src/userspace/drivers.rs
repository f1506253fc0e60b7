// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drivers of one's own: C files that belong to no tree.

use super::{DriverRun, Ended, Error, Options, UserspaceRun, compile, library, report};
use callsites::embedded::{self, Era};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::KernelVersion;
use refimpl::capi::report::Site;
use std::fmt::Write as _;

/// Compiles C files and runs each module among them under the rules of a version. The files stay where they are; the
/// headers that they may include are those of the embedded trees and [`refimpl::capi::HEADERS`].
///
/// # Errors
/// As [`super::run`]; also where no file has a module_init().
pub fn drivers(
    files: &[Utf8PathBuf],
    version: &str,
    options: &Options,
) -> Result<UserspaceRun, Error> {
    let number: KernelVersion = version
        .parse()
        .map_err(|_| Error::Version(version.to_owned()))?;
    for file in files {
        let why = match std::fs::metadata(file) {
            Ok(is) if is.is_file() => continue,
            Ok(_) => "it is no file".to_owned(),
            Err(error) => error.to_string(),
        };
        let file = file.clone();
        return Err(Error::NotThere { file, why });
    }
    let library = library::build()?;
    let kept = tempfile::tempdir()
        .map_err(|source| Error::io("make a directory in", "/tmp".into(), source))?;
    let work =
        Utf8Path::from_path(kept.path()).ok_or_else(|| Error::NotUtf8(kept.path().to_owned()))?;
    let headers = headers(work)?;
    let sources = compile::Sources {
        root: Utf8Path::new("."),
        files: files.to_vec(),
        flags: vec![
            format!("-I{headers}"),
            format!(
                "-DLINUX_VERSION_CODE=(({} << 16) + ({} << 8))",
                number.major, number.minor
            ),
            "-DREFIMPL_DRIVER".to_owned(),
        ],
        included: None,
    };
    let built = compile::link(sources, work, &library, options)?;
    let mut drivers = Vec::new();
    for module in compile::modules(&built.program, options)? {
        let program = &built.program;
        drivers.push(report::drive(
            program, "drive", version, &module, work, options,
        )?);
    }
    if drivers.is_empty() {
        return Err(Error::NoModule {
            files: files.iter().map(|file| file.to_string()).collect(),
        });
    }
    Ok(UserspaceRun {
        version: version.to_owned(),
        sources: built.sources,
        warnings: built.warnings,
        drivers,
    })
}

/// Writes the headers: those of the embedded tree, and over them those that have every call.
fn headers(work: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let dir = work.join("headers");
    let embedded = embedded::files(Era::default());
    let embedded = embedded.iter().filter_map(|(path, bytes)| {
        let below = path.strip_prefix("include").ok()?;
        Some((below.to_owned(), *bytes))
    });
    let own = refimpl::capi::HEADERS
        .iter()
        .map(|(path, text)| (Utf8PathBuf::from(path), text.as_bytes()));
    for (path, bytes) in embedded.chain(own) {
        let path = dir.join(path);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|source| Error::io("write", path.clone(), source))?;
    }
    Ok(dir)
}

/// Every mistake as a compiler would write it, with the other end below; then what was seen of each driver.
pub fn mistakes(run: &UserspaceRun) -> String {
    let mut text = String::new();
    let place = |site: &Site| format!("{}:{}: {}()", site.path, site.line, site.function);
    for driver in &run.drivers {
        for problem in driver.run.iter().flat_map(|run| &run.problems) {
            let class = serde_json::to_value(problem.class).unwrap_or_default();
            let class = class.as_str().unwrap_or_default().to_owned();
            let times = if problem.count == 1 {
                String::new()
            } else {
                format!(", {} times", problem.count)
            };
            let (call, message) = (&problem.call, &problem.message);
            let at = place(&problem.site);
            let _infallible = writeln!(text, "{at}: {call}() {message} [{class}{times}]");
            if let Some(other) = &problem.related {
                let _infallible = writeln!(text, "  {}: the other end", place(other));
            }
        }
        for write in driver.run.iter().flat_map(|run| &run.unseen_writes) {
            let at = place(&write.site);
            let _infallible = writeln!(
                text,
                "{at}: a device writes a page that nobody can see is pinned [unseen, {} times]",
                write.count
            );
            if let Some(taken) = &write.acquired {
                let _infallible = writeln!(text, "  {}: taken here", place(taken));
            }
        }
        text.push_str(&summary(driver));
    }
    text
}

fn summary(driver: &DriverRun) -> String {
    let Some(run) = &driver.run else {
        let how = match driver.ended {
            Ended::Hung => "did not end in its time",
            Ended::Crashed | Ended::Finished => {
                "ended without a report: it crashed, or its module_init() failed"
            }
        };
        return format!("{}: {how}\n", driver.module);
    };
    let totals = run.totals;
    format!(
        "{}: {} mistakes at {} places; {} references and {} pins taken, {} and {} given back; {} device writes\n",
        driver.module,
        run.problems
            .iter()
            .map(|problem| problem.count)
            .sum::<u64>(),
        run.problems.len(),
        totals.gets,
        totals.pins,
        totals.put_page + totals.put_user_page,
        totals.unpins,
        run.device_writes,
    )
}
