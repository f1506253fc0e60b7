// SPDX-License-Identifier: MIT OR Apache-2.0
//! R12, gup-flags: the flags of an acquiring call are no flags, or not the right ones.
//!
//! Matches a truth value or a DMA direction where FOLL flags are expected; FOLL_LONGTERM without a pin; FOLL_PIN
//! from outside mm/, or FOLL_GET for a pin; a pin that the audit sees held until user space lets go (case 2) without
//! FOLL_LONGTERM; and pages that are written and marked dirty though each call that takes them asks for reading only. Wrong
//! because a truth value is FOLL_WRITE only by luck, because mm/gup.c: is_valid_gup_args() (6.12) refuses the second and
//! third, because a short-term pin of a movable page blocks compaction and CMA, and because what is written to a page that
//! was taken for reading may go to a page that others see, or to none. Would have caught a boolean handed down since the
//! days of `int write`.

use super::flags::Given;
use super::paths::Locals;
use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, Linkage, Span, Stmt};
use crate::report::{Callsite, Era, Finding, Fix, Group, Severity, Verdict};
use refimpl::api::{Count, Dirties, Role, followed};

/// Looks at the flags of every acquiring call.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut helpers = Vec::new();
    for (file, function) in view.functions() {
        let inside = view.files[file].path.starts_with("mm");
        if function.linkage == Linkage::Macro || inside {
            continue;
        }
        let locals = Locals::of(function);
        let mut given = None;
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
            let given = given.get_or_insert_with(|| Given::of(function));
            findings.extend(call.judge(&locals, given, flags));
            if let Some(at) = given.parameter(flags) {
                helpers.push(Helper { call, at });
            }
        });
    }
    handed_down(view, &helpers, findings);
}

/// What the callers of a function hand down as flags.
fn handed_down(view: &View<'_>, helpers: &[Helper<'_>], findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        let of_file: Vec<&Helper<'_>> = helpers.iter().filter(|h| h.call.file == file).collect();
        if of_file.is_empty() || function.linkage == Linkage::Macro {
            continue;
        }
        let locals = Locals::of(function);
        visit::all_calls(&function.body, &mut |name, args, span| {
            for helper in of_file.iter().filter(|h| h.call.function.name == name) {
                let Some(flags) = args.get(helper.at) else {
                    continue;
                };
                let call = Call {
                    function,
                    span,
                    ..helper.call
                };
                findings.extend(call.no_flags(&locals, flags));
            }
        });
    }
}

/// A function that hands a parameter of its own to an acquiring call as flags.
struct Helper<'v> {
    call: Call<'v, 'v>,
    /// Which parameter.
    at: usize,
}

/// Acquires of one group beyond which nothing is said of it: for each its function is looked through, and the kernel's own
/// groups have less than half as many.
const MOST: usize = 64;

/// Pages that are marked dirty, and were taken for reading only.
pub(crate) fn across(view: &View<'_>, findings: &mut Vec<Finding>) {
    for group in view.input.groups {
        findings.extend(write_missing(view, group));
    }
}

fn write_missing(view: &View<'_>, group: &Group) -> Option<Finding> {
    let acquires = view.members(&group.acquires);
    let judged = |site: &&Callsite| matches!(site.verdict, Verdict::Convert | Verdict::Done);
    if acquires.len() > MOST || !acquires.iter().all(judged) {
        return None;
    }
    let mut members = view.members(&group.dirties);
    members.extend(view.members(&group.releases));
    let always = members.iter().find(|site| dirties_always(view, site));
    // Where the direction is chosen, so is the dirtying.
    let sometimes = || members.iter().find(|site| dirties_at_times(view, site));
    let dirtied = *always.or_else(sometimes)?;
    let mut read_only = None;
    for site in &acquires {
        let file = view.file(&site.path)?;
        let flags = reads_only(view, file, site)?;
        let written = is_written(view, file, site);
        let enough = match always {
            Some(_) => written == Written::Always,
            None => written != Written::Never,
        };
        if !enough {
            return None;
        }
        read_only = read_only.or(Some((file, *site, flags)));
    }
    let (file, site, flags) = read_only?;
    let at = view.file(&dirtied.path)?;
    let message = format!(
        "{}() takes the pages for reading, but they are written, and line {} marks them dirty",
        site.call, dirtied.line
    );
    let evidence = vec![
        view.evidence(file, flags, "without FOLL_WRITE"),
        view.evidence(at, dirtied.span, "marked dirty"),
    ];
    let rule = ("R12", "write-missing", Severity::Warning);
    Some(view.finding(rule, (file, &site.function, flags), message, evidence))
}

/// The flags of an acquiring call, when they are constants and FOLL_WRITE is not among them.
fn reads_only(view: &View<'_>, file: usize, site: &Callsite) -> Option<Span> {
    if view.input.released == Era::PutPage || view.files[file].path.starts_with("mm") {
        return None;
    }
    let mut found = None;
    for function in view.around(file, site.span) {
        visit::all_calls(&function.body, &mut |name, args, at| {
            if at.start != site.span.start {
                return;
            }
            let form = followed().get(name).and_then(|f| f.signature(args.len()));
            let flags = form.and_then(|form| args.get(form.flags?));
            let reads = |flags: &&Expr| {
                Given::of(function)
                    .constants(flags)
                    .is_some_and(|names| !names.contains(&"FOLL_WRITE"))
            };
            found = flags.filter(reads).map(Expr::span);
        });
    }
    found
}

/// Whether pages are written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Always,
    /// Something tells whether.
    Chosen,
    Never,
}

/// Whether the function that takes the pages has a device or the CPU write to them, as far as that function tells.
fn is_written(view: &View<'_>, file: usize, site: &Callsite) -> Written {
    let (mut to, mut from, mut cpu) = (false, false, false);
    for function in view.around(file, site.span) {
        let mut mapped: Vec<&str> = Vec::new();
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Decl(declarations, _) = statement {
                let addresses = declarations
                    .iter()
                    .filter(|d| d.init.as_ref().is_some_and(maps));
                mapped.extend(addresses.map(|d| d.name.as_str()));
            }
        });
        visit::all(&function.body, &mut |expr| match expr {
            Expr::Name(name, _) => {
                to |= name == "DMA_TO_DEVICE";
                from |= matches!(name.as_str(), "DMA_FROM_DEVICE" | "DMA_BIDIRECTIONAL");
            }
            Expr::Assign { target, value, .. } => {
                if let (Expr::Name(name, _), true) = (visit::bare(target), maps(value)) {
                    mapped.push(name);
                }
            }
            _ => {}
        });
        let through = |address: &Expr| base(address).is_some_and(|name| mapped.contains(&name));
        visit::all(&function.body, &mut |expr| {
            if let Expr::Assign { target, .. } = expr {
                cpu |= match visit::bare(target) {
                    Expr::Index { base, .. } | Expr::Deref(base, _) => through(base),
                    Expr::Field {
                        base, arrow: true, ..
                    } => through(base),
                    _ => false,
                };
            }
        });
        visit::all_calls(&function.body, &mut |name, args, _| {
            let writes = followed()
                .get(name)
                .is_some_and(|f| f.role == Role::Use && f.kind == "cpu-write-address");
            cpu |= writes && args.first().is_some_and(through);
        });
    }
    match (cpu, from, to) {
        (true, ..) | (_, true, false) => Written::Always,
        (false, true, true) => Written::Chosen,
        (false, false, _) => Written::Never,
    }
}

/// The variable that an address begins with: `to` of `to + offset`.
fn base(address: &Expr) -> Option<&str> {
    match visit::bare(address) {
        Expr::Name(name, _) => Some(name),
        Expr::Binary { op, left, .. } if op == "+" => base(left),
        _ => None,
    }
}

/// Whether a value is the address at which a page is mapped for the CPU.
fn maps(value: &Expr) -> bool {
    // The address of the page and an offset in it is still one in the page.
    let callee = match visit::bare(value) {
        Expr::Binary { op, left, .. } if op == "+" => visit::bare(left).callee_name(),
        value => value.callee_name(),
    };
    callee.is_some_and(|name| {
        followed()
            .get(name)
            .is_some_and(|f| f.role == Role::Use && f.kind == "cpu-map")
    })
}

/// Whether a call marks its pages dirty whatever else holds there.
fn dirties_always(view: &View<'_>, site: &Callsite) -> bool {
    let Some(function) = followed().get(&site.call) else {
        return false;
    };
    site.role == crate::report::Role::Dirty
        || function.dirties == Dirties::Yes
        || dirty_argument(view, site, &|arg| matches!(arg, "1" | "true"))
}

/// Whether a call is told by something that is no constant whether to mark its pages dirty.
fn dirties_at_times(view: &View<'_>, site: &Callsite) -> bool {
    dirty_argument(view, site, &|arg| {
        !matches!(arg, "0" | "1" | "true" | "false")
    })
}

/// Whether the argument of a call that says so passes a test on its text.
fn dirty_argument(view: &View<'_>, site: &Callsite, is: &dyn Fn(&str) -> bool) -> bool {
    let Some(function) = followed().get(&site.call) else {
        return false;
    };
    if function.dirties != Dirties::Argument {
        return false;
    }
    let mut passes = false;
    for outer in view
        .file(&site.path)
        .into_iter()
        .flat_map(|file| view.around(file, site.span))
    {
        visit::all_calls(&outer.body, &mut |_, args, at| {
            if at.start == site.span.start {
                let form = function.signature(args.len());
                let dirty = form.and_then(|form| args.get(form.dirty?));
                passes |= dirty.is_some_and(|arg| is(&visit::text(arg)));
            }
        });
    }
    passes
}

#[derive(Clone, Copy)]
struct Call<'v, 'a> {
    view: &'v View<'a>,
    file: usize,
    function: &'v Function,
    name: &'v str,
    span: Span,
    pins: bool,
}

impl Call<'_, '_> {
    fn no_flags(&self, locals: &Locals<'_>, flags: &Expr) -> Option<Finding> {
        let what = no_flags(locals, flags)?;
        let message = format!(
            "{what} `{}` is passed as gup_flags of {}()",
            visit::text(flags),
            self.name
        );
        let mut finding = self.finding("flags-not-flags", Severity::Error, message, flags.span());
        // What is true is 1, and so is FOLL_WRITE: this says the same in the language of the flags.
        if what != "the value" {
            let condition = visit::text(flags);
            finding.fix = Some(Fix {
                path: finding.path.clone(),
                span: flags.span(),
                text: format!("{condition} ? FOLL_WRITE : 0"),
            });
        }
        Some(finding)
    }

    fn judge<'f>(
        &self,
        locals: &Locals<'_>,
        given: &Given<'f>,
        flags: &'f Expr,
    ) -> Option<Finding> {
        let wrong = self.no_flags(locals, flags);
        if wrong.is_some() {
            return wrong;
        }
        let names = given.certain(flags);
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
        let long = || {
            let names = given.constants(flags)?;
            Some(names.is_empty() || names.contains(&"FOLL_LONGTERM"))
        };
        if self.pins
            && site.case == Some(2)
            && site.verdict == Verdict::Done
            && long() == Some(false)
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
