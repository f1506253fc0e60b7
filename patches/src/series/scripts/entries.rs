// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every entry of a MAINTAINERS file, as get_maintainer.pl would print it: each address is found again, with its role.

use super::{Recipients, Script, recipients};
use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// An entry: its title, its status, and what stands behind M:, R: and L:.
#[derive(Debug, Default)]
struct Entry {
    title: String,
    status: String,
    maintainers: Vec<String>,
    reviewers: Vec<String>,
    lists: Vec<String>,
    files: Vec<String>,
}

/// The entries of a MAINTAINERS file: a title at the margin, then lines of a letter and a colon.
fn entries(text: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut last = "";
    for line in text.lines() {
        let field = line.split_once(":\t").filter(|(tag, _)| tag.len() == 1);
        let Some((tag, value)) = field else {
            last = line;
            continue;
        };
        if !last.is_empty() {
            all.push(Entry {
                title: last.trim().to_owned(),
                ..Entry::default()
            });
            last = "";
        }
        let Some(entry) = all.last_mut() else {
            continue;
        };
        let value = value.trim().to_owned();
        // A name without an address is nobody to write to: the script prints no line that could be one.
        if matches!(tag, "M" | "R" | "L") && !value.contains('@') {
            continue;
        }
        match tag {
            "S" => entry.status = value,
            "M" => entry.maintainers.push(value),
            "R" => entry.reviewers.push(value),
            "L" => entry.lists.push(value),
            "F" => entry.files.push(value),
            _ => {}
        }
    }
    all
}

/// An address as the script prints it ("scripts/get_maintainer.pl", parse_email() and format_email(), 6.12).
fn printed(person: &str) -> String {
    let Some((name, rest)) = person.split_once('<') else {
        return person.split_whitespace().next().unwrap_or("").to_owned();
    };
    let address = rest.split('>').next().unwrap_or(rest);
    let name = name.trim().trim_matches('"');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-');
    match (name.is_empty(), name.chars().all(plain)) {
        (true, _) => address.to_owned(),
        (_, true) => format!("{name} <{address}>"),
        (_, false) => format!("\"{}\" <{address}>", name.replace('"', "\\\"")),
    }
}

/// What the script says of a file of that entry, and to whom it must be sent.
fn said(entry: &Entry) -> (String, Recipients) {
    // get_maintainer_role() and add_categories().
    let role = match entry.status.as_str() {
        "Supported" => "supporter",
        "Maintained" => "maintainer",
        "Odd Fixes" => "odd fixer",
        "Orphan" => "orphan minder",
        "Obsolete" => "obsolete minder",
        "Buried alive in reporters" => "chief penguin",
        other => other,
    };
    let title = &entry.title;
    let mut text = String::new();
    let mut wanted = Recipients::default();
    for person in &entry.maintainers {
        let address = printed(person);
        text += &format!("{address} ({role}:{title})\n");
        wanted.to.push(address);
    }
    for person in &entry.reviewers {
        let address = printed(person);
        text += &format!("{address} (reviewer:{title})\n");
        wanted.cc.push(address);
    }
    for list in &entry.lists {
        let (address, more) = list.split_once(char::is_whitespace).unwrap_or((list, ""));
        let kind = match more {
            more if more.contains("subscribers-only") => "subscriber list",
            more if more.contains("moderated") => "moderated list",
            _ => "open list",
        };
        text += &format!("{address} ({kind}:{title})\n");
        // Of a list with a name before its address the script prints the first word of the name, which is nobody's.
        if address.contains('@') {
            wanted.cc.push(address.to_owned());
        }
    }
    let mut seen = BTreeSet::new();
    wanted.to.retain(|address| seen.insert(address.clone()));
    wanted.cc.retain(|address| seen.insert(address.clone()));
    (text, wanted)
}

/// Whether an address is one, and nothing but one.
fn well_formed(address: &str) -> bool {
    let plain = match address.rsplit_once('<') {
        None => address,
        Some((name, rest)) => {
            let name = name.trim_end();
            let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
            if !quoted && name.contains(['(', ')', '<', '>', ',', ';', ':', '@', '"']) {
                return false;
            }
            match rest.strip_suffix('>') {
                Some(plain) => plain,
                None => return false,
            }
        }
    };
    let parts: Vec<&str> = plain.split('@').collect();
    matches!(parts.as_slice(), [user, host] if !user.is_empty() && !host.is_empty())
        && !plain.contains(|c: char| c.is_whitespace() || "()<>,;:\"".contains(c))
}

/// Holds every entry against what is made of it; how many there were.
fn check(text: &str) -> usize {
    let all = entries(text);
    for entry in &all {
        let (text, wanted) = said(entry);
        let found = recipients(&text);
        assert_eq!(found, wanted, "{}", entry.title);
        for address in found.to.iter().chain(&found.cc) {
            assert!(well_formed(address), "{}: {address}", entry.title);
        }
    }
    all.len()
}

#[test]
fn every_kind_of_entry_keeps_its_addresses_and_their_roles() {
    let text = "List of maintainers\n\
                -------------------\n\n\
                TOY BUS (TBUS) [SEE ALSO \"TOYS\"]\n\
                M:\tJane Doe <jane@example.org>\n\
                M:\t\"Doe, John (Toys)\" <john@example.org>\n\
                M:\tJørn Å. Müller <jm@example.org>\n\
                M:\tplain@example.org\n\
                M:\tO'Hara \"Oz\" Ann <oz@example.org>\n\
                R:\tJane Doe <jane@example.org>\n\
                R:\tMax (he) <max@example.org>\n\
                R:\tThe Toy Team\n\
                L:\ttoys@lists.example.org (moderated for non-subscribers)\n\
                L:\tclosed@lists.example.org (subscribers-only)\n\
                L:\topen@lists.example.org\n\
                L:\tToy Team <team@lists.example.org>\n\
                S:\tSupported\n\
                W:\thttp://example.org/toys (old)\n\
                F:\tdrivers/toys/\n\n\
                TOY RDMA (FUTURE) -- (WOODEN)\n\
                L:\topen@lists.example.org\n\
                S:\tOrphan / Obsolete\n\
                F:\tdrivers/rdma/toy*\n\n\
                THE OTHERS, (A) OPEN LIST: REVIEWER\n\
                M:\tOdd Fixer <odd@example.org>\n\
                S:\tOdd Fixes\n\
                F:\t*\n";
    assert_eq!(check(text), 3);
}

#[test]
fn an_address_with_text_of_a_role_in_it_is_seen() {
    for bad in [
        "Jane <jane@example.org> (maintainer:TOYS",
        "toys@lists.example.org (moderated list:TOYS",
        "Jane (maintainer) <jane@example.org>",
        "jane@example.org)",
        "nobody",
    ] {
        assert!(!well_formed(bad), "{bad}");
    }
}

/// `KERNEL_TREE=… cargo test -p patches -- --ignored maintainers_of_a_kernel`
#[test]
#[ignore = "reads the kernel tree that KERNEL_TREE names, and runs its get_maintainer.pl"]
fn all_maintainers_of_a_kernel_are_found_again() {
    let root = std::env::var("KERNEL_TREE").expect("KERNEL_TREE names a kernel tree");
    let root = Utf8PathBuf::from(root);
    let bytes = std::fs::read(root.join("MAINTAINERS")).expect("the tree has MAINTAINERS");
    let text = String::from_utf8_lossy(&bytes);
    // Of 6.12 there are 2,900.
    assert!(check(&text) > 1000, "few entries were read");
    // The script itself, where a title or a name is one that misled before. Thirty take half a minute.
    let odd = |entry: &&Entry| {
        let people = entry.maintainers.iter().chain(&entry.reviewers);
        !entry.maintainers.is_empty()
            && (entry.title.contains(['(', '"']) || people.clone().any(|p| p.contains(['(', '"'])))
    };
    let all = entries(&text);
    let files = all.iter().filter(odd).filter_map(|entry| {
        let file = entry.files.iter().find(|file| root.join(file).is_file())?;
        Some((entry, file))
    });
    let scratch = tempfile::tempdir().expect("a directory");
    let script = Script {
        name: "get_maintainer.pl",
        root: Ok(&root),
        inside: true,
        scratch: scratch.path(),
    };
    let mut asked = 0;
    for (entry, file) in files.take(30) {
        let (command, root) = script.command().expect("the tree has the script");
        let options = [
            "--no-git",
            "--no-git-fallback",
            "--norolestats",
            "--roles",
            "--multiline",
            "-f",
        ];
        let output = command.current_dir(root).args(options).arg(file.as_str());
        let output = output.run_unchecked().expect("it runs");
        let found = recipients(&output.stdout_text());
        for address in found.to.iter().chain(&found.cc) {
            assert!(well_formed(address), "{file}: {address}");
        }
        for person in &entry.maintainers {
            let wanted = printed(person);
            let address = |of: &str| {
                of.rsplit('<')
                    .next()
                    .unwrap_or("")
                    .trim_end_matches('>')
                    .to_lowercase()
            };
            let there = found.to.iter().any(|to| address(to) == address(&wanted));
            assert!(there, "{file}: {wanted} is not among {:?}", found.to);
        }
        asked += 1;
    }
    assert!(asked > 0, "no file was asked about");
}
