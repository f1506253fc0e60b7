// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where page values go in a call: `new -> *pages`, `*0 -> ret`.

use super::Signature;

/// One end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A page (or pages) that nobody of this kernel code held before.
    New,
    /// A new container: kernel memory that may hold page pointers.
    Box,
    /// What the call returns.
    Return,
    /// What the returned pointer points to.
    ReturnTarget,
    /// An argument.
    Argument(usize),
    /// What an argument points to.
    Target(usize),
    /// What the pointers there point to.
    TargetTarget(usize),
}

/// Values go from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Where they come from.
    pub from: Place,
    /// Where they go.
    pub to: Place,
}

impl Flow {
    /// Reads `*1 -> ret`; names of positions are looked up in `signature`. None when a position is not there.
    pub fn parse(text: &str, signature: Option<&Signature>) -> Option<Self> {
        let (from, to) = text.split_once("->")?;
        Some(Self {
            from: place(from.trim(), signature)?,
            to: place(to.trim(), signature)?,
        })
    }
}

fn place(text: &str, signature: Option<&Signature>) -> Option<Place> {
    let name = text.trim_start_matches('*');
    let stars = text.len() - name.len();
    let position = match name {
        "new" => return Some(Place::New),
        "box" => return Some(Place::Box),
        "ret" => {
            return Some(if stars == 0 {
                Place::Return
            } else {
                Place::ReturnTarget
            });
        }
        "pages" => signature?.pages?,
        "page" => signature?.page?,
        "iter" => signature?.iter?,
        "address" => signature?.address?,
        number => number.parse().ok()?,
    };
    match stars {
        0 => Some(Place::Argument(position)),
        1 => Some(Place::Target(position)),
        2 => Some(Place::TargetTarget(position)),
        _ => None,
    }
}
