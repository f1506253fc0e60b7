// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statements of a function, which a kept function has in writing until somebody looks at them.

use super::ir::Stmt;
use aho_corasick::AhoCorasick;
use refimpl::api::{Role, followed};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// Statements.
#[derive(Clone, Default)]
pub struct Body {
    written: Box<[u8]>,
    /// Whether what is written may hold a callsite.
    site: bool,
    read: OnceLock<Vec<Stmt>>,
}

impl Body {
    /// Whether a callsite may stand in it; of statements that somebody has looked at it is not known any more.
    pub(crate) fn may_hold_site(&self) -> bool {
        self.site || self.read.get().is_some()
    }
}

/// Whether a name of the catalogue that makes a callsite stands in statements as they are written.
fn names_site(written: &[u8]) -> bool {
    static NAMES: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let roles = [Role::Acquire, Role::Release, Role::Dirty];
        let pins = followed().with_role(Role::Reference);
        let names = roles
            .into_iter()
            .flat_map(|role| followed().with_role(role))
            .chain(pins.filter(|function| function.adds_pins()));
        AhoCorasick::new(names.map(|function| &function.name)).ok()
    });
    // When they cannot be searched for together, each may stand there.
    names.as_ref().is_none_or(|names| names.is_match(written))
}

impl From<Vec<Stmt>> for Body {
    fn from(statements: Vec<Stmt>) -> Self {
        Body {
            written: Box::default(),
            site: false,
            read: OnceLock::from(statements),
        }
    }
}

impl Deref for Body {
    type Target = Vec<Stmt>;

    fn deref(&self) -> &Vec<Stmt> {
        // What was written is whole: whoever keeps it keeps a sum of it too.
        self.read
            .get_or_init(|| postcard::from_bytes(&self.written).unwrap_or_default())
    }
}

impl<'b> IntoIterator for &'b Body {
    type Item = &'b Stmt;
    type IntoIter = std::slice::Iter<'b, Stmt>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whether it may hold a callsite, then the statements.
        let (site, written) = match self.read.get() {
            Some(statements) => {
                let written = postcard::to_stdvec(statements);
                let written = written.map_err(serde::ser::Error::custom)?;
                (names_site(&written), Cow::from(written))
            }
            None => (self.site, Cow::from(&*self.written)),
        };
        let bytes: Vec<u8> = [&[u8::from(site)], &*written].concat();
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("statements in writing")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Body, E> {
                let nothing = || E::invalid_length(0, &self);
                let (site, written) = bytes.split_first().ok_or_else(nothing)?;
                Ok(Body {
                    written: written.into(),
                    site: *site != 0,
                    read: OnceLock::new(),
                })
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
