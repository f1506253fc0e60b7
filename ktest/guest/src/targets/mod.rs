// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs, one file each. A new one is a file and a line in this table.

mod af_xdp;
mod direct_io;
mod gup_test;
mod infiniband;
mod io_uring;
mod process_vm;
mod udmabuf;
mod vmci;

use crate::check::Check;

type Program = fn(&mut Check);

const PROGRAMS: &[(&str, Program)] = &[
    ("af-xdp", af_xdp::run),
    ("direct-io", direct_io::run),
    ("gup-test", gup_test::run),
    ("infiniband", infiniband::run),
    ("io-uring", io_uring::run),
    ("process-vm", process_vm::run),
    ("udmabuf", udmabuf::run),
    ("vmci", vmci::run),
];

/// Runs program `name`; its exit status.
pub fn run(name: &str) -> i32 {
    let Some((_, program)) = PROGRAMS.iter().find(|(known, _)| *known == name) else {
        println!("# result fail there is no program {name}");
        return 2;
    };
    let mut check = Check::new(name);
    program(&mut check);
    check.finish()
}
