// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs, one file each. A new one is a file and a line in this table.

mod af_xdp;
mod conformance;
mod direct_io;
mod ext4;
mod fuse;
mod goldfish_pipe;
mod gup_test;
mod infiniband;
mod io_uring;
mod iommufd;
mod process_vm;
mod rds;
mod scsi_generic;
mod scsi_tape;
mod udmabuf;
mod vfio;
mod vhost;
mod vivid;
mod vmci;

use crate::check::Check;

type Program = fn(&mut Check);

const PROGRAMS: &[(&str, Program)] = &[
    ("af-xdp", af_xdp::run),
    ("direct-io", direct_io::run),
    ("fuse", fuse::run),
    ("goldfish-pipe", goldfish_pipe::run),
    ("gup-test", gup_test::run),
    ("infiniband", infiniband::run),
    ("io-uring", io_uring::run),
    ("iommufd", iommufd::run),
    ("process-vm", process_vm::run),
    ("rds", rds::run),
    ("refimpl-conformance", conformance::run),
    ("scsi-generic", scsi_generic::run),
    ("scsi-tape", scsi_tape::run),
    ("udmabuf", udmabuf::run),
    ("vfio", vfio::run),
    ("vhost", vhost::run),
    ("vivid", vivid::run),
    ("vmci", vmci::run),
];

/// Runs program `name`; its exit status.
pub(crate) fn run(name: &str) -> i32 {
    let Some((_, program)) = PROGRAMS.iter().find(|(known, _)| *known == name) else {
        println!("# result fail there is no program {name}");
        return 2;
    };
    let mut check = Check::new(name);
    check.before_each(crate::longterm::fill);
    program(&mut check);
    check.finish()
}
