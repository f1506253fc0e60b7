// SPDX-License-Identifier: MIT OR Apache-2.0
//! SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"): the part of it that an audit has something for.
//!
//! Paths are relative to `SRCROOT`. Every result is of kind `fail`, since section 3.27.10 allows no level but `none` to
//! any other kind, and viewers show nothing of that level. A finding has the level of its severity; a call that ought to
//! change, or that the audit cannot judge, is a note. Calls that stay are left out: they are no result.

use super::words;
use crate::findings::rules;
use crate::report::{Callsite, Evidence, Finding, Report, Severity, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    original_uri_base_ids: BTreeMap<&'static str, BaseUri>,
    invocations: [Invocation; 1],
    results: Vec<SarifResult>,
    column_kind: &'static str,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    name: String,
    short_description: Text,
    full_description: Text,
    help: Text,
    default_configuration: Configuration,
}

#[derive(Serialize, Clone)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct BaseUri {
    description: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
}

#[derive(Serialize, Clone)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    kind: &'static str,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    code_flows: Vec<CodeFlow>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<SarifFix>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeFlow {
    thread_flows: [ThreadFlow; 1],
}

#[derive(Serialize)]
struct ThreadFlow {
    locations: Vec<FlowLocation>,
}

#[derive(Serialize)]
struct FlowLocation {
    location: Location,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Serialize)]
struct LogicalLocation {
    name: String,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifFix {
    artifact_changes: [ArtifactChange; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: ArtifactLocation,
    replacements: [Replacement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: ByteRegion,
    inserted_content: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByteRegion {
    byte_offset: u32,
    byte_length: u32,
}

/// The whole log of one audit.
pub(super) fn log(report: &Report) -> Log {
    let rules = rules(report);
    let index = |id: &str| {
        rules
            .iter()
            .position(|rule| rule.id == id)
            .unwrap_or_default()
    };
    let sites = report
        .callsites
        .iter()
        .filter(|s| !matches!(s.verdict, Verdict::Keep | Verdict::Done));
    let mut results: Vec<SarifResult> = report
        .findings
        .iter()
        .map(|finding| of_finding(finding, index(&rule_id(finding))))
        .collect();
    results.extend(sites.map(|site| of_site(site, index(words::verdict(site.verdict)))));
    let notifications = report.coverage.unread.iter().map(|item| Notification {
        level: "warning",
        message: Text {
            text: format!("not read: {}", item.why),
        },
        locations: vec![location(
            &item.path,
            item.line,
            None,
            item.function.as_deref(),
        )],
    });
    let root = BaseUri {
        description: Text {
            text: format!("the tree of Linux {}", report.tree.version),
        },
    };
    Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "callsites",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: rules.clone(),
                },
            },
            original_uri_base_ids: BTreeMap::from([("SRCROOT", root)]),
            invocations: [Invocation {
                execution_successful: true,
                tool_execution_notifications: notifications.collect(),
            }],
            results,
            column_kind: "unicodeCodePoints",
        }],
    }
}

/// One descriptor for every name of a rule, and for every verdict that a call can be a result with.
fn rules(report: &Report) -> Vec<Rule> {
    let named = rules::all().iter().flat_map(|rule| {
        rule.names.iter().map(|(name, severity)| Rule {
            id: format!("{}/{name}", rule.id),
            name: (*name).to_owned(),
            short_description: Text { text: rule.title() },
            full_description: Text {
                text: within(&rule.documentation(), MOST_DESCRIPTION),
            },
            help: Text {
                text: format!(
                    "{}\n\nThe id of a finding, its fingerprint, is what its whole way is asked for by.",
                    rule.documentation()
                ),
            },
            default_configuration: Configuration {
                level: level(*severity),
            },
        })
    });
    let mut all: Vec<Rule> = named.collect();
    for (verdict, text) in [
        (Verdict::Convert, "a call that belongs to a conversion"),
        (
            Verdict::Mixed,
            "a call that releases pages of more than one origin",
        ),
        (Verdict::Unknown, "a call that the audit cannot judge"),
    ] {
        if report.callsites.iter().all(|site| site.verdict != verdict) {
            continue;
        }
        let text = Text {
            text: text.to_owned(),
        };
        all.push(Rule {
            id: words::verdict(verdict).to_owned(),
            name: words::verdict(verdict).to_owned(),
            short_description: text.clone(),
            full_description: text.clone(),
            help: text,
            default_configuration: Configuration { level: "note" },
        });
    }
    all
}

fn rule_id(finding: &Finding) -> String {
    format!("{}/{}", finding.rule, finding.name)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn of_finding(finding: &Finding, rule_index: usize) -> SarifResult {
    SarifResult {
        rule_id: rule_id(finding),
        rule_index,
        kind: "fail",
        level: level(finding.severity),
        message: Text {
            text: finding.message.clone(),
        },
        locations: [location(
            &finding.path,
            finding.line,
            // What is wrong begins there; where it ends is not told.
            (finding.column > 0).then_some((finding.column, 1)),
            Some(&finding.function),
        )],
        code_flows: flow(&finding.evidence),
        partial_fingerprints: BTreeMap::from([("finding/v1", finding.id.clone())]),
        fixes: finding
            .fix
            .iter()
            .map(|fix| SarifFix {
                artifact_changes: [ArtifactChange {
                    artifact_location: artifact(&fix.path),
                    replacements: [Replacement {
                        deleted_region: ByteRegion {
                            byte_offset: fix.span.start,
                            byte_length: fix.span.end.saturating_sub(fix.span.start),
                        },
                        inserted_content: Text {
                            text: fix.text.clone(),
                        },
                    }],
                }],
            })
            .collect(),
    }
}

fn of_site(site: &Callsite, rule_index: usize) -> SarifResult {
    SarifResult {
        rule_id: words::verdict(site.verdict).to_owned(),
        rule_index,
        // A level other than `none` is allowed to what fails only, and viewers show nothing without one.
        kind: "fail",
        level: "note",
        message: Text {
            text: format!("{}: {}", words::change(site), site.reason),
        },
        locations: [location(
            &site.path,
            site.line,
            Some((site.column, length(&site.call))),
            Some(&site.function),
        )],
        code_flows: flow(&site.evidence),
        partial_fingerprints: BTreeMap::from([("callsite/v1", site.id.clone())]),
        fixes: Vec::new(),
    }
}

fn flow(evidence: &[Evidence]) -> Vec<CodeFlow> {
    if evidence.is_empty() {
        return Vec::new();
    }
    let locations = evidence.iter().map(|step| FlowLocation {
        location: Location {
            message: Some(Text {
                text: step.text.clone(),
            }),
            ..location(&step.path, step.line, None, None)
        },
    });
    vec![CodeFlow {
        thread_flows: [ThreadFlow {
            locations: locations.collect(),
        }],
    }]
}

fn length(name: &str) -> u32 {
    u32::try_from(name.len()).unwrap_or(u32::MAX)
}

/// GitHub takes no more characters of a description (its page "SARIF support for code scanning"); the help has all.
const MOST_DESCRIPTION: usize = 1024;

/// As many whole paragraphs as fit into so many characters, or as many whole sentences of the first.
fn within(text: &str, most: usize) -> String {
    let fits = |part: &str| part.chars().count() <= most;
    let ends = |mark: &'static str, with: usize| {
        let ends = text.match_indices(mark).map(move |(at, _)| at + with);
        ends.chain([text.len()])
            .filter(|end| fits(&text[..*end]))
            .max()
    };
    let end = ends("\n\n", 0).or_else(|| ends(". ", 1));
    match end {
        Some(end) => text[..end].to_owned(),
        None => text.chars().take(most).collect(),
    }
}

/// A line of 0 means the whole file and gives no region: SARIF's lines begin with 1. A column comes with a length.
fn location(path: &str, line: u32, column: Option<(u32, u32)>, function: Option<&str>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: artifact(path),
            region: (line > 0).then_some(Region {
                start_line: line,
                start_column: column.map(|(start, _)| start),
                end_line: column.map(|_| line),
                end_column: column.map(|(start, length)| start.saturating_add(length)),
            }),
        },
        logical_locations: function
            .map(|name| LogicalLocation {
                name: name.to_owned(),
                kind: "function",
            })
            .into_iter()
            .collect(),
        message: None,
    }
}

fn artifact(path: &str) -> ArtifactLocation {
    ArtifactLocation {
        uri: uri_path(path),
        uri_base_id: "SRCROOT",
    }
}

/// A path as RFC 3986 wants it: what is neither unreserved nor a slash is percent-encoded.
pub fn uri_path(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/,+@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_ends_with_a_paragraph_or_with_a_sentence() {
        let text = "One. Two.\n\nThree. Four.";
        assert_eq!(within(text, 99), text);
        assert_eq!(within(text, 20), "One. Two.");
        assert_eq!(within(text, 8), "One.");
        assert_eq!(within(text, 2), "On");
        let longest = rules::all().iter().map(|rule| rule.documentation());
        let longest = longest.max_by_key(String::len).unwrap();
        let cut = within(&longest, MOST_DESCRIPTION);
        assert!(longest.starts_with(&cut) && !cut.is_empty());
    }
}
