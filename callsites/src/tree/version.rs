// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kernel a tree is, told by its own Makefile and headers.

use crate::lex::{Kind, Mode, tokens};
use crate::report::Era;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A release as LINUX_VERSION_CODE counts it: a byte each for the second and the third number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct VersionCode(pub u32);

impl std::fmt::Display for VersionCode {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.0 >> 16, self.0 >> 8 & 0xff)?;
        match self.0 & 0xff {
            0 => Ok(()),
            sublevel => write!(out, ".{sublevel}"),
        }
    }
}

impl VersionCode {
    /// Of "6.12.117-rc1".
    pub fn of(version: &str) -> Option<Self> {
        let mut parts = version
            .split(['.', '-'])
            .map_while(|part| part.parse::<u32>().ok());
        let (version, patchlevel) = (parts.next()?, parts.next()?);
        let sublevel = parts.next().unwrap_or(0).min(255);
        Some(VersionCode(version << 16 | patchlevel << 8 | sublevel))
    }
}

/// What decides conditions of the preprocessor: the release, and names that whoever audits has given.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Defined {
    /// LINUX_VERSION_CODE; None where every release's code is wanted.
    pub code: Option<VersionCode>,
    /// Object-like macros and their values, sorted by name.
    pub names: Vec<(SmolStr, i64)>,
    /// Of a module outside the kernel: what its own files say of names that its conditions ask.
    pub module: Option<Features>,
}

/// What decides conditions in a module beside the release.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Features {
    /// What is known of macros.
    pub told: BTreeMap<SmolStr, Told>,
    /// Functions of the catalogue that the module defines itself, as a function or a macro.
    pub own: BTreeSet<SmolStr>,
    /// The macros of which no header says whether they are defined, and what tells.
    pub inferred: Vec<Inferred>,
}

/// What is known of a macro.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Told {
    /// It is not defined.
    Absent,
    /// It stands for a text.
    Text {
        /// Of one that takes arguments.
        params: Option<Vec<SmolStr>>,
        /// As it is written.
        text: SmolStr,
    },
}

/// A macro that is taken as defined, or as not defined, because a release cannot have the other arm of its condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Inferred {
    /// Its name.
    pub name: SmolStr,
    /// Whether it is taken as defined.
    pub defined: bool,
    /// The file that tells.
    pub path: SmolStr,
    /// 1-based: where the function stands.
    pub line: u32,
    /// The function of the catalogue that tells.
    pub call: SmolStr,
}

impl Defined {
    /// A release, and no name.
    #[cfg(test)]
    pub(crate) fn release(code: u32) -> Self {
        Defined {
            code: Some(VersionCode(code)),
            ..Defined::default()
        }
    }

    /// The value of a name that was given.
    pub(crate) fn value(&self, name: &str) -> Option<i64> {
        let found = self
            .names
            .binary_search_by(|(other, _)| other.as_str().cmp(name));
        found.ok().map(|at| self.names[at].1)
    }

    /// What the files of a module say of a name.
    pub(crate) fn told(&self, name: &str) -> Option<&Told> {
        self.module.as_ref()?.told.get(name)
    }
}

/// The version in a top Makefile, as `make kernelversion` prints it; None when there is none.
pub(super) fn parse(makefile: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&makefile[..makefile.len().min(4096)]);
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let (version, patchlevel) = (value("VERSION")?, value("PATCHLEVEL")?);
    version.parse::<u32>().ok()?;
    patchlevel.parse::<u32>().ok()?;
    let mut out = format!("{version}.{patchlevel}");
    if let Some(sublevel) = value("SUBLEVEL").filter(|s| !s.is_empty()) {
        out.push('.');
        out.push_str(&sublevel);
    }
    out.push_str(&value("EXTRAVERSION").unwrap_or_default());
    Some(out)
}

/// The era that include/linux/mm.h tells by what it declares, comments aside.
pub(crate) fn era_of(mm_h: &[u8]) -> Era {
    let all = tokens(mm_h, 0, mm_h.len(), Mode::File);
    let names = |prefix: &[u8]| {
        all.iter().any(|t| match t.kind {
            Kind::Ident => t.text(mm_h).starts_with(prefix),
            // `#define put_user_page(page) put_page(page)`
            Kind::Directive => tokens(mm_h, t.start as usize + 1, t.end as usize, Mode::MacroBody)
                .get(1)
                .is_some_and(|name| name.text(mm_h).starts_with(prefix)),
            _ => false,
        })
    };
    if names(b"pin_user_pages") {
        Era::Pin
    } else if names(b"put_user_page") {
        Era::PutUserPage
    } else {
        Era::PutPage
    }
}

/// The era of the release a version names: put_user_page*() came with 5.2, pin_user_pages*() with 5.6.
pub(super) fn era_by_number(version: &str) -> Era {
    let mut parts = version
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    match (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) {
        at if at >= (5, 6) => Era::Pin,
        at if at >= (5, 2) => Era::PutUserPage,
        _ => Era::PutPage,
    }
}
