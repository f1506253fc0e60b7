// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small drivers of our own and the report that an audit of them would give: every call of one driver is one group.

use crate::edits::{self, Planned, Source, Sources, Words};
use crate::options::Api;
use crate::truth::lines::{Line, aligned};
use callsites::embedded::{self, Expectation, Expected};
use callsites::index::ir::{Expr, Function};
use callsites::report::{
    Callsite, Confidence, Coverage, Era, Group, Report, Role, SCHEMA, TreeInfo, Verdict,
};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{self, catalogue};
use std::collections::{BTreeMap, BTreeSet};

/// What the mm.h of an era declares of the releasing functions.
pub fn header(era: Era) -> &'static str {
    match era {
        Era::PutPage => "void put_page(struct page *page);\n",
        Era::PutUserPage => {
            "void put_user_page(struct page *page);\n\
             void put_user_pages_dirty_lock(struct page **pages, unsigned long npages,\n\t\t\t       bool make_dirty);\n\
             void put_user_pages(struct page **pages, unsigned long npages);\n"
        }
        Era::Pin => {
            "void unpin_user_page(struct page *page);\n\
             void unpin_user_pages_dirty_lock(struct page **pages, unsigned long npages,\n\t\t\t\t bool make_dirty);\n\
             void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages,\n\t\t\t\t      bool make_dirty);\n\
             void unpin_user_pages(struct page **pages, unsigned long npages);\n"
        }
    }
}

/// The report on `files`: every call that the catalogue has as acquire, release or dirty is to be converted.
pub fn report(era: Era, files: &[(&str, &str)]) -> Report {
    let mut callsites = Vec::new();
    for (path, text) in files {
        let facts = callsites::index::parse(
            Utf8Path::new(path),
            text.as_bytes(),
            &callsites::index::Wanted::All,
        );
        for function in &facts.functions {
            callsites.extend(sites(path, text, function, era));
        }
    }
    let ids = |role| -> Vec<String> {
        let of_role = callsites
            .iter()
            .filter(|site: &&Callsite| site.role == role);
        of_role.map(|site| site.id.clone()).collect()
    };
    let subsystem = files.first().map_or("", |(path, _)| path);
    let group = Group {
        id: "g1".into(),
        subsystem: subsystem.rsplit_once('/').map_or("", |(dir, _)| dir).into(),
        acquires: ids(Role::Acquire),
        releases: ids(Role::Release),
        dirties: ids(Role::Dirty),
        convertible: true,
        blocked_by: Vec::new(),
    };
    Report {
        schema: SCHEMA.into(),
        tree: TreeInfo {
            version: "6.12.1".into(),
            era,
            revision: None,
        },
        coverage: Coverage::default(),
        callsites,
        groups: vec![group],
        findings: Vec::new(),
    }
}

/// The report that the heads of the embedded tree's files ask for, one group a driver.
pub fn embedded_report(tree: &Tree, era: embedded::Era) -> Report {
    let all = embedded::expectations(era);
    // Where a release serves pages of several origins, the whole driver is left alone.
    let mixed: BTreeSet<String> = all
        .iter()
        .filter(|expectation| expectation.expected == Expected::Mixed)
        .map(|expectation| crate::series::unit::unit(expectation.path.as_str()))
        .collect();
    let wanted: Vec<Expectation> = all
        .into_iter()
        .filter(|expectation| expectation.expected == Expected::Convert)
        .collect();
    let paths: BTreeSet<&Utf8Path> = wanted.iter().map(|e| e.path.as_path()).collect();
    let texts: Vec<(&str, String)> = paths
        .into_iter()
        .map(|path| {
            let bytes = tree.read(path).expect("it comes with the program");
            (path.as_str(), String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let mut report = report(tree.era(), &files);
    report.tree = tree.info();
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    report.callsites.retain(|site| {
        let key = (site.path.clone(), site.function.clone(), site.call.clone());
        let count = seen.entry(key).or_default();
        let ordinal = *count;
        *count += 1;
        wanted.iter().any(|e| {
            e.path == site.path
                && e.function == site.function
                && e.call == site.call
                && e.ordinal == ordinal
        })
    });
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for site in &mut report.callsites {
        let unit = crate::series::unit::unit(&site.path);
        let group = groups.entry(unit.clone()).or_insert_with(|| Group {
            id: format!("group of {unit}"),
            subsystem: unit,
            acquires: Vec::new(),
            releases: Vec::new(),
            dirties: Vec::new(),
            convertible: true,
            blocked_by: Vec::new(),
        });
        site.group = Some(group.id.clone());
        match site.role {
            Role::Acquire => group.acquires.push(site.id.clone()),
            Role::Release => group.releases.push(site.id.clone()),
            Role::Dirty => group.dirties.push(site.id.clone()),
        }
    }
    for unit in mixed {
        if let Some(group) = groups.get_mut(&unit) {
            group.convertible = false;
            group.blocked_by = vec!["a release serves pages of several origins".into()];
        }
    }
    report.groups = groups.into_values().collect();
    report
}

fn sites(path: &str, text: &str, function: &Function, era: Era) -> Vec<Callsite> {
    let mut sites = Vec::new();
    callsites::index::walk::expressions(&function.body, &mut |expr| {
        let Expr::Call { span, .. } = expr else {
            return;
        };
        let Some(known) = expr.callee_name().and_then(|name| catalogue().get(name)) else {
            return;
        };
        let role = match known.role {
            api::Role::Acquire => Role::Acquire,
            api::Role::Release => Role::Release,
            api::Role::Dirty => Role::Dirty,
            _ => return,
        };
        let line = text[..span.start as usize].matches('\n').count() as u32 + 1;
        let age = match era {
            Era::PutPage => api::Era::PutPage,
            Era::PutUserPage => api::Era::PutUserPage,
            Era::Pin => api::Era::Pin,
        };
        sites.push(Callsite {
            id: format!("{path}:{line}:{}", known.name),
            path: path.into(),
            line,
            column: 1,
            function: function.name.to_string(),
            call: known.name.clone(),
            role,
            verdict: Verdict::Convert,
            case: Some(5),
            confidence: Confidence::High,
            reason: "its data is accessed".into(),
            origins: Vec::new(),
            group: Some("g1".into()),
            replacement: known.replacement(age).map(str::to_owned),
            shape: None,
            guards: Vec::new(),
            evidence: Vec::new(),
            span: *span,
            edit: None,
        });
    });
    sites
}

/// The parsed files.
pub fn sources(files: &[(&str, &str)], report: &Report) -> Sources {
    let names: BTreeSet<&str> = report
        .callsites
        .iter()
        .map(|site| site.function.as_str())
        .collect();
    files
        .iter()
        .map(|(path, text)| {
            let path = Utf8PathBuf::from(path);
            let source = Source::parse(&path, text.as_bytes().to_vec(), &names);
            (path, source)
        })
        .collect()
}

/// One driver, planned in an era.
pub fn planned(era: Era, text: &str) -> Result<Planned, Vec<String>> {
    let files = [("drivers/misc/toy.c", text)];
    let report = report(era, &files);
    let words = Words::of(Api::Auto, era, header(era).as_bytes()).map_err(|why| vec![why])?;
    edits::group(
        &sources(&files, &report),
        &report,
        &report.groups[0],
        &words,
    )
}

/// One driver before and after as a diff of the changed lines.
pub fn diff(era: Era, text: &str) -> String {
    let files = [("drivers/misc/toy.c", text)];
    let report = report(era, &files);
    let plan = match planned(era, text) {
        Ok(plan) => plan,
        Err(reasons) => return format!("refused\n{}\n", reasons.join("\n")),
    };
    let contents = plan
        .contents(&sources(&files, &report))
        .expect("no overlap");
    let new = contents.values().next().expect("one file was edited");
    let new = String::from_utf8(new.clone()).expect("UTF-8 in, UTF-8 out");
    changed_lines(text, &new)
}

/// Removed and added lines, those that stay left out; tabs as arrows.
fn changed_lines(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let mut text = String::new();
    for line in aligned(&old, &new) {
        match line {
            Line::Both(_) => {}
            Line::Old(at) => text += &format!("-{}\n", old[at].replace('\t', "→")),
            Line::New(at) => text += &format!("+{}\n", new[at].replace('\t', "→")),
        }
    }
    text
}
