// SPDX-License-Identifier: MIT OR Apache-2.0
//! The variable that holds the answer where the iterator is at hand.

use super::super::extract::{declare, free_name};
use super::super::layout::{self, indent, line_start};
use super::super::seen::{assigned, may_be_null};
use super::super::walk::{self, every_part, holds};
use super::{ASK, Home, NAMES, Told, Way};
use callsites::index::ir::{Expr, Function, Span, Stmt};
use std::collections::BTreeSet;

impl<'s> Way<'s> {
    /// The variable of a home that holds the answer.
    pub(super) fn local(&mut self, function: &'s Function) -> Result<String, String> {
        let name = function.name.to_string();
        if let Some(known) = self.locals.get(&name) {
            return Ok(known.clone());
        }
        let source = self.source;
        let local = free_name(source, function, &NAMES).ok_or("its names for a flag are taken")?;
        let homes: Vec<Home> = self
            .homes
            .iter()
            .filter(|home| home.function == name)
            .cloned()
            .collect();
        let given = |home: &Home| {
            let parameter = function.params.iter().any(|param| param.name == home.iter);
            parameter && !assigned(function, &home.iter)
        };
        let iters: BTreeSet<&str> = homes.iter().map(|home| home.iter.as_str()).collect();
        let asked = |iter: &str| match may_be_null(function, iter) {
            true => format!("{iter} && {ASK}({iter})"),
            false => format!("{ASK}({iter})"),
        };
        let edit = match iters.first() {
            Some(iter) if iters.len() == 1 && homes.iter().all(given) => {
                let line = format!("bool {local} = {};", asked(iter));
                declare(source, function, &function.body, &line)
            }
            Some(_) if homes.iter().all(given) => {
                let text = self.arms(function, &homes, local)?;
                let path = source.path.clone();
                self.insert(&path, text.0, text.1);
                declare(
                    source,
                    function,
                    &function.body,
                    &format!("bool {local} = false;"),
                )
            }
            _ => {
                return Err(format!(
                    "the iterator of {name}() is no parameter of it, so that the answer of {ASK}() would have to be asked \
                     for elsewhere"
                ));
            }
        };
        let edit = edit.ok_or("nothing can be declared at the head of its function")?;
        let at = edit.span.start as usize;
        let path = source.path.clone();
        self.insert(&path, at, String::from_utf8_lossy(&edit.text).into_owned());
        self.told
            .insert(Told::Asked(name.clone(), local.to_owned()));
        self.locals.insert(name, local.to_owned());
        Ok(local.to_owned())
    }

    /// Several iterators, each at hand in one arm of the same `if`: the answer of the one that is used.
    fn arms(
        &self,
        function: &Function,
        homes: &[Home],
        local: &str,
    ) -> Result<(usize, String), String> {
        const OTHER: &str = "pages of several iterators are released together, and one answer does not serve for all";
        let bytes = &self.source.bytes;
        let mut text = String::new();
        let mut whole: Option<Span> = None;
        for (n, home) in homes.iter().enumerate() {
            let call = Span {
                start: home.call.0,
                end: home.call.1,
            };
            let path = walk::path(function, call);
            let first = path.first().ok_or(OTHER)?;
            if *whole.get_or_insert(first.span()) != first.span() {
                return Err(OTHER.into());
            }
            // The arm of the chain in which the call stands.
            let mut arm: &Stmt = first;
            let cond = loop {
                let Stmt::If {
                    cond,
                    then,
                    otherwise,
                    ..
                } = arm
                else {
                    return Err(OTHER.into());
                };
                match otherwise {
                    _ if holds(then.span(), call) => break cond,
                    Some(next) if holds(next.span(), call) => arm = next,
                    _ => return Err(OTHER.into()),
                }
            };
            let plain_test = !every_part(cond, |part| {
                matches!(
                    part,
                    Expr::Call { .. }
                        | Expr::Assign { .. }
                        | Expr::Update { .. }
                        | Expr::Unread(..)
                )
            });
            if !plain_test {
                return Err(OTHER.into());
            }
            let margin =
                String::from_utf8_lossy(indent(bytes, first.span().start as usize)).into_owned();
            let otherwise = if n > 0 { "else " } else { "" };
            let cond = layout::one_line(&self.source.text(cond.span()));
            text += &format!(
                "{margin}{otherwise}if ({cond})\n{margin}\t{local} = {ASK}({});\n",
                home.iter
            );
        }
        let start = whole.ok_or(OTHER)?.start as usize;
        Ok((line_start(bytes, start), format!("{text}\n")))
    }
}
