// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines of a text another text still has, in order.

use std::collections::BTreeSet;

/// A line of one text or of both, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Both(usize),
    Old(usize),
    New(usize),
}

/// The lines of both texts along a longest common subsequence: by the book, for functions and fixtures are small.
pub(crate) fn aligned<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Line> {
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
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Both(i));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || i < old.len() && length[i + 1][j] >= length[i][j + 1] {
            lines.push(Line::Old(i));
            i += 1;
        } else {
            lines.push(Line::New(j));
            j += 1;
        }
    }
    lines
}

/// Indices of the lines of `old` that a longest common subsequence with `new` keeps.
pub(crate) fn kept(old: &[String], new: &[String]) -> BTreeSet<usize> {
    let lines = aligned(old, new).into_iter();
    lines
        .filter_map(|line| match line {
            Line::Both(at) => Some(at),
            Line::Old(_) | Line::New(_) => None,
        })
        .collect()
}
