// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one more page, device, fsync task or CPU costs, in states counted and not estimated.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::explore::explore_within;
use super::interleaving::Interleaving;
use super::policy::Policy;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct GrowthOptions {
    /// The largest count, 1 to 4.
    pub most: u8,
    /// Where to give up, in states.
    pub limit: u32,
}

impl GrowthOptions {
    /// Up to four of each, and no more than 300,000 states: some seconds.
    pub const STANDARD: Self = Self {
        most: 4,
        limit: 300_000,
    };
}

/// Counts by size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// "model/1".
    pub schema: String,
    /// Series after series, each by size.
    pub rows: Vec<GrowthRow>,
}

/// One size of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowthRow {
    /// What grows, such as "pages, each with a device".
    pub what: String,
    /// How many.
    pub count: u8,
    /// Unique states, or null when there are more than the limit.
    pub states: Option<usize>,
    /// Steps between them, or null likewise.
    pub transitions: Option<usize>,
}

/// One page, one device with one write, a flusher and reclaim: small enough to be multiplied.
const fn seed(policy: Policy) -> Config {
    Config {
        dma_writes: 1,
        fsyncs: 0,
        truncate: false,
        ..Config::base(policy, Driver::Eventually, Callsites::Converted)
    }
}

/// The model of one series at a size.
type AtSize = fn(u8) -> Config;

/// Explores growing models until a size passes the limit.
///
/// # Errors
/// When `most` does not fit.
pub fn growth(options: &GrowthOptions) -> Result<Growth, Error> {
    let mut rows = Vec::new();
    let mut add = |what: &str, count, cost: Option<(usize, usize)>| {
        rows.push(GrowthRow {
            what: what.to_owned(),
            count,
            states: cost.map(|(states, _)| states),
            transitions: cost.map(|(_, transitions)| transitions),
        });
    };
    let series: [(&str, AtSize); 3] = [
        ("pages, each with a device, no reclaim", |n| Config {
            pages: n,
            devices: n,
            reclaim: false,
            ..seed(Policy::SkipReclaim)
        }),
        ("devices on one page", |n| Config {
            devices: n,
            ..seed(Policy::SkipReclaim)
        }),
        ("fsync tasks on one page", |n| Config {
            fsyncs: n,
            reclaim: false,
            ..seed(Policy::Wait)
        }),
    ];
    for (what, config) in series {
        for count in 1..=options.most {
            let cost = match explore_within(&config(count), options.limit) {
                Ok(explored) => Some((explored.states(), explored.transitions())),
                Err(Error::TooManyStates { .. }) => None,
                Err(error) => return Err(error),
            };
            add(what, count, cost);
            if cost.is_none() {
                break;
            }
        }
    }
    for count in 1..=options.most {
        let result = Interleaving::gup_fast_on(count)?.explore()?;
        let what = "CPUs in gup_fast against one in page_mkclean";
        add(what, count, Some((result.states, result.transitions)));
    }
    Ok(Growth {
        schema: "model/1".to_owned(),
        rows,
    })
}
