// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running child: its output is read by two threads, its end is waited for with a deadline.

use crate::command::{Command, Listener, Output, Stdio};
use crate::error::Error;
use crate::interrupt::{self, interrupted};
use crate::usage::{Ended, reap};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stopped group may take to end before it is killed: less than the watchdog gives a run with children.
const GRACE: Duration = Duration::from_millis(1200);
/// How long output may still come after the child has ended: what is in the pipe is read in milliseconds, and a daemon
/// that kept the pipe is not waited for.
const DRAIN: Duration = Duration::from_secs(2);

/// How many lines of what it said an [`Error::Failed`] carries: a screen less the rest of the message.
const TAIL_LINES: usize = 20;

type Buffer = Arc<Mutex<Vec<u8>>>;

/// A started command.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    line: String,
    deadline: Duration,
    started: Instant,
    stdout: Buffer,
    stderr: Buffer,
    readers: Vec<JoinHandle<()>>,
    stdin: Option<std::process::ChildStdin>,
    ended: Option<Output>,
}

impl Child {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where programs are started"
    )]
    pub(crate) fn spawn(command: &Command) -> Result<Child, Error> {
        use std::process::Stdio as Std;
        let log = command.open_log()?.map(|file| Arc::new(Mutex::new(file)));
        let mut std = std::process::Command::new(&command.program);
        std.args(&command.args).process_group(0);
        for (key, value) in &command.env {
            match value {
                Some(value) => std.env(key, value),
                None => std.env_remove(key),
            };
        }
        if let Some(dir) = &command.cwd {
            std.current_dir(dir);
        }
        std.stdin(if command.stdin.is_empty() && !command.is_told_more {
            Std::null()
        } else {
            Std::piped()
        });
        let mut both = None;
        match command.stdout {
            Stdio::Inherit => {}
            Stdio::Capture => {
                std.stdout(Std::piped()).stderr(Std::piped());
            }
            Stdio::Together => {
                let (from, to) = pipe().map_err(command.io("open a pipe"))?;
                std.stdout(to.try_clone().map_err(command.io("open a pipe"))?);
                std.stderr(to);
                both = Some(from);
            }
        }
        // SAFETY: between fork and exec only one async-signal-safe system call is made, and nothing is allocated.
        unsafe {
            std.pre_exec(|| {
                Ok(rustix::process::set_parent_process_death_signal(Some(
                    Signal::KILL,
                ))?)
            });
        }
        let started = Instant::now();
        let mut child = std.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound if command.cwd.as_ref().is_none_or(|d| d.is_dir()) => {
                Error::NotFound {
                    program: command.program.to_string_lossy().into_owned(),
                    argv: command.line(),
                }
            }
            _ => command.io("start it")(source),
        })?;
        let (once, more) = match command.is_told_more {
            true => (None, child.stdin.take()),
            false => (child.stdin.take(), None),
        };
        if let Some(mut stdin) = once {
            let bytes = command.stdin.clone();
            // A child that does not read all of its input is not in error for that.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        // It holds its ends of the pipes: what is read would not end.
        drop(std);
        let (stdout, stderr) = (Buffer::default(), Buffer::default());
        let mut readers = Vec::new();
        if let Some(pipe) = both {
            let (log, listener) = (log.clone(), command.listener.clone());
            readers.push(read_into(pipe, Arc::clone(&stdout), log, listener));
        }
        if let Some(pipe) = child.stdout.take() {
            readers.push(read_into(
                pipe,
                Arc::clone(&stdout),
                log.clone(),
                command.listener.clone(),
            ));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(read_into(pipe, Arc::clone(&stderr), log, None));
        }
        let pid = Pid::from_child(&child);
        interrupt::began(pid.as_raw_nonzero().get());
        Ok(Child {
            pid,
            line: command.line(),
            deadline: command.deadline,
            started,
            stdout,
            stderr,
            readers,
            stdin: more,
            ended: None,
        })
    }

    /// Writes to its standard input, which [`Command::told_more`] has kept open.
    ///
    /// # Errors
    /// [`Error::Io`] when nobody reads it any more.
    pub fn tell(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let told = match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes).and_then(|()| stdin.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        told.map_err(|source| Error::Io {
            argv: self.line.clone(),
            what: "write to its standard input".into(),
            source,
        })
    }

    /// Closes its standard input.
    pub fn told_all(&mut self) {
        self.stdin = None;
    }

    /// The process id, which is also that of its group.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it has written to standard output so far.
    pub fn stdout_so_far(&self) -> Vec<u8> {
        lock(&self.stdout).clone()
    }

    /// Waits for `time` at most; `None` while it still runs.
    ///
    /// # Errors
    /// [`Error::Timeout`] past its deadline and [`Error::Interrupted`] after ctrl-C: the group has been stopped then.
    pub fn wait_for(&mut self, time: Duration) -> Result<Option<Output>, Error> {
        let until = Instant::now() + time;
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(output) = self.poll()? {
                return Ok(Some(output));
            }
            if interrupted() {
                self.stop();
                return Err(Error::Interrupted {
                    argv: self.line.clone(),
                });
            }
            if self.started.elapsed() > self.deadline {
                self.stop();
                return Err(Error::Timeout {
                    argv: self.line.clone(),
                    deadline: self.deadline,
                });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Child::wait_for`].
    pub fn wait(mut self) -> Result<Output, Error> {
        loop {
            if let Some(output) = self.wait_for(Duration::from_secs(3600))? {
                return Ok(output);
            }
        }
    }

    /// Stops the whole group: SIGTERM, 1.2 s, SIGKILL. Returns when the child has been reaped.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let killed_at = Instant::now() + GRACE;
        while matches!(self.poll(), Ok(None)) {
            if Instant::now() > killed_at {
                self.signal(Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Members of the group may outlive its leader.
        self.signal_group(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            self.signal_group(signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        // The only error is that the group is gone, which is what is wanted.
        let _gone = kill_process_group(self.pid, signal);
    }

    fn poll(&mut self) -> Result<Option<Output>, Error> {
        if self.ended.is_none() {
            let reaped = reap(self.id()).map_err(|source| Error::Io {
                argv: self.line.clone(),
                what: "wait for it".into(),
                source,
            })?;
            let Some((how, mut usage)) = reaped else {
                return Ok(None);
            };
            interrupt::ended(self.id());
            usage.wall = self.started.elapsed();
            self.drain();
            let code = match how {
                Ended::Code(code) => Some(code),
                Ended::Signal(_) => None,
            };
            let stdout = std::mem::take(&mut *lock(&self.stdout));
            let stderr = std::mem::take(&mut *lock(&self.stderr));
            self.ended = Some(Output {
                code,
                stdout,
                stderr,
                usage,
            });
        }
        Ok(self.ended.clone())
    }

    /// Lets the readers finish, unless a descendant keeps the pipe open.
    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        for reader in self.readers.drain(..) {
            while !reader.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
}

impl Command {
    /// Runs it to its end; anything but exit code 0 is an error.
    ///
    /// # Errors
    /// See [`Error`]: not found, failed, out of time, interrupted, or refused by the system.
    pub fn run(&self) -> Result<Output, Error> {
        let output = self.run_unchecked()?;
        if output.success() {
            return Ok(output);
        }
        let said = if output.stderr.is_empty() {
            output.stdout_text()
        } else {
            output.stderr_text()
        };
        let lines: Vec<&str> = said.lines().collect();
        let stderr = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        let status = match output.code {
            Some(code) => format!("exit code {code}"),
            None => "killed by a signal".to_owned(),
        };
        Err(Error::Failed {
            argv: self.line(),
            status,
            code: output.code,
            stderr,
        })
    }

    /// Runs it to its end, whatever its exit code.
    ///
    /// # Errors
    /// As [`Command::run`], but never [`Error::Failed`].
    pub fn run_unchecked(&self) -> Result<Output, Error> {
        self.spawn()?.wait()
    }

    /// Starts it and returns at once. The child is killed with its group when the handle is dropped.
    ///
    /// # Errors
    /// Not found, or refused by the system.
    pub fn spawn(&self) -> Result<Child, Error> {
        Child::spawn(self)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.stop();
        }
    }
}

/// Both ends, closed when a program is executed.
fn pipe() -> std::io::Result<(std::fs::File, std::fs::File)> {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((from.into(), to.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_into(
    mut pipe: impl Read + Send + 'static,
    buffer: Buffer,
    log: Option<Arc<Mutex<std::fs::File>>>,
    listener: Option<Listener>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0u8; 1 << 14];
        let mut begun = Vec::new();
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            lock(&buffer).extend_from_slice(&chunk[..n]);
            if let Some(log) = &log {
                // A log that cannot be written must not stop the child; the disk is reported where results are written.
                drop(lock(log).write_all(&chunk[..n]));
            }
            if let Some(Listener(tell)) = &listener {
                begun.extend_from_slice(&chunk[..n]);
                while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = begun.drain(..=end).collect();
                    tell(&String::from_utf8_lossy(&line[..end]));
                }
            }
        }
    })
}
