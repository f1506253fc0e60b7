// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hit counters on functions and on calls in them: kprobes, read from tracefs' `kprobe_profile`.
//!
//! A function that the compiler has split or renamed (`f.isra.0`, `f.constprop.0`, `f.part.0`) is probed under each of
//! its names; one that was inlined everywhere has no symbol, gets no probe, and is reported as unwatched with its reason. So is
//! one whose name several functions have: a probe by name would count another one's calls. A place `f+0x12` is probed as it
//! stands.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

const TRACING: &str = "/sys/kernel/tracing";

/// The probes that could be placed.
pub(crate) struct Probes {
    /// Event name, function or place, symbol.
    events: Vec<(String, String, String)>,
    /// What is not watched, and why.
    unwatched: Vec<(String, String)>,
}

impl Probes {
    /// Places a probe on every symbol of every function, and on every place, of `wanted`.
    pub(crate) fn place(wanted: &[String]) -> Probes {
        let mut probes = Probes {
            events: Vec::new(),
            unwatched: Vec::new(),
        };
        if wanted.is_empty() {
            return probes;
        }
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        for wanted in wanted {
            let name = wanted.split('+').next().unwrap_or(wanted);
            let found = match symbols_of(&symbols, name) {
                Ok(_) if name != wanted => Ok(vec![wanted.clone()]),
                other => other,
            };
            match found {
                Ok(found) => probes.place_on(wanted, &found),
                Err(why) => probes.unwatched.push((wanted.clone(), why)),
            }
        }
        probes
    }

    fn place_on(&mut self, wanted: &str, symbols: &[String]) {
        let before = self.events.len();
        let mut refused = String::new();
        for symbol in symbols {
            let event = format!("f{}", self.events.len());
            let placed = append("kprobe_events", &format!("p:ktest/{event} {symbol}\n"))
                .and_then(|()| append(&format!("events/ktest/{event}/enable"), "1"));
            match placed {
                Ok(()) => self.events.push((event, wanted.to_owned(), symbol.clone())),
                Err(error) => refused = format!("the kernel takes no probe on it: {error}"),
            }
        }
        if self.events.len() == before {
            self.unwatched.push((wanted.to_owned(), refused));
        }
    }

    /// A line for each function that is not watched.
    pub(crate) fn unwatched(&self) -> impl Iterator<Item = String> + '_ {
        let functions = self
            .unwatched
            .iter()
            .filter(|(name, _)| !name.contains('+'));
        functions.map(|(name, why)| format!("# unwatched {name} {why}"))
    }

    /// Hits so far: (function or place, symbol) to count.
    pub(crate) fn hits(&self) -> BTreeMap<(String, String), u64> {
        let text = std::fs::read_to_string(format!("{TRACING}/kprobe_profile")).unwrap_or_default();
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(event), Some(hits)) = (words.next(), words.next()) else {
                continue;
            };
            if let Some((_, function, symbol)) = self.events.iter().find(|(e, _, _)| e == event) {
                counts.insert(
                    (function.clone(), symbol.clone()),
                    hits.parse().unwrap_or(0),
                );
            }
        }
        counts
    }
}

/// Every text symbol that is `function` or a part of it.
///
/// # Errors
/// Why none can be told apart from others.
fn symbols_of(kallsyms: &str, function: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = kallsyms
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (_, kind, name) = (words.next()?, words.next()?, words.next()?);
            let rest = name.strip_prefix(function)?;
            let same = rest.is_empty() || (rest.starts_with('.') && !rest.contains(".cold"));
            (matches!(kind, "t" | "T" | "w" | "W") && same).then(|| name.to_owned())
        })
        .collect();
    found.sort();
    let all = found.len();
    found.dedup();
    match (all, found.len()) {
        (0, _) => Err("it has no symbol: it is not built in, or inlined".into()),
        (all, one) if all != one => Err("several functions have this name".into()),
        _ => Ok(found),
    }
}

fn append(file: &str, text: &str) -> std::io::Result<()> {
    let path = format!("{TRACING}/{file}");
    OpenOptions::new()
        .append(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_function_are_found_and_longer_names_are_not() {
        let text =
            "ff t pin_it\nff t pin_it.isra.0\nff t pin_it.cold\nff t pin_it_all\nff d pin_it\n";
        assert_eq!(
            symbols_of(text, "pin_it").unwrap(),
            ["pin_it", "pin_it.isra.0"]
        );
        assert!(symbols_of(text, "pin").unwrap_err().contains("no symbol"));
    }

    #[test]
    fn a_name_that_two_functions_have_is_not_watched() {
        let text = "f1 t notify\nf2 t notify\n";
        assert!(symbols_of(text, "notify").unwrap_err().contains("several"));
    }
}
