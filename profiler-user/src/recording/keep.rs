//! Records a session while it runs, on a thread of its own: a slow disk delays nobody.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::thread::JoinHandle;
use std::time::Duration;

use super::writer::{Recorded, Recorder};
use crate::feed::{FeedEvent, Receiver};

/// How long what has come may wait for a tick.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Words to the user that are held back until something is attached to.
const WORDS: usize = 256;

/// What became of a recording.
#[derive(Debug)]
pub struct Kept {
    /// What was written.
    pub recorded: Recorded,
    /// Events that the disk was too slow for.
    pub missed: u64,
    /// Why it ended before the session did, if it did.
    pub error: Option<io::Error>,
}

/// See the module.
#[derive(Debug)]
pub struct Keeper(JoinHandle<Kept>);

impl Keeper {
    /// Records what comes over `events` into `out`, until the stream is over or a write fails, which `on_error` is told at once.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(
        events: Receiver,
        out: impl Write + Send + 'static,
        on_error: impl FnOnce(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("stain-record".to_owned());
        let kept = move || {
            let kept = keep(&events, Recorder::new(out));
            // Nobody need send any more.
            drop(events);
            if let Some(error) = &kept.error {
                on_error(error);
            }
            kept
        };
        thread.spawn(kept).map(Self)
    }

    /// Waits for the end of the stream, and for what came before it to be written.
    #[must_use]
    pub fn close(self) -> Kept {
        self.0.join().unwrap_or_else(|_| Kept {
            recorded: Recorded::default(),
            missed: 0,
            error: Some(io::Error::other("the recorder failed")),
        })
    }

    /// Whether it has ended. While the session runs this means that a write failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

fn keep<W: Write>(events: &Receiver, mut recorder: Recorder<W>) -> Kept {
    let (mut waiting, mut has_begun) = (VecDeque::new(), false);
    let error = loop {
        let goes_on = events.wait(&mut waiting, FLUSH_EVERY);
        has_begun |= begins(&waiting);
        if has_begun && let Err(error) = write(&mut recorder, &mut waiting) {
            break Some(error);
        }
        if !goes_on {
            break None;
        }
    };
    Kept { recorded: recorder.recorded(), missed: events.missed(), error }
}

/// Whether there is something to record: a session that attaches to nothing must not destroy what the file held.
fn begins(waiting: &VecDeque<FeedEvent>) -> bool {
    waiting.len() > WORDS || waiting.iter().any(|event| matches!(event, FeedEvent::Attached(_)))
}

/// Writes what has come. What waits at the end of it is no older than the pause before it.
fn write<W: Write>(recorder: &mut Recorder<W>, waiting: &mut VecDeque<FeedEvent>) -> io::Result<()> {
    let idle = waiting.is_empty();
    while let Some(event) = waiting.pop_front() {
        recorder.event(&event)?;
    }
    if idle { recorder.flush() } else { Ok(()) }
}
