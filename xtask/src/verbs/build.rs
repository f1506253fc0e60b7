// SPDX-License-Identifier: MIT OR Apache-2.0
//! `build [SERIES_DIR]`: compiles what a series touches, or the whole image, patch by patch.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Build, Common, Module};
use crate::kbuild::Variables;
use crate::kernels::version::Version;
use crate::{outcome, places, stopping, tree};
use callsites::formats::visible::line;
use callsites::tree::{Kernel, Tree};
use camino::{Utf8Path, Utf8PathBuf};
use ktest::build::ModuleBuild;
use ktest::{BuildOptions, Event, KtestOptions, Progress, What};
use std::sync::{Mutex, PoisonError};

/// Runs `build`.
pub(crate) fn run(
    common: &Common,
    args: &Build,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let asked = released(common, &args.module, &args.headers, console);
    let tree = tree::choose_with(common, &asked, console, None)?;
    if args.module.module.is_some() {
        return module(common, args, &tree, kbuild, console);
    }
    let what = if args.image {
        What::Image
    } else {
        What::Objects
    };
    let options = BuildOptions {
        what,
        fragments: args.config.clone(),
        ..options(common, kbuild, console)?
    };
    if common.dry_run {
        let mut asked = KtestOptions::new(options.cache.clone(), places::runs());
        asked.fragments = options.fragments.clone();
        ktest::rehearse(&tree, args.series.as_deref(), &asked)?;
        let of = args
            .series
            .as_ref()
            .map_or("the base".to_owned(), |series| {
                format!("the base and every patch of {series}")
            });
        console.say(format!("would build {of} in {}", options.cache));
        return Ok(Exit::Clean);
    }
    let report = ktest::build::run(&tree, args.series.as_deref(), &options)?;
    if let Some(dir) = &args.series {
        outcome::record_build(dir, tree.version(), &report, console)?;
    }
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &report)?;
    } else {
        deliver(output, |to| Ok(to.write_all(report.text().as_bytes())?))?;
    }
    Ok(report.exit())
}

/// A module, compiled against the headers of each kernel that was named.
fn module(
    common: &Common,
    args: &Build,
    tree: &Tree,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    if args.image || !args.config.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "a module is built with the configuration of its headers, and makes no image",
        )
        .hint("leave --image and --config out"));
    }
    let headers = headers(common, &args.headers)?;
    if headers.is_empty() {
        return Err(Failure::new(Exit::Usage, "no headers to build the module with")
            .hint("--headers linux-headers-6.1.0-13-amd64, after apt-get install of that package; or --kernel with a built tree"));
    }
    let options = module_options(common, headers, kbuild, console)?;
    if common.dry_run {
        let names: Vec<&str> = options.headers.iter().map(|path| path.as_str()).collect();
        console.say(format!(
            "would build {} against {}",
            tree::named(tree),
            names.join(", ")
        ));
        return Ok(Exit::Clean);
    }
    let report = ktest::build::run_module(tree, args.series.as_deref(), &options)?;
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &report)?;
    } else {
        deliver(output, |to| Ok(to.write_all(report.text().as_bytes())?))?;
    }
    Ok(report.exit())
}

/// The module, for the newest kernel of its headers where nothing else says which it is for.
pub(crate) fn released(
    common: &Common,
    module: &Module,
    headers: &[Utf8PathBuf],
    console: &Console,
) -> Module {
    let mut module = module.clone();
    if module.module.is_none() || module.release.is_some() || common.kernel.is_some() {
        return module;
    }
    let version = |name: &Utf8PathBuf| {
        let kernel = Kernel::open(installed(name).as_str()).ok()?;
        kernel.version().parse::<Version>().ok()
    };
    if let Some(newest) = headers.iter().filter_map(version).max() {
        console.say(format!(
            "no --for: the module is read for Linux {newest}, the newest of its headers"
        ));
        module.release = Some(newest.to_string());
    }
    module
}

/// The headers that were named, else those of --kernel, where that is a directory or a version of the cache.
pub(crate) fn headers(common: &Common, named: &[Utf8PathBuf]) -> Result<Vec<Utf8PathBuf>, Failure> {
    match (named, common.kernel.as_deref()) {
        ([], Some(kernel)) => Ok(vec![tree::place(kernel)?.into()]),
        _ => Ok(named.iter().map(|name| installed(name)).collect()),
    }
}

/// How a module is compiled against headers.
pub(crate) fn module_options(
    common: &Common,
    headers: Vec<Utf8PathBuf>,
    kbuild: Variables,
    console: &Console,
) -> Result<ModuleBuild, Failure> {
    let BuildOptions { jobs, cache, .. } = options(common, Variables::new(), console)?;
    Ok(ModuleBuild {
        headers,
        kbuild,
        jobs,
        cache,
        progress: progress(console),
    })
}

/// Where the headers of a package lie; a directory is itself.
pub(crate) fn installed(name: &Utf8Path) -> Utf8PathBuf {
    let package = Utf8Path::new("/usr/src").join(name);
    match !name.exists() && package.is_dir() {
        true => package,
        false => name.to_owned(),
    }
}

/// What the flags say of building.
pub(crate) fn options(
    common: &Common,
    kbuild: Variables,
    console: &Console,
) -> Result<BuildOptions, Failure> {
    let mut options = BuildOptions::new(places::cache()?);
    options.kbuild = kbuild;
    options.progress = progress(console);
    if let Some(jobs) = common.jobs {
        options.jobs = jobs.get();
    }
    Ok(options)
}

/// What goes on, as talk; make's steps as a bar below it.
pub(crate) fn progress(console: &Console) -> Progress {
    let console = console.clone();
    let bar = Mutex::new(None);
    // As it was typed, so that the same is asked for again.
    let typed: Vec<String> = std::env::args().skip(1).collect();
    Progress::with_steps(move |event| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Said(sentence) => {
                *bar = None;
                console.say(sentence);
            }
            Event::Queued(_) => {}
            Event::Begun(run) => stopping::resumable(again(&typed, run)),
            Event::Step { done, about, what } => {
                let bar = bar.get_or_insert_with(|| console.steps(about));
                bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
                bar.set_message(line(what).into_owned());
            }
            Event::Ended => *bar = None,
        }
    })
}

/// The command that was typed, going on with `run`.
fn again(typed: &[String], run: &str) -> String {
    let mut words = vec!["cargo xtask".to_owned()];
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@+%".contains(c);
    let mut is_value = false;
    for word in typed {
        // An earlier run that was asked for is this one.
        let is_flag = word == "--resume";
        if std::mem::replace(&mut is_value, is_flag) || is_flag || word.starts_with("--resume=") {
            continue;
        }
        words.push(match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        });
    }
    words.push(format!("--resume {run}"));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_run_is_gone_on_with_by_what_was_typed() {
        let typed = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = typed("ktest out --target vmci CC=ccache\u{a0}gcc");
        let said = again(&line, "0007-ab");
        assert_eq!(
            said,
            "cargo xtask ktest out --target vmci 'CC=ccache\u{a0}gcc' --resume 0007-ab"
        );
        let line = typed("ktest --resume 0006-cd out --resume=0005");
        assert_eq!(
            again(&line, "0006-cd"),
            "cargo xtask ktest out --resume 0006-cd"
        );
    }
}
