//! Waiting for the user.
//!
//! Owns: finding out that the terminal has gone. The library that reads keys reads a terminal that has hung up for ever, so it is asked only when there is
//! something to read and somebody to have typed it.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// An event can be read without waiting.
    Event,
    /// Nothing came in time.
    Nothing,
    /// The terminal has hung up.
    Gone,
}

/// Waits for an event on standard input, which is the terminal, no longer than this.
pub(super) fn wait(limit: Duration) -> io::Result<Waited> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
    match poll(&mut fds, Some(&limit)) {
        // A signal may have brought a new size.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Ok(Waited::Gone);
    }
    // Also when nothing is to be read: a new size comes by a signal.
    if event::poll(Duration::ZERO)? {
        return Ok(Waited::Event);
    }
    if fds[0].revents().contains(PollFlags::IN) {
        remind(&stdin)?;
        if event::poll(Duration::ZERO)? {
            return Ok(Waited::Event);
        }
    }
    Ok(Waited::Nothing)
}

/// Something is to be read and the library does not know: when a new size and a key come at the same moment it takes the size and forgets that it was told of
/// the key, of which it is told once (its epoll is edge-triggered). Setting a terminal's attributes, to what they are, has the kernel tell it again.
fn remind(stdin: &io::Stdin) -> io::Result<()> {
    let attributes = tcgetattr(stdin)?;
    Ok(tcsetattr(stdin, OptionalActions::Now, &attributes)?)
}
