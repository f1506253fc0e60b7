// SPDX-License-Identifier: MIT OR Apache-2.0
//! series.toml: the variants of a series and its steps.

use camino::Utf8PathBuf;
use serde::Deserialize;
use std::sync::LazyLock;

/// A series in data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    /// Title of the cover letter.
    pub title: String,
    /// Its body.
    pub cover: String,
    /// Which functions are introduced, by the name that the series is asked for.
    pub variant: Vec<Variant>,
    /// In the order of the patches.
    pub step: Vec<Step>,
}

/// One choice of functions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    /// The name that the series is asked for.
    pub name: String,
    /// The functions, the simplest first.
    pub introduces: Vec<String>,
    /// Where they go.
    pub place: Vec<Place>,
}

/// New text after a function that is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// Relative to the tree.
    pub file: Utf8PathBuf,
    /// The function (and its EXPORT_SYMBOL) after which the text goes.
    pub after: String,
    /// The text.
    pub text: String,
}

/// One patch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub(super) enum Step {
    /// One exit for a function.
    OneExit {
        /// Relative to the tree.
        file: Utf8PathBuf,
        /// Its name.
        function: String,
        /// The label of the exit.
        label: String,
        /// With its prefix.
        subject: String,
        /// `{function}` and `{returns}` are filled in.
        body: String,
    },
    /// The variant's functions.
    Introduce {
        /// With its prefix; `{first}` is filled in.
        subject: String,
        /// `{names}` is filled in.
        body: String,
    },
    /// The ordinary conversion of what lies under `paths`, as one patch.
    Convert {
        /// Relative to the tree.
        paths: Vec<Utf8PathBuf>,
        /// Where no function dirties and releases an array, release the array by one call after the loop that dirties.
        #[serde(default)]
        arrays: bool,
        /// Callsites that change although the audit leaves them alone.
        #[serde(default, rename = "override")]
        overrides: Vec<Override>,
    },
}

/// A callsite that changes although the audit leaves it alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    /// Its file.
    pub path: Utf8PathBuf,
    /// What the message says of it.
    pub reason: String,
}

static FIRST_STEPS: LazyLock<Definition> = LazyLock::new(|| {
    toml::from_str(include_str!("../../first-steps/series.toml"))
        .expect("the series is part of the program, and a test reads it")
});

/// Every name that a series can be asked for by.
pub fn names() -> Vec<&'static str> {
    FIRST_STEPS
        .variant
        .iter()
        .map(|variant| variant.name.as_str())
        .collect()
}

/// The series of that name, with the variant.
pub(super) fn find(name: &str) -> Option<(&'static Definition, &'static Variant)> {
    let variant = FIRST_STEPS.variant.iter().find(|v| v.name == name)?;
    Some((&FIRST_STEPS, variant))
}

/// The definition with the variant that introduces the least.
pub(super) fn simplest() -> (&'static Definition, &'static Variant) {
    let fewest = FIRST_STEPS
        .variant
        .iter()
        .min_by_key(|v| v.introduces.len());
    let variant = fewest.expect("the series is part of the program, and has variants");
    (&FIRST_STEPS, variant)
}
