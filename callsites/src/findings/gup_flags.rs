// SPDX-License-Identifier: MIT OR Apache-2.0
//! R12, gup-flags: the flags of an acquiring call are no flags, or not the right ones.
//!
//! Matches a truth value or a DMA direction where FOLL flags are expected; FOLL_LONGTERM without a pin; FOLL_PIN
//! from outside mm/, or FOLL_GET for a pin; and a pin that the audit sees held until user space lets go (case 2) without
//! FOLL_LONGTERM. Wrong because a truth value is FOLL_WRITE only by luck, because mm/gup.c: is_valid_gup_args() (6.12)
//! refuses the second and third, and because a short-term pin of a movable page blocks compaction and CMA. Would have
//! caught a boolean handed down since the days of `int write`.

use super::paths::Locals;
use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, Linkage, Span};
use crate::report::{Era, Finding, Fix, Severity, Verdict};
use refimpl::api::{Count, Role, followed};

/// Looks at the flags of every acquiring call.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        let inside = view.files[file].path.starts_with("mm");
        if function.linkage == Linkage::Macro || inside {
            continue;
        }
        let locals = Locals::of(function);
        visit::all_calls(&function.body, &mut |name, args, span| {
            let Some(api) = followed()
                .get(name)
                .filter(|f| f.role == Role::Acquire && f.kind != "iter")
            else {
                return;
            };
            let Some(form) = api.signature(args.len()) else {
                return;
            };
            let Some(flags) = form.flags.and_then(|at| args.get(at)) else {
                return;
            };
            // Before 5.2 the fast functions took `int write` (73b0140bf0fe).
            if view.input.released == Era::PutPage && name.contains("fast") {
                return;
            }
            let call = Call {
                view,
                file,
                function,
                name,
                span,
                pins: api.count == Count::Pin,
            };
            findings.extend(call.judge(&locals, flags));
        });
    }
}

struct Call<'v, 'a> {
    view: &'v View<'a>,
    file: usize,
    function: &'v Function,
    name: &'v str,
    span: Span,
    pins: bool,
}

impl Call<'_, '_> {
    fn judge(&self, locals: &Locals<'_>, flags: &Expr) -> Option<Finding> {
        if let Some(what) = no_flags(locals, flags) {
            let message = format!(
                "{what} `{}` is passed as gup_flags of {}()",
                visit::text(flags),
                self.name
            );
            let mut finding =
                self.finding("flags-not-flags", Severity::Error, message, flags.span());
            // What is true is 1, and so is FOLL_WRITE: this says the same in the language of the flags.
            if what != "the value" {
                let condition = visit::text(flags);
                finding.fix = Some(Fix {
                    path: finding.path.clone(),
                    span: flags.span(),
                    text: format!("{condition} ? FOLL_WRITE : 0"),
                });
            }
            return Some(finding);
        }
        let names = foll_names(flags);
        let has = |name: &str| names.contains(&name);
        if has("FOLL_PIN") || has("FOLL_GET") && self.pins {
            let message = format!(
                "{}() is called with a flag that says how to count, which it refuses",
                self.name
            );
            return Some(self.finding("internal-flag", Severity::Error, message, flags.span()));
        }
        if has("FOLL_LONGTERM") && !self.pins && self.view.input.era == Era::Pin {
            let message = format!(
                "{}() is called with FOLL_LONGTERM, which needs a pin",
                self.name
            );
            return Some(self.finding(
                "longterm-without-pin",
                Severity::Error,
                message,
                flags.span(),
            ));
        }
        let site = self
            .view
            .callsite(self.view.files[self.file].path.as_str(), self.span)?;
        let constant = !names.is_empty() && only_flags(flags);
        if self.pins
            && constant
            && !has("FOLL_LONGTERM")
            && site.case == Some(2)
            && site.verdict == Verdict::Done
        {
            let message = format!("{}() without FOLL_LONGTERM, but {}", self.name, site.reason);
            return Some(self.finding(
                "longterm-missing",
                Severity::Warning,
                message,
                flags.span(),
            ));
        }
        None
    }

    fn finding(&self, name: &str, severity: Severity, message: String, at: Span) -> Finding {
        let evidence = vec![self.view.evidence(self.file, at, "")];
        self.view.finding(
            ("R12", name, severity),
            (self.file, &self.function.name, at),
            message,
            evidence,
        )
    }
}

fn no_flags(locals: &Locals<'_>, flags: &Expr) -> Option<&'static str> {
    match visit::bare(flags) {
        Expr::Binary { op, .. }
            if ["==", "!=", "<", ">", "<=", ">=", "&&", "||"].contains(&op.as_str()) =>
        {
            Some("the truth value")
        }
        Expr::Unary { op, .. } if op == "!" => Some("the truth value"),
        Expr::Name(name, _) => {
            let boolean = locals.get(name).is_some_and(|ty| {
                ["bool", "_Bool"].contains(&ty.name.as_str()) && ty.pointers == 0
            });
            let direction = locals
                .get(name)
                .is_some_and(|ty| ty.name.contains("dma_data_direction"))
                || [
                    "DMA_FROM_DEVICE",
                    "DMA_TO_DEVICE",
                    "DMA_BIDIRECTIONAL",
                    "true",
                    "false",
                ]
                .contains(&name.as_str());
            if boolean {
                Some("the boolean")
            } else {
                direction.then_some("the value")
            }
        }
        Expr::Literal(text, _) if ["true", "false"].contains(&text.as_str()) => Some("the boolean"),
        _ => None,
    }
}

fn foll_names(flags: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    visit::expressions(flags, &mut |inner| {
        if let Expr::Name(name, _) = inner {
            if name.starts_with("FOLL_") {
                names.push(name.as_str());
            }
        }
    });
    names
}

/// Made of FOLL constants and nothing that could hold more of them.
fn only_flags(flags: &Expr) -> bool {
    match visit::bare(flags) {
        Expr::Name(name, _) => name.starts_with("FOLL_"),
        Expr::Literal(..) => true,
        Expr::Binary {
            op, left, right, ..
        } if op == "|" => only_flags(left) && only_flags(right),
        Expr::Conditional {
            then, otherwise, ..
        } => then.as_ref().is_some_and(|then| only_flags(then)) && only_flags(otherwise),
        _ => false,
    }
}
