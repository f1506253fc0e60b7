// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few findings chosen by chance, to be read and judged; the same seed always chooses the same ones.

use crate::report::{Finding, Report};

/// `count` findings of `report` (all, when it has no more), in the order of the report.
pub fn sample(report: &Report, count: usize, seed: u64) -> Vec<&Finding> {
    let mut order: Vec<usize> = (0..report.findings.len()).collect();
    let mut random = SplitMix64(seed);
    let wanted = count.min(order.len());
    for at in 0..wanted {
        let left = (order.len() - at) as u64;
        order.swap(at, at + (random.next() % left) as usize);
    }
    order.truncate(wanted);
    order.sort_unstable();
    order.into_iter().map(|at| &report.findings[at]).collect()
}

/// Sebastiano Vigna's splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn the_generator_gives_the_published_numbers_for_seed_1234567() {
        let mut random = SplitMix64(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}
