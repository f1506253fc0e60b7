// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines of a text another text still has, in order.

use std::collections::BTreeSet;

/// Indices of the lines of `old` that a longest common subsequence with `new` keeps.
pub fn kept(old: &[String], new: &[String]) -> BTreeSet<usize> {
    let mut length = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            length[i][j] = match old[i] == new[j] {
                true => length[i + 1][j + 1] + 1,
                false => length[i + 1][j].max(length[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut kept = BTreeSet::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            kept.insert(i);
            (i, j) = (i + 1, j + 1);
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}
