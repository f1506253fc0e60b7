// SPDX-License-Identifier: MIT OR Apache-2.0
//! `look PAGE…`: opens pages in Chromium and says what they cost and what breaks in them; with `-o` it takes pictures.

use crate::browser::devtools::Tab;
use crate::browser::look::{Looked, look, pictures};
use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Look};
use serde_json::json;
use std::io::Write;

/// What makes a page.
const MAKE: &str = "cargo xtask audit --format html -o FILE makes one";

/// Runs `look`.
pub(crate) fn run(common: &Common, args: &Look, console: &Console) -> Result<Exit, Failure> {
    for page in &args.pages {
        if !page.is_file() {
            return Err(Failure::new(Exit::Usage, format!("there is no page `{page}`")).hint(MAKE));
        }
        // Every page has one place to search in, by which its cost is measured.
        let text = std::fs::read(page)?;
        if !String::from_utf8_lossy(&text).contains("id=\"find\"") {
            return Err(Failure::new(
                Exit::Usage,
                format!("`{page}` is no page that this program has made"),
            )
            .hint(MAKE));
        }
    }
    if common.dry_run {
        console.say(format!("would look at {} pages", args.pages.len()));
        return Ok(Exit::Clean);
    }
    let mut tab = Tab::start()?;
    let mut seen = Vec::new();
    for page in &args.pages {
        seen.push(look(&mut tab, page)?);
        if let Some(dir) = &common.output {
            let fragments: Vec<String> = args.at.iter().map(|name| format!("#{name}")).collect();
            for file in pictures(&mut tab, page, &fragments, dir)? {
                console.say(file);
            }
        }
    }
    if common.json {
        deliver_json(None, &json!({ "schema": "look/1", "pages": seen }))?;
    } else {
        deliver(None, |to| {
            Ok(seen.iter().try_for_each(|one| told(one, to))?)
        })?;
    }
    Ok(match seen.iter().all(Looked::is_good) {
        true => Exit::Clean,
        false => Exit::Findings,
    })
}

/// What a page costs, in a line.
pub(crate) fn tell_cost(
    page: &str,
    bytes: u64,
    first_paint: Option<f64>,
    keystroke: Option<f64>,
    to: &mut dyn Write,
) -> std::io::Result<()> {
    let ms =
        |value: Option<f64>| value.map_or("not measured".to_owned(), |ms| format!("{ms:.0} ms"));
    writeln!(
        to,
        "{page}: {:.2} MB, first paint {}, a keystroke's filter {}",
        bytes as f64 / 1e6,
        ms(first_paint),
        ms(keystroke)
    )
}

/// What was seen of one page, in lines.
pub(crate) fn told(one: &Looked, to: &mut dyn Write) -> std::io::Result<()> {
    tell_cost(
        one.page.as_str(),
        one.bytes,
        one.first_paint_ms,
        one.keystroke_ms,
        to,
    )?;
    for at in &one.widths {
        let fits = match at.too_wide {
            wide if wide > 0 => format!("{wide} pixels too wide"),
            _ => "fits".to_owned(),
        };
        let broken = match at.broken.as_slice() {
            [] => "no word broken, nothing cut off".to_owned(),
            words => format!("broken: {}", words.join(", ")),
        };
        writeln!(to, "  {:>4} pixels: {fits}, {broken}", at.width)?;
    }
    for complaint in &one.complaints {
        writeln!(to, "  complains: {complaint}")?;
    }
    Ok(())
}
