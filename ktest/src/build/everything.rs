// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds, for a file that the configuration of the targets does not compile, an architecture and a configuration that do.
//!
//! The candidates are data (`ktest/config/everything.toml`). Nothing is guessed: each candidate's `.config` is made by
//! kbuild and looked at, and a file that none compiles is named with the options that are off and why.

use super::kbuild::Kbuild;
use super::reach::{Alternatives, compiled, options_of};
use super::run::output_key;
use crate::config::{DotConfig, Fragment, Releases, prove};
use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::KernelVersion;
use serde::Deserialize;
use std::collections::BTreeMap;

const DATA: &str = include_str!("../../config/everything.toml");
const PATH: &str = "ktest/config/everything.toml";

/// Files that one configuration compiles.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What people call it; `None` of the configuration of the targets.
    pub(crate) name: Option<String>,
    /// Where and how.
    pub(crate) kbuild: Kbuild,
    /// Sorted, relative to the tree.
    pub(crate) files: Vec<Utf8PathBuf>,
}

/// How every touched file is compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The configuration of the targets first.
    pub(crate) groups: Vec<Group>,
    /// The options that make a file be compiled.
    pub(crate) options: BTreeMap<Utf8PathBuf, Vec<String>>,
    /// Why a file is compiled by none.
    pub(crate) unreached: BTreeMap<Utf8PathBuf, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    n: BTreeMap<String, String>,
    y: BTreeMap<String, String>,
    #[serde(default)]
    off_until: Releases,
    configuration: Vec<Configuration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    name: String,
    arch: String,
    source_arch: String,
    compiler: String,
    package: String,
    #[serde(default)]
    choose: BTreeMap<String, String>,
}

impl Plan {
    /// Everything with one configuration.
    pub(crate) fn one(kbuild: &Kbuild, files: &[Utf8PathBuf]) -> Plan {
        let group = Group {
            name: None,
            kbuild: kbuild.clone(),
            files: files.to_vec(),
        };
        Plan {
            groups: vec![group],
            ..Plan::default()
        }
    }

    fn because(&mut self, file: &Utf8Path, alternatives: &Alternatives, config: &DotConfig) {
        if let Some(options) = compiled(alternatives, config) {
            let options = options.iter().cloned().collect();
            self.options.insert(file.to_owned(), options);
        }
    }
}

/// Shares out `files`: what `config` of `kbuild` compiles stays there, the rest goes to the first candidate that compiles
/// it. `user` are the variables of make that the user typed: an architecture or a compiler among them is kept to. `version`
/// is the tree's.
///
/// # Errors
/// [`Error::Child`] when kbuild fails, [`Error::Io`].
pub(crate) fn plan(
    kbuild: &Kbuild,
    config: &DotConfig,
    files: &[Utf8PathBuf],
    user: &[(String, String)],
    version: KernelVersion,
    say: &dyn Fn(&str),
) -> Result<Plan, Error> {
    let data = data()?;
    let wanted: Vec<(Utf8PathBuf, Alternatives)> = files
        .iter()
        .filter(|file| file.extension() == Some("c"))
        .map(|file| (file.clone(), options_of(&kbuild.source, file)))
        .collect();
    let chosen = |name: &str| {
        user.iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let here = chosen("ARCH").unwrap_or("x86_64");
    let stays = |file: &Utf8Path, alternatives: &Alternatives| {
        of_architecture(file).is_none_or(|own| own == source_arch(here))
            && compiled(alternatives, config).is_some()
    };
    let (own, mut rest): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|(file, alternatives)| stays(file, alternatives));
    let files: Vec<Utf8PathBuf> = own.iter().map(|(file, _)| file.clone()).collect();
    let mut plan = Plan::one(kbuild, &files);
    for (file, alternatives) in &own {
        plan.because(file, alternatives, config);
    }
    let mut why: BTreeMap<Utf8PathBuf, Vec<String>> = BTreeMap::new();
    for candidate in &data.configuration {
        let fits = |file: &Utf8Path| {
            of_architecture(file).is_none_or(|own| own == candidate.source_arch)
                && chosen("ARCH").is_none_or(|arch| source_arch(arch) == candidate.source_arch)
        };
        if chosen("O").is_some() || !rest.iter().any(|(file, _)| fits(file)) {
            continue;
        }
        let other = candidate.kbuild(kbuild, user);
        if let Some(lacking) = candidate.lacks_compiler(user) {
            for (file, _) in rest.iter().filter(|(file, _)| fits(file)) {
                why.entry(file.clone()).or_default().push(lacking.clone());
            }
            continue;
        }
        say(&format!("configuring {}", candidate.name));
        let (kbuild, got) = candidate.configure(other, &data, version, user)?;
        let (taken, left): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|(file, alternatives)| fits(file) && compiled(alternatives, &got).is_some());
        for (file, alternatives) in left.iter().filter(|(file, _)| fits(file)) {
            let sentence = candidate.refuses(alternatives, &got, &kbuild.source);
            why.entry(file.clone()).or_default().push(sentence);
        }
        rest = left;
        for (file, alternatives) in &taken {
            plan.because(file, alternatives, &got);
        }
        if !taken.is_empty() {
            plan.groups.push(Group {
                name: Some(candidate.name.clone()),
                kbuild,
                files: taken.into_iter().map(|(file, _)| file).collect(),
            });
        }
    }
    for (file, _) in rest {
        let sentences = why.remove(&file).unwrap_or_default();
        let said = match sentences.is_empty() {
            true => "no configuration at hand reaches it".to_owned(),
            false => sentences.join("; "),
        };
        plan.unreached.insert(file, said);
    }
    Ok(plan)
}

impl Configuration {
    fn variables(&self, user: &[(String, String)]) -> Vec<(String, String)> {
        let chosen = |name: &str| user.iter().any(|(n, _)| n == name);
        let mut more = Vec::new();
        if !chosen("ARCH") {
            more.push(("ARCH".to_owned(), self.arch.clone()));
        }
        if !chosen("LLVM") && !chosen("CC") && !chosen("CROSS_COMPILE") {
            more.push(("CROSS_COMPILE".to_owned(), self.compiler.clone()));
            if proc::on_path("ccache").is_some() {
                more.push(("CC".to_owned(), format!("ccache {}gcc", self.compiler)));
            }
        }
        more
    }

    fn kbuild(&self, of_targets: &Kbuild, user: &[(String, String)]) -> Kbuild {
        let mut kbuild = of_targets.clone();
        let ours = self.variables(user);
        kbuild
            .variables
            .retain(|(name, _)| !ours.iter().any(|(n, _)| n == name));
        kbuild.variables.extend(ours);
        kbuild
    }

    fn lacks_compiler(&self, user: &[(String, String)]) -> Option<String> {
        let chosen = user
            .iter()
            .any(|(n, _)| matches!(n.as_str(), "LLVM" | "CC" | "CROSS_COMPILE"));
        let program = format!("{}gcc", self.compiler);
        if chosen || proc::on_path(&program).is_some() {
            return None;
        }
        Some(format!(
            "{} needs {program}, which is missing: apt-get install {}",
            self.name, self.package
        ))
    }

    fn configure(
        &self,
        mut kbuild: Kbuild,
        data: &Data,
        version: KernelVersion,
        user: &[(String, String)],
    ) -> Result<(Kbuild, DotConfig), Error> {
        let fragment = self.fragment(data, version)?;
        let home = kbuild.source.parent().unwrap_or(&kbuild.source).to_owned();
        let mut keyed = user.to_vec();
        keyed.extend(self.variables(user));
        kbuild.output = home.join(format!("all-{}", output_key(&fragment, &keyed)));
        let config = kbuild.configure_all(&fragment, &home.join("configure.log"))?;
        Ok((kbuild, config))
    }

    /// What is chosen on top of allmodconfig, for a release.
    fn fragment(&self, data: &Data, version: KernelVersion) -> Result<Fragment, Error> {
        let mut y = data.y.clone();
        y.extend(self.choose.clone());
        let mut fragment = Fragment::new(PATH, y, data.n.clone(), BTreeMap::new())?;
        let none = Releases::new;
        fragment.add_releases(PATH, none(), none(), data.off_until.clone())?;
        Ok(fragment.at(version))
    }

    /// Which options are off, of the alternative that lacks the fewest.
    fn refuses(&self, alternatives: &Alternatives, got: &DotConfig, source: &Utf8Path) -> String {
        let off = |names: &std::collections::BTreeSet<String>| -> Vec<String> {
            let names = names.iter().filter(|name| !got.is_on(name));
            names.cloned().collect()
        };
        let least = alternatives.iter().map(off).min_by_key(Vec::len);
        let mut fragment = Fragment::default();
        for name in least.unwrap_or_default() {
            fragment.set(&name, "y", "its Makefile asks for it", &self.name);
        }
        prove(&fragment, got, source).join("; ")
    }
}

fn data() -> Result<Data, Error> {
    toml::from_str(DATA).map_err(|e| Error::Data {
        path: PATH.into(),
        why: e.to_string(),
    })
}

/// `arm64` of `arch/arm64/…`.
fn of_architecture(file: &Utf8Path) -> Option<&str> {
    let mut parts = file.components().map(|part| part.as_str());
    (parts.next() == Some("arch"))
        .then(|| parts.next())
        .flatten()
}

/// kbuild's SRCARCH of an ARCH.
fn source_arch(arch: &str) -> &str {
    match arch {
        "x86_64" | "i386" => "x86",
        "sparc32" | "sparc64" => "sparc",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_says_why_and_names_its_package() {
        let data: Data = toml::from_str(DATA).unwrap();
        let reasons = data.n.values().chain(data.y.values());
        let chosen = data.configuration.iter().flat_map(|c| c.choose.values());
        assert!(reasons.chain(chosen).all(|reason| reason.len() > 5));
        assert!(data.configuration.iter().all(|c| !c.package.is_empty()));
        for configuration in &data.configuration {
            assert_eq!(source_arch(&configuration.arch), configuration.source_arch);
        }
    }

    #[test]
    fn programs_that_the_compilers_of_today_refuse_are_kept_out_of_old_trees_alone() {
        let data = data().unwrap();
        let x86 = &data.configuration[0];
        let text = |version: &str| {
            x86.fragment(&data, version.parse().unwrap())
                .unwrap()
                .text()
        };
        let off = |name: &str| format!("# CONFIG_{name} is not set\n");
        assert!(text("4.19.1").contains(&off("SECURITY_SELINUX")));
        assert!(text("5.4.59").contains(&off("STACK_VALIDATION")));
        assert!(!text("5.4.59").contains("SECURITY_SELINUX"));
        assert!(!text("6.12").contains("STACK_VALIDATION"));
    }

    #[test]
    fn what_is_off_is_named_with_its_dependency() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("Kconfig"), "config CARD\n\tdepends on SOC\n").unwrap();
        let data: Data = toml::from_str(DATA).unwrap();
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let alternatives = vec![set(&["CARD", "BUS", "MORE"]), set(&["CARD"])];
        let got = DotConfig::parse("CONFIG_BUS=y\n");
        let said = data.configuration[0].refuses(&alternatives, &got, root);
        assert_eq!(
            said,
            "CONFIG_CARD: wanted y (x86_64 allmodconfig: its Makefile asks for it), found off; not met: depends on SOC"
        );
    }

    #[test]
    fn a_file_of_an_architecture_belongs_to_it() {
        let of = |file: &str| of_architecture(Utf8Path::new(file)).map(str::to_owned);
        assert_eq!(of("arch/s390/kvm/priv.c").as_deref(), Some("s390"));
        assert_eq!(of("drivers/arch/x.c"), None);
        assert_eq!(source_arch("x86_64"), "x86");
    }
}
