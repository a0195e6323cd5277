//! The agent's side of the talk with the child that runs the specimens.
//!
//! Owns: the child's life; dropping it ends it. Refuses: waiting for it without a limit, and taking its death for a fault of the agent:
//! a probe that destroys it is what it is there to find out.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::serve::{GREETING, READY};
use super::specimen::Specimen;
use crate::symbol::FileOffset;

/// The hidden first argument that makes `stain` run [`super::child_main`].
pub const CHILD_ARGUMENT: &str = "probe-specimens";

/// An answer takes milliseconds; on a machine that is hopelessly busy, some hundred.
const LIMIT: Duration = Duration::from_secs(2);

/// Longest line of the talk, bytes.
const LINE_MAX: usize = 256;

/// Why there is no answer from the child.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// It has ended.
    #[error("it died")]
    Died,
    /// It is still there.
    #[error("it did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    /// It said something else than it was asked.
    #[error("it answered `{0}`")]
    Garbled(String),
    /// The talk itself failed.
    #[error("talking to it failed: {0}")]
    Io(#[from] io::Error),
}

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    requests: ChildStdin,
    answers: ChildStdout,
    unread: Vec<u8>,
    offsets: Vec<(Specimen, FileOffset)>,
}

impl Child {
    /// Starts `exe` as the child, and waits until it is ready.
    pub(super) fn start(exe: &Path) -> Result<Self, Silence> {
        let mut command = Command::new(exe);
        command.arg(CHILD_ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Silence::Io(io::ErrorKind::BrokenPipe.into()));
        };
        let mut child = Self { process, requests, answers, unread: Vec::new(), offsets: Vec::new() };
        child.greet()?;
        Ok(child)
    }

    fn greet(&mut self) -> Result<(), Silence> {
        let deadline = Instant::now() + LIMIT;
        let first = self.line(deadline)?;
        if first != GREETING {
            return Err(Silence::Garbled(first));
        }
        loop {
            let line = self.line(deadline)?;
            if line == READY {
                return Ok(());
            }
            let place = line.split_once(' ').and_then(|(name, offset)| {
                Some((Specimen::from_name(name)?, FileOffset(offset.parse().ok()?)))
            });
            self.offsets.push(place.ok_or(Silence::Garbled(line))?);
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where in its file its specimens are.
    pub(super) fn offsets(&self) -> &[(Specimen, FileOffset)] {
        &self.offsets
    }

    /// Nanoseconds that `count` calls of a specimen take.
    pub(super) fn time_ns(&mut self, specimen: Specimen, count: u32) -> Result<u64, Silence> {
        let [ns] = self.ask(&format!("time {} {count}", specimen.name()))?;
        Ok(ns)
    }

    /// Words of the red zone that were damaged in `count` calls, and the calls in which some were.
    pub(super) fn red_zone(&mut self, count: u32) -> Result<[u64; 2], Silence> {
        self.ask(&format!("redzone {count}"))
    }

    fn ask<const N: usize>(&mut self, request: &str) -> Result<[u64; N], Silence> {
        self.requests.write_all(format!("{request}\n").as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Silence::Died,
            _ => Silence::Io(error),
        })?;
        let line = self.line(Instant::now() + LIMIT)?;
        let numbers: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).ok_or(Silence::Garbled(line))
    }

    fn line(&mut self, deadline: Instant) -> Result<String, Silence> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.unread.len() > LINE_MAX {
                return Err(Silence::Garbled(String::from_utf8_lossy(&self.unread).into_owned()));
            }
            self.wait(deadline)?;
            let mut bytes = [0; LINE_MAX];
            let read = self.answers.read(&mut bytes)?;
            match bytes.get(..read) {
                None | Some([]) => return Err(Silence::Died),
                Some(bytes) => self.unread.extend_from_slice(bytes),
            }
        }
    }

    /// Until there is something to read, or the output has ended.
    fn wait(&self, deadline: Instant) -> Result<(), Silence> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| Silence::TimedOut)?;
            let mut polled = [PollFd::from_borrowed_fd(self.answers.as_fd(), PollFlags::IN)];
            match poll(&mut polled, Some(&left)) {
                Ok(0) => return Err(Silence::TimedOut),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Silence::Io(error.into())),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Child, Silence, Specimen};
    use crate::symbol::FileOffset;

    const HELLO: &str = "echo stain specimens; echo stepped 4096; echo ready; ";

    fn start(script: &str) -> Result<Child, Silence> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("child");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        loop {
            match Child::start(&path) {
                // Another test forked while the file was open for writing.
                Err(Silence::Io(error)) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                other => return other,
            }
        }
    }

    #[test]
    fn asks_and_is_answered() {
        let mut child = start(&format!("{HELLO} read a; echo 1234; read b; echo 5 6; read c")).unwrap();
        assert_eq!(child.offsets(), [(Specimen::Stepped, FileOffset(4096))]);
        assert_eq!(child.time_ns(Specimen::Stepped, 10).unwrap(), 1234);
        assert_eq!(child.red_zone(10).unwrap(), [5, 6]);
    }

    #[test]
    fn a_child_that_dies_or_babbles_is_a_result() {
        for (script, expected) in [
            (String::new(), "it died"),
            ("echo hello".to_owned(), "it answered `hello`"),
            ("echo stain specimens; echo nothing 12".to_owned(), "it answered `nothing 12`"),
            (format!("{HELLO} read a; kill -SEGV $$"), "it died"),
            (format!("{HELLO} read a; echo 1 2"), "it answered `1 2`"),
            (format!("{HELLO} read a; echo 99999999999999999999"), "it answered `99999999999999999999`"),
            (format!("{HELLO} read a; head -c 1000 /dev/zero | tr '\\0' x; read b"), "it answered `xxx"),
        ] {
            let error = start(&script).and_then(|mut child| child.time_ns(Specimen::Stepped, 1)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{script}: {error}");
        }
    }

    #[test]
    fn a_silent_child_is_not_waited_for() {
        let mut child = start(&format!("{HELLO} read a")).unwrap();
        let error = child.line(std::time::Instant::now()).unwrap_err();
        assert!(matches!(error, Silence::TimedOut), "{error}");
    }

    #[test]
    fn no_program_no_child() {
        assert!(matches!(Child::start(std::path::Path::new("/no/such/program")), Err(Silence::Io(_))));
    }
}
