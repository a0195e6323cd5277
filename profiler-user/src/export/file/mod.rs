//! To files in a folder: written at once, closed by size and age.
//!
//! Owns: the thread, and which traces reached a file whole. Refuses: leaving a torn line behind: after a failed write the file is cut back to its last
//! whole trace.

mod ctf;
mod folder;
mod plain;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::settings::{FileFormat, FileSettings};
use super::{Counted, Notify};
use crate::feed::{FeedEvent, Receiver, SessionInfo, Tick};
use crate::sink::counts::{Counts, DropReason};
use crate::sink::event::Origin;
use crate::trace::Trace;
use ctf::CtfFiles;
use folder::Folder;
use plain::PlainFiles;

/// A file is no more than this behind.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Bytes that are collected before they are written.
const BUFFER: usize = 64 << 10;

/// After a failed write, nothing is tried for this long.
const REST: Duration = Duration::from_secs(1);

/// What is written, and how.
trait Format: Send {
    /// Takes note of the session.
    fn started(&mut self, info: &Arc<SessionInfo>);

    /// Puts a trace into the buffer. False when that cannot be.
    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool;

    /// How things stand.
    fn tick(&mut self, tick: &Tick);

    /// Bytes in the buffer.
    fn buffered(&self) -> usize;

    /// Writes the buffer, which is empty then, whether that worked or not. So many traces were given up so far.
    fn flush(&mut self, dropped: u64) -> io::Result<()>;

    /// Closes a file that is large or old enough, or at the `end`.
    fn rotate(&mut self, end: bool, dropped: u64) -> io::Result<()>;
}

/// A running exporter.
pub(super) struct Files {
    counts: Arc<Mutex<Counts>>,
    thread: JoinHandle<()>,
}

impl Counted for Mutex<Counts> {
    fn counts(&self) -> Counts {
        *self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// Starts the thread.
    pub(super) fn start(
        name: String,
        settings: &FileSettings,
        origin: Origin,
        receiver: Receiver,
        notify: &Notify,
    ) -> io::Result<Self> {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let folder = Folder::new(settings);
        let format: Box<dyn Format> = match settings.format {
            FileFormat::Ctf => Box::new(CtfFiles::new(folder, origin.host)),
            plain => Box::new(PlainFiles::new(folder, plain, origin)),
        };
        let writer = Writer {
            name,
            receiver,
            format,
            counts: Arc::clone(&counts),
            notify: Arc::clone(notify),
            info: None,
            now: Counts::default(),
            flushed: Instant::now(),
            failed: None,
        };
        let thread =
            std::thread::Builder::new().name("stain-files".to_owned()).spawn(move || writer.run())?;
        Ok(Self { counts, thread })
    }

    pub(super) fn counted(&self) -> Arc<dyn Counted> {
        Arc::clone(&self.counts) as Arc<dyn Counted>
    }

    /// Waits for the end of the thread, which comes with that of the session.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            log::error!("an exporter's thread ended by a panic");
        }
    }
}

struct Writer {
    name: String,
    receiver: Receiver,
    format: Box<dyn Format>,
    counts: Arc<Mutex<Counts>>,
    notify: Notify,
    info: Option<Arc<SessionInfo>>,
    /// The accounts, of which the shared ones are a copy.
    now: Counts,
    flushed: Instant,
    /// When a write failed last, if none has worked since.
    failed: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        let mut events = VecDeque::new();
        loop {
            let open = self.receiver.wait(&mut events, FLUSH_EVERY);
            for event in events.drain(..) {
                self.take(&event);
            }
            self.count_missed();
            if !open || self.flushed.elapsed() >= FLUSH_EVERY {
                self.flush(!open);
            }
            if !open {
                let closed = self.format.rotate(true, self.now.dropped_total());
                if closed.is_err() {
                    self.note(&closed);
                }
                return self.publish();
            }
            self.publish();
        }
    }

    fn count_missed(&mut self) {
        let missed = self.receiver.missed_traces() - self.now.dropped(DropReason::Missed);
        self.now.received += missed;
        self.now.drop_traces(DropReason::Missed, missed);
    }

    fn take(&mut self, event: &FeedEvent) {
        match event {
            FeedEvent::Started(info) => {
                self.format.started(info);
                self.info = Some(Arc::clone(info));
            }
            FeedEvent::Trace(trace) => {
                self.now.received += 1;
                let added = self.info.as_ref().is_some_and(|info| self.format.add(trace, info));
                if added {
                    self.now.pending += 1;
                } else {
                    self.now.drop_traces(DropReason::Unwritable, 1);
                }
                if self.format.buffered() >= BUFFER {
                    self.flush(true);
                }
            }
            FeedEvent::Tick(tick) => self.format.tick(tick),
            FeedEvent::Attached(_) | FeedEvent::Notice(_) | FeedEvent::Changed(_) | FeedEvent::Ended(_) => {}
        }
    }

    /// Writes the buffer; what has just failed is given a rest, unless it has to be `now`.
    fn flush(&mut self, now: bool) {
        self.flushed = Instant::now();
        if !now && self.failed.is_some_and(|failed| failed.elapsed() < REST) {
            return;
        }
        self.count_missed();
        let empty = self.format.buffered() == 0;
        let result = self.format.flush(self.now.dropped_total());
        let pending = std::mem::take(&mut self.now.pending);
        match &result {
            Ok(()) => self.now.sent += pending,
            Err(_) => self.now.drop_traces(DropReason::Unwritable, pending),
        }
        let result = result.and_then(|()| self.format.rotate(false, self.now.dropped_total()));
        // That nothing was written without a failure tells nothing.
        if !(empty && result.is_ok()) {
            self.note(&result);
        }
    }

    /// Tells the user of the first failure, and of the end of failing.
    fn note(&mut self, result: &io::Result<()>) {
        match (result, self.failed) {
            (Ok(()), Some(_)) => {
                self.failed = None;
                (self.notify)(&format!("{}: can be written again", self.name));
            }
            (Err(error), None) => {
                self.failed = Some(Instant::now());
                (self.notify)(&format!(
                    "{}: cannot be written: {error}; traces for it are dropped",
                    self.name
                ));
            }
            (Err(_), Some(_)) => self.failed = Some(Instant::now()),
            (Ok(()), None) => {}
        }
    }

    fn publish(&self) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.now;
    }
}

#[cfg(test)]
mod tests;
