// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that are taken from an iterator: a number of bytes comes back, and of a kernel-backed iterator none are pinned.

use super::acquire::{FAILURE, Target};
use super::machine::Machine;
use super::state::{Acquisition, Place, State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Function, Span};
use refimpl::api::Count;

/// What makes an iterator user-backed, or asks whether it is.
///
/// include/linux/uio.h, lib/iov_iter.c, 6.12.
const USER_BACKED: [&str; 8] = [
    "user_backed_iter",
    "iter_is_ubuf",
    "iter_is_iovec",
    "iov_iter_init",
    "iov_iter_ubuf",
    "import_ubuf",
    "import_iovec",
    "import_single_range",
];

/// Whether `function` lets only user-backed iterators pass, as far as its calls tell.
pub(super) fn sees_to_user_pages(function: &Function) -> bool {
    let (mut user, mut asks) = (false, false);
    visit::all_calls(&function.body, &mut |name, _, _| {
        user |= USER_BACKED.contains(&name);
        asks |= name == "iov_iter_extract_will_pin";
    });
    user && !asks
}

impl Machine<'_, '_> {
    /// It fails, or gets bytes of at least one page; the first page stands for all.
    pub(super) fn acquire_iterator(
        &mut self,
        state: &mut State,
        function: &refimpl::api::Function,
        (args, pages): (&[Expr], Option<usize>),
        span: Span,
    ) -> Value {
        for (at, arg) in args.iter().enumerate() {
            if Some(at) != pages {
                self.eval(state, arg);
                if let Expr::AddressOf(inner, _) = visit::bare(arg) {
                    self.forget(state, inner);
                }
            }
        }
        if self.outcome == 0 {
            state.note(span, "it fails");
            return Value::Int(FAILURE);
        }
        // How many of the bytes asked for it gets makes no difference here.
        if self.outcome == 1 {
            state.over = true;
            return Value::Int(0);
        }
        state.note(span, "it gets pages");
        let bytes = self.fresh();
        state.ranges.insert(bytes, (1, i64::MAX));
        let Some(target) = pages.and_then(|at| args.get(at)) else {
            return Value::Sym(bytes, 0);
        };
        let allocates = function.name.contains("alloc");
        let boxed = function.count == Count::Pin || allocates;
        let memory = match (visit::bare(target), boxed) {
            (Expr::AddressOf(inner, _), true) => {
                let place = self.place(state, inner);
                let array = self.read(state, &place);
                match (array, &place) {
                    (Value::Sym(sym, first), _) if !allocates => Some((sym, first)),
                    (_, Place::Local(_)) => {
                        let sym = self.fresh();
                        self.write(state, &place, Value::Sym(sym, 0));
                        Some((sym, 0))
                    }
                    _ => None,
                }
            }
            (_, true) => None,
            (target, false) => match self.target(state, target) {
                Target::Memory(sym, first) => Some((sym, first)),
                _ => None,
            },
        };
        if let Some((sym, first)) = memory {
            let number = state.acquisitions.len();
            let visible = state.visible.contains(&sym);
            state.acquisitions.push(Acquisition {
                call: span,
                callee: function.name.as_str().into(),
                pin: function.count == Count::Pin,
                got: 1,
                wanted: 1,
                memory: Some(sym),
                first,
                held: vec![1],
                handed_on: false,
                visible,
                home: None,
                shared_before: true,
                more: false,
                container: None,
                maybe: function.count == Count::Pin && !self.user_backed,
            });
            state
                .memory
                .insert((sym, first), Value::Page(number, Some(0)));
        }
        Value::Sym(bytes, 0)
    }
}
