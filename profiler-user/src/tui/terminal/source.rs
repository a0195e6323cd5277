//! Where events come from: a session that runs, or a recording that is played.

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::control::Command;
use crate::feed::{FeedEvent, Receiver};
use crate::recording::{Pace, ReadError, Replay, Survey};
use crate::tui::message::{Effect, Message};
use crate::tui::model::Playback;

/// What the screen is for.
pub enum Source {
    /// A session that runs.
    Session {
        /// What it comes to.
        feed: Receiver,
        /// Asks it; dropping this ends it.
        requests: mpsc::Sender<Command>,
        /// Whether the screen goes when the session ends by itself.
        ends_with_it: bool,
        /// Whether it only tells of traces that agents elsewhere took: what was sampled, lost and spent they alone know.
        is_remote: bool,
    },
    /// A recording that is played.
    Recording(Box<dyn Play + Send>),
}

/// A recording that is played. The clock is the wall's own here.
pub trait Play {
    /// Moves what is due into `into`. True when more is due: ask again after a look at the user.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn due(&mut self, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError>;

    /// Obeys a key. True when events come from the first on again.
    ///
    /// # Errors
    /// As for [`Play::due`].
    fn act(&mut self, effect: &Effect, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError>;

    /// How it stands.
    fn playback(&mut self) -> Playback;
}

/// A recording in a file.
pub struct Player<R> {
    replay: Replay<R>,
    /// How long it is, once that is known: to find out takes as long as reading it.
    survey: Option<Survey>,
    surveying: Option<JoinHandle<Option<Survey>>>,
    begun: Instant,
}

impl<R: Read + Seek> Player<R> {
    /// Plays. `surveying` finds out how long the recording is.
    pub fn new(replay: Replay<R>, begun: Instant, surveying: JoinHandle<Option<Survey>>) -> Self {
        Self { replay, survey: None, surveying: Some(surveying), begun }
    }

    fn now_ns(&self) -> u64 {
        now_ns(self.begun)
    }
}

/// Nanoseconds since a player's begin: the clock that its [`Replay`] is to be given, from the first.
#[must_use]
pub fn now_ns(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl<R: Read + Seek> Play for Player<R> {
    fn due(&mut self, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError> {
        self.replay.due(self.now_ns(), into)
    }

    fn act(&mut self, effect: &Effect, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError> {
        let now_ns = self.now_ns();
        match effect {
            Effect::Play(pace) => self.replay.set_pace(*pace, now_ns),
            Effect::Step => {
                self.replay.set_pace(Pace::Paused, now_ns);
                self.replay.step(now_ns, into)?;
            }
            Effect::Seek(clock_ns) => return self.replay.seek(*clock_ns, now_ns),
            _ => {}
        }
        Ok(false)
    }

    fn playback(&mut self) -> Playback {
        if self.surveying.as_ref().is_some_and(JoinHandle::is_finished) {
            // One that panicked has nothing to tell.
            self.survey = self.surveying.take().and_then(|thread| thread.join().ok().flatten());
        }
        Playback {
            pace: self.replay.pace(),
            clock_ns: self.replay.clock_ns(self.now_ns()),
            is_over: self.replay.is_over(),
            survey: self.survey,
        }
    }
}

/// What a file that cannot be read any more is told as.
pub(super) fn failure(error: &ReadError) -> Message {
    Message::Done(Err(format!("the recording cannot be read any further: {error}")))
}
