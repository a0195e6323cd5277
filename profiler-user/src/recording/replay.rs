//! Plays a recording at the pace that is asked for. The clock is the caller's.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::{Damage, ReadError, Reader, event_ns};
use crate::feed::FeedEvent;

/// Events that are handed out at once: a seek over a long recording must not hold the caller up, nor all be in memory.
const AT_ONCE: usize = 16 << 10;

/// How fast time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many times as fast as it was, 1 to [`Pace::FASTEST`].
    Times(u32),
    /// Not by itself: only by [`Replay::step`] and [`Replay::seek`].
    Paused,
}

impl Pace {
    /// The fastest pace.
    pub const FASTEST: u32 = 1000;
}

/// What the whole of a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// When it begins, ns of the monotonic clock.
    pub first_ns: u64,
    /// When its last event happened.
    pub last_ns: u64,
    /// Its traces.
    pub traces: u64,
    /// Whether the session's end is in it.
    pub is_complete: bool,
    /// What could not be read.
    pub damage: Damage,
}

/// Reads a recording to its end.
///
/// # Errors
/// When the file cannot be read.
pub fn survey<R: Read>(reader: &mut Reader<R>) -> Result<Survey, ReadError> {
    let mut survey = Survey::default();
    let mut is_first = true;
    while let Some(event) = reader.next_event()? {
        let at = event_ns(&event);
        if std::mem::take(&mut is_first) {
            (survey.first_ns, survey.last_ns) = (at, at);
        }
        survey.last_ns = survey.last_ns.max(at);
        survey.traces += u64::from(matches!(event, FeedEvent::Trace(_)));
        survey.is_complete |= matches!(event, FeedEvent::Ended(_));
    }
    survey.damage = reader.damage();
    Ok(survey)
}

/// See the module.
#[derive(Debug)]
pub struct Replay<R> {
    reader: Reader<R>,
    /// Read, and not due yet.
    next: Option<FeedEvent>,
    pace: Pace,
    /// The caller's clock when the recording's clock stood at `from_ns`.
    anchor_ns: u64,
    from_ns: u64,
    /// The latest time that was told: a trace is told of after its end, so events are not quite in the order of their times.
    told_ns: u64,
    is_over: bool,
}

impl<R: Read + Seek> Replay<R> {
    /// Begins to play at the recording's first event. `now_ns` is the caller's clock, here and in all that follows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(reader: Reader<R>, pace: Pace, now_ns: u64) -> Result<Self, ReadError> {
        let mut replay =
            Self { reader, next: None, pace, anchor_ns: now_ns, from_ns: 0, told_ns: 0, is_over: false };
        replay.read()?;
        replay.from_ns = replay.told_ns;
        Ok(replay)
    }

    fn read(&mut self) -> Result<(), ReadError> {
        self.next = self.reader.next_event()?;
        match &self.next {
            Some(event) => self.told_ns = self.told_ns.max(event_ns(event)),
            None => self.is_over = true,
        }
        Ok(())
    }

    /// The recording's clock, ns.
    #[must_use]
    pub fn clock_ns(&self, now_ns: u64) -> u64 {
        match self.pace {
            Pace::Paused => self.from_ns,
            Pace::Times(times) => {
                let passed = now_ns.saturating_sub(self.anchor_ns);
                self.from_ns.saturating_add(passed.saturating_mul(u64::from(times.clamp(1, Pace::FASTEST))))
            }
        }
    }

    /// The pace.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        self.pace
    }

    /// Goes on at another pace from here.
    pub fn set_pace(&mut self, pace: Pace, now_ns: u64) {
        self.set_clock(self.clock_ns(now_ns), now_ns);
        self.pace = pace;
    }

    fn set_clock(&mut self, clock_ns: u64, now_ns: u64) {
        (self.from_ns, self.anchor_ns) = (clock_ns, now_ns);
    }

    /// Whether the end was reached.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// What could not be read so far.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.reader.damage()
    }

    /// Moves what is due by now into `into`. True when there is more that is due: ask again at once, after a look at the user.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn due(&mut self, now_ns: u64, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError> {
        let clock_ns = self.clock_ns(now_ns);
        for _ in 0..AT_ONCE {
            if self.next.is_none() || self.told_ns > clock_ns {
                return Ok(false);
            }
            into.extend(self.next.take());
            self.read()?;
        }
        Ok(true)
    }

    /// The next trace, with what comes before it, whatever the clock says; the clock follows. False at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn step(&mut self, now_ns: u64, into: &mut VecDeque<FeedEvent>) -> Result<bool, ReadError> {
        let was_over = self.next.is_none();
        for _ in 0..AT_ONCE {
            let Some(event) = self.next.take() else { break };
            let is_trace = matches!(event, FeedEvent::Trace(_));
            self.set_clock(self.told_ns.max(self.from_ns), now_ns);
            into.push_back(event);
            self.read()?;
            if is_trace {
                break;
            }
        }
        Ok(!was_over)
    }

    /// Sets the recording's clock. What is due by then comes with [`Replay::due`]. True when it is a way back: events come from the first on again, and
    /// whoever added them up begins anew.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn seek(&mut self, clock_ns: u64, now_ns: u64) -> Result<bool, ReadError> {
        let is_back = clock_ns < self.clock_ns(now_ns);
        if is_back {
            self.reader.rewind()?;
            (self.told_ns, self.is_over) = (0, false);
            self.read()?;
        }
        self.set_clock(clock_ns, now_ns);
        Ok(is_back)
    }
}
