// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hit counters on functions: kprobes, read from tracefs' `kprobe_profile`.
//!
//! A function that the compiler has split or renamed (`f.isra.0`, `f.constprop.0`, `f.part.0`) is probed under each of
//! its names; one that was inlined everywhere has no symbol, gets no probe, and is reported without hits.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

const TRACING: &str = "/sys/kernel/tracing";

/// The probes that could be placed.
pub struct Probes {
    /// Event name to (function, symbol).
    events: Vec<(String, String, String)>,
}

impl Probes {
    /// Places a probe on every symbol of every function of `functions`.
    pub fn place(functions: &[String]) -> Probes {
        let mut events = Vec::new();
        if functions.is_empty() {
            return Probes { events };
        }
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        for function in functions {
            for symbol in symbols_of(&symbols, function) {
                let event = format!("f{}", events.len());
                if append("kprobe_events", &format!("p:ktest/{event} {symbol}\n")).is_ok()
                    && append(&format!("events/ktest/{event}/enable"), "1").is_ok()
                {
                    events.push((event, function.clone(), symbol));
                }
            }
        }
        Probes { events }
    }

    /// Hits so far: (function, symbol) to count.
    pub fn hits(&self) -> BTreeMap<(String, String), u64> {
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
fn symbols_of(kallsyms: &str, function: &str) -> Vec<String> {
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
    found.dedup();
    found
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
        assert_eq!(symbols_of(text, "pin_it"), ["pin_it", "pin_it.isra.0"]);
    }
}
