//! The pipeline as a process of its own.
//!
//! Owns: its start, its process id, its end. It cannot outlive its parent: it ends with its standard input, and the kernel
//! ends it with the thread that started it.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};

use super::SUBCOMMAND;

/// The program that runs now, even when its file has been replaced since.
const OURSELVES: &str = "/proc/self/exe";

const START_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to write what is still on its way.
const END_LIMIT: Duration = Duration::from_secs(3);

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A system call failed.
    #[error("the demo's pipeline could not be {what}: {error}")]
    System {
        /// "started", ...
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// It said something else than that it is ready, or nothing.
    #[error("the demo's pipeline did not start: it is not ready after {} s, and said {said:?}", START_LIMIT.as_secs())]
    NotReady {
        /// Its first line.
        said: String,
    },
}

/// The running pipeline. Dropping it ends it.
#[derive(Debug)]
pub struct DemoProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl DemoProcess {
    /// Starts the pipeline, and waits until it is ready. To be called on a thread that outlives it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: &[&str]) -> Result<Self, DemoError> {
        let mut command = Command::new(OURSELVES);
        command.arg(SUBCOMMAND).args(arguments);
        Self::spawn(&mut command)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits for that. Its last words: its totals, as one line of JSON.
    ///
    /// # Errors
    /// When it fails, or does not end.
    pub fn finish(mut self) -> Result<String, DemoError> {
        let failed = |error| DemoError::System { what: "ended", error };
        let status = self.end().map_err(failed)?;
        let mut last = String::new();
        for line in self.stdout.by_ref().lines() {
            last = line.map_err(failed)?;
        }
        if status.success() { Ok(last) } else { Err(failed(io::Error::other(status.to_string()))) }
    }

    fn spawn(command: &mut Command) -> Result<Self, DemoError> {
        let failed = |error| DemoError::System { what: "started", error };
        let mut child = guarded(command).spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        let Some(stdout) = child.stdout.take().map(BufReader::new) else {
            return Err(failed(io::Error::other("it has no standard output")));
        };
        let mut process = Self { child, stdin, stdout };
        let mut said = String::new();
        if is_ready(process.stdout.get_ref(), START_LIMIT).map_err(failed)? {
            process.stdout.read_line(&mut said).map_err(failed)?;
        }
        if said == "ready\n" { Ok(process) } else { Err(DemoError::NotReady { said }) }
    }

    /// Closes its standard input; kills it if that is not enough.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let ended = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|pidfd| is_ready(&pidfd, END_LIMIT));
        if !ended.unwrap_or(false) {
            self.child.kill()?;
        }
        self.child.wait()
    }
}

impl Drop for DemoProcess {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        drop(self.end());
    }
}

/// With pipes, away from the terminal's Ctrl-C, which is for us alone, and with our death as its own.
fn guarded(command: &mut Command) -> &mut Command {
    let parent = rustix::process::getpid();
    let die_with_parent = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0);
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(die_with_parent) }
}

/// Whether there is something to read, or an end, within this time.
fn is_ready(file: &impl std::os::fd::AsFd, limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result? == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, DemoError, DemoProcess};

    fn shell(script: &str) -> Result<DemoProcess, DemoError> {
        DemoProcess::spawn(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn it_ends_with_its_input_and_has_a_last_word() {
        let process = shell("echo ready; cat >&2; echo totals").unwrap();
        assert_eq!(process.finish().unwrap(), "totals");
    }

    #[test]
    fn what_is_not_ready_is_no_demo() {
        for script in ["true", "echo no; cat"] {
            assert!(matches!(shell(script), Err(DemoError::NotReady { .. })), "{script}");
        }
    }

    #[test]
    fn a_failure_is_told() {
        let failed = shell("echo ready; cat; exit 3").unwrap().finish().unwrap_err().to_string();
        assert_eq!(failed, "the demo's pipeline could not be ended: exit status: 3");
    }
}
