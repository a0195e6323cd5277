//! The terminal UI beside a session: when there is one, on a thread of its own.
//!
//! Owns: whether a terminal can have it, and its beginning and end. Refuses: drawing.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::args::{OutputArgs, UiArgs};
use super::{output, terminal};
use crate::control::Command;
use crate::feed::{Sender, channel};
use crate::sink::Hurry;
use crate::tui::terminal::{Screen, Source, guard, run};
use crate::tui::theme::Theme;

/// Traces and ticks that wait for the screen: with ten thousand traces a second, more than a second of them.
const ROOM: usize = 16_384;

/// Requests that wait for the session. The screen asks for one at a time.
const REQUESTS: usize = 4;

/// How long a screen may take to go when the session was ended from outside. It needs no more than a frame, unless its terminal is stuck.
const LEAVE: Duration = Duration::from_secs(2);

/// A screen that is shown.
pub(super) struct Shown {
    thread: JoinHandle<std::io::Result<Vec<String>>>,
    hurry: Hurry,
}

/// What a session needs of a screen.
pub(super) struct Ends {
    /// Where it is told what happens.
    pub(super) feed: Sender,
    /// What it is asked for.
    pub(super) requests: mpsc::Receiver<Command>,
}

/// Whether the terminal UI is to be shown: on a terminal, when nothing says that text is wanted.
pub(super) fn is_wanted(ui: &UiArgs, out: &OutputArgs) -> bool {
    let text = out.format.is_some() || out.output.is_some();
    !ui.headless && !ui.no_tui && !text && terminal::can_have_screen()
}

impl Shown {
    /// Shows it. With `ends_with_session` it goes when the session ends by itself.
    pub(super) fn start(out: &OutputArgs, ends_with_session: bool) -> anyhow::Result<(Self, Ends)> {
        let (sender, feed) = channel(ROOM);
        let (session, requests) = mpsc::channel(REQUESTS);
        let screen = Screen {
            source: Source::Session {
                feed,
                requests: session,
                ends_with_it: ends_with_session,
                is_remote: false,
            },
            theme: Theme::new(terminal::look(out.ascii)),
            utc_offset_s: terminal::utc_offset_s(),
        };
        let hurry = Hurry::default();
        let writer = output::Patient::new(output::stdout()?, hurry.clone());
        let thread = std::thread::Builder::new().name("stain-screen".to_owned());
        let thread = thread.spawn(move || run(writer, screen)).context("cannot start the screen")?;
        Ok((Self { thread, hurry }, Ends { feed: sender, requests }))
    }

    /// The session is over; waits until the user leaves the screen, and tells what was told on it.
    pub(super) fn finish(self, leave_now: bool) -> anyhow::Result<()> {
        guard::session_is_over();
        if leave_now {
            // A terminal that takes nothing is not waited for.
            self.hurry.begin();
            if !ends_within(&self.thread, LEAVE) {
                guard::give_back();
                return Ok(());
            }
        }
        // A panic has been told by itself.
        let told = self.thread.join().unwrap_or_else(|_| Ok(Vec::new()));
        output::let_go();
        for text in told.context("the terminal failed")? {
            output::note(&format!("warning: {text}"));
        }
        Ok(())
    }
}

fn ends_within<T>(thread: &JoinHandle<T>, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    thread.is_finished()
}
