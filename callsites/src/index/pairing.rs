// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bracket belongs to which: in one pass, whatever the arms of `#if` groups open and close.

use super::lex::Kind;
use super::source::{NO_MATE, Source};
use super::words;

impl Source<'_> {
    /// Finds the arms that do not hold whole brackets and settles which arm of their group gives structure.
    ///
    /// One pass: the arm that would give structure works on the brackets of what stands around it, every other arm on
    /// brackets of its own.
    pub(super) fn choose_arms(&mut self) {
        let mut open: Vec<u8> = Vec::new();
        let mut frames: Vec<Frame> = Vec::new();
        let mut steps = self.steps.iter().copied();
        let mut step = steps.next();
        for i in 0..=self.tokens.len() {
            while let Some((_, group, nth)) = step.filter(|step| step.0 == i) {
                step = steps.next();
                let main = self.groups[group].main;
                if nth > 0 {
                    let Some(frame) = frames.pop() else { continue };
                    self.groups[group].arms[nth - 1].whole =
                        !frame.broken && frame.low >= frame.floor && open.len() == frame.floor;
                    if nth - 1 == main {
                        if let Some(outer) = frames.last_mut() {
                            outer.low = outer.low.min(frame.low);
                            outer.broken |= frame.broken;
                        }
                    } else {
                        open.truncate(frame.floor);
                    }
                }
                if nth < self.groups[group].arms.len() {
                    let outer = frames.last().map_or(0, |frame| frame.bottom);
                    frames.push(Frame {
                        floor: open.len(),
                        low: open.len(),
                        bottom: if nth == main { outer } else { open.len() },
                        broken: false,
                    });
                }
            }
            let Some(token) = self.tokens.get(i) else {
                break;
            };
            match bracket(token.text(self.bytes), token.kind) {
                Some(Bracket::Open(close)) => open.push(close),
                Some(Bracket::Close(byte)) => {
                    let bottom = frames.last().map_or(0, |frame| frame.bottom);
                    let pairs = open.len() > bottom && open.last() == Some(&byte);
                    if pairs {
                        open.pop();
                    }
                    if let Some(frame) = frames.last_mut() {
                        frame.low = frame.low.min(open.len());
                        frame.broken |= !pairs;
                    }
                }
                None => {}
            }
        }
        // How many arms that are aside begin and end at each token.
        let mut deeper = vec![0i32; self.tokens.len() + 1];
        for group in &mut self.groups {
            if group.arms.len() < 2 || group.arms.iter().all(|arm| arm.whole) {
                continue;
            }
            let main = group.main;
            group.main_of_split = Some(main);
            let others = group.arms.iter().enumerate().filter(|(n, _)| *n != main);
            for (_, arm) in others {
                deeper[arm.tokens.start.min(self.tokens.len())] += 1;
                deeper[arm.tokens.end.min(self.tokens.len())] -= 1;
            }
        }
        let mut depth = 0;
        for (aside, change) in self.aside.iter_mut().zip(deeper) {
            depth += change;
            *aside = depth > 0;
        }
    }

    /// Pairs brackets. False when some stay open.
    pub(super) fn pair(&mut self) -> bool {
        let mut open = Open::default();
        let mut clean = true;
        for i in 0..self.tokens.len() {
            if self.aside[i] {
                continue;
            }
            match bracket(self.tokens[i].text(self.bytes), self.tokens[i].kind) {
                Some(Bracket::Open(close)) => open.push(i, close),
                Some(Bracket::Close(byte)) => match open.pop(byte) {
                    Some((partner, skipped)) => {
                        clean &= !skipped;
                        self.mates[i] = partner as u32;
                        self.mates[partner] = i as u32;
                    }
                    None => clean = false,
                },
                None => {}
            }
        }
        clean && open.is_empty()
    }

    /// Pairs brackets where some have no partner: whatever is open where a function begins ends before it.
    pub(super) fn mend(&mut self) {
        self.mates.fill(NO_MATE);
        let mut open = Open::default();
        let mut last = None;
        for i in 0..self.tokens.len() {
            if self.aside[i] {
                continue;
            }
            match bracket(self.tokens[i].text(self.bytes), self.tokens[i].kind) {
                Some(Bracket::Open(close)) => {
                    let head = (close == b'}').then(|| self.head_before(i, last)).flatten();
                    if let Some(start) = head {
                        self.close(&mut open, start);
                    }
                    open.push(i, close);
                }
                Some(Bracket::Close(byte)) => {
                    if let Some((partner, _)) = open.pop(byte) {
                        self.mates[i] = partner as u32;
                        self.mates[partner] = i as u32;
                    }
                }
                None => {}
            }
            if self.tokens[i].kind != Kind::Directive {
                last = Some(i);
            }
        }
        self.close(&mut open, self.tokens.len());
    }

    /// Ends what is open before token `start`: the outermost `{` at the `}` just before it, where there is one.
    fn close(&mut self, open: &mut Open, start: usize) {
        let outermost = open.first(b'}');
        open.clear();
        let Some(outermost) = outermost else { return };
        let last = (outermost + 1..start)
            .rev()
            .take(LOOK_BACK)
            .find(|i| !self.aside[*i] && self.tokens[*i].kind != Kind::Directive);
        match last.filter(|i| self.is(*i, b"}")) {
            Some(brace) => {
                if let Some(other) = self.mate(brace) {
                    self.mates[other] = NO_MATE;
                }
                self.mates[brace] = outermost as u32;
                self.mates[outermost] = brace as u32;
            }
            None => {
                self.cut.insert(outermost, start);
            }
        }
    }

    /// Where the head of a function begins, `type name(parameters)`, that ends just before brace `i`.
    fn head_before(&self, i: usize, last: Option<usize>) -> Option<usize> {
        let open = self.mate(last.filter(|last| *last < i && self.is(*last, b")"))?)?;
        let mut before = (0..open)
            .rev()
            .take(LOOK_BACK)
            .filter(|n| !self.aside[*n] && self.tokens[*n].kind != Kind::Directive);
        let name = before.next()?;
        let word = |n: usize| {
            self.is_ident(n)
                && (!words::is_keyword(self.text(n))
                    || words::is_base_type(self.text(n))
                    || words::is_qualifier(self.text(n)))
        };
        if !word(name) || words::is_keyword(self.text(name)) {
            return None;
        }
        let mut start = name;
        let mut typed = false;
        for n in before {
            if word(n) || self.is_ident(n) && words::is_tag_keyword(self.text(n)) {
                typed = true;
            } else if !self.is(n, b"*") {
                let begins = self.is(n, b"}") || self.is(n, b";");
                return (typed && begins).then_some(start);
            }
            start = n;
        }
        None
    }
}

/// How far the head of a function is looked for before its brace: types and attributes are fewer words.
const LOOK_BACK: usize = 32;

/// An arm that is being read for its brackets.
struct Frame {
    /// Open brackets where it began.
    floor: usize,
    /// The fewest since.
    low: usize,
    /// Those that it cannot close.
    bottom: usize,
    /// A bracket had no partner.
    broken: bool,
}

/// Brackets that are open, with how many there are of each kind: a closing one that has none is told at once.
#[derive(Default)]
struct Open {
    stack: Vec<(usize, u8)>,
    counts: [usize; 3],
}

impl Open {
    fn kind(byte: u8) -> usize {
        match byte {
            b')' => 0,
            b']' => 1,
            _ => 2,
        }
    }

    fn push(&mut self, at: usize, close: u8) {
        self.counts[Self::kind(close)] += 1;
        self.stack.push((at, close));
    }

    /// The partner of a closing bracket, and whether others that were open are skipped for it.
    fn pop(&mut self, byte: u8) -> Option<(usize, bool)> {
        if self.counts[Self::kind(byte)] == 0 {
            return None;
        }
        let mut skipped = false;
        while let Some((at, close)) = self.stack.pop() {
            self.counts[Self::kind(close)] -= 1;
            if close == byte {
                return Some((at, skipped));
            }
            skipped = true;
        }
        None
    }

    fn first(&self, byte: u8) -> Option<usize> {
        let found = self.stack.iter().find(|(_, close)| *close == byte);
        found.map(|(at, _)| *at)
    }

    fn clear(&mut self) {
        self.stack.clear();
        self.counts = [0; 3];
    }

    fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }
}

enum Bracket {
    Open(u8),
    Close(u8),
}

fn bracket(text: &[u8], kind: Kind) -> Option<Bracket> {
    if kind != Kind::Punct || text.len() != 1 {
        return None;
    }
    match text[0] {
        b'(' => Some(Bracket::Open(b')')),
        b'[' => Some(Bracket::Open(b']')),
        b'{' => Some(Bracket::Open(b'}')),
        byte @ (b')' | b']' | b'}') => Some(Bracket::Close(byte)),
        _ => None,
    }
}
