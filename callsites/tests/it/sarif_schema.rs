// SPDX-License-Identifier: MIT OR Apache-2.0
//! What SARIF 2.1.0 demands of the objects that an audit writes; section numbers as in the standard.
//!
//! The published JSON schema is not at hand without a network, so that this is a check by structure: required
//! properties, allowed properties, and the values of enumerations. It covers every object our log can hold.

use serde_json::Value;

type Check = Result<(), String>;

/// Checks a whole log.
pub(crate) fn check(log: &Value) -> Check {
    only(log, &["$schema", "version", "runs"])?;
    if required(log, "version", "3.13.2")? != "2.1.0" {
        return Err("3.13.2: version is not 2.1.0".into());
    }
    each(required(log, "runs", "3.13.4")?, check_run)
}

fn check_run(run: &Value) -> Check {
    only(
        run,
        &[
            "tool",
            "originalUriBaseIds",
            "invocations",
            "results",
            "columnKind",
        ],
    )?;
    let driver = required(required(run, "tool", "3.14.6")?, "driver", "3.18.2")?;
    only(driver, &["name", "semanticVersion", "rules"])?;
    required(driver, "name", "3.19.8")?;
    each(&driver["rules"], |rule| {
        let texts = ["shortDescription", "fullDescription", "help"];
        only(
            rule,
            &[&["id", "name", "defaultConfiguration"], &texts[..]].concat(),
        )?;
        required(rule, "id", "3.49.3")?;
        one_of(
            &rule["defaultConfiguration"]["level"],
            &["error", "warning", "note"],
            "3.50.3",
        )?;
        for text in texts {
            message(&rule[text])?;
        }
        Ok(())
    })?;
    required(
        required(run, "originalUriBaseIds", "3.14.14")?,
        "SRCROOT",
        "3.14.14",
    )?;
    one_of(
        &run["columnKind"],
        &["utf16CodeUnits", "unicodeCodePoints"],
        "3.14.17",
    )?;
    each(&run["invocations"], |invocation| {
        required(invocation, "executionSuccessful", "3.20.14")?;
        each(&invocation["toolExecutionNotifications"], |note| {
            message(required(note, "message", "3.58.5")?)?;
            each(&note["locations"], location)
        })
    })?;
    each(&run["results"], |result| {
        check_result(result, &driver["rules"])
    })
}

fn check_result(result: &Value, rules: &Value) -> Check {
    let properties = [
        "ruleId",
        "ruleIndex",
        "kind",
        "level",
        "message",
        "locations",
        "codeFlows",
        "fixes",
    ];
    only(
        result,
        &[&properties[..], &["partialFingerprints"]].concat(),
    )?;
    message(required(result, "message", "3.27.11")?)?;
    let index = result["ruleIndex"]
        .as_u64()
        .ok_or("3.27.6: ruleIndex is no number")?;
    if rules[usize::try_from(index).unwrap_or(usize::MAX)]["id"] != result["ruleId"] {
        return Err("3.27.6: ruleIndex points at no rule of this id".into());
    }
    one_of(&result["kind"], &["fail", "review", "open"], "3.27.9")?;
    one_of(
        &result["level"],
        &["error", "warning", "note", "none"],
        "3.27.10",
    )?;
    let (kind, level) = (
        result["kind"].as_str().unwrap_or_default(),
        result["level"].as_str().unwrap_or_default(),
    );
    if (kind == "fail") == (level == "none") {
        return Err(format!("3.27.10: level `{level}` for kind `{kind}`"));
    }
    each(&result["locations"], location)?;
    optional(result, "codeFlows", |flow| {
        each(required(flow, "threadFlows", "3.36.3")?, |thread| {
            let steps = required(thread, "locations", "3.38.6")?;
            if steps.as_array().is_none_or(Vec::is_empty) {
                return Err("3.38.6: a thread flow without a location".into());
            }
            each(steps, |step| location(&step["location"]))
        })
    })?;
    optional(result, "fixes", |fix| {
        each(required(fix, "artifactChanges", "3.55.3")?, |change| {
            artifact(required(change, "artifactLocation", "3.56.2")?)?;
            each(required(change, "replacements", "3.56.3")?, |replacement| {
                let region = required(replacement, "deletedRegion", "3.57.3")?;
                required(region, "byteOffset", "3.30.11")?;
                required(region, "byteLength", "3.30.12")?;
                message(required(replacement, "insertedContent", "3.57.4")?)
            })
        })
    })
}

fn location(value: &Value) -> Check {
    only(value, &["physicalLocation", "logicalLocations", "message"])?;
    let physical = required(value, "physicalLocation", "3.28.3")?;
    only(physical, &["artifactLocation", "region"])?;
    artifact(required(physical, "artifactLocation", "3.29.3")?)?;
    if let Some(region) = physical.get("region") {
        only(
            region,
            &["startLine", "startColumn", "endLine", "endColumn"],
        )?;
        for (name, section) in [
            ("startLine", "3.30.5"),
            ("startColumn", "3.30.6"),
            ("endLine", "3.30.7"),
            ("endColumn", "3.30.8"),
        ] {
            if region
                .get(name)
                .is_some_and(|n| n.as_u64().is_none_or(|n| n < 1))
            {
                return Err(format!("{section}: {name} begins with 1"));
            }
        }
    }
    value.get("message").map_or(Ok(()), message)
}

fn artifact(value: &Value) -> Check {
    only(value, &["uri", "uriBaseId"])?;
    let uri = required(value, "uri", "3.4.3")?
        .as_str()
        .ok_or("3.4.3: uri is no string")?;
    if uri.starts_with('/') || uri.contains([' ', '\\']) {
        return Err(format!("3.4.4: `{uri}` is no relative reference"));
    }
    one_of(&value["uriBaseId"], &["SRCROOT"], "3.4.4")
}

fn message(value: &Value) -> Check {
    only(value, &["text"])?;
    match required(value, "text", "3.11.8")?.as_str() {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err("3.11.8: text is empty".into()),
    }
}

fn required<'v>(value: &'v Value, name: &str, section: &str) -> Result<&'v Value, String> {
    value
        .get(name)
        .ok_or_else(|| format!("{section}: `{name}` is required"))
}

fn only(value: &Value, allowed: &[&str]) -> Check {
    let object = value
        .as_object()
        .ok_or_else(|| format!("{value} is no object"))?;
    match object.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(format!("`{key}` is no property of this object")),
        None => Ok(()),
    }
}

fn one_of(value: &Value, allowed: &[&str], section: &str) -> Check {
    match value.as_str() {
        Some(word) if allowed.contains(&word) => Ok(()),
        _ => Err(format!("{section}: {value} is none of {allowed:?}")),
    }
}

fn each(value: &Value, check: impl Fn(&Value) -> Check) -> Check {
    value
        .as_array()
        .ok_or_else(|| format!("{value} is no array"))?
        .iter()
        .try_for_each(check)
}

fn optional(value: &Value, name: &str, check: impl Fn(&Value) -> Check) -> Check {
    value.get(name).map_or(Ok(()), |array| each(array, check))
}

/// Holds a log against what GitHub says of the files that it takes and shows ("SARIF support for code scanning", the tables of
/// properties and of limits, 2026-11).
pub(crate) fn check_for_github(log: &Value) -> Check {
    let runs = log["runs"].as_array().ok_or("no runs")?;
    let run = runs.first().filter(|_| runs.len() <= 20).ok_or("runs")?;
    let driver = &run["tool"]["driver"];
    let text = |value: &Value, most: usize| match value.as_str() {
        Some(text) if !text.is_empty() && text.chars().count() <= most => Ok(()),
        other => Err(format!(
            "a text of more than {most} characters, or none: {other:?}"
        )),
    };
    text(&driver["name"], usize::MAX)?;
    let rules = driver["rules"].as_array().ok_or("no rules")?;
    for rule in rules {
        text(&rule["id"], usize::MAX)?;
        text(&rule["name"], 255)?;
        text(&rule["shortDescription"]["text"], 1024)?;
        text(&rule["fullDescription"]["text"], 1024)?;
        text(&rule["help"]["text"], usize::MAX)?;
        one_of(
            &rule["defaultConfiguration"]["level"],
            &["error", "warning", "note"],
            "rule",
        )?;
    }
    let results = run["results"].as_array().ok_or("no results")?;
    // Beyond 25,000 the file is refused; beyond 5,000 the least severe results are not shown.
    if rules.len() > 25_000 || results.len() > 25_000 {
        return Err(format!("{} rules, {} results", rules.len(), results.len()));
    }
    for result in results {
        text(&result["message"]["text"], usize::MAX)?;
        let print = result["partialFingerprints"].as_object();
        print
            .filter(|print| !print.is_empty())
            .ok_or("a fingerprint")?;
        let locations = result["locations"].as_array().ok_or("locations")?;
        if locations.len() != 1 {
            return Err("one location is shown".into());
        }
        let place = &locations[0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap_or("/");
        if uri.starts_with('/') || uri.contains(':') {
            return Err(format!("`{uri}` is not relative to the repository"));
        }
        for name in ["startLine", "startColumn", "endLine", "endColumn"] {
            place["region"][name].as_u64().ok_or(name)?;
        }
        let steps = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array();
        if steps.is_some_and(|steps| steps.len() > 10_000) {
            return Err("too long a code flow".into());
        }
    }
    Ok(())
}
