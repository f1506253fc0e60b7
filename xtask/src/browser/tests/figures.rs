// SPDX-License-Identifier: MIT OR Apache-2.0
//! The overview's figures are those of the report, a click filters everything below, and a link opens what it names.

use super::*;
use callsites::report::Severity;

fn figure(tab: &mut Tab, value: &str) -> Value {
    tab.evaluate(&format!(
        "Number(document.querySelector('.figure[data-value=\"{value}\"] .count').textContent)"
    ))
    .unwrap()
}

fn click(tab: &mut Tab, selector: &str) {
    tab.evaluate(&format!("document.querySelector('{selector}').click()"))
        .unwrap();
}

/// Findings of a severity.
fn of(report: &Report, severity: Severity) -> usize {
    let found = report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity);
    found.count()
}

fn figures_and_filters(tab: &mut Tab, page: &Utf8Path, report: &Report) {
    tab.open(page, "", 1300).unwrap();
    let convertible = report
        .groups
        .iter()
        .filter(|group| group.convertible)
        .count();
    assert!(convertible > 0 && convertible < report.groups.len());
    assert_eq!(figure(tab, "convert"), json!(convertible));
    for (word, severity) in [
        ("error", Severity::Error),
        ("warning", Severity::Warning),
        ("note", Severity::Note),
    ] {
        assert_eq!(figure(tab, word), json!(of(report, severity)), "{word}");
    }
    assert_eq!(figure(tab, "not read"), json!(report.coverage.unread.len()));
    let states = ["convert", "blocked", "done", "keep"];
    let all: u64 = states
        .iter()
        .map(|state| figure(tab, state).as_u64().unwrap())
        .sum();
    let groups = report.groups.len() as u64;
    assert_eq!(all, groups, "every group stands somewhere");
    let bars = "[...document.querySelectorAll('.bar[data-facet=under] .total')].reduce((sum, bar) => sum + Number(bar.textContent), 0)";
    assert_eq!(
        tab.evaluate(bars).unwrap(),
        json!(groups),
        "and below one subsystem"
    );
    assert_eq!(shown_of(tab, "group"), groups);

    // A click filters everything below it, and says so.
    click(tab, ".figure[data-value=convert]");
    assert_eq!(shown_of(tab, "group"), convertible as u64);
    let said = tab
        .evaluate("document.getElementById('shown').textContent")
        .unwrap();
    let wanted = format!("{convertible} of {groups} groups");
    assert!(said.as_str().unwrap().contains(&wanted), "{said}");
    let address = tab
        .evaluate("new Promise(done => setTimeout(() => done(location.hash), 500))")
        .unwrap();
    assert_eq!(address, "#state=convert", "what is filtered can be sent");
    click(tab, ".figure[data-value=convert]");
    assert_eq!(
        shown_of(tab, "group"),
        groups,
        "a second click takes it away"
    );
    click(tab, ".figure[data-value=error]");
    assert_eq!(shown_of(tab, "finding"), of(report, Severity::Error) as u64);
    // Groups whose functions hold such a finding, and no others.
    let with: Vec<&str> = report
        .groups
        .iter()
        .filter(|group| {
            let ids = group
                .acquires
                .iter()
                .chain(&group.releases)
                .chain(&group.dirties);
            let mut members =
                ids.filter_map(|id| report.callsites.iter().find(|site| site.id == *id));
            members.any(|site| {
                report.findings.iter().any(|finding| {
                    finding.severity == Severity::Error
                        && (&finding.path, &finding.function) == (&site.path, &site.function)
                })
            })
        })
        .map(|group| group.id.as_str())
        .collect();
    assert_eq!(shown_of(tab, "group"), with.len() as u64, "{with:?}");
    if let Some(id) = with.first() {
        let there = format!("!document.getElementById('group={id}').hidden");
        assert_eq!(tab.evaluate(&there).unwrap(), json!(true));
    }
    click(tab, ".figure[data-value=error]");
    // A bar by subsystem, and each rule's bar against the findings of that rule.
    let bar = "(() => { const bar = document.querySelector('.bar[data-facet=under]'); bar.click(); return Number(bar.querySelector('.total').textContent); })()";
    let count = tab.evaluate(bar).unwrap().as_u64().unwrap();
    assert_eq!(shown_of(tab, "group"), count);
    tab.open(page, "", 1300).unwrap();
    let rules = "[...document.querySelectorAll('.bar[data-facet=rule]')].map(bar => [bar.dataset.value, Number(bar.querySelector('.total').textContent)])";
    let rules = tab.evaluate(rules).unwrap();
    for rule in rules.as_array().unwrap() {
        let found = report
            .findings
            .iter()
            .filter(|finding| rule[0] == finding.name.as_str());
        assert_eq!(rule[1], json!(found.count()), "{rule}");
    }
}

fn links_and_search(tab: &mut Tab, page: &Utf8Path, report: &Report) {
    // A link leads to its group whatever is filtered, and opens it.
    tab.open(page, "#state=convert", 1300).unwrap();
    let kept = report
        .groups
        .iter()
        .find(|group| !group.convertible)
        .unwrap();
    tab.evaluate(&format!(
        "location.hash = 'group={}'; new Promise(done => setTimeout(done, 100))",
        kept.id
    ))
    .unwrap();
    let open = format!(
        "(() => {{ const row = document.getElementById('group={}'); const top = row.getBoundingClientRect().top; \
         return row.open && !row.hidden && row.contains(document.activeElement) && top >= 0 && top < innerHeight / 2; }})()",
        kept.id
    );
    assert_eq!(tab.evaluate(&open).unwrap(), json!(true));
    tab.open(page, &format!("#group={}", kept.id), 1300)
        .unwrap();
    assert_eq!(
        tab.evaluate(&open).unwrap(),
        json!(true),
        "from the address too, with its line at the head of the window"
    );
    // An opened group shows where its pages go, its calls, and the source around them.
    let drawn = report.groups.iter().find(|group| {
        group.convertible && !group.acquires.is_empty() && !group.releases.is_empty()
    });
    let drawn = drawn.unwrap();
    tab.open(page, &format!("#group={}", drawn.id), 1300)
        .unwrap();
    let inside = |what: &str| {
        format!(
            "[...document.getElementById('group={}').querySelectorAll('{what}')].filter(one => one.checkVisibility()).length",
            drawn.id
        )
    };
    let members = drawn.acquires.len() + drawn.dirties.len() + drawn.releases.len();
    assert_eq!(
        tab.evaluate(&inside("svg.flow")).unwrap(),
        json!(1),
        "one of its two forms"
    );
    assert_eq!(
        tab.evaluate(&inside(".calls > li")).unwrap(),
        json!(members)
    );
    for what in ["svg.across .edge", ".src li.hit", ".src span.a"] {
        assert!(
            tab.evaluate(&inside(what)).unwrap().as_u64() > Some(0),
            "{what}"
        );
    }
    tab.resize(400).unwrap();
    assert!(tab.evaluate(&inside("svg.down .edge")).unwrap().as_u64() > Some(0));

    // Escape takes a filter away; what is typed finds a function.
    tab.open(page, "#state=convert", 1300).unwrap();
    assert!(shown_of(tab, "group") < report.groups.len() as u64);
    tab.evaluate("dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")
        .unwrap();
    assert_eq!(shown_of(tab, "group"), report.groups.len() as u64);
    let site = report
        .callsites
        .iter()
        .find(|site| site.group.is_some())
        .unwrap();
    typed(tab, &site.function);
    let group = site.group.as_ref().unwrap();
    let found = tab
        .evaluate(&format!("!document.getElementById('group={group}').hidden"))
        .unwrap();
    assert_eq!(found, json!(true));
    assert!(shown_of(tab, "group") < report.groups.len() as u64);
    typed(tab, "no such function");
    assert_eq!(shown_of(tab, "group"), 0);
    let none = "[...document.querySelectorAll('.none')].some(one => one.checkVisibility() && one.textContent.startsWith('None of'))";
    assert_eq!(
        tab.evaluate(none).unwrap(),
        json!(true),
        "an empty list says so"
    );
    assert_eq!(tab.complaints, [""; 0]);
}

#[test]
fn figures_are_those_of_the_report_a_click_filters_and_a_link_opens() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let reports = std::iter::once(embedded()).chain(kernel());
    for (at, (report, excerpts)) in reports.enumerate() {
        let page = written(dir, &format!("{at}.html"), &of_audit(&report, &excerpts));
        figures_and_filters(&mut tab, &page, &report);
        links_and_search(&mut tab, &page, &report);
    }
}

#[test]
fn what_is_asked_of_a_run_leaves_its_patches_and_results_and_what_is_pressed_below_leaves_the_groups()
 {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let series = series(&report, dir);
    assert_eq!(series.info.patches.len(), 2);
    assert_eq!(series.info.refused.len(), 1);
    let page = written(
        dir,
        "run.html",
        &page::page(&[run("a run", report.clone(), excerpts, Some(series.clone()))]),
    );
    tab.open(&page, "", 1300).unwrap();
    let groups = report.groups.len() as u64;
    // The cover letter is a mail as well.
    assert_eq!(shown_of(&mut tab, "mail"), 3);
    let results = shown_of(&mut tab, "result");
    assert!(results >= 3);
    click(&mut tab, ".figure[data-value=blocked]");
    assert_eq!(shown_of(&mut tab, "mail"), 0, "no patch is blocked");
    assert_eq!(shown_of(&mut tab, "group left alone"), 1);
    click(&mut tab, ".figure[data-value=blocked]");
    click(&mut tab, ".figure[data-value=convert]");
    assert_eq!(shown_of(&mut tab, "mail"), 2);
    assert_eq!(shown_of(&mut tab, "group left alone"), 0);
    assert_eq!(
        shown_of(&mut tab, "result"),
        results,
        "the base and both patches"
    );
    click(&mut tab, ".figure[data-value=convert]");
    // What is pressed among the verdicts filters what stands below them.
    click(&mut tab, ".figure[data-value=fail]");
    assert_eq!(shown_of(&mut tab, "group"), groups);
    assert!(shown_of(&mut tab, "result") < results);
    // A patch has its mail with words marked, its checks, its recipients, and what the kernels did, base against patched.
    tab.open(&page, "#patch=1", 1300).unwrap();
    let patch = |what: &str| {
        format!("document.getElementById('patch=1').querySelectorAll('{what}').length")
    };
    for what in [
        ".diff .add mark",
        ".diff .del mark",
        ".message",
        "td[data-of=base]",
        "td[data-of=patched] a",
    ] {
        assert!(
            tab.evaluate(&patch(what)).unwrap().as_u64() > Some(0),
            "{what}"
        );
    }
    // The complaint of the first patch's kernel stands on its line of the console.
    tab.open(&page, "#result=1/a%20run", 1300).unwrap();
    let marked = "[...document.querySelectorAll('.console li.hit')].map(line => line.textContent)";
    let marked = tab.evaluate(marked).unwrap();
    assert!(marked[0].as_str().unwrap().starts_with("a run"), "{marked}");
    assert_eq!(tab.complaints, [""; 0]);
}
