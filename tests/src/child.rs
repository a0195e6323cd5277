//! Child processes that cannot outlive or stall a test.
//!
//! Owns: their death with the test (kill on drop, and by the kernel when the test's thread ends), their output, and
//! waiting with a limit. Refuses: waiting for anything without one.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, set_parent_process_death_signal};

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

/// The lines that a child has written so far, in one of its outputs.
#[derive(Debug)]
pub struct Lines {
    receiver: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { receiver, seen: Vec::new() }
    }

    /// The next line that `wanted` says yes to. An error when the output ends first, or the time is up.
    pub fn find(&mut self, wanted: impl Fn(&str) -> bool, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("not within {limit:?}; so far: {}", self.seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the output ended: {}", self.seen.join("\n")),
            }
        }
    }

    /// The first line that `wanted` says yes to, among those that were looked at before, and then as [`Lines::find`].
    pub fn seen_or_find(&mut self, wanted: impl Fn(&str) -> bool, limit: Duration) -> Result<String> {
        match self.seen.iter().find(|line| wanted(line)) {
            Some(line) => Ok(line.clone()),
            None => self.find(wanted, limit),
        }
    }

    /// Everything up to the output's end.
    fn rest(&mut self, limit: Duration) -> String {
        // Never satisfied: runs to the end of the output, or of its time if a grandchild holds the pipe open.
        drop(self.find(|_| false, limit));
        self.seen.join("\n")
    }
}

/// What a child left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All it wrote to its standard output.
    pub stdout: String,
    /// All it wrote to its standard error.
    pub stderr: String,
}

impl Guarded {
    /// Starts `command` with pipes on all three standard files.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let parent = rustix::process::getpid();
        let die_with_parent = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the line above.
            if rustix::process::getppid() != Some(parent) {
                return Err(std::io::Error::other("orphaned"));
            }
            Ok(())
        };
        // SAFETY: the closure makes two system calls and allocates nothing on its good path.
        unsafe { command.pre_exec(die_with_parent) };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).context("no pipes")?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, stdout: Lines::of(stdout), stderr: Lines::of(stderr) })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, until closed.
    pub fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.stdin.as_mut()
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Its standard output.
    pub fn stdout(&mut self) -> &mut Lines {
        &mut self.stdout
    }

    /// Its standard error.
    pub fn stderr(&mut self) -> &mut Lines {
        &mut self.stderr
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn await_end(&mut self, limit: Duration) -> Result<()> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let timeout =
            Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
        let ready = loop {
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result?,
            }
        };
        let pid = self.pid();
        ensure!(ready == 1, "process {pid} still runs after {limit:?}; its errors: {}", {
            self.stderr.rest(Duration::ZERO)
        });
        Ok(())
    }

    /// Waits for its end, and collects what it wrote.
    pub fn wait(mut self, limit: Duration) -> Result<Ended> {
        // Seen ended by `is_running`, it has no process id any more.
        if self.child.try_wait()?.is_none() {
            self.await_end(limit)?;
        }
        let status = self.child.wait()?;
        let limit = Duration::from_secs(5);
        Ok(Ended { status, stdout: self.stdout.rest(limit), stderr: self.stderr.rest(limit) })
    }
}

impl Ended {
    /// The signal that killed it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Guarded {
        Guarded::spawn(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn collects_both_outputs_and_the_status() {
        let mut child = shell("echo one; echo two >&2; read line; echo $line; exit 3");
        assert_eq!(child.stderr().find(|l| l.starts_with("tw"), Duration::from_secs(5)).unwrap(), "two");
        child.close_stdin();
        let ended = child.wait(Duration::from_secs(5)).unwrap();
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("one\n", "two"));
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    fn gives_up_on_time() {
        let mut child = shell("exec sleep 60");
        assert!(child.stdout().find(|_| true, Duration::from_millis(20)).is_err());
        assert!(child.is_running().unwrap());
        assert!(child.wait(Duration::from_millis(20)).unwrap_err().to_string().contains("still runs"));
    }
}
