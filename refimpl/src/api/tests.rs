// SPDX-License-Identifier: MIT OR Apache-2.0
//! The catalogue is read, and says what the kernel says.

use super::*;

const OF_THE_API: [Role; 4] = [Role::Acquire, Role::Release, Role::Dirty, Role::Reference];

#[test]
fn the_catalogue_is_well_formed() {
    let mut seen = BTreeSet::new();
    for entry in DATA.map(data).iter().flat_map(|data| &data.function) {
        let names: Vec<&String> = entry.names.keys().collect();
        assert!(
            !entry.reason.is_empty() && !entry.source.is_empty(),
            "{names:?} lack a reason or a source"
        );
        for (name, life) in &entry.names {
            assert!(seen.insert(name.clone()), "{name} is listed twice");
            let before = "4.19".parse().ok();
            let gone = life.until.is_some() && life.until <= before;
            let parts = life.at.split([':', ',']).map(str::trim);
            let [file, line, release] = parts.collect::<Vec<_>>()[..] else {
                assert!(gone && life.at.is_empty(), "{name} stands at no line");
                continue;
            };
            assert!(
                file.ends_with(".c") || file.ends_with(".h"),
                "{name}: {file}"
            );
            assert!(
                line.parse::<u32>().is_ok_and(|line| line > 0),
                "{name}: {line}"
            );
            let release = release.parse::<KernelVersion>().expect("a release");
            let since = life.since.or(entry.since);
            let until = life.until.or(entry.until);
            assert!(
                lives(since, until, release),
                "{name} is read where it is not"
            );
        }
        let same =
            |one: &Signature, other: &Signature| one.args == other.args && one.until == other.until;
        for (at, form) in entry.signatures.iter().enumerate() {
            assert!(
                !entry.signatures[..at].iter().any(|one| same(one, form)),
                "{names:?}: one form twice"
            );
            let places = [
                form.pages,
                form.page,
                form.flags,
                form.nr,
                form.dirty,
                form.iter,
                form.address,
            ];
            for place in places.into_iter().flatten() {
                assert!(
                    place < form.args,
                    "{names:?}: position {place} of {}",
                    form.args
                );
            }
        }
        for text in &entry.flows {
            let known = entry.signatures.is_empty() && Flow::parse(text, None).is_some()
                || entry
                    .signatures
                    .iter()
                    .any(|form| Flow::parse(text, Some(form)).is_some());
            assert!(known, "{names:?}: flow {text:?} names no position");
        }
    }
}

/// Of the API every column is read; of what only the audit asks for nothing is said but where pages go.
#[test]
fn what_only_the_audit_asks_for_stands_apart() {
    let [api, audit] = DATA.map(data);
    assert!(api.carriers.is_none() && audit.carriers.is_some());
    assert!(api.fragments.is_none() && audit.fragments.is_some());
    for entry in api.function {
        assert!(OF_THE_API.contains(&entry.role), "{:?}", entry.names);
        assert_ne!(entry.sleeps, Sleeps::Unsaid, "{:?}", entry.names);
    }
    for entry in audit.function {
        assert!(!OF_THE_API.contains(&entry.role), "{:?}", entry.names);
        let says = [&entry.null, &entry.errors, &entry.context];
        assert!(says.iter().all(|text| text.is_empty()), "{:?}", entry.names);
        assert!(entry.history.is_empty() && entry.replacement == Replacement::default());
        assert_eq!((entry.sleeps, entry.dirties), (Sleeps::Unsaid, Dirties::No));
    }
}

#[test]
fn every_acquire_says_where_its_pages_appear() {
    for function in catalogue().with_role(Role::Acquire) {
        let fills = function.signatures.iter().all(|form| {
            function
                .flows(form.args)
                .iter()
                .any(|flow| flow.from == Place::New && flow.to != Place::New)
        });
        assert!(fills, "{} fills nothing", function.name);
    }
}

#[test]
fn get_user_pages_knows_its_page_array_by_arity() {
    let gup = catalogue().get("get_user_pages").expect("listed");
    let places: Vec<_> = [4, 5, 6, 8]
        .iter()
        .map(|args| gup.page_argument(*args))
        .collect();
    assert_eq!(places, [Some(3), Some(3), Some(4), Some(6)]);
}

#[test]
fn a_replacement_belongs_to_an_era() {
    let put_page = catalogue().get("put_page").expect("listed");
    assert_eq!(put_page.replacement(Era::PutPage), Some("put_user_page"));
    assert_eq!(put_page.replacement(Era::Pin), Some("unpin_user_page"));
    let fast = catalogue().get("get_user_pages_fast").expect("listed");
    assert_eq!(fast.replacement(Era::PutUserPage), None);
    assert_eq!(fast.replacement(Era::Pin), Some("pin_user_pages_fast"));
}

#[test]
fn every_replacement_is_listed_itself() {
    for function in catalogue().functions() {
        for era in [Era::PutPage, Era::Pin] {
            if let Some(name) = function.replacement(era) {
                let other = catalogue()
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} is not listed"));
                assert_eq!(other.role, function.role, "{} -> {name}", function.name);
                assert!(other.is_pinning(), "{name} does not pin or unpin");
            }
        }
    }
}

#[test]
fn the_seeds_are_few_and_hold_the_ones_that_matter() {
    let seeds: Vec<_> = catalogue().seeds().collect();
    for name in [
        "get_user_pages_fast",
        "put_page",
        "release_pages",
        "unpin_user_page",
        "get_dump_page",
        "iov_iter_get_pages2",
    ] {
        assert!(seeds.contains(&name), "{name} is no seed");
    }
    for name in ["folio_put", "__free_page", "kmalloc", "set_page_dirty"] {
        assert!(!seeds.contains(&name), "{name} would make every file a hit");
    }
    assert!(seeds.len() < 64, "{seeds:?}");
}

/// lib/iov_iter.c: renamed to _pages2 in 6.0, there again in 6.2, gone in 6.5.
#[test]
fn a_name_may_go_and_come_again() {
    let function = catalogue().get("iov_iter_get_pages").expect("listed");
    let there = |text: &str| function.exists_in(text.parse().expect("a version"));
    let seen = ["4.19", "5.19", "6.0", "6.1", "6.2", "6.4", "6.5", "7.3"].map(there);
    assert_eq!(seen, [true, true, false, false, true, true, false, false]);
}

#[test]
fn versions_compare_by_number() {
    let version = |text: &str| text.parse::<KernelVersion>().expect("a version");
    assert!(version("6.12.117") > version("6.5"));
    assert!("next".parse::<KernelVersion>().is_err());
    assert!(
        !catalogue()
            .get("put_user_page")
            .expect("listed")
            .exists_in(version("5.6.1"))
    );
}

#[test]
fn every_pinning_function_says_its_context_and_its_history() {
    for function in catalogue().functions().filter(|f| f.is_pinning()) {
        let family = function.name.starts_with("pin_user_pages")
            || function.name.starts_with("unpin_user_pages");
        // Gone for years; its forms say all there is.
        if !family || function.until.is_some() {
            continue;
        }
        assert!(!function.context.is_empty(), "{}", function.name);
        assert!(!function.history.is_empty(), "{}", function.name);
    }
}

#[test]
fn history_is_in_order_and_the_model_agrees_with_it() {
    for function in catalogue().functions() {
        assert!(
            function.history.is_sorted_by_key(|change| change.since),
            "{}",
            function.name
        );
    }
    let counts = catalogue().get("pin_user_pages").unwrap();
    let counted = counts
        .history
        .iter()
        .find(|change| change.says.contains("counted"));
    let since = counted.unwrap().since;
    for version in crate::version::Version::ALL {
        let known: KernelVersion = version.name().parse().unwrap();
        assert_eq!(version.counts_pins(), known >= since);
    }
}

/// A call whose name alone is changed must still compile: in every version that has both, the one takes its arguments
/// where the other does.
#[test]
fn what_replaces_a_call_takes_the_same_arguments() {
    let places = |form: &Signature| {
        (
            form.args, form.start, form.nr, form.flags, form.pages, form.vmas,
        )
    };
    for function in catalogue().with_role(Role::Acquire) {
        let other = function
            .replacement(Era::Pin)
            .and_then(|name| catalogue().get(name));
        // Of an iterator, and of a single page, more than the name changes.
        let Some(other) =
            other.filter(|_| function.kind != "iter" && function.name != "get_user_page_fast_only")
        else {
            continue;
        };
        for version in ["5.6", "5.8", "5.10", "5.17", "6.1", "6.4", "6.12", "7.3"] {
            let version = version.parse().expect("a version");
            if !function.exists_in(version) || !other.exists_in(version) {
                continue;
            }
            let forms = |of: &Function| -> Vec<_> {
                let there = of.signatures.iter().filter(|form| form.exists_in(version));
                there.map(places).collect()
            };
            assert_eq!(
                forms(function),
                forms(other),
                "{} in {version}",
                function.name
            );
        }
    }
}
