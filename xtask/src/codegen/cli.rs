// SPDX-License-Identifier: MIT OR Apache-2.0
//! docs/cli.md: the help of every verb.

use crate::flags::Cli;
use clap::CommandFactory;

const CLI_HEAD: &str = "\
<!-- Made by `cargo xtask codegen` from xtask/src/flags.rs: edit that. -->
# Command line

";

/// The help of every verb, as clap prints it.
pub(crate) fn page() -> String {
    let mut text = CLI_HEAD.to_owned();
    let mut root = Cli::command()
        .term_width(100)
        .color(clap::ColorChoice::Never);
    root.build();
    section(&root, &mut text, 2, false);
    text
}

fn section(command: &clap::Command, text: &mut String, level: usize, hide_common: bool) {
    let title = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut shown = command.clone();
    if hide_common {
        // The common options stand once, at the top.
        shown = shown.mut_args(|arg| {
            if arg.is_global_set() {
                arg.hide(true)
            } else {
                arg
            }
        });
    }
    let help = shown.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!(
        "{} {title}\n\n```text\n{}\n```\n\n",
        "#".repeat(level),
        help.join("\n").trim_end()
    ));
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        section(verb, text, level + 1, true);
    }
    if level == 2 {
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_section_with_its_help() {
        let text = page();
        for verb in Cli::command().get_subcommands() {
            assert!(
                text.contains(&format!("### cargo xtask {}", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
        assert!(!text.contains("\x1b"));
    }
}
