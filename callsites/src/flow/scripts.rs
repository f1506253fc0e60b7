// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts of all functions, each with what the names in it meant when it was written.

use super::hash::FastMap;
use super::program::{FnId, Program};
use super::script::Script;
use super::state::State;
use super::walk;
use serde::{Deserialize, Serialize};

/// A script, and when it is true.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// Of the file the function stands in.
    hash: [u8; 16],
    /// Names that were looked up, and what they meant.
    names: Vec<(u64, u64)>,
    script: Script,
    /// Whether this run said it.
    #[serde(skip)]
    said: bool,
}

/// Scripts by the place of their function.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    written: FastMap<(u64, u32), Vec<Written>>,
}

impl Scripts {
    /// Those that an earlier run kept, as far as they can be read.
    pub(crate) fn of(kept: &[u8]) -> Self {
        let kept: Vec<Written> = postcard::from_bytes(kept).unwrap_or_default();
        let mut scripts = Self::default();
        for written in kept {
            if let Some(place) = written.script.functions.first() {
                scripts.written.entry(*place).or_default().push(written);
            }
        }
        scripts
    }

    /// How many values they all speak of.
    pub(crate) fn nodes(&self) -> usize {
        let written = self.written.values().flatten();
        written.map(|written| written.script.nodes()).sum()
    }

    /// Says of function `id` what there is to say, walking it when that is not known.
    pub(crate) fn say(&mut self, program: &Program, id: FnId, state: &mut State) {
        let hash = program.file(program.file_of(id)).hash;
        let all = self.written.entry(program.place(id)).or_default();
        for written in all.iter_mut() {
            let mut names = written.names.iter();
            if written.hash == hash
                && names.all(|(name, meaning)| program.meaning(*name) == *meaning)
                && written.script.say(program, id, state)
            {
                written.said = true;
                return;
            }
        }
        let (script, names) = walk::function(program, id);
        script.say(program, id, state);
        let names = names.into_iter();
        all.push(Written {
            hash,
            names: names.map(|name| (name, program.meaning(name))).collect(),
            script,
            said: true,
        });
    }

    /// What the next run is to have: what this one said.
    pub(crate) fn kept(&self) -> Vec<u8> {
        let mut places: Vec<_> = self.written.iter().collect();
        places.sort_unstable_by_key(|(place, _)| **place);
        let written = places.into_iter().flat_map(|(_, written)| written);
        let said: Vec<&Written> = written.filter(|written| written.said).collect();
        // Writing to memory does not fail.
        postcard::to_stdvec(&said).unwrap_or_default()
    }
}
