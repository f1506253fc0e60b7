// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statements of a function, which a kept function has in writing until somebody looks at them.

use super::ir::Stmt;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// Statements.
#[derive(Clone, Default)]
pub struct Body {
    written: Box<[u8]>,
    read: OnceLock<Vec<Stmt>>,
}

impl Body {
    /// Whether `test` holds of the statements as they are written, names among them; true when they are not written.
    pub fn may(&self, test: impl FnOnce(&[u8]) -> bool) -> bool {
        self.read.get().is_some() || test(&self.written)
    }
}

impl From<Vec<Stmt>> for Body {
    fn from(statements: Vec<Stmt>) -> Self {
        Body {
            written: Box::default(),
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
        match self.read.get() {
            Some(statements) => {
                let written = postcard::to_stdvec(statements);
                serializer.serialize_bytes(&written.map_err(serde::ser::Error::custom)?)
            }
            None => serializer.serialize_bytes(&self.written),
        }
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

            fn visit_bytes<E: Error>(self, written: &[u8]) -> Result<Body, E> {
                Ok(Body {
                    written: written.into(),
                    read: OnceLock::new(),
                })
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
