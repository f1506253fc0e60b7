// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's power switch: a script that ktest.pl calls.

use crate::boot::Machine;
use camino::{Utf8Path, Utf8PathBuf};

/// The script. `test` and `good` choose what the next `reboot` starts; a good kernel is only said to have come up, because
/// ktest.pl wants one between two tests. `wait` ends when the guest has, with 0 where it says that it passed. Nothing
/// outlives `seconds`.
pub(crate) fn power_switch(
    machine: &Machine,
    dir: &Utf8Path,
    source: &Utf8Path,
    image: &Utf8Path,
    seconds: u64,
) -> String {
    // The console goes to the file that ktest.pl follows, and to one of its own a boot.
    let (console, results) = (
        Utf8PathBuf::from("CONSOLE"),
        Utf8PathBuf::from("$b/results.ktap"),
    );
    let words: String = machine
        .arguments(&console, &results)
        .into_iter()
        .map(|word| {
            word.replace(
                "path=CONSOLE",
                &format!("path={dir}/console,append=on,logfile=$b/console.log"),
            )
        })
        .map(|word| format!(" \"{word}\""))
        .collect();
    let qemu = &machine.qemu;
    format!(
        r#"#!/bin/sh
# The guest's power switch; written by ktest, called by ktest.pl.
d={dir}
case $1 in
test | good)
	echo $1 > $d/state
	;;
reboot)
	[ -f $d/pid ] && kill -9 $(cat $d/pid) 2>> $d/machine.log
	if [ "$(cat $d/state)" = good ]; then
		printf 'Linux version of the good kernel\nktest: good kernel\n' >> $d/console
		exit 0
	fi
	n=$(($(cat $d/count) + 1))
	echo $n > $d/count
	b=$d/boots/$n
	mkdir -p $b
	cp {image} $b/bzImage
	git -C {source} rev-parse HEAD > $b/commit
	: > $b/results.ktap
	timeout -s KILL {seconds} {qemu}{words} > $b/qemu.log 2>&1 < /dev/null &
	echo $! > $d/pid
	;;
wait)
	b=$d/boots/$(cat $d/count)
	: > $b/waited
	while kill -0 $(cat $d/pid) 2>> $d/machine.log; do
		sleep 0.2
	done
	grep -q '^ktest verdict: pass' $b/results.ktap
	;;
esac
"#
    )
}
