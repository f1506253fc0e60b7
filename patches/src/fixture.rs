// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small drivers of our own and the report that an audit of them would give: every call of one driver is one group.

use callsites::index::ir::{Expr, Function};
use callsites::report::{
    Callsite, Confidence, Coverage, Era, Group, Report, Role, SCHEMA, TreeInfo, Verdict,
};
use camino::Utf8Path;
use refimpl::api::{self, catalogue};

/// What the mm.h of an era declares of the releasing functions.
pub(crate) fn header(era: Era) -> &'static str {
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
             void unpin_user_folio(struct folio *folio, unsigned long npages);\n\
             void unpin_user_pages(struct page **pages, unsigned long npages);\n"
        }
    }
}

/// The report on `files`: every call that the catalogue has as acquire, release or dirty is to be converted.
pub(crate) fn report(era: Era, files: &[(&str, &str)]) -> Report {
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
        plan: Vec::new(),
    };
    Report {
        schema: SCHEMA.into(),
        tree: TreeInfo {
            version: "6.12.1".into(),
            module: false,
            defines: Vec::new(),
            decided: Vec::new(),
            era,
            revision: None,
        },
        coverage: Coverage::default(),
        callsites,
        groups: vec![group],
        findings: Vec::new(),
    }
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
