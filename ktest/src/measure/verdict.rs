// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file is changed and its verdict waited for; then the parts are taken one by one.

use super::boots::{Boot, boot, busybox};
use super::{ROWS, Row, least};
use crate::boot::Accelerator;
use crate::build::stage::fragment;
use crate::build::{Prepared, output_key, prepare};
use crate::error::Error;
use crate::image;
use crate::options::KtestOptions;
use crate::progress::Progress;
use crate::series::{Content, Overlay};
use crate::source::Source;
use crate::target::{TargetSpec, select};
use crate::verdict::{Outcome, Verdict};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One round, in seconds.
struct Round {
    ours: f64,
    make: f64,
    bare: Boot,
    init: Boot,
    target: f64,
}

pub(super) fn rows(
    tree: &Tree,
    target: &str,
    rounds: usize,
    options: &KtestOptions,
) -> Result<Vec<Row>, Error> {
    let skip = |why: String| Ok(vec![Row::skipped(ROWS[0], why)]);
    let spec = one(target)?;
    let source = match Source::of(tree, None, &options.cache) {
        Ok(source) => source,
        Err(Error::NotKbuild(version)) => return skip(format!("{version} cannot be built")),
        Err(error) => return Err(error),
    };
    if crate::host::require(
        options
            .qemu
            .as_deref()
            .map_or(crate::boot::QEMU, Utf8Path::as_str),
        "booting",
    )
    .is_err()
    {
        return skip("no emulator".into());
    }
    let fragment = fragment(&source, &[], &options.fragments)?;
    let key = output_key(&fragment, &options.kbuild);
    if !warm(&options.cache, &source, &key) {
        return skip(format!(
            "no image of {} was built yet, and a cold build is not measured",
            source.version
        ));
    }
    let Some(file) = changed_file(&source.root, &spec) else {
        return skip(format!("{target} exercises no C file of this tree"));
    };
    let scratch = tempfile::tempdir().map_err(Error::io("make directory", "scratch".into()))?;
    let scratch = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?;
    let bare = match busybox(&scratch.join("busybox.cpio"))? {
        Ok(initrd) => initrd,
        Err(why) => return skip(why),
    };
    let init = scratch.join("init.cpio");
    let guest = image::build_guest(&options.cache, &options.progress)?;
    let programs = image::Programs {
        init: guest,
        selftests: Vec::new(),
    };
    image::write(&programs, &[], &[], &init)?;
    let measured = (0..=rounds.max(1))
        .map(|number| {
            let what = if number == 0 {
                "warming up".to_owned()
            } else {
                format!("round {number}")
            };
            options.progress.say(&what);
            round(
                tree,
                &source,
                &spec,
                &file,
                number,
                (&bare, &init),
                options,
                scratch,
            )
        })
        .collect::<Result<Vec<Round>, Error>>()?;
    // The first one warms caches, and builds what the base lacked.
    let rounds = &measured[1..];
    let of = |part: fn(&Round) -> f64| least(rounds.iter().map(part));
    let (ours, make, target_time) = (of(|r| r.ours), of(|r| r.make), of(|r| r.target));
    let (bare_off, bare_spoke, spoke) = (
        of(|r| r.bare.off),
        of(|r| r.bare.spoke),
        of(|r| r.init.spoke),
    );
    Ok(vec![
        Row::plain(&format!("make, {file} changed"), make),
        Row::plain("a bare boot to power-off", bare_off),
        Row::plain(&format!("{target}, its own run time"), target_time),
        Row::against(ROWS[0], ours, make + bare_off + target_time, 1.3),
        Row::against(ROWS[1], spoke, bare_spoke, 1.2),
    ])
}

fn one(target: &str) -> Result<TargetSpec, Error> {
    let found = select(&[target.to_owned()])?
        .into_iter()
        .find(|t| t.guest().is_some());
    found.ok_or_else(|| Error::NoSuchTarget(target.to_owned()))
}

/// Whether the image of this configuration was built before.
fn warm(cache: &Utf8Path, source: &Source, key: &str) -> bool {
    let home = crate::build::home(cache, source);
    home.join(format!("out-{key}/arch/x86/boot/bzImage"))
        .is_file()
}

/// The first C file that the target exercises.
fn changed_file(root: &Utf8Path, spec: &TargetSpec) -> Option<Utf8PathBuf> {
    spec.exercises.iter().find_map(|place| {
        if !place.ends_with('/') {
            return Some(Utf8PathBuf::from(place)).filter(|file| file.extension() == Some("c"));
        }
        let mut files: Vec<Utf8PathBuf> = root
            .join(place)
            .read_dir_utf8()
            .ok()?
            .flatten()
            .map(|entry| Utf8Path::new(place).join(entry.file_name()))
            .filter(|file| file.extension() == Some("c"))
            .collect();
        files.sort();
        files.into_iter().next()
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "everything that stays the same from round to round"
)]
fn round(
    tree: &Tree,
    source: &Source,
    spec: &TargetSpec,
    file: &Utf8Path,
    number: usize,
    (bare, init): (&Utf8Path, &Utf8Path),
    options: &KtestOptions,
    scratch: &Utf8Path,
) -> Result<Round, Error> {
    let series = scratch.join(format!("series-{number}"));
    write_series(&source.root, file, number, &series)?;
    let (ours, verdict) = timed(tree, &series, spec, options, scratch)?;
    let prepared = prepared(source, options)?;
    let overlay = changed(&source.root, file, &format!("make {number}"))?;
    prepared.shadow.set(&overlay)?;
    let started = Instant::now();
    let (goal, image) = prepared.kbuild.image();
    prepared
        .kbuild
        .make(&[goal])
        .run()
        .map_err(Error::child("build the image"))?;
    let make = started.elapsed().as_secs_f64();
    let kernel = scratch.join("bzImage");
    std::fs::copy(&image, &kernel).map_err(Error::io("copy", &image))?;
    prepared.shadow.set(&Overlay::new())?;
    let target = verdict
        .patches
        .first()
        .and_then(|stage| stage.targets.first());
    let target = target.filter(|target| target.result == Outcome::Pass);
    let target =
        target.ok_or_else(|| Error::Usage(format!("{}: {}", spec.name, verdict.reason)))?;
    Ok(Round {
        ours,
        make,
        bare: boot(&kernel, bare, options, scratch)?,
        init: boot(&kernel, init, options, scratch)?,
        target: target.subtests.iter().map(|subtest| subtest.seconds).sum(),
    })
}

/// A whole run of a series of one patch, without what it spends on the base: from the start to the base's build, and from the
/// patch's build to the end.
fn timed(
    tree: &Tree,
    series: &Utf8Path,
    spec: &TargetSpec,
    options: &KtestOptions,
    scratch: &Utf8Path,
) -> Result<(f64, Verdict), Error> {
    let marks: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&marks);
    let mut options = options.clone();
    options.targets = vec![spec.name.clone()];
    options.runs = scratch.join("runs");
    // As the bare boots that it is compared with.
    options.accelerator = options.accelerator.or(Some(Accelerator::Tcg));
    let progress = options.progress.clone();
    options.progress = Progress::new(move |sentence| {
        if sentence.starts_with("building ") {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Instant::now());
        }
        progress.say(sentence);
    });
    let started = Instant::now();
    let verdict = crate::run(tree, Some(series), &options)?;
    let ended = Instant::now();
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    let [base, patch] = marks.as_slice() else {
        return Err(Error::Usage(format!(
            "the base is not good: {}",
            verdict.reason
        )));
    };
    let spent = (*base - started) + (ended - *patch);
    Ok((spent.as_secs_f64(), verdict))
}

fn prepared(source: &Source, options: &KtestOptions) -> Result<Prepared, Error> {
    let fragment = fragment(source, &[], &options.fragments)?;
    prepare(
        source,
        &options.cache,
        &fragment,
        &options.kbuild,
        options.jobs,
        &Progress::silent(),
    )
}

/// A line that makes another image: a kernel with the same image would not be booted.
fn difference(text: &str) -> String {
    format!("static const char ktest_measured[] __attribute__((used)) = \"{text}\";\n")
}

/// `file` with one line more at its end.
fn changed(root: &Utf8Path, file: &Utf8Path, text: &str) -> Result<Overlay, Error> {
    let path = root.join(file);
    let mut bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    bytes.extend_from_slice(difference(text).as_bytes());
    Ok(Overlay::from([(file.to_owned(), Content::file(bytes))]))
}

/// The same as a series of one patch.
fn write_series(
    root: &Utf8Path,
    file: &Utf8Path,
    number: usize,
    to: &Utf8Path,
) -> Result<(), Error> {
    std::fs::create_dir_all(to).map_err(Error::io("make directory", to))?;
    let path = root.join(file);
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let lines = text
        .split_inclusive(|byte| *byte == b'\n')
        .collect::<Vec<_>>();
    let kept = lines.len().min(3);
    let first = lines.len() - kept + 1;
    let mut patch = format!(
        "Subject: [PATCH] change {file} ({number})\n\n---\ndiff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -{first},{kept} +{first},{} @@\n",
        kept + 1
    )
    .into_bytes();
    for line in &lines[lines.len() - kept..] {
        patch.push(b' ');
        patch.extend_from_slice(line);
    }
    let line = difference(&format!("round {number}"));
    patch.extend_from_slice(format!("+{line}").as_bytes());
    let mail = to.join("0001-change.patch");
    std::fs::write(&mail, patch).map_err(Error::io("write", &mail))
}
