// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who took which reference where, and whether it was given back as it should be.
//!
//! Counts cannot tell one reference from another; the ledger can, because it is told the place of each call. When a page
//! has references of several kinds, a release is matched with one of its own kind before it is called wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use super::report::{Class, Problem, Site, Totals, Traffic};
use crate::page::Pfn;

/// How a reference was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// get_user_pages*()
    Get,
    /// pin_user_pages*()
    Pin,
    /// get_page(), alloc_page(), a look-up in the page cache.
    Plain,
}

/// How a reference is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// put_page(), release_pages(), __free_page()
    Put,
    /// put_user_page*()
    PutUser,
    /// unpin_user_page*()
    Unpin,
}

impl Given {
    /// Kinds it may be matched with, best first, and how many of them are right.
    fn order(self) -> ([Taken; 3], usize) {
        match self {
            Given::Put => ([Taken::Plain, Taken::Get, Taken::Pin], 2),
            Given::PutUser => ([Taken::Get, Taken::Plain, Taken::Pin], 1),
            Given::Unpin => ([Taken::Pin, Taken::Get, Taken::Plain], 1),
        }
    }
}

/// A call: what and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The function.
    pub name: &'a str,
    /// Where it is called.
    pub site: &'a Site,
}

#[derive(Debug)]
struct Entry {
    pfn: Pfn,
    taken: Taken,
    call: String,
    site: Site,
    /// Asked for without FOLL_WRITE.
    read_only: bool,
}

/// The book of references of one run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    live: Vec<Entry>,
    given_back: BTreeMap<Pfn, Site>,
    written: BTreeMap<Pfn, Site>,
    acquires: BTreeMap<(Site, String), u64>,
    releases: BTreeMap<(Site, String), u64>,
    problems: BTreeMap<(Class, Site, String, String, Option<Site>), u64>,
    totals: Totals,
}

impl Ledger {
    /// A reference was taken.
    pub(crate) fn acquire(&mut self, pfn: Pfn, taken: Taken, call: Call<'_>) {
        match taken {
            Taken::Get => self.totals.gets += 1,
            Taken::Pin => self.totals.pins += 1,
            Taken::Plain => {}
        }
        *self
            .acquires
            .entry((call.site.clone(), call.name.to_owned()))
            .or_default() += 1;
        self.live.push(Entry {
            pfn,
            taken,
            call: call.name.to_owned(),
            site: call.site.clone(),
            read_only: false,
        });
    }

    /// The newest `count` references were asked for without FOLL_WRITE.
    pub(crate) fn only_read(&mut self, count: usize) {
        let newest = self.live.iter_mut().rev().take(count);
        newest.for_each(|entry| entry.read_only = true);
    }

    /// A reference was given back: that of the page, or else of another page of its folio, whose pages share their counts.
    pub(crate) fn release(&mut self, pfn: Pfn, folio: Range<u64>, given: Given, call: Call<'_>) {
        *self
            .releases
            .entry((call.site.clone(), call.name.to_owned()))
            .or_default() += 1;
        let (order, right) = given.order();
        let newest = |same: &dyn Fn(&Entry) -> bool| self.live.iter().rposition(same);
        let found = order.iter().enumerate().find_map(|(rank, taken)| {
            let own = newest(&|e| e.pfn == pfn && e.taken == *taken);
            let other = || newest(&|e| folio.contains(&e.pfn.0) && e.taken == *taken);
            Some((rank, own.or_else(other)?))
        });
        let Some((rank, index)) = found else {
            let before = self.given_back.get(&pfn).cloned();
            self.problem(
                Class::DoubleRelease,
                call,
                "gives back a page of which nothing is held".to_owned(),
                before,
            );
            return;
        };
        let entry = self.live.remove(index);
        let pfn = entry.pfn;
        if entry.taken != Taken::Plain {
            match given {
                Given::Put => self.totals.put_page += 1,
                Given::PutUser => self.totals.put_user_page += 1,
                Given::Unpin => self.totals.unpins += 1,
            }
        }
        if rank >= right {
            let message = format!("gives back what {}() took", entry.call);
            self.problem(Class::KindMismatch, call, message, Some(entry.site));
        }
        if entry.taken != Taken::Plain && !self.holds_user(pfn) {
            self.given_back.insert(pfn, call.site.clone());
            if let Some(device) = self.written.remove(&pfn) {
                let message =
                    "gives back a page that a device wrote, and never dirtied it".to_owned();
                self.problem(Class::NotDirtied, call, message, Some(device));
            }
        }
    }

    /// A device, started at `call`, wrote a user page.
    pub(crate) fn device_wrote(&mut self, pfn: Pfn, call: Call<'_>, revocable: bool) {
        if self.user(pfn).any(|entry| !entry.read_only) {
            self.written.insert(pfn, call.site.clone());
        } else if self.holds_user(pfn) {
            let (taken, message) = (
                self.acquired_at(pfn).cloned(),
                "lets a device write a page that was taken without FOLL_WRITE",
            );
            self.problem(Class::NotWritable, call, message.to_owned(), taken);
        } else if !revocable {
            let before = self.given_back.get(&pfn).cloned();
            let message = "lets a device write a page that was given back".to_owned();
            self.problem(Class::WriteAfterRelease, call, message, before);
        }
    }

    /// A page was dirtied, and with it its folio.
    pub(crate) fn dirtied(&mut self, pfn: Pfn, folio: Range<u64>, call: Call<'_>) {
        self.written
            .retain(|written, _| !folio.contains(&written.0));
        if self.live.iter().any(|entry| folio.contains(&entry.pfn.0)) {
            return;
        }
        if let Some(before) = self.given_back.get(&pfn).cloned() {
            let message = "dirties a page after it was given back".to_owned();
            self.problem(Class::DirtyAfterRelease, call, message, Some(before));
        }
    }

    /// References of get_user_pages*() and pin_user_pages*(), the oldest first.
    fn user(&self, pfn: Pfn) -> impl DoubleEndedIterator<Item = &Entry> {
        let user = move |entry: &&Entry| entry.pfn == pfn && entry.taken != Taken::Plain;
        self.live.iter().filter(user)
    }

    /// Whether anybody holds one.
    pub(crate) fn holds_user(&self, pfn: Pfn) -> bool {
        self.user(pfn).next().is_some()
    }

    /// Whether anybody holds a reference of whatever kind.
    pub(crate) fn holds(&self, pfn: Pfn) -> bool {
        self.live.iter().any(|entry| entry.pfn == pfn)
    }

    /// Where the newest reference on a user page was taken.
    pub(crate) fn acquired_at(&self, pfn: Pfn) -> Option<&Site> {
        self.user(pfn).next_back().map(|entry| &entry.site)
    }

    /// Notes something wrong.
    pub(crate) fn problem(
        &mut self,
        class: Class,
        call: Call<'_>,
        message: String,
        related: Option<Site>,
    ) {
        let key = (
            class,
            call.site.clone(),
            call.name.to_owned(),
            message,
            related,
        );
        *self.problems.entry(key).or_default() += 1;
    }

    /// Closes the book: what is still held has leaked.
    pub(crate) fn close(mut self) -> Closed {
        for entry in std::mem::take(&mut self.live) {
            let call = Call {
                name: &entry.call,
                site: &entry.site,
            };
            self.problem(
                Class::Leak,
                call,
                "takes a page that is never given back".to_owned(),
                None,
            );
        }
        let traffic = |of: BTreeMap<(Site, String), u64>| {
            of.into_iter()
                .map(|((site, call), pages)| Traffic { site, call, pages })
                .collect()
        };
        Closed {
            totals: self.totals,
            acquires: traffic(self.acquires),
            releases: traffic(self.releases),
            problems: self
                .problems
                .into_iter()
                .map(|((class, site, call, message, related), count)| Problem {
                    class,
                    site,
                    call,
                    message,
                    related,
                    count,
                })
                .collect(),
        }
    }
}

/// What a closed book says; every list sorted.
#[derive(Debug)]
pub(crate) struct Closed {
    /// User pages.
    pub totals: Totals,
    /// By place.
    pub acquires: Vec<Traffic>,
    /// By place.
    pub releases: Vec<Traffic>,
    /// By class and place.
    pub problems: Vec<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Pfn = Pfn(7);

    fn site(line: u32) -> Site {
        Site {
            path: "drivers/x.c".to_owned(),
            line,
            function: "f".to_owned(),
        }
    }

    fn run(steps: impl Fn(&mut Ledger, &dyn Fn(u32) -> Site)) -> Vec<String> {
        let mut ledger = Ledger::default();
        steps(&mut ledger, &site);
        let lines = ledger.close().problems.into_iter();
        lines
            .map(|p| format!("{:?} at {} by {}", p.class, p.site.line, p.call))
            .collect()
    }

    fn take(ledger: &mut Ledger, taken: Taken, name: &str, line: u32) {
        ledger.acquire(
            PAGE,
            taken,
            Call {
                name,
                site: &site(line),
            },
        );
    }

    fn give(ledger: &mut Ledger, given: Given, name: &str, line: u32) {
        ledger.release(
            PAGE,
            PAGE.0..PAGE.0 + 1,
            given,
            Call {
                name,
                site: &site(line),
            },
        );
    }

    #[test]
    fn each_kind_goes_back_by_its_own_name_in_silence() {
        let said = run(|ledger, _| {
            for (taken, given) in [
                (Taken::Get, Given::Put),
                (Taken::Get, Given::PutUser),
                (Taken::Pin, Given::Unpin),
                (Taken::Plain, Given::Put),
            ] {
                take(ledger, taken, "take", 1);
                give(ledger, given, "give", 2);
            }
        });
        assert_eq!(said, Vec::<String>::new());
    }

    #[test]
    fn a_pin_given_back_by_put_page_is_named_and_not_a_leak_as_well() {
        let said = run(|ledger, _| {
            take(ledger, Taken::Pin, "pin_user_pages_fast", 1);
            give(ledger, Given::Put, "put_page", 2);
        });
        assert_eq!(said, ["KindMismatch at 2 by put_page"]);
    }

    #[test]
    fn an_extra_reference_is_not_taken_for_the_pin() {
        let said = run(|ledger, _| {
            take(ledger, Taken::Pin, "pin_user_pages_fast", 1);
            take(ledger, Taken::Plain, "get_page", 2);
            give(ledger, Given::Put, "put_page", 3);
            give(ledger, Given::Unpin, "unpin_user_page", 4);
            take(ledger, Taken::Get, "get_user_pages_fast", 5);
            take(ledger, Taken::Plain, "get_page", 6);
            give(ledger, Given::PutUser, "put_user_page", 7);
            give(ledger, Given::PutUser, "put_user_page", 8);
        });
        assert_eq!(said, ["KindMismatch at 8 by put_user_page"]);
    }

    #[test]
    fn what_is_given_back_twice_or_never_is_named_where_it_happened() {
        let said = run(|ledger, _| {
            take(ledger, Taken::Pin, "pin_user_pages_fast", 1);
            give(ledger, Given::Unpin, "unpin_user_page", 2);
            give(ledger, Given::Unpin, "unpin_user_page", 3);
            take(ledger, Taken::Get, "get_user_pages_fast", 4);
        });
        assert_eq!(
            said,
            [
                "Leak at 4 by get_user_pages_fast",
                "DoubleRelease at 3 by unpin_user_page"
            ]
        );
    }

    #[test]
    fn dirtying_belongs_between_the_write_and_the_release() {
        let said = run(|ledger, site| {
            take(ledger, Taken::Get, "get_user_pages_fast", 1);
            ledger.device_wrote(
                PAGE,
                Call {
                    name: "dma_run",
                    site: &site(2),
                },
                false,
            );
            give(ledger, Given::Put, "put_page", 3);
            ledger.dirtied(
                PAGE,
                PAGE.0..PAGE.0 + 1,
                Call {
                    name: "set_page_dirty_lock",
                    site: &site(4),
                },
            );
            ledger.device_wrote(
                PAGE,
                Call {
                    name: "dma_run",
                    site: &site(5),
                },
                false,
            );
            ledger.device_wrote(
                PAGE,
                Call {
                    name: "dma_run",
                    site: &site(6),
                },
                true,
            );
        });
        assert_eq!(
            said,
            [
                "DirtyAfterRelease at 4 by set_page_dirty_lock",
                "NotDirtied at 3 by put_page",
                "WriteAfterRelease at 5 by dma_run"
            ]
        );
    }
}
