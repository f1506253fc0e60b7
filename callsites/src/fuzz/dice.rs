// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers that depend on a seed alone.

/// Rolls the same numbers again for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of a seed; close seeds roll unlike numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Of one of many cases of a seed.
    pub fn of_case(seed: u64, case: u64) -> Dice {
        let mut dice = Dice(seed);
        Dice(dice.next() ^ case.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// SplitMix64 (Steele, Lea and Flood 2014), whose every seed is a good one.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `sides`; 0 where there is none.
    pub fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % sides).unwrap_or(0)
    }

    /// True once in so many rolls.
    pub fn once_in(&mut self, rolls: usize) -> bool {
        self.below(rolls) == 0
    }

    /// One of `all`; None of nothing.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// A range within `0..length` of at most `most`.
    pub fn range(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = (start + self.below(most + 1)).min(length);
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same_and_another_case_does_not() {
        let rolls = |mut dice: Dice| -> Vec<usize> { (0..20).map(|_| dice.below(1000)).collect() };
        assert_eq!(rolls(Dice::of_case(1, 2)), rolls(Dice::of_case(1, 2)));
        assert_ne!(rolls(Dice::of_case(1, 2)), rolls(Dice::of_case(1, 3)));
        assert_ne!(rolls(Dice::of_case(1, 2)), rolls(Dice::of_case(2, 2)));
        assert_eq!(Dice::new(7).below(0), 0);
    }
}
