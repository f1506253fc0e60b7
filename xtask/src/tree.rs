// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kernel tree a verb works on, and which of its files.
//!
//! A tree that was not named is the one that the working directory lies in, as git does it. Inside this repository,
//! where no kernel tree is in sight, it is the small tree that comes with the program, and that is said first. Anywhere
//! else nothing is assumed: an answer about another tree than the one that was meant is worse than none.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Module};
use crate::kernels::store::Store;
use crate::kernels::version::Version;
use crate::workspace;
use callsites::report::Era;
use callsites::tree::{Kernel, Tree};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// What `--kernel` takes.
const NAMES: &str = "--kernel TREE names one: a directory, REPO@REVISION, or a version that cargo xtask kernel list shows";

/// `--kernel` (or KERNEL_TREE), else the kernel tree that the working directory lies in, else, inside this repository,
/// the embedded one.
pub(crate) fn choose(common: &Common, console: &Console) -> Result<Tree, Failure> {
    choose_with(common, &Module::default(), console, None)
}

/// The same, or a module outside the kernel; with the list of files from an audit's cache.
pub(crate) fn choose_with(
    common: &Common,
    module: &Module,
    console: &Console,
    cache: Option<&Utf8Path>,
) -> Result<Tree, Failure> {
    let tree = again(common, module, cache)?;
    if is_embedded(&tree) {
        console.say(format!(
            "no --kernel: the small tree that comes with the program, Linux {}",
            tree.version()
        ));
    }
    if let Some(newest) = beyond(&tree) {
        console.say(format!(
            "Linux {}: functions are known up to {newest}, the newest release that was read; it is taken for that",
            tree.version()
        ));
    }
    Ok(tree)
}

/// Of a module for a release whose number is all that is known of it: the newest release that the catalogue knows, where it
/// is older.
fn beyond(tree: &Tree) -> Option<&'static str> {
    let Some(Kernel::Release(asked)) = tree.kernel() else {
        return None;
    };
    let newest = refimpl::version::Version::ALL.last()?.name();
    let number = |text: &str| text.parse::<refimpl::version::KernelVersion>().ok();
    (number(asked) > number(newest)).then_some(newest)
}

/// The same, by a verb that has said which tree it is.
pub(crate) fn again(
    common: &Common,
    module: &Module,
    cache: Option<&Utf8Path>,
) -> Result<Tree, Failure> {
    if let Some(spec) = &module.module {
        let kernel = kernel_of(common, module.release.as_deref())?;
        return Ok(Tree::module(spec, kernel, cache)?);
    }
    if let Some(spec) = common.kernel.as_deref() {
        return open(spec, cache);
    }
    let here = working_directory().map_err(|failure| {
        failure.hint("it may have been removed: cd to another, or name a tree by its whole path, --kernel DIR")
    })?;
    if let Some(root) = enclosing(&here) {
        return open(root.as_str(), cache);
    }
    if !within(&here, &workspace::root()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{here}` lies in no kernel tree, and none was named"),
        )
        .hint(format!("{NAMES}; audit, convert, build and pipeline take a module outside the kernel with --module DIR")));
    }
    Ok(Tree::embedded(Era::Pin))
}

/// The tree that an editor works on: the one that the command line names, else the first of the editor's folders that lies
/// in a kernel tree.
pub(crate) fn edited(
    common: &Common,
    module: &Module,
    folders: &[Utf8PathBuf],
    cache: Option<&Utf8Path>,
) -> Result<Tree, Failure> {
    let is_named = module.module.is_some() || common.kernel.is_some();
    if is_named || folders.is_empty() {
        return again(common, module, cache);
    }
    let Some(root) = folders.iter().find_map(|folder| enclosing(folder)) else {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{}` lies in no kernel tree", folders[0]),
        )
        .hint("--kernel DIR names one; --module . --for 6.12 is for a module outside the kernel"));
    };
    open(root.as_str(), cache)
}

/// The kernel that a module is built for: `--kernel`, else the release of `--for`. Both must agree.
fn kernel_of(common: &Common, release: Option<&str>) -> Result<Kernel, Failure> {
    let parsed = release.map(|release| {
        release
            .parse::<Version>()
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint("--for 6.12"))
    });
    let release = parsed.transpose()?;
    let Some(spec) = common.kernel.as_deref() else {
        let release = release.ok_or_else(|| {
            Failure::new(Exit::Usage, "the kernel that the module is built for was not named")
                .hint("--for 6.12, or --kernel TREE: a tree, a version of `cargo xtask kernel list`, or /lib/modules/RELEASE/build")
        })?;
        return Ok(Kernel::Release(release.to_string()));
    };
    let kernel = Kernel::open(&place(spec)?)?;
    let agrees = |release: Version| {
        let version = kernel.version().parse::<Version>();
        version.is_ok_and(|version| release.accepts(version))
    };
    match release.filter(|release| !agrees(*release)) {
        None => Ok(kernel),
        Some(release) => Err(Failure::new(
            Exit::Usage,
            format!(
                "--for says {release}, and `{spec}` is Linux {}",
                kernel.version()
            ),
        )
        .hint("leave one of them out; KERNEL_TREE in the environment counts as --kernel")),
    }
}

/// A directory, REPO@REVISION, or a version of the cache.
pub(crate) fn open(spec: &str, cache: Option<&Utf8Path>) -> Result<Tree, Failure> {
    Ok(Tree::open_with(&place(spec)?, cache)?)
}

/// The directory of a version of the cache; anything else as it is.
pub(crate) fn place(spec: &str) -> Result<String, Failure> {
    if spec.is_empty() {
        return Err(Failure::new(Exit::Usage, "--kernel names no tree: it is empty").hint(NAMES));
    }
    let version = match Utf8Path::new(spec).exists() {
        true => None,
        false => spec.parse::<Version>().ok(),
    };
    let Some(version) = version else {
        return Ok(spec.to_owned());
    };
    let tree = Store::of_user()?.find(version).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("no kernel tree of version {version} at hand"),
        )
        .hint(format!("cargo xtask kernel get {version}"))
    })?;
    Ok(tree.dir.into_string())
}

/// Whether it is the tree that comes with the program.
pub(crate) fn is_embedded(tree: &Tree) -> bool {
    tree.root().is_none() && tree.repository().is_none()
}

/// How a sentence names the tree.
pub(crate) fn named(tree: &Tree) -> String {
    let version = tree.version();
    if tree.kernel().is_some() {
        let place = tree.root().or(tree.repository().map(|(path, _)| path));
        let place = place.map_or("?", Utf8Path::as_str);
        return format!("the module in `{place}`, for Linux {version}");
    }
    match (tree.root(), tree.repository()) {
        (Some(root), _) => format!("Linux {version} in `{root}`"),
        (None, Some((repository, revision))) => {
            format!("Linux {version} in `{repository}` at {revision}")
        }
        (None, None) => format!("Linux {version}, the tree that comes with the program"),
    }
}

/// What a user names, as paths of the tree: an absolute path inside it, a path relative to the working directory where
/// that lies in the tree, or one relative to the tree. A link is followed, and that is said.
///
/// Exit 2 where nothing of the tree lies in one of them, with the name of the tree that was looked in.
pub(crate) fn paths(
    tree: &Tree,
    asked: &[Utf8PathBuf],
    console: &Console,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let root = place_of(tree);
    let here = match &root {
        // A directory that was removed lies in no tree.
        Some(root) => working_directory()
            .ok()
            .and_then(|here| here.strip_prefix(root).ok().map(Utf8Path::to_owned)),
        None => None,
    };
    let mut found = Vec::new();
    for path in asked {
        let candidates = candidates(path, root.as_deref(), here.as_deref());
        let Some(hit) = candidates.iter().find(|path| holds(tree, path)) else {
            return Err(Failure::new(
                Exit::Usage,
                format!("no .c or .h file of {} lies in `{path}`", named(tree)),
            )
            .hint(crate::hints::words(failure::Act::GivePathsOfTree.into())));
        };
        if Some(hit) == candidates.last() && candidates.len() > 1 && is_link(path) {
            console.say(format!("`{path}` is a link to `{hit}`"));
        }
        found.push(hit.clone());
    }
    Ok(found)
}

/// Where the tree lies: its directory, or the repository that one of its revisions is read from, whose paths are named alike.
fn place_of(tree: &Tree) -> Option<Utf8PathBuf> {
    let repository = tree.repository().map(|(repository, _)| repository);
    tree.root().or(repository)?.canonicalize_utf8().ok()
}

/// A place as `--explain` takes it, PATH:LINE, with the path of the tree's file that PATH names as paths do on the
/// command line; anything else as it is.
pub(crate) fn explained(tree: &Tree, asked: &str) -> String {
    let Some((path, line)) = asked.rsplit_once(':') else {
        return asked.to_owned();
    };
    let root = place_of(tree);
    let here = root.as_ref().and_then(|root| {
        let here = working_directory().ok()?;
        here.strip_prefix(root).ok().map(Utf8Path::to_owned)
    });
    candidates(Utf8Path::new(path), root.as_deref(), here.as_deref())
        .into_iter()
        .find(|path| tree.files().contains(path))
        .map_or(asked.to_owned(), |path| format!("{path}:{line}"))
}

/// What a path may mean in the tree, the likeliest first and what a link leads to last.
fn candidates(
    path: &Utf8Path,
    root: Option<&Utf8Path>,
    here: Option<&Utf8Path>,
) -> Vec<Utf8PathBuf> {
    let mut candidates = Vec::new();
    // A variable of the shell that is not set, and not the whole tree.
    if path.as_str().is_empty() {
        return candidates;
    }
    if path.is_absolute() {
        candidates.extend(root.and_then(|root| normal(path.strip_prefix(root).ok()?)));
    } else {
        candidates.extend(here.and_then(|here| normal(&here.join(path))));
        candidates.extend(normal(path));
    }
    if let Some(root) = root {
        for place in [path.to_owned(), root.join(path)] {
            let real = place.canonicalize_utf8().ok();
            candidates.extend(real.and_then(|real| normal(real.strip_prefix(root).ok()?)));
        }
    }
    candidates
}

/// The same path without "." and ".."; `None` where it leaves the tree.
fn normal(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut out = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::Normal(name) => out.push(name),
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

fn holds(tree: &Tree, path: &Utf8Path) -> bool {
    tree.files().iter().any(|file| file.starts_with(path))
}

/// Whether a component of it is a link; one that only steps up and down again is none.
fn is_link(path: &Utf8Path) -> bool {
    path.ancestors().any(|part| part.is_symlink())
}

/// The kernel tree that a directory lies in, itself included.
fn enclosing(directory: &Utf8Path) -> Option<&Utf8Path> {
    directory
        .ancestors()
        .find(|above| Version::of_tree(above).is_some())
}

fn within(directory: &Utf8Path, above: &Utf8Path) -> bool {
    let real = above.canonicalize_utf8();
    real.is_ok_and(|above| directory.starts_with(above))
}

/// Without links in it, so that it can be compared.
fn working_directory() -> Result<Utf8PathBuf, Failure> {
    Utf8Path::new(".").canonicalize_utf8().map_err(|error| {
        Failure::new(Exit::Usage, "failed to find the working directory").because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_tree_is_none_of_it() {
        assert_eq!(normal("a/./b/../c".into()).unwrap(), "a/c");
        assert_eq!(normal("a/../../c".into()), None);
        assert_eq!(normal("/a".into()), None);
    }

    #[test]
    fn a_relative_path_means_the_working_directory_before_the_tree() {
        let found = candidates("misc".into(), None, Some("drivers".into()));
        assert_eq!(found, ["drivers/misc", "misc"]);
        assert_eq!(
            candidates("/t/drivers/misc".into(), Some("/t".into()), None),
            ["drivers/misc"]
        );
    }
}
