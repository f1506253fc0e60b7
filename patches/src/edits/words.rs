// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which releasing functions a tree offers, and which one a shape of release gets.

use crate::options::Api;
use callsites::report::Era;
use refimpl::api::catalogue;
use refimpl::version::KernelVersion;
use regex::bytes::Regex;

/// The releasing functions of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    /// `pin` or `put_user_page`.
    pub api: Api,
    /// For one page.
    pub one: &'static str,
    /// For a folio, with a second argument that says how many pins (since 6.12).
    pub folio: Option<&'static str>,
    /// For an array of pages.
    pub many: Option<&'static str>,
    /// For pages that follow each other in memory, with a third argument that says if they are dirtied (since 5.14).
    pub range: Option<&'static str>,
    /// For an array of pages that are dirtied under their lock.
    pub many_dirty_lock: Option<DirtyLock>,
    /// For an array of pages that are dirtied without their lock (5.2 and 5.3 only).
    pub many_dirty: Option<&'static str>,
    /// Where no function dirties and releases an array, the release leaves the loop that dirties.
    pub split_loops: bool,
    /// The tree does not declare the functions: the first patch of the series introduces them.
    pub introduced_first: bool,
    /// The tree has iov_iter_extract_pages() and iov_iter_extract_will_pin() (since 6.3).
    pub extracts: bool,
    /// The tree has put_user_page() and callers of it: what is converted belongs to a conversion of the whole tree.
    pub tree_wide: bool,
}

/// The two signatures that the dirtying function has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirtyLock {
    /// Its name.
    pub name: &'static str,
    /// Whether a third argument says if the pages are dirtied (since 5.4).
    pub flag: bool,
}

/// What a kernel declares.
#[derive(Debug)]
pub(crate) enum Functions {
    /// The bytes of its include/linux/mm.h.
    Header(Vec<u8>),
    /// Nothing but the number of its release is known, and the catalogue answers; None for a number that is none.
    Release(Option<KernelVersion>),
}

impl Functions {
    /// Those of a release.
    pub(crate) fn release(number: &str) -> Self {
        Functions::Release(number.parse().ok())
    }

    fn have(&self, name: &str) -> bool {
        match self {
            Functions::Header(header) => declares(header, name, ""),
            Functions::Release(version) => {
                let known = catalogue().get(name).zip(*version);
                known.is_some_and(|(function, version)| function.exists_in(version))
            }
        }
    }

    /// Whether a third argument says if the pages are dirtied.
    fn have_flag(&self, name: &str) -> bool {
        match self {
            Functions::Header(header) => declares(header, name, "[^;]*make_dirty"),
            Functions::Release(version) => {
                let known = catalogue().get(name).zip(*version);
                known.is_some_and(|(function, version)| {
                    let forms = &function.signatures;
                    forms
                        .iter()
                        .any(|form| form.dirty.is_some() && form.exists_in(version))
                })
            }
        }
    }
}

impl Words {
    /// Looks for what a kernel declares.
    ///
    /// # Errors
    /// A sentence that says why the API cannot be had in this tree.
    pub(crate) fn of(api: Api, era: Era, functions: &Functions) -> Result<Words, String> {
        let api = match (api, era) {
            (Api::Auto, Era::Pin) => Api::Pin,
            (Api::Auto, _) => Api::PutUserPage,
            (api, _) => api,
        };
        let has = |name| functions.have(name);
        if api == Api::Pin {
            if era != Era::Pin {
                return Err("pin_user_pages*() came with 5.6".into());
            }
            let lock = "unpin_user_pages_dirty_lock";
            return Ok(Words {
                api,
                one: "unpin_user_page",
                folio: has("unpin_user_folio").then_some("unpin_user_folio"),
                many: has("unpin_user_pages").then_some("unpin_user_pages"),
                range: has("unpin_user_page_range_dirty_lock")
                    .then_some("unpin_user_page_range_dirty_lock"),
                many_dirty_lock: has(lock).then_some(DirtyLock {
                    name: lock,
                    flag: true,
                }),
                many_dirty: None,
                split_loops: false,
                introduced_first: false,
                extracts: false,
                tree_wide: false,
            });
        }
        match era {
            Era::Pin => Err("put_user_page*() was renamed to unpin_user_page*() in 5.6".into()),
            Era::PutUserPage => {
                let lock = "put_user_pages_dirty_lock";
                Ok(Words {
                    api,
                    one: "put_user_page",
                    folio: None,
                    many: ["put_user_pages", "release_user_pages"]
                        .into_iter()
                        .find(|name| has(name)),
                    range: None,
                    many_dirty_lock: has(lock).then(|| DirtyLock {
                        name: lock,
                        flag: functions.have_flag(lock),
                    }),
                    many_dirty: has("put_user_pages_dirty").then_some("put_user_pages_dirty"),
                    split_loops: false,
                    introduced_first: false,
                    extracts: false,
                    tree_wide: false,
                })
            }
            Era::PutPage => Ok(Words {
                api,
                one: "put_user_page",
                folio: None,
                many: Some("release_user_pages"),
                range: None,
                many_dirty_lock: None,
                many_dirty: None,
                split_loops: false,
                introduced_first: !has("put_user_page"),
                extracts: false,
                tree_wide: false,
            }),
        }
    }

    /// The same with what include/linux/uio.h declares.
    pub(crate) fn with_iterators(self, functions: &Functions) -> Words {
        let has = |name| functions.have(name);
        Words {
            extracts: self.api == Api::Pin
                && has("iov_iter_extract_pages")
                && has("iov_iter_extract_will_pin"),
            ..self
        }
    }

    /// "pin" or "put_user_page", as series.toml has it.
    pub(crate) fn api_name(&self) -> &'static str {
        match self.api {
            Api::Pin => "pin",
            _ => "put_user_page",
        }
    }
}

fn declares(header: &[u8], name: &str, then: &str) -> bool {
    Regex::new(&format!(r"\b{name}\s*\({then}")).is_ok_and(|regex| regex.is_match(header))
}

/// Whether a function releases an array from its last entry to the first: of all that are written here only the one that
/// first-steps introduces does. `put_user_pages()` and `unpin_user_pages()` begin with the first ("mm/gup.c", 5.2 and 6.12).
pub(super) fn begins_with_the_last(name: &str) -> bool {
    name == "release_user_pages"
}

/// The functions that mark one page dirty, and whether they take the page's lock.
pub(super) fn dirties(name: &str) -> Option<Dirty> {
    match name {
        "set_page_dirty_lock" => Some(Dirty::Locked),
        "set_page_dirty" | "SetPageDirty" => Some(Dirty::Unlocked),
        _ => None,
    }
}

/// How a page is marked dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dirty {
    /// Under the page's lock; may sleep.
    Locked,
    /// Without it.
    Unlocked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_of_the_dirtying_function_is_read_from_the_header() {
        let old = b"void put_user_pages_dirty_lock(struct page **pages, unsigned long npages);";
        let new = b"void put_user_pages_dirty_lock(struct page **pages, unsigned long npages,\n\tbool make_dirty);";
        let flag = |header: &[u8]| {
            let words = Words::of(
                Api::Auto,
                Era::PutUserPage,
                &Functions::Header(header.to_vec()),
            )
            .expect("era has the API");
            words.many_dirty_lock.map(|lock| lock.flag)
        };
        assert_eq!(
            (flag(old), flag(new), flag(b"")),
            (Some(false), Some(true), None)
        );
    }

    #[test]
    fn the_catalogue_tells_what_a_release_has() {
        let words = |era, number| {
            Words::of(Api::Auto, era, &Functions::release(number)).expect("the era has the API")
        };
        let flag = |number| {
            words(Era::PutUserPage, number)
                .many_dirty_lock
                .map(|lock| lock.flag)
        };
        assert_eq!((flag("5.2"), flag("5.4.59")), (Some(false), Some(true)));
        let range = |number| words(Era::Pin, number).range;
        assert_eq!(range("5.10"), None);
        assert_eq!(range("6.12"), Some("unpin_user_page_range_dirty_lock"));
        assert!(words(Era::PutPage, "4.19").introduced_first);
    }

    #[test]
    fn an_api_of_another_era_is_refused() {
        assert!(Words::of(Api::Pin, Era::PutUserPage, &Functions::Header(Vec::new())).is_err());
        assert!(Words::of(Api::PutUserPage, Era::Pin, &Functions::Header(Vec::new())).is_err());
    }
}
