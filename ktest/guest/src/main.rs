// SPDX-License-Identifier: MIT OR Apache-2.0
//! The init of the guest, and the programs that it runs: one static binary.
//!
//! As process 1 it mounts what is needed, runs the targets that the kernel command line names, each in a process of
//! its own with a deadline of its own, writes what they say to the results port as KTAP, gives one verdict, and
//! powers off. As `init machine ktest.targets=…` it does the same on a machine that somebody else brought up: in a mount
//! name space of its own, with its results on standard output. As `init target NAME` it is one of those programs.
//!
//! Only the kernel's own interfaces are used: no library of a subsystem, no shell, no file but this one.

mod charge;
mod check;
mod failing;
mod init;
mod leaks;
mod longterm;
mod machine;
mod memory;
mod mounts;
mod netlink;
mod outlive;
mod pins;
mod plan;
mod port;
mod probes;
mod supervise;
mod sys;
mod taint;
mod targets;
mod window;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("target"), Some(name)) => std::process::exit(targets::run(&name)),
        (Some("machine"), Some(words)) => std::process::exit(machine::run(&words)),
        _ if std::process::id() == 1 => init::run(),
        _ => {
            eprintln!(
                "this is the init of a guest; it runs as process 1, or as `init machine ktest.targets=NAME:SECONDS`"
            );
            std::process::exit(2);
        }
    }
}
