// SPDX-License-Identifier: MIT OR Apache-2.0
//! Of all that a name means somewhere, what it means in one file.

use super::Program;
use crate::flow::hash::FastMap;
use crate::flow::places::closeness;

/// Meanings of a name that are compared anew whenever it is asked for; of more, what was found is kept. Most names have one,
/// and to compare so few is as quick as to look up what was found.
const FEW: usize = 8;

/// By the address of all meanings of a name, which live as long as the program, and a file: the positions of the nearest.
pub(super) type Found = FastMap<(usize, u32), Vec<u32>>;

impl Program {
    /// Those of `all` that are visible and nearest to a file; more than one where they are as near.
    pub(super) fn nearest<T: Copy>(
        &self,
        file: u32,
        all: &[T],
        visible: impl Fn(T) -> bool,
        file_of: impl Fn(T) -> u32,
    ) -> Vec<T> {
        let here = &self.file(file).path;
        let find = || {
            let mut best = 0;
            let mut out = Vec::new();
            for (at, item) in (0..).zip(all) {
                if !visible(*item) {
                    continue;
                }
                let score = closeness(here, &self.file(file_of(*item)).path);
                if score > best {
                    best = score;
                    out.clear();
                }
                if score == best {
                    out.push(at);
                }
            }
            out
        };
        let read = |found: &[u32]| found.iter().map(|at| all[*at as usize]).collect();
        if all.len() <= FEW {
            return read(&find());
        }
        let mut found = self.found.borrow_mut();
        let key = (all.as_ptr() as usize, file);
        read(found.entry(key).or_insert_with(find))
    }
}
