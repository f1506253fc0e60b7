// SPDX-License-Identifier: MIT OR Apache-2.0
//! A release by a shallow clone of the stable tree, for machines without Debian's source packages.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::kernels::store::{Cached, Locked};
use crate::kernels::version::Version;
use camino::Utf8Path;
use std::time::Duration;

/// Where stable releases are published.
pub(crate) const STABLE: &str = "https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git";

/// A shallow clone is some 250 MB: an hour is for a line of 0.6 Mbit/s.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Clones the branch of a series (`linux-6.12.y`) or the tag of a release (`v6.12.117`).
pub(crate) fn get(
    wanted: Version,
    repository: &str,
    store: &Locked<'_>,
    console: &Console,
) -> Result<Cached, Failure> {
    let scratch = store.scratch()?;
    let directory = scratch.path().join("tree");
    let branch = match wanted.sub {
        None => format!("linux-{wanted}.y"),
        Some(0) => format!("v{}", wanted.series()),
        Some(_) => format!("v{wanted}"),
    };
    console.say(format!("cloning {branch} of {repository}"));
    proc::git::store::clone(repository, &branch, &directory, DEADLINE)
        .map_err(|error| match error {
            proc::Error::Failed { .. } => Failure::new(
                Exit::Infrastructure,
                format!("failed to clone {branch} from {repository}"),
            )
            .because(error)
            .hint(format!(
                "a tree that you have serves as well: --kernel DIR, or kernel get {wanted} --from REPO"
            )),
            other => other.into(),
        })?;
    let directory = Utf8Path::from_path(&directory)
        .ok_or_else(|| Failure::new(Exit::Usage, "the path of the cache is not UTF-8"))?;
    store.adopt(directory, wanted)
}
