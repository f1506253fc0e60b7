// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reference implementation against a booted kernel: traces made and answered here, a probe module built against the
//! kernel under test, both packed into the image.
//!
//! The guest compares (ktest/guest/src/targets/conformance.rs) and says, for each trace, where kernel and model differ
//! first. To know that it would notice, some traces go along with the answers of a model that counts 512 for a pin; there
//! a difference must be found.

use crate::build::Kbuild;
use crate::error::Error;
use crate::image::Extra;
use crate::progress::Progress;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::KernelVersion;
use refimpl::conformance::{Trace, answered, generate, kept, legacy_direct_io};
use refimpl::page::GUP_PIN_COUNTING_BIAS;
use refimpl::version::Version;
use std::collections::BTreeMap;
use std::time::Duration;

const SOURCE: &str = include_str!("../probe/gup_probe.c");
const KBUILD: &str = include_str!("../probe/Kbuild");
const DIRECT_IO: &str = include_str!("../probe/gup_direct_io.c");
const LEGACY: &str = include_str!("../probe/legacy.h");
/// Modules that targets name.
const MODULES: [(&str, &str); 1] = [("gup_device", include_str!("../probe/gup_device.c"))];
/// How many pages are read directly at once: a bio has room for them, and they are more than one.
const DIRECT_PAGES: u32 = 8;
/// How many traces of random numbers go into one boot: they and the written ones are more than 5,000 operations of each
/// version, which take minutes.
const TRACES: usize = 96;
/// How many numbers each is made of, at least and at most.
const LENGTH: std::ops::Range<usize> = 24..64;
/// What a wrong model adds to a count for a pin: half of the right bias, so that no sum of few pins comes out right.
const WRONG_BIAS: i32 = 512;
/// How many traces are answered by the wrong model: each alone must be found out, and a few are enough to see that.
const WRONG: usize = 4;

/// Where the random numbers begin; any number does, as long as it stays the same.
const SEED: u64 = 1;

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers everywhere, from one word of state.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Traces for a kernel of `version`: those that were kept, and generated ones. The same version, the same traces.
///
/// # Errors
/// When a kept trace does not parse, which a test rules out.
pub(crate) fn traces(version: Version) -> Result<Vec<Trace>, Error> {
    let mut traces = kept(version).map_err(|error| Error::Data {
        path: "refimpl/data/traces".into(),
        why: error.to_string(),
    })?;
    let mut random = SplitMix(SEED);
    for number in 0..TRACES {
        let span = (LENGTH.end - LENGTH.start) as u64;
        let length = LENGTH.start + usize::try_from(random.next() % span).unwrap_or(0);
        let numbers: Vec<u64> = std::iter::repeat_with(|| random.next())
            .take(length)
            .collect();
        traces.push(generate(&format!("g{number}"), version, &numbers));
    }
    Ok(traces)
}

/// `traces` with the answers of a model with `bias`, one after the other.
///
/// # Errors
/// When a trace is none for this version.
pub(crate) fn text(traces: &[Trace], version: Version, bias: i32) -> Result<String, Error> {
    let answered = traces.iter().map(|trace| {
        answered(trace, version, bias).map_err(|error| Error::Data {
            path: format!("trace {}", trace.name),
            why: error.to_string(),
        })
    });
    answered.collect()
}

/// Traces whose answers differ under a wrong bias and which that model itself can replay.
fn wrong(traces: &[Trace], version: Version) -> Vec<Trace> {
    let differs = |trace: &&Trace| {
        let said = |bias| answered(trace, version, bias).ok();
        let wrong = said(WRONG_BIAS);
        wrong.is_some() && wrong != said(GUP_PIN_COUNTING_BIAS)
    };
    traces.iter().filter(differs).take(WRONG).cloned().collect()
}

/// How often each call stands in `traces`, in words.
pub(crate) fn mix(traces: &[Trace]) -> String {
    let mut times = BTreeMap::<&str, usize>::new();
    for op in traces.iter().flat_map(|trace| &trace.ops) {
        *times.entry(op.word()).or_default() += 1;
    }
    let total: usize = times.values().sum();
    let each: Vec<String> = times
        .iter()
        .map(|(word, times)| format!("{word} {times}"))
        .collect();
    format!(
        "{} traces, {total} operations: {}",
        traces.len(),
        each.join(", ")
    )
}

/// The probe module for the kernel that `kbuild` has built, and the traces.
pub(crate) fn extras(
    version: KernelVersion,
    kbuild: &Kbuild,
    dir: &Utf8Path,
    progress: &Progress,
) -> Result<Vec<Extra>, Error> {
    let version = Version::at(version);
    progress.say("building the probe module");
    let module = module(kbuild, dir)?;
    let traces = traces(version)?;
    progress.say(&mix(&traces));
    let right = text(&traces, version, GUP_PIN_COUNTING_BIAS)?;
    let wrong = text(&wrong(&traces, version), version, WRONG_BIAS)?;
    let beside = dir.join("traces");
    std::fs::write(&beside, &right).map_err(Error::io("write", &beside))?;
    let moved = legacy_direct_io(version, DIRECT_PAGES);
    let direct = format!("{DIRECT_PAGES} {} {}\n", moved.acquired, moved.released);
    Ok(vec![
        ("gup_probe.ko".into(), module),
        ("traces".into(), right.into_bytes()),
        ("traces.wrong".into(), wrong.into_bytes()),
        (
            "traces.ext4".into(),
            on_ext4(&traces, version)?.into_bytes(),
        ),
        ("gup_direct_io.ko".into(), direct_io(kbuild, dir)?),
        ("direct-io".into(), direct.into_bytes()),
    ])
}

/// The kept traces of long-term pins of a file, whose dirty pages any file system tracks.
fn on_ext4(traces: &[Trace], version: Version) -> Result<String, Error> {
    let of_a_file = |trace: &&Trace| trace.name == "longterm-file";
    let chosen: Vec<Trace> = traces.iter().filter(of_a_file).cloned().collect();
    text(&chosen, version, GUP_PIN_COUNTING_BIAS)
}

/// The module that reads directly the old way. Where the kernel can be, and is, built without that, the tree's own file is
/// compiled into it.
fn direct_io(kbuild: &Kbuild, dir: &Utf8Path) -> Result<Vec<u8>, Error> {
    let read = |path: Utf8PathBuf| std::fs::read_to_string(&path).map_err(Error::io("read", &path));
    let optional = read(kbuild.source.join("fs/Kconfig"))?.contains("config LEGACY_DIRECT_IO");
    let chosen = read(kbuild.output.join(".config"))?.contains("CONFIG_LEGACY_DIRECT_IO=y");
    let mut lines = "obj-m := gup_direct_io.o\n".to_owned();
    let mut files = vec![("gup_direct_io.c", DIRECT_IO.to_owned())];
    if optional && !chosen {
        lines.push_str("ccflags-y := -DWITH_LEGACY\n");
        files.push(("legacy.h", LEGACY.to_owned()));
        for name in ["direct-io.c", "internal.h"] {
            files.push((name, read(kbuild.source.join("fs").join(name))?));
        }
    }
    files.push(("Kbuild", lines));
    compile(kbuild, &dir.join("direct-io"), &files, "gup_direct_io.ko")
}

/// What goes into the image of a boot that replays `candidates` alone.
pub(crate) fn candidates(
    module: Vec<u8>,
    candidates: &[Trace],
    version: Version,
) -> Result<Vec<Extra>, Error> {
    let text = text(candidates, version, GUP_PIN_COUNTING_BIAS)?;
    Ok(vec![
        ("gup_probe.ko".into(), module),
        ("traces".into(), text.into_bytes()),
    ])
}

/// The module that a target calls `name`, for the kernel that `kbuild` has built.
pub(crate) fn module_of(name: &str, kbuild: &Kbuild, dir: &Utf8Path) -> Result<Extra, Error> {
    let Some((_, source)) = MODULES.iter().find(|(known, _)| *known == name) else {
        return Err(Error::Internal(format!("there is no module {name}")));
    };
    let (file, object) = (format!("{name}.c"), format!("{name}.ko"));
    let files = [
        (file.as_str(), (*source).to_owned()),
        ("Kbuild", format!("obj-m := {name}.o\n")),
    ];
    let bytes = compile(kbuild, &dir.join(name), &files, &object)?;
    Ok((object, bytes))
}

/// The probe module.
fn module(kbuild: &Kbuild, dir: &Utf8Path) -> Result<Vec<u8>, Error> {
    let files = [
        ("gup_probe.c", SOURCE.to_owned()),
        ("Kbuild", KBUILD.to_owned()),
    ];
    compile(kbuild, &dir.join("probe"), &files, "gup_probe.ko")
}

/// Builds a module in `dir`. The kernel's output directory is only read, but for what modules_prepare adds to it.
fn compile(
    kbuild: &Kbuild,
    dir: &Utf8Path,
    files: &[(&str, String)],
    module: &str,
) -> Result<Vec<u8>, Error> {
    let dir = camino::absolute_utf8(dir).map_err(Error::io("find", dir))?;
    std::fs::create_dir_all(&dir).map_err(Error::io("make directory", &dir))?;
    for (name, contents) in files {
        let file = dir.join(name);
        std::fs::write(&file, contents).map_err(Error::io("write", &file))?;
    }
    let make = |targets: &[&str], log: &str| {
        kbuild
            .make(targets)
            .log(dir.join(log))
            .deadline(Duration::from_secs(600))
            .run()
            .map_err(Error::child("compile the probe module"))
    };
    make(&["modules_prepare"], "prepare.log")?;
    // Only vmlinux was built, so that no list of its symbols exists; the loader looks them up in the running kernel.
    let place = format!("M={dir}");
    make(&[&place, "KBUILD_MODPOST_WARN=1", "modules"], "make.log")?;
    let module = dir.join(module);
    std::fs::read(&module).map_err(Error::io("read", &module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refimpl::conformance::Op;

    #[test]
    fn a_boot_has_enough_traces_of_everything_that_its_kernel_has() {
        for version in [Version::V6_1, Version::V6_12, Version::V7_3] {
            let traces = traces(version).unwrap();
            let ops = traces.iter().flat_map(|trace| &trace.ops);
            let grounds = ops.clone().filter_map(|op| match op {
                Op::Map { ground, .. } => Some(ground.name()),
                _ => None,
            });
            let grounds: std::collections::BTreeSet<String> = grounds.collect();
            for ground in [
                "anon", "huge", "hugetlb", "shmem", "disk", "driver0", "driver4",
            ] {
                assert!(grounds.contains(ground), "{ground}");
            }
            assert!(traces.len() >= 50 && ops.clone().count() >= 5000);
            let words: std::collections::BTreeSet<&str> = ops.map(|op| op.word()).collect();
            let newer = [
                "memfd_pin_folios",
                "unpin_folio",
                "unpin_folios",
                "unpin_user_folio",
            ];
            for word in newer {
                assert_eq!(words.contains(word), version != Version::V6_1, "{word}");
            }
            for word in ["repair", "truncate", "fork", "reap", "error_as_count"] {
                assert!(words.contains(word), "{word}");
            }
            let missing = missing(version, &words);
            assert!(missing.is_empty(), "{}: {missing:?}", version.name());
            assert!(text(&traces, version, GUP_PIN_COUNTING_BIAS).is_ok());
            assert_eq!(wrong(&traces, version).len(), WRONG);
        }
    }

    /// Functions of the catalogue that no trace calls, with the reason.
    const LEFT_OUT: [(&str, &str); 40] = [
        ("__get_user_pages", "no module can call it"),
        ("get_dump_page", "no module can call it"),
        ("put_page_testzero", "the freeing is left to its caller"),
        ("folio_put_testzero", "the freeing is left to its caller"),
        ("page_ref_dec", "the freeing is left to its caller"),
        ("page_ref_dec_and_test", "the freeing is left to its caller"),
        ("page_ref_sub", "the freeing is left to its caller"),
        ("page_ref_sub_and_test", "the freeing is left to its caller"),
        ("folio_ref_sub", "the freeing is left to its caller"),
        ("put_devmap_managed_page", "of devices' memory only"),
        ("put_devmap_managed_page_refs", "of devices' memory only"),
        ("folios_put_refs", "folios_put() with counts"),
        ("pagevec_release", "folio_batch_release() with another type"),
        (
            "__pagevec_release",
            "folio_batch_release() with another type",
        ),
        (
            "put_pages_list",
            "links pages through what the LRU lists use",
        ),
        ("free_page_and_swap_cache", "no module can call it"),
        ("__free_page", "frees what its caller allocated"),
        ("__free_pages", "frees what its caller allocated"),
        ("free_page", "frees what its caller allocated"),
        ("free_pages", "frees what its caller allocated"),
        ("free_unref_page", "frees what its caller allocated"),
        ("free_reserved_page", "frees what its caller allocated"),
        ("dma_free_pages", "frees what its caller allocated"),
        ("bio_iov_iter_get_pages", "its pages stay in a bio"),
        ("bio_iov_iter_bounce", "its pages stay in a bio"),
        ("blk_rq_map_user", "its pages stay in a bio"),
        ("blk_rq_map_user_iov", "its pages stay in a bio"),
        ("blk_rq_map_user_io", "its pages stay in a bio"),
        ("bio_integrity_map_user", "its pages stay in a bio"),
        ("bio_release_pages", "its pages stay in a bio"),
        ("__bio_release_pages", "its pages stay in a bio"),
        ("bio_iov_iter_unbounce", "its pages stay in a bio"),
        ("blk_rq_unmap_user", "its pages stay in a bio"),
        ("bio_integrity_unmap_user", "its pages stay in a bio"),
        ("free_folio_and_swap_cache", "no module can call it"),
        ("folio_mark_dirty_lock", "set_page_dirty_lock() of a folio"),
        (
            "filemap_dirty_folio",
            "how a mapping dirties; set_page_dirty() calls it",
        ),
        (
            "block_dirty_folio",
            "how a mapping dirties; set_page_dirty() calls it",
        ),
        ("bio_set_pages_dirty", "no module of 6.1 or 7.3 can call it"),
        (
            "bio_check_pages_dirty",
            "no module of 6.1 or 7.3 can call it",
        ),
    ];

    /// What sets the flag without going through the mapping.
    const FLAGS: [&str; 5] = [
        "SetPageDirty",
        "TestSetPageDirty",
        "folio_set_dirty",
        "noop_dirty_folio",
        "__set_page_dirty_nobuffers",
    ];

    fn missing(version: Version, words: &std::collections::BTreeSet<&str>) -> Vec<String> {
        use refimpl::api::{Role, catalogue};
        let at: KernelVersion = version.name().parse().unwrap();
        let called = catalogue()
            .functions()
            .filter(|f| matches!(f.role, Role::Acquire | Role::Release | Role::Dirty));
        called
            .filter(|f| f.exists_in(at) && !words.contains(f.name.as_str()))
            .filter(|f| !LEFT_OUT.iter().any(|(name, _)| *name == f.name))
            .filter(|f| !FLAGS.contains(&f.name.as_str()))
            .map(|f| f.name.clone())
            .collect()
    }

    #[test]
    fn long_term_pins_of_a_file_are_made_on_ext4_and_their_answer_changed() {
        let said = |version| on_ext4(&traces(version).unwrap(), version).unwrap();
        let pinned = "pin_user_pages_fast 0 0 1 wl -> 1\n= 1 ";
        let refused = "pin_user_pages_fast 0 0 1 wl -> 1\n= -14 ";
        assert!(said(Version::V6_1).contains(pinned));
        for version in [Version::V6_12, Version::V7_3] {
            assert!(said(version).contains(refused), "{}", said(version));
        }
    }

    #[test]
    fn what_no_trace_calls_exists_and_has_a_reason() {
        for (name, reason) in LEFT_OUT {
            assert!(refimpl::api::catalogue().get(name).is_some(), "{name}");
            assert!(!reason.is_empty());
        }
    }

    #[test]
    fn the_same_version_has_the_same_traces() {
        assert_eq!(
            traces(Version::V6_12).unwrap(),
            traces(Version::V6_12).unwrap()
        );
    }
}
