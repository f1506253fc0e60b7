// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real Slurm on this machine: a controller and two nodes with a munge of their own, on loopback, in a directory that is gone
//! afterwards. `cargo test -p ktest --lib batch::tests::real -- --ignored --test-threads 1`
//!
//! Where its programs are missing and the machine may be changed (root, with apt-get) they are installed; elsewhere the tests say
//! "skip".

use super::desk::Desk;
use super::{gist, within};
use crate::batch::{BatchOptions, submit};
use crate::verdict::Outcome;
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use proc::slurm::Slurm;
use proc::{Child, Command, on_path};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

const PROGRAMS: [&str; 5] = ["munged", "slurmctld", "slurmd", "sbatch", "scontrol"];
const NODES: [&str; 2] = ["n1", "n2"];

/// A cluster of two nodes.
struct Cluster {
    config: Utf8PathBuf,
    munged: Child,
    controller: Child,
    nodes: Vec<Child>,
}

/// Daemons lie where an ordinary user's PATH does not look.
fn daemon(name: &str) -> Option<String> {
    let places = [
        name.to_owned(),
        format!("/usr/sbin/{name}"),
        format!("/sbin/{name}"),
    ];
    places.into_iter().find(|place| on_path(place).is_some())
}

fn missing() -> Vec<&'static str> {
    let lacks = |name: &&&str| daemon(name).is_none();
    PROGRAMS.iter().filter(lacks).copied().collect()
}

/// Whether everything is there, installed if it may be.
fn is_there() -> bool {
    if !missing().is_empty() && rustix::process::geteuid().is_root() && on_path("apt-get").is_some()
    {
        let install = Command::new("apt-get")
            .args([
                "install",
                "--yes",
                "--no-install-recommends",
                "slurm-wlm",
                "munge",
            ])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run();
        if let Err(error) = install {
            eprintln!("skip: {error}");
        }
    }
    let missing = missing();
    if !missing.is_empty() {
        eprintln!("skip: there is no {} on this machine", missing.join(", "));
    }
    missing.is_empty()
}

fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Cluster {
    fn start(dir: &Utf8Path) -> Cluster {
        let key: Vec<u8> = (0..1024_u32).map(|n| (n * 167 % 251) as u8).collect();
        std::fs::write(dir.join("key"), key).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(dir.join("key"), private).unwrap();
        let config = dir.join("slurm.conf");
        std::fs::write(&config, settings(dir)).unwrap();
        let start = |name: &str, words: &[String]| {
            let command = Command::new(daemon(name).unwrap()).args(words);
            let command = command
                .env("SLURM_CONF", &config)
                .log(dir.join(format!("{name}.said")));
            command.deadline(Duration::from_secs(600)).spawn().unwrap()
        };
        let of = |option: &str, file: &str| format!("--{option}={}", dir.join(file));
        let munged = start(
            "munged",
            &[
                "--foreground".into(),
                "--force".into(),
                of("key-file", "key"),
                of("socket", "munge"),
                of("pid-file", "munge.pid"),
                of("log-file", "munge.log"),
                of("seed-file", "munge.seed"),
            ],
        );
        within("munge is there", || dir.join("munge").exists());
        let controller = start("slurmctld", &["-D".into(), "-c".into()]);
        let nodes = NODES.map(|name| start("slurmd", &["-D".into(), "-N".into(), name.into()]));
        let cluster = Cluster {
            config,
            munged,
            controller,
            nodes: nodes.into(),
        };
        within("both nodes are idle", || {
            let idle = Command::new("sinfo")
                .args(["--noheader", "--Node", "--format=%T"])
                .env("SLURM_CONF", &cluster.config)
                .run();
            idle.is_ok_and(|idle| idle.stdout_text() == "idle\nidle")
        });
        cluster
    }

    fn options(&self, desk: &Desk, shards: usize) -> BatchOptions {
        let mut options = desk.options(shards);
        options.slurm = Slurm::with_config(&self.config);
        options.pace = Duration::from_secs(1);
        options
    }

    /// Kills a node with all that runs on it.
    fn kill(&self, name: &str) {
        let at = NODES.iter().position(|node| *node == name).unwrap();
        let mut all = vec![self.nodes[at].id()];
        for pid in self.tasks(&format!("SLURMD_NODENAME={name}")) {
            all.push(pid);
            all.extend(parent(pid).filter(|parent| is_step(*parent)));
        }
        end(&all);
    }

    /// The processes of this cluster that have this in their environment.
    fn tasks(&self, variable: &str) -> Vec<i32> {
        let own = format!("SLURM_CONF={}", self.config);
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let of_it = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |wanted: &str| {
                environment
                    .split(|b| *b == 0)
                    .any(|w| w == wanted.as_bytes())
            };
            has(&own) && has(variable)
        };
        pids.filter(of_it).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.stop();
        }
        self.controller.stop();
        self.munged.stop();
        // A step outlives its node's daemon.
        end(&self.tasks(&format!("SLURM_CONF={}", self.config)));
    }
}

fn end(pids: &[i32]) {
    for pid in pids {
        // It may be gone with its parent.
        let _gone = kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL);
    }
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')')
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn is_step(pid: i32) -> bool {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
    line.is_ok_and(|line| line.contains("slurmstepd"))
}

/// slurm.conf(5) of one machine that stands for two.
fn settings(dir: &Utf8Path) -> String {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let user = match rustix::process::geteuid().is_root() {
        true => "root".to_owned(),
        false => std::env::var("USER").unwrap(),
    };
    let nodes: String = NODES
        .iter()
        .map(|node| {
            format!(
                "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=4096\n",
                port()
            )
        })
        .collect();
    format!(
        "ClusterName=scratch\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmUser={user}\nSlurmdUser={user}\n\
         AuthType=auth/munge\nAuthInfo=socket={dir}/munge\nCredType=cred/munge\nStateSaveLocation={dir}/saved\n\
         SlurmdSpoolDir={dir}/spool-%n\nSlurmctldPidFile={dir}/ctld.pid\nSlurmdPidFile={dir}/slurmd-%n.pid\n\
         SlurmctldLogFile={dir}/ctld.log\nSlurmdLogFile={dir}/slurmd-%n.log\nProctrackType=proctrack/pgid\n\
         TaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\nSelectType=select/cons_tres\n\
         SelectTypeParameters=CR_CPU_Memory\nReturnToService=2\nSlurmdTimeout=5\nKillWait=2\nJobRequeue=1\n\
         AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n\
         SlurmdParameters=config_overrides\n{nodes}PartitionName=main Nodes={} Default=YES State=UP\n",
        port(),
        NODES.join(",")
    )
}

#[test]
#[ignore = "starts a Slurm of its own, where it is installed or may be"]
fn a_node_that_is_killed_in_the_middle_changes_nothing_about_the_verdict() {
    if !is_there() {
        return;
    }
    let desk = Desk::new("it's a \"home\" with %j and $(false)", &["one", "two"]);
    let here = desk.on_one_machine();
    let cluster = Cluster::start(&desk.place("cluster"));
    let held = desk.holds(2);
    let options = cluster.options(&desk, 2);
    let mut batch = submit(desk.prepared(), options).unwrap();
    let place = || {
        let places = desk.places();
        let place = places
            .iter()
            .rev()
            .find_map(|place| place.strip_prefix("02 "));
        place.map(str::to_owned)
    };
    within("the second patch is booted", || place().is_some());
    cluster.kill(&place().unwrap());
    std::fs::remove_file(held).unwrap();
    let outcome = batch.follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(gist(&outcome.verdict), gist(&here));
    let boots = desk.boots();
    assert_eq!(
        boots.iter().filter(|boot| *boot == "02").count(),
        2,
        "{boots:?}"
    );
}

#[test]
#[ignore = "starts a Slurm of its own, where it is installed or may be"]
fn what_is_cancelled_or_killed_is_told_and_what_is_cancelled_is_no_pass() {
    if !is_there() {
        return;
    }
    let desk = Desk::new("home", &["one", "two"]);
    let cluster = Cluster::start(&desk.place("cluster"));
    let held = desk.holds(2);
    let mut batch = submit(desk.prepared(), cluster.options(&desk, 2)).unwrap();
    within("the second patch is booted", || {
        desk.boots().contains(&"02".to_owned())
    });
    let task = format!("{}_2", batch.jobs()[0]);
    let cancel = Command::new("scancel").arg(task);
    cancel.env("SLURM_CONF", &cluster.config).run().unwrap();
    let outcome = batch.follow().unwrap();
    assert_eq!(outcome.verdict.result, Outcome::Inconclusive);
    assert_eq!(outcome.exit(), Exit::Infrastructure);
    let reason = &outcome.verdict.reason;
    assert!(reason.contains("it was cancelled on n"), "{reason}");
    assert!(reason.contains("not there: shard 2/2"), "{reason}");
    drop(batch);
    // Taken up by another process, it is done.
    std::fs::remove_file(held).unwrap();
    let mut options = cluster.options(&desk, 2);
    options.shards = None;
    let outcome = desk.again_with(options).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
}
