// SPDX-License-Identifier: MIT OR Apache-2.0
//! `audit [PATH…]`: every callsite of page-pinning functions, and what ought to become of it.

use crate::console::{Console, deliver, deliver_as_it_is, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Audit, Common};
use crate::runs::page;
use crate::{places, tree};
use callsites::AuditOptions;
use callsites::baseline::{Baseline, Compared};
use callsites::findings::rules;
use callsites::formats::html::Excerpts;
use callsites::formats::{self, Format};
use callsites::report::{Finding, Report, Severity};
use callsites::tree::Tree;
use callsites::{sample, since};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use std::io::IsTerminal;

/// Runs `audit`.
pub(crate) fn run(common: &Common, args: &Audit, console: &Console) -> Result<Exit, Failure> {
    known(args)?;
    if let Some(word) = args
        .explain
        .as_deref()
        .filter(|word| !rules::named(word).is_empty())
    {
        let story = callsites::explain::rule(word).unwrap_or_default();
        tell(common, word, &story)?;
        return Ok(Exit::Clean);
    }
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    failure::grow_in_large_steps();
    let cache = match args.no_cache {
        true => None,
        false => Some(parsed()?),
    };
    let tree = tree::choose_with(common, &args.module, console, cache.as_deref())?
        .defining(&args.define.iter().cloned().collect());
    let options = AuditOptions {
        paths: tree::paths(&tree, &args.paths, console)?,
        jobs: common.jobs.map(Into::into),
        cache,
        all: args.all,
        goes_on: false,
    };
    if common.dry_run {
        if let Some(revision) = &args.since {
            earlier(&tree, revision)?;
        }
        console.say(format!(
            "would audit {}: {} files",
            tree::named(&tree),
            tree.files().len()
        ));
        return Ok(Exit::Clean);
    }
    something_read(&tree, &options.paths)?;
    let mut report = callsites::audit(&tree, &options)?;
    if let Some(revision) = &args.since {
        return compare(common, args, (&tree, revision), &options, &report);
    }
    if let Some(id) = &args.explain {
        let story = callsites::explain::explain(&tree, &report, &tree::explained(&tree, id))?;
        tell(common, id, &story)?;
        return Ok(Exit::Clean);
    }
    if let Some(path) = &args.write_baseline {
        deliver_json(Some(path), &Baseline::of(&report)).map_err(|failure| {
            failure.hint_unless_full(
                "name a file in a directory that exists and is yours: --write-baseline FILE",
            )
        })?;
        console.say(format!(
            "{} findings written to {path}",
            report.findings.len()
        ));
    }
    let compared = baseline.map(|baseline| baseline.take_from(&mut report));
    narrow(&mut report, args);
    let wrong = report
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    if let Some(count) = args.sample {
        report.findings = sample::sample(&report, count, args.seed)
            .into_iter()
            .cloned()
            .collect();
    }
    show(common, args, console, &tree, (&report, compared.as_ref()))?;
    if let Some(compared) = &compared {
        say_compared(console, compared);
    }
    Ok(if args.check && wrong {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Refuses to say anything of files none of which can be read: that nothing was found in them would say nothing.
fn something_read(tree: &Tree, paths: &[Utf8PathBuf]) -> Result<(), Failure> {
    let asked =
        |file: &&Utf8PathBuf| paths.is_empty() || paths.iter().any(|path| file.starts_with(path));
    let mut first = None;
    for file in tree.files().iter().filter(asked) {
        match tree.read(file) {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let what = format!("nothing of {} could be read", tree::named(tree));
    let failure = Failure::new(Exit::Usage, what)
        .hint("--kernel TREE names another tree; cargo xtask kernel list shows those at hand");
    Err(match first {
        None => failure,
        Some(error) => failure.because(error),
    })
}

/// Prints a story, or gives it as JSON.
fn tell(common: &Common, id: &str, story: &str) -> Result<(), Failure> {
    let output = common.output.as_deref();
    if common.json {
        return deliver_json(
            output,
            &json!({ "schema": "explain/1", "id": id, "story": story }),
        );
    }
    deliver(output, |to| Ok(to.write_all(story.as_bytes())?))
}

/// Reads the file that --baseline names.
fn read_baseline(path: &Utf8Path) -> Result<Baseline, Failure> {
    let no_baseline = |error: &dyn std::error::Error| {
        Failure::new(Exit::Usage, format!("failed to read {path}: {error}"))
            .hint("--write-baseline FILE writes one")
    };
    let bytes = std::fs::read(path).map_err(|error| no_baseline(&error))?;
    Baseline::read(&bytes).map_err(|error| no_baseline(&error))
}

/// Tells what the baseline made of the findings.
fn say_compared(console: &Console, compared: &Compared) {
    console.say(format!(
        "findings: {} known, {} new, {} expired",
        compared.known,
        compared.new,
        compared.expired.len()
    ));
    for gone in &compared.expired {
        console.say(format!(
            "expired: {} {}() {} {} [{}]",
            gone.path, gone.function, gone.rule, gone.name, gone.id
        ));
    }
}

/// What the flags say of auditing: files of the tree, all processors, the cache.
pub(crate) fn options(common: &Common, paths: &[Utf8PathBuf]) -> Result<AuditOptions, Failure> {
    Ok(AuditOptions {
        paths: paths.to_vec(),
        jobs: common.jobs.map(Into::into),
        cache: Some(parsed()?),
        all: false,
        goes_on: false,
    })
}

/// Where an audit leaves what the next one can use.
fn parsed() -> Result<Utf8PathBuf, Failure> {
    Ok(places::cache()?.join("parsed"))
}

/// Refuses a verdict or a rule that there is none of, before anything is read for it.
fn known(args: &Audit) -> Result<(), Failure> {
    const VERDICTS: [&str; 5] = ["convert", "keep", "mixed", "unknown", "done"];
    if let Some(word) = args
        .only
        .iter()
        .find(|word| !VERDICTS.contains(&word.as_str()))
    {
        return Err(Failure::new(Exit::Usage, format!("`{word}` is no verdict"))
            .hint(format!("--only takes {}", VERDICTS.join(", "))));
    }
    // A number of a rule can be nothing else: ids are of hexadecimal digits.
    let numbered = |word: &&String| {
        let digits = word.strip_prefix(['R', 'r']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut asked = args.rule.iter().chain(args.explain.iter().filter(numbered));
    if let Some(word) = asked.find(|word| rules::named(word).is_empty()) {
        let rules = rules::all().iter().map(|rule| {
            let names: Vec<&str> = rule.names.iter().map(|(name, _)| *name).collect();
            format!("{} {}", rule.id, names.join(" "))
        });
        let rules: Vec<String> = rules.collect();
        return Err(Failure::new(Exit::Usage, format!("`{word}` is no rule"))
            .hint(format!("the rules are {}", rules.join(", "))));
    }
    Ok(())
}

/// Leaves what `--only` and `--rule` ask for.
fn narrow(report: &mut Report, args: &Audit) {
    if !args.only.is_empty() {
        report.callsites.retain(|site| {
            args.only
                .iter()
                .any(|word| word == formats::verdict(site.verdict))
        });
        let kept = |id: &String| report.callsites.iter().any(|site| &site.id == id);
        report.groups.retain(|group| {
            group
                .acquires
                .iter()
                .chain(&group.releases)
                .chain(&group.dirties)
                .any(kept)
        });
    }
    if !args.rule.is_empty() {
        let named =
            |word: &String, rule: &str, name: &str| word.eq_ignore_ascii_case(rule) || word == name;
        report.findings.retain(|finding| {
            args.rule
                .iter()
                .any(|word| named(word, &finding.rule, &finding.name))
        });
    }
}

fn show(
    common: &Common,
    args: &Audit,
    console: &Console,
    tree: &Tree,
    (report, compared): (&Report, Option<&Compared>),
) -> Result<(), Failure> {
    if let (true, Some(compared)) = (common.json, compared) {
        let mut whole = serde_json::to_value(report).map_err(std::io::Error::from)?;
        if let Some(fields) = whole.as_object_mut() {
            fields.insert("baseline".to_owned(), json!(compared));
        }
        return deliver_json(common.output.as_deref(), &whole);
    }
    let format = if common.json { "json" } else { &args.format };
    let colour = console.stdout_colour && common.output.is_none();
    // Who asks for findings, and for no verdict, is shown no groups.
    let findings = args.only.is_empty() && (!args.rule.is_empty() || args.sample.is_some());
    let summary = is_summary(common, args, std::io::stdout().is_terminal());
    let format = match format.parse::<Format>() {
        Ok(Format::Text) => match (findings, summary, colour) {
            (true, _, false) => Format::Findings,
            (true, _, true) => Format::ColouredFindings,
            (false, true, false) => Format::Summary,
            (false, true, true) => Format::ColouredSummary,
            (false, false, false) => Format::Text,
            (false, false, true) => Format::ColouredText,
        },
        Ok(format) => format,
        Err(error) => return Err(Failure::new(Exit::Usage, error.to_string())),
    };
    deliver_as_it_is(common.output.as_deref(), |to| match format {
        Format::Html => Ok(formats::write_page(
            report,
            &Excerpts::of(tree, report),
            &page::of_audit(report),
            to,
        )?),
        format => Ok(formats::write(report, format, to)?),
    })?;
    if matches!(format, Format::Summary | Format::ColouredSummary) {
        console.say("--all-groups lists every group with its calls; a path shows those of a directory or file");
    }
    if report.coverage.releases_of_other_pages > 0 && !args.all && !common.json {
        console.detail("--all lists the releases of other pages too");
    }
    Ok(())
}

/// A person who asked for a whole tree is not shown a thousand lines; whoever reads a pipe or a file gets them all.
fn is_summary(common: &Common, args: &Audit, terminal: bool) -> bool {
    let whole = args.paths.is_empty() && args.only.is_empty() && !args.all_groups && !args.all;
    whole && terminal && common.output.is_none()
}

/// The tree at a revision of its repository.
fn earlier(tree: &Tree, revision: &str) -> Result<Tree, Failure> {
    let repository = tree
        .repository()
        .map(|(path, _)| path)
        .or(tree.root())
        .ok_or_else(|| {
            Failure::new(Exit::Usage, "the embedded tree has no revisions")
                .hint("--kernel DIR, a git repository")
        })?;
    Ok(Tree::open(&format!(
        "{}@{revision}",
        Utf8Path::new(repository)
    ))?)
}

/// The audit of a revision against that of the tree.
fn compare(
    common: &Common,
    args: &Audit,
    (tree, revision): (&Tree, &str),
    options: &AuditOptions,
    now: &Report,
) -> Result<Exit, Failure> {
    let before = earlier(tree, revision)?;
    let before = callsites::audit(&before, options)?;
    // Whoever checks is told the findings too.
    let changes = match args.check {
        true => since::diff(&before, now),
        false => since::since(&before, now),
    };
    if common.json {
        deliver_json(common.output.as_deref(), &changes)?;
    } else {
        deliver(common.output.as_deref(), |to| Ok(write!(to, "{changes}")?))?;
    }
    let is_new = |finding: &&Finding| {
        let mut known = before.findings.iter();
        known.all(|known| known.id != finding.id)
    };
    let mut new = now.findings.iter().filter(is_new);
    Ok(
        match args.check && new.any(|finding| finding.severity == Severity::Error) {
            true => Exit::Findings,
            false => Exit::Clean,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Cli, Verb};
    use clap::Parser;

    #[test]
    fn a_person_gets_a_summary_of_a_whole_tree_and_a_pipe_or_a_file_all_of_it() {
        let summary = |words: &str, terminal: bool| {
            let cli = Cli::try_parse_from(words.split(' ')).unwrap();
            let Verb::Audit(args) = &cli.verb else {
                panic!("it is audit");
            };
            is_summary(&cli.common, args, terminal)
        };
        assert!(summary("xtask audit", true));
        assert!(!summary("xtask audit", false));
        for words in [
            "xtask audit -o report.txt",
            "xtask audit drivers",
            "xtask audit --all-groups",
            "xtask audit --all",
            "xtask audit --only mixed",
        ] {
            assert!(!summary(words, true), "{words}");
        }
    }
}
