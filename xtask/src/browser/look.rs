// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page at several widths: what it costs, what does not fit, what it complains of.

use super::devtools::Tab;
use crate::exit::Failure;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde_json::Value;

/// From a telephone to a wide screen, in pixels.
pub(crate) const WIDTHS: [u32; 4] = [400, 800, 1300, 2000];
/// Evaluated in the page.
pub(crate) const LOOK: &str = include_str!("look.js");
/// Opens the first rows of each list, so that what is inside is looked at too.
pub(crate) const OPEN: &str = "document.querySelectorAll('.list').forEach(list => [...list.querySelectorAll(':scope > .row')].slice(0, 6).forEach(row => { row.open = true; [...row.querySelectorAll('details')].slice(0, 3).forEach(inner => inner.open = true); })); new Promise(done => setTimeout(done, 50))";
/// Words that are typed letter by letter; each letter filters anew.
const TYPED: &str = "(async () => {
  const find = document.getElementById('find');
  await new Promise(done => setTimeout(done, 500));
  let worst = 0;
  for (const word of ['put_page', 'drivers', 'mm', 'zzz']) {
    for (let end = 1; end <= word.length; end++) {
      const start = performance.now();
      find.value = word.slice(0, end);
      find.dispatchEvent(new Event('input'));
      document.body.offsetHeight;
      worst = Math.max(worst, performance.now() - start);
      await new Promise(done => requestAnimationFrame(done));
    }
  }
  find.value = '';
  find.dispatchEvent(new Event('input'));
  return worst;
})()";
const PAINTED: &str = "performance.getEntriesByType('paint').find(entry => entry.name === 'first-contentful-paint')?.startTime ?? null";

/// What was seen of a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Looked {
    /// The file.
    pub(crate) page: Utf8PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// Milliseconds until something was painted; the best of three.
    pub(crate) first_paint_ms: Option<f64>,
    /// Milliseconds that the worst of some keystrokes in the search took until everything was laid out.
    pub(crate) keystroke_ms: Option<f64>,
    /// At each width.
    pub(crate) widths: Vec<AtWidth>,
    /// Errors and warnings on its console.
    pub(crate) complaints: Vec<String>,
}

/// What was seen at one width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AtWidth {
    /// In pixels.
    pub(crate) width: u32,
    /// Pixels by which the page is wider than the window.
    pub(crate) too_wide: i64,
    /// Words that are broken inside, and what is cut off.
    pub(crate) broken: Vec<String>,
}

impl Looked {
    /// Whether everything fits and nothing is complained of.
    pub(crate) fn is_good(&self) -> bool {
        self.complaints.is_empty()
            && self
                .widths
                .iter()
                .all(|at| at.too_wide <= 0 && at.broken.is_empty())
    }
}

/// What a page costs: milliseconds to the first paint, the best of three, and those of the worst keystroke.
pub(crate) fn cost(tab: &mut Tab, page: &Utf8Path) -> Result<(Option<f64>, Option<f64>), Failure> {
    let mut first_paint: Option<f64> = None;
    for _ in 0..3 {
        tab.open(page, "", 1300)?;
        let painted = tab.evaluate(PAINTED)?.as_f64();
        first_paint = match (first_paint, painted) {
            (Some(best), Some(now)) => Some(best.min(now)),
            (best, now) => best.or(now),
        };
    }
    Ok((first_paint, tab.evaluate(TYPED)?.as_f64()))
}

/// Looks at `page`, closed and with its first rows open.
pub(crate) fn look(tab: &mut Tab, page: &Utf8Path) -> Result<Looked, Failure> {
    tab.complaints.clear();
    let (first_paint, keystroke) = cost(tab, page)?;
    let mut widths = Vec::new();
    for width in WIDTHS {
        tab.open(page, "", width)?;
        let closed = tab.evaluate(LOOK)?;
        tab.evaluate(OPEN)?;
        let opened = tab.evaluate(LOOK)?;
        let wide = |seen: &Value| seen["wide"].as_i64().unwrap_or(i64::MAX);
        let mut broken: Vec<String> = [&closed, &opened]
            .iter()
            .flat_map(|seen| seen["broken"].as_array().cloned().unwrap_or_default())
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        broken.sort();
        broken.dedup();
        widths.push(AtWidth {
            width,
            too_wide: wide(&closed).max(wide(&opened)),
            broken,
        });
    }
    Ok(Looked {
        page: page.to_owned(),
        bytes: std::fs::metadata(page)?.len(),
        first_paint_ms: first_paint,
        keystroke_ms: keystroke,
        widths,
        complaints: std::mem::take(&mut tab.complaints),
    })
}

/// Widths and colours of pictures: a telephone, a tablet, a laptop in both colours, and a wide screen.
const PICTURES: [(u32, &str); 5] = [
    (400, "light"),
    (800, "dark"),
    (1300, "light"),
    (1300, "dark"),
    (2000, "light"),
];

/// Pictures of a page in `dir`: its head, and what each of `fragments` leads to.
pub(crate) fn pictures(
    tab: &mut Tab,
    page: &Utf8Path,
    fragments: &[String],
    dir: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    std::fs::create_dir_all(dir)?;
    let name = page.file_stem().unwrap_or("page");
    let mut files = Vec::new();
    for (width, scheme) in PICTURES {
        tab.prefer(scheme)?;
        for (at, fragment) in std::iter::once(&String::new()).chain(fragments).enumerate() {
            tab.open(page, fragment, width)?;
            let file = dir.join(format!("{name}-{at}-{width}-{scheme}.png"));
            std::fs::write(&file, tab.picture(false)?)?;
            files.push(file);
        }
    }
    tab.prefer("light")?;
    Ok(files)
}
