// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run is asked for, looked at without building or booting anything: a rehearsal that accepts what the run refuses
//! would be an answer about something else.

use crate::config::{Fragment, variants};
use crate::error::Error;
use crate::options::KtestOptions;
use crate::series;
use crate::source::Range;
use crate::target;
use callsites::tree::Tree;
use camino::Utf8Path;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The targets by name.
    pub targets: Vec<String>,
    /// The subjects of the patches, in order; empty for a range of commits, which are counted when their base is exported.
    pub patches: Vec<String>,
}

/// Looks at everything that the run is given by name.
///
/// # Errors
/// Those of the run for a target, a variant, a fragment, a series, a range, an image or a run that is not there.
pub fn rehearse(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Rehearsal, Error> {
    let targets = target::select(&options.targets)?;
    variants(&options.variants)?;
    for fragment in &options.fragments {
        Fragment::read(fragment)?;
    }
    if let Some(image) = &options.image {
        std::fs::metadata(image).map_err(Error::named("the image", image))?;
    }
    if let Some(id) = &options.resume {
        let is_name = !id.contains('/') && id != "..";
        if !is_name || !options.runs.join(id).is_dir() {
            return Err(Error::Resume {
                run: id.clone(),
                why: "there is no such run".into(),
            });
        }
    }
    let patches = match series {
        None => Vec::new(),
        Some(name) => match Range::of(name) {
            Some(range) => {
                range.found(tree)?;
                Vec::new()
            }
            None => series::subjects(name)?,
        },
    };
    Ok(Rehearsal {
        targets: targets.into_iter().map(|target| target.name).collect(),
        patches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use callsites::report::Era;
    use failure::{Exit, Failure as _};

    #[test]
    fn what_is_not_there_is_refused_before_anything_is_built() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let tree = Tree::embedded(Era::Pin);
        let fresh = || KtestOptions::new(dir.join("cache"), dir.join("runs"));
        let refused = |series: Option<&str>, change: &dyn Fn(&mut KtestOptions)| {
            let mut options = fresh();
            change(&mut options);
            let error = rehearse(&tree, series.map(Utf8Path::new), &options).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{error}");
        };
        refused(Some("/nonexistent"), &|_| {});
        refused(None, &|options| options.variants = vec!["nonsense".into()]);
        refused(None, &|options| options.targets = vec!["nonsense".into()]);
        refused(None, &|options| {
            options.fragments = vec![dir.join("absent")]
        });
        refused(None, &|options| options.image = Some(dir.join("absent")));
        refused(None, &|options| options.resume = Some("9999-none".into()));
        refused(None, &|options| {
            options.resume = Some("../../canary".into())
        });
        std::fs::write(dir.join("a.patch"), "From: a <a@b>\nSubject: [PATCH] toy: grow\n\n---\n--- a/a.c\n+++ b/a.c\n@@ -1 +1,2 @@\n one\n+two\n").unwrap();
        let seen = rehearse(&tree, Some(&dir.join("a.patch")), &fresh()).unwrap();
        assert_eq!(seen.patches, ["toy: grow"]);
        assert!(seen.targets.contains(&"vmci".to_owned()));
    }
}
