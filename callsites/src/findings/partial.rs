// SPDX-License-Identifier: MIT OR Apache-2.0
//! R5, partial-not-seen: a call that got fewer pages than asked for passes for one that got all.
//!
//! Matches a result that is compared with zero alone: nothing else reads it, or it is only added up in variables that
//! nobody reads but the next such call. Wrong because mm/gup.c: get_user_pages() and its kin return the number of pages
//! they got, which may be any up to the number asked for, and the entries after those are not filled. Would have caught
//! the partial pins that xen's privcmd handed to the hypervisor.

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, Linkage, Span, Stmt};
use crate::report::{Evidence, Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};
use std::collections::BTreeSet;

/// Calls of one function beyond which none of them is looked at: for each the whole function is, and the kernel's own
/// have a few.
const MOST: usize = 32;

/// Looks at every variable that is given the number of pages got.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        let inside = view.files[file].path.starts_with("mm");
        if function.linkage == Linkage::Macro || function.has_unread || inside {
            continue;
        }
        let mut takers = Vec::new();
        each_taker(&function.body, &mut |taker| takers.push(taker));
        if takers.len() > MOST {
            continue;
        }
        for taker in takers {
            let Some(test) = not_seen(function, &taker) else {
                continue;
            };
            let message = format!(
                "{}() may get fewer pages than asked for, and `{}` is compared with 0 alone: the rest passes for taken",
                taker.name, taker.variable
            );
            let evidence = vec![
                view.evidence(file, taker.span, ""),
                view.evidence(file, test, "the only look at it"),
            ];
            // What a count says that nobody corrected is told of the count.
            let at = &evidence[0];
            let told = |step: &Evidence| (&step.path, step.line) == (&at.path, at.line);
            let counted = findings.iter().filter(|other| other.name == "wrong-count");
            if counted.flat_map(|other| &other.evidence).any(told) {
                continue;
            }
            let rule = ("R5", "partial-not-seen", Severity::Error);
            let place = (file, &*function.name, taker.span);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// `variable = name(…)`
struct Taker<'f> {
    variable: &'f str,
    name: &'f str,
    /// The number asked for.
    wanted: &'f Expr,
    span: Span,
}

fn each_taker<'f>(body: &'f [Stmt], found: &mut dyn FnMut(Taker<'f>)) {
    let mut give = |variable: &'f str, value: &'f Expr| {
        let Expr::Call { args, span, .. } = visit::bare(value) else {
            return;
        };
        let Some(name) = visit::bare(value).callee_name() else {
            return;
        };
        let known = followed().get(name).filter(|f| {
            f.role == Role::Acquire && f.kind != "iter" && !acts().is(name, Does::TakesBytes)
        });
        let form = known.and_then(|known| known.signature(args.len()));
        let wanted = form
            .filter(|form| form.pages.is_some())
            .and_then(|form| args.get(form.nr?));
        // Of one page there is no part; and of one that the caller has no array for, none is kept.
        let Some(wanted) = wanted.filter(|nr| visit::text(nr) != "1") else {
            return;
        };
        let kept = form.and_then(|form| args.get(form.pages?));
        if kept.is_none_or(|pages| visit::text(pages) == "NULL") {
            return;
        }
        found(Taker {
            variable,
            name,
            wanted,
            span: *span,
        });
    };
    visit::statements(body, &mut |statement| {
        if let Stmt::Decl(declarations, _) = statement {
            for declaration in declarations {
                if let Some(init) = &declaration.init {
                    give(&declaration.name, init);
                }
            }
        }
    });
    visit::all(body, &mut |expr| {
        if let Expr::Assign {
            op, target, value, ..
        } = expr
        {
            if let (Expr::Name(name, _), "=") = (visit::bare(target), op.as_str()) {
                give(name, value);
            }
        }
    });
}

/// The comparison with zero, when it is all that is done with the number of pages got.
fn not_seen(function: &Function, taker: &Taker<'_>) -> Option<Span> {
    let mut reader = Reader {
        variable: taker.variable,
        from: taker.span.end,
        to: u32::MAX,
        test: None,
        read: false,
        sums: BTreeSet::new(),
    };
    reader.to = reader.next_value(&function.body);
    reader.block(&function.body);
    let test = reader.test.filter(|_| !reader.read)?;
    let mut used = false;
    for sum in &reader.sums {
        used |= mentions(taker.wanted, sum) || is_read(function, sum, taker.span);
    }
    (!used).then_some(test)
}

/// What is done with a variable between two values that it is given.
struct Reader<'t> {
    variable: &'t str,
    from: u32,
    to: u32,
    test: Option<Span>,
    /// Something else than zero is compared with it, or it goes somewhere.
    read: bool,
    /// Variables to which it is added, or from which it is taken.
    sums: BTreeSet<String>,
}

impl Reader<'_> {
    /// Where the variable is given its next value on every way, behind what that is made of.
    fn next_value(&self, body: &[Stmt]) -> u32 {
        let mut arms: Vec<Span> = Vec::new();
        visit::statements(body, &mut |statement| match statement {
            Stmt::If {
                then, otherwise, ..
            } => {
                arms.push(then.span());
                arms.extend(otherwise.as_ref().map(|arm| arm.span()));
            }
            Stmt::Switch { body, .. } | Stmt::Loop { body, .. } => arms.push(body.span()),
            _ => {}
        });
        // An arm that the taking call does not stand in may be left out.
        let aside = |at: u32| {
            arms.iter().any(|arm| {
                arm.start <= at && at < arm.end && !(arm.start <= self.from && self.from < arm.end)
            })
        };
        let mut next = u32::MAX;
        visit::all(body, &mut |expr| {
            if let Expr::Assign {
                op, target, span, ..
            } = expr
            {
                let after = span.start >= self.from && !aside(span.start);
                if after && op == "=" && self.is_own(target) {
                    next = next.min(span.end);
                }
            }
        });
        next
    }

    fn block(&mut self, statements: &[Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            // What a failure does with its errno says nothing of a part.
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => {
                let failing = self.is_within(cond.span()) && self.below_zero(cond);
                if failing {
                    self.test = Some(cond.span());
                } else {
                    self.expr(cond);
                    self.statement(then);
                }
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise);
                }
            }
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => self.block(inner),
            Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| self.block(inner)),
            Stmt::Loop {
                init,
                cond,
                step,
                body,
                ..
            } => {
                if let Some(init) = init {
                    self.statement(init);
                }
                // The next turn begins with what this one got.
                let (from, to) = (self.from, self.to);
                if statement.span().start < from && from < statement.span().end {
                    (self.from, self.to) = (0, u32::MAX);
                }
                cond.iter().chain(step).for_each(|expr| self.expr(expr));
                (self.from, self.to) = (from, to);
                self.statement(body);
            }
            Stmt::Switch { value, body, .. } => {
                self.expr(value);
                self.statement(body);
            }
            Stmt::Expr(expr, _) | Stmt::Return(Some(expr), _) => self.expr(expr),
            Stmt::Decl(declarations, _) => {
                let inits = declarations.iter().filter_map(|d| d.init.as_ref());
                inits.for_each(|init| self.expr(init));
            }
            _ => {}
        }
    }

    fn is_within(&self, span: Span) -> bool {
        span.start >= self.from && span.start < self.to
    }

    fn is_own(&self, expr: &Expr) -> bool {
        matches!(visit::bare(expr), Expr::Name(name, _) if name == self.variable)
    }

    /// `n < 0`, `n <= 0`, and the same in likely().
    fn below_zero(&self, cond: &Expr) -> bool {
        match visit::bare(cond) {
            Expr::Binary {
                op, left, right, ..
            } => match op.as_str() {
                "<" | "<=" => self.is_own(left) && visit::text(right) == "0",
                ">" | ">=" => self.is_own(right) && visit::text(left) == "0",
                _ => false,
            },
            call @ Expr::Call { args, .. } => {
                let same = call
                    .callee_name()
                    .is_some_and(|name| acts().is(name, Does::Same));
                same && args.first().is_some_and(|arg| self.below_zero(arg))
            }
            _ => false,
        }
    }

    fn expr(&mut self, expr: &Expr) {
        if let Expr::Assign {
            op, target, value, ..
        } = expr
        {
            if let (Expr::Name(sum, _), "+=" | "-=") = (visit::bare(target), op.as_str()) {
                if self.is_own(value) && self.is_within(value.span()) {
                    self.sums.insert(sum.to_string());
                    return;
                }
            }
        }
        let (from, to, variable) = (self.from, self.to, self.variable);
        // What is given a value is not read.
        let mut given = BTreeSet::new();
        let mut reads = Vec::new();
        visit::expressions(expr, &mut |inner| match inner {
            Expr::Assign { op, target, .. } if op == "=" && self.is_own(target) => {
                given.insert(visit::bare(target).span().start);
            }
            Expr::Name(name, span) if name == variable => reads.push(span.start),
            _ => {}
        });
        let read = reads
            .into_iter()
            .any(|at| at >= from && at < to && !given.contains(&at));
        self.read |= read;
    }
}

fn mentions(expr: &Expr, name: &str) -> bool {
    let mut found = false;
    visit::expressions(expr, &mut |inner| {
        found |= matches!(inner, Expr::Name(other, _) if other == name);
    });
    found
}

/// Whether a sum of what was got is read by anything but the taking calls and comparisons.
fn is_read(function: &Function, sum: &str, taking: Span) -> bool {
    let mut read = false;
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Return(Some(value), _) = statement {
            read |= mentions(value, sum);
        }
        if let Stmt::Loop {
            cond: Some(cond), ..
        } = statement
        {
            read |= mentions(cond, sum);
        }
    });
    visit::all(&function.body, &mut |expr| match expr {
        Expr::Call { args, span, .. } if *span != taking => {
            read |= args.iter().any(|arg| mentions(arg, sum));
        }
        Expr::Assign {
            op, target, value, ..
        } if op == "=" => {
            let own = matches!(visit::bare(target), Expr::Name(name, _) if name == sum);
            let taken = visit::bare(value).span() == taking;
            read |= !own && !taken && mentions(value, sum);
        }
        Expr::Index { index, .. } => read |= mentions(index, sum),
        Expr::Deref(inner, _) => read |= mentions(inner, sum),
        _ => {}
    });
    read
}
