//! Standard output, standard error, and files.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::sink::Hurry;
use crate::tui::terminal::guard;

/// Prints to standard output. That its reader has gone is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Lines that are held back while the terminal shows something else.
const HELD: usize = 200;

static HELD_BACK: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// One line to standard error; nobody may be listening. It waits while the terminal shows a screen that it would destroy.
pub(super) fn note(text: &str) {
    if guard::is_taken() {
        let mut held = HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() < HELD {
            held.push(text.to_owned());
        }
    } else {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Shows the lines that were held back.
pub(super) fn let_go() {
    let held = std::mem::take(&mut *HELD_BACK.lock().unwrap_or_else(PoisonError::into_inner));
    held.iter().for_each(|text| note(text));
}

/// An error with its causes in one line; many an error has told its cause in its own words.
pub(super) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", in_one_line(error)));
}

/// See [`error`].
pub(super) fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Opens the file that results go to, so that a mistake shows before anything is attached. What it holds is overwritten by the first
/// result, and not before: a session that never begins destroys nothing.
pub(super) fn create(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().write(true).create(true).truncate(false).open(path);
    opened.with_context(|| format!("cannot write to {}", path.display()))
}

/// Writes a file as a whole.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write to {}", path.display()))
}

/// How long a destination may take nothing once there is a hurry, in turns of [`TURN`].
const PATIENCE: u32 = 50;

/// How often a writer that waits for room looks whether there is a hurry.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A pipe that says it has room takes this much at once (POSIX: `PIPE_BUF` on Linux).
const ROOM: usize = 4096;

/// A file or standard output, without a buffer of its own: a sink counts as sent what was really written. Never stuck in a write for
/// good: it waits for room first, and gives up when that takes too long in a hurry.
pub(super) struct Patient {
    out: File,
    hurry: Hurry,
    at_once: usize,
    overwrites: bool,
}

impl Patient {
    /// Writes to `out`, and obeys `hurry`.
    pub(super) fn new(out: File, hurry: Hurry) -> Self {
        let regular = out.metadata().is_ok_and(|metadata| metadata.is_file());
        Self { out, hurry, at_once: if regular { usize::MAX } else { ROOM }, overwrites: false }
    }

    /// The first write takes away what the file held before.
    pub(super) fn overwriting(mut self) -> Self {
        self.overwrites = true;
        self
    }

    fn await_room(&self) -> io::Result<()> {
        let mut left = PATIENCE;
        while left > 0 {
            match poll(&mut [PollFd::new(&self.out, PollFlags::OUT)], Some(&TURN)) {
                Ok(0) if self.hurry.is_on() => left -= 1,
                Ok(0) | Err(Errno::INTR) => {}
                // Also when its reader is gone: the write then says so.
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing any more"))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.overwrites) && self.out.metadata()?.is_file() {
            self.out.set_len(0)?;
        }
        self.await_room()?;
        self.out.write(bytes.get(..self.at_once).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output as a file of its own.
pub(super) fn stdout() -> anyhow::Result<File> {
    let out = io::stdout().as_fd().try_clone_to_owned().context("cannot write to standard output")?;
    Ok(File::from(out))
}
