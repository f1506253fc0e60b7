// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ways have in common until one of them changes it.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// A part of a way's state: a copy costs nothing before it is written to.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(Rc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Rc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}
