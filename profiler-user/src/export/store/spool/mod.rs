//! Batches on disk, until the destination has them. What is in the spool outlives the program, however it ends.
//!
//! Owns: a folder of segments, the cursor below which everything is done, what was set aside, and the lock that keeps two agents from one spool.
//! Refuses: growing past its limit (the oldest segment goes), and trusting what it finds: each record has its checksum.
//!
//! Written data is handed to the system at once, and forced to the disk when a segment is full: it survives the end of the program in any
//! way; of what the end of the machine leaves, whole records are found.

mod aside;
mod format;
mod segments;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::Batch;
use crate::sink::packet::Lost;
use segments::{Segment, Segments};

/// Agents with the same destination at the same time: each has a spool of its own.
const MAX_NEIGHBOURS: u32 = 64;

/// Why the spool does not serve.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file operation failed.
    #[error("the spool {path} cannot be used: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All its places are taken.
    #[error("{MAX_NEIGHBOURS} agents use the spool {path} at the same time; name another one", path = path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// A batch that no record can hold.
    #[error("a batch of {length} bytes is too large for the spool")]
    TooLarge {
        /// Its size.
        length: usize,
    },
}

impl SpoolError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    cursor_file: File,
    /// Which of the cursor file's two places is written next.
    cursor_slot: u64,
    segments: Segments,
    /// Number of the next batch that comes in.
    next_in: u64,
    /// Number of the first batch of this session: those below are of streams of earlier ones.
    own_from: u64,
    /// What was given up since it was asked for: of this session, and of earlier ones.
    given_up: (Lost, Lost),
    /// The batch that is being sent, which its segment's removal does not take.
    sending: Option<Sending>,
    /// Bytes that all segments may take.
    limit: u64,
    buffer: Vec<u8>,
    _lock: File,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    number: u64,
    traces: u64,
    /// Its segment has been dropped.
    orphaned: bool,
}

impl Spool {
    /// Opens a spool under `folder`, with what an earlier session left in it. `limit` is in bytes.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, SpoolError> {
        Ok(Self::open_all(folder, limit)?.0)
    }

    /// Opens a spool under `folder`, and all of its neighbours in which agents that are gone left something: nobody else might ever send it.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written. Neighbours that cannot stay as they are.
    pub fn open_all(folder: &Path, limit: u64) -> Result<(Self, Vec<Self>), SpoolError> {
        std::fs::create_dir_all(folder).map_err(SpoolError::io(folder))?;
        let (mut own, mut left) = (None, Vec::new());
        for neighbour in 0..MAX_NEIGHBOURS {
            let path = folder.join(neighbour.to_string());
            if own.is_none() {
                own = lock(&path)?.map(|lock| Self::load(path, lock, limit)).transpose()?;
            } else if path.exists() {
                match Self::left_behind(path, limit) {
                    Ok(found) => left.extend(found),
                    Err(error) => log::warn!("{error}; what an earlier session left there stays"),
                }
            }
        }
        let own = own.ok_or_else(|| SpoolError::Taken { path: folder.to_owned() })?;
        Ok((own, left))
    }

    /// A neighbour that nobody uses, if anything is in it.
    fn left_behind(path: PathBuf, limit: u64) -> Result<Option<Self>, SpoolError> {
        let Some(lock) = lock(&path)? else { return Ok(None) };
        if !segments::any(&path)? {
            return Ok(None);
        }
        Self::load(path, lock, limit).map(Some)
    }

    fn load(folder: PathBuf, lock: File, limit: u64) -> Result<Self, SpoolError> {
        let path = folder.join("cursor");
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let cursor_file = opened.map_err(SpoolError::io(&path))?;
        let done = read_cursor(&cursor_file);
        let segments = Segments::load(&folder, done)?;
        let next_in = segments.next_number().max(done);
        let mut spool = Self {
            folder,
            cursor_file,
            cursor_slot: 0,
            segments,
            next_in,
            own_from: next_in,
            given_up: <(Lost, Lost)>::default(),
            sending: None,
            limit,
            buffer: Vec::new(),
            _lock: lock,
        };
        // Both places, so that neither holds an older number than the other's.
        spool.write_cursor(done);
        spool.write_cursor(done);
        Ok(spool)
    }

    /// Takes a batch in. Gives how many traces had to go for it.
    ///
    /// # Errors
    /// When it could not be written; the spool is as it was.
    pub fn push(&mut self, batch: &Batch) -> Result<u64, SpoolError> {
        let length = batch.body.len();
        if length > format::MAX_BODY {
            return Err(SpoolError::TooLarge { length });
        }
        let traces = u32::try_from(batch.traces).unwrap_or(u32::MAX);
        self.buffer.clear();
        format::put(&mut self.buffer, format::Record { number: self.next_in, traces, body: &batch.body });
        let target = (self.limit / 8).clamp(64 << 10, 4 << 20);
        self.segments.append(&self.folder, self.next_in, traces.into(), &self.buffer, target)?;
        self.next_in += 1;
        let mut dropped = 0;
        while self.segments.bytes() > self.limit
            && let Some(oldest) = self.segments.drop_oldest()
        {
            dropped += self.forget(&oldest);
        }
        Ok(dropped)
    }

    /// Traces that go with a segment. The batch that is being sent is not among them: its end decides.
    fn forget(&mut self, segment: &Segment) -> u64 {
        let mut lost = segment.left;
        if let Some(sending) = self.sending.as_mut().filter(|sending| segment.holds(sending.number)) {
            sending.orphaned = true;
            lost.packets = lost.packets.saturating_sub(1);
            lost.traces = lost.traces.saturating_sub(sending.traces);
        }
        self.give_up(segment.first(), lost);
        lost.traces
    }

    /// Takes note of whose packets they were: `number` is of one of them, and a segment has those of one session.
    fn give_up(&mut self, number: u64, lost: Lost) {
        let (own, earlier) = &mut self.given_up;
        *(if number >= self.own_from { own } else { earlier }) += lost;
    }

    /// What was given up since the last call: of this session, and of earlier ones.
    pub fn take_given_up(&mut self) -> (Lost, Lost) {
        std::mem::take(&mut self.given_up)
    }

    /// The oldest batch and its number. Nothing else is given until [`Spool::remove`] or [`Spool::again`].
    pub fn read(&mut self) -> Option<(u64, Batch)> {
        let (number, traces, body) = self.segments.read_next()?;
        self.sending = Some(Sending { number, traces, orphaned: false });
        Some((number, Batch { traces, body: Bytes::from(body) }))
    }

    /// Traces that were found damaged since the last call.
    pub fn take_damaged(&mut self) -> u64 {
        let mut traces = 0;
        for (first, lost) in self.segments.take_damaged() {
            self.give_up(first, lost);
            traces += lost.traces;
        }
        traces
    }

    /// The batch is done with.
    pub fn remove(&mut self, number: u64) {
        let orphaned = self.sending.take().is_some_and(|sending| sending.orphaned);
        if !orphaned {
            self.segments.done(number);
        }
        self.write_cursor(number + 1);
    }

    /// The batch is still to be sent. Gives how many traces are lost because its segment is gone meanwhile.
    pub fn again(&mut self) -> u64 {
        match self.sending.take() {
            Some(Sending { number, traces, orphaned: true }) => {
                self.give_up(number, Lost { packets: 1, traces });
                traces
            }
            _ => {
                self.segments.unread();
                0
            }
        }
    }

    /// The batch that is being sent is refused, and goes with its packet.
    pub fn refuse(&mut self, number: u64, traces: u64) {
        self.give_up(number, Lost { packets: 1, traces });
    }

    /// Keeps what the destination refused, with its reason, for people to look at.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_aside(&mut self, body: &[u8], reason: &str) -> Result<(), SpoolError> {
        aside::keep(&self.folder.join("rejected"), body, reason)
    }

    /// Traces that are to be sent, those included that are being sent.
    #[must_use]
    pub fn traces(&self) -> u64 {
        let orphan = self.sending.filter(|sending| sending.orphaned).map_or(0, |sending| sending.traces);
        self.segments.traces() + orphan
    }

    /// Whether nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.sending.is_none()
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Forces to the disk what is left. An empty spool leaves nothing behind.
    pub fn close(&mut self) {
        self.sending = None;
        self.segments.sync();
        if self.segments.is_empty() {
            self.segments.remove_all();
            // The lock stays: another agent may have it open to wait for it. A cursor that stays is found and goes on counting.
            drop(std::fs::remove_file(self.folder.join("cursor")));
        }
    }

    /// Lags where the disk is full, and then batches are sent twice, never lost.
    fn write_cursor(&mut self, number: u64) {
        let slot = format::cursor(number);
        if let Err(error) = self.cursor_file.write_all_at(&slot, self.cursor_slot * 16) {
            log::warn!("the spool {} cannot note what was sent: {error}", self.folder.display());
        }
        self.cursor_slot ^= 1;
    }
}

fn read_cursor(file: &File) -> u64 {
    let mut bytes = [0; 28];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    let slots = [bytes.get(..12), bytes.get(16..28)];
    slots.into_iter().flatten().filter_map(format::read_cursor).max().unwrap_or(0)
}

/// The right to use a spool; `None` when another agent has it.
fn lock(folder: &Path) -> Result<Option<File>, SpoolError> {
    std::fs::create_dir_all(folder).map_err(SpoolError::io(folder))?;
    let path = folder.join("lock");
    let opened = File::options().create(true).append(true).open(&path);
    let lock = opened.map_err(SpoolError::io(&path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(SpoolError::Io { path, source: error.into() }),
    }
}
