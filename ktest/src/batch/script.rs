// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file that `sbatch` takes. What stands behind `#SBATCH` are numbers and words that are known to be plain; what comes from
//! outside, the directory, stands quoted in the part that the shell reads.

use crate::error::Error;
use crate::run::Limits;
use camino::Utf8Path;

/// Name of the file in the batch's directory.
pub(super) const SCRIPT: &str = "job.sbatch";
/// Where Slurm writes what the tasks say, relative to the batch's directory.
pub(super) const LOGS: &str = "logs";
/// Name of this program there.
pub(super) const PROGRAM: &str = "xtask";

/// Exit code of a task whose node does not see the directory: the machine is at fault.
const NOT_SEEN: u8 = 69;

/// The file for `count` shards of the prepared run in `home`.
pub(super) fn script(home: &Utf8Path, id: &str, count: usize, limits: Limits) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = id.chars().filter(plain).collect();
    let minutes = limits.seconds.div_ceil(60);
    let home = proc::quote(home.as_str());
    format!(
        "#!/bin/sh
#SBATCH --job-name=ktest-{name}
#SBATCH --array=1-{count}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --mem={memory}M
#SBATCH --time={minutes}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={LOGS}/%A_%a.log
home={home}
if ! cd \"$home\" || ! [ -r prepared.json ]; then
    printf 'error: node %s does not see the shared directory %s\\n' \"${{SLURMD_NODENAME:-?}}\" \"$home\" >&2
    exit {NOT_SEEN}
fi
exec ./{PROGRAM} ktest --prepared . --shard \"$SLURM_ARRAY_TASK_ID/{count}\"
",
        cpus = limits.cpus,
        memory = limits.memory_mib,
    )
}

/// The pattern for the names of what the tasks say, for `sbatch --output`: it would take a percent sign of the directory's own name for the
/// beginning of a field, and after a backslash it knows no fields at all (sbatch(1), "FILENAME PATTERN").
///
/// # Errors
/// [`Error::Usage`] where the directory has a backslash in its name.
pub(super) fn logs(home: &Utf8Path) -> Result<String, Error> {
    if home.as_str().contains('\\') {
        let why =
            format!("submit from `{home}`: Slurm takes the backslash in its name for its own");
        return Err(Error::Usage(why));
    }
    let home = home.as_str().replace('%', "%%");
    Ok(format!("{home}/{LOGS}/%A_%a.log"))
}

/// Indices as `--array` takes them: 1-3,7.
pub(super) fn indices(shards: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for shard in shards {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *shard => *last = *shard,
            _ => ranges.push((*shard, *shard)),
        }
    }
    let ranges = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        seconds: 61,
        memory_mib: 1024,
        cpus: 2,
    };

    #[test]
    fn the_file_says_what_a_shard_may_use() {
        insta::assert_snapshot!(script("/shared/0001-ab".into(), "0001-ab", 4, LIMITS), @r#"
        #!/bin/sh
        #SBATCH --job-name=ktest-0001-ab
        #SBATCH --array=1-4
        #SBATCH --ntasks=1
        #SBATCH --cpus-per-task=2
        #SBATCH --mem=1024M
        #SBATCH --time=2
        #SBATCH --requeue
        #SBATCH --open-mode=append
        #SBATCH --output=logs/%A_%a.log
        home=/shared/0001-ab
        if ! cd "$home" || ! [ -r prepared.json ]; then
            printf 'error: node %s does not see the shared directory %s\n' "${SLURMD_NODENAME:-?}" "$home" >&2
            exit 69
        fi
        exec ./xtask ktest --prepared . --shard "$SLURM_ARRAY_TASK_ID/4"
        "#);
    }

    #[test]
    fn a_percent_sign_of_the_directory_is_no_field_and_a_backslash_is_refused() {
        assert_eq!(logs("/a %j/b".into()).unwrap(), "/a %%j/b/logs/%A_%a.log");
        let error = logs("/a\\b".into()).unwrap_err();
        assert_eq!(failure::Failure::exit(&error), failure::Exit::Usage);
    }

    #[test]
    fn indices_are_told_in_ranges() {
        assert_eq!(indices(&[1, 2, 3, 7]), "1-3,7");
        assert_eq!(indices(&[5]), "5");
        assert_eq!(indices(&[1, 3, 5]), "1,3,5");
    }

    #[test]
    fn no_name_of_a_directory_leaves_its_quotes() {
        for name in [
            "a b",
            "it's",
            "a\"b",
            "$(touch pwned)",
            "`touch pwned`",
            "a\nb\n#SBATCH --partition=other\ntouch pwned",
            "%j%A",
            "back\\slash",
            "-n",
            "#SBATCH --array=1-9",
            "ünïcödé ☃",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap();
            let home = root.join(name);
            std::fs::create_dir(&home).unwrap();
            std::fs::write(home.join("prepared.json"), "{}").unwrap();
            let program = "#!/bin/sh\npwd > seen; printf '%s\\n' \"$@\" >> seen\n";
            let path = home.join(PROGRAM);
            std::fs::write(&path, program).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
            let text = script(&home, name, 4, LIMITS);
            // What Slurm reads ends with the first line that is neither a comment nor blank.
            let head: Vec<&str> = text
                .lines()
                .take_while(|line| line.starts_with('#'))
                .collect();
            assert_eq!(head.len(), 10, "{name}");
            let plain = |c: char| c.is_ascii_alphanumeric() || "#! /-=_.%,".contains(c);
            assert!(head.iter().all(|line| line.chars().all(plain)), "{head:?}");
            std::fs::write(root.join("job"), &text).unwrap();
            let output = proc::Command::new("sh")
                .arg(root.join("job"))
                .current_dir(root)
                .env("SLURM_ARRAY_TASK_ID", "3")
                .run()
                .unwrap();
            assert!(output.stderr.is_empty(), "{name}: {}", output.stderr_text());
            let seen = std::fs::read_to_string(home.join("seen")).unwrap();
            let expected = format!("{home}\nktest\n--prepared\n.\n--shard\n3/4\n");
            assert_eq!(seen, expected);
            assert!(
                !root.join("pwned").exists() && !home.join("pwned").exists(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_node_that_does_not_see_the_directory_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let text = script(&root.join("not here"), "a", 4, LIMITS);
        let output = proc::Command::new("sh")
            .args(["-c", &text])
            .env("SLURMD_NODENAME", "n7")
            .run_unchecked()
            .unwrap();
        assert_eq!(output.code, Some(69));
        let said = output.stderr_text();
        assert!(
            said.contains("error: node n7 does not see the shared directory"),
            "{said}"
        );
    }
}
