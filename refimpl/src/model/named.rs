// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values that people type by name.

use super::error::Error;

/// The value among `all` that `name` means, in any case.
pub(crate) fn named<T: Copy>(
    kind: &'static str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, Error> {
    let found = all
        .iter()
        .find(|&&value| name_of(value).eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| Error::Unknown {
        kind,
        name: name.to_owned(),
        known: all.iter().map(|&value| name_of(value).to_owned()).collect(),
    })
}

/// An enum whose values have one name each, in tables, flags and JSON alike.
macro_rules! names {
    ($kind:literal $(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $value,)*
        }

        impl $name {
            /// All of them, in the order of tables.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$value),*];

            /// The name in tables, flags and JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }

            /// Finds a value by its name, in any case.
            ///
            /// # Errors
            /// When no value bears the name.
            pub fn parse(name: &str) -> Result<Self, $crate::model::Error> {
                $crate::model::named($kind, name, &Self::ALL, Self::name)
            }
        }
    };
}
pub(crate) use names;
