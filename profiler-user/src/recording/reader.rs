//! Reads a recording, whatever is in the file: what is damaged or cut off is left out and counted, the rest is read.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::bytes::Take;
use super::event::{Taken, take_event};
use super::trace::Frame;
use super::writer::HEAD_BYTES;
use super::{FRAME_MARK, HEADER_BYTES, MAX_FRAME_BYTES, ReadError, check_header};
use crate::feed::FeedEvent;

/// Bytes that are asked of the file at once.
const READ_BYTES: usize = 256 << 10;

/// Frames with a wrong checksum that are looked behind for whole ones: a file of nothing but false frames would keep the reader busy for hours.
const MOST_BROKEN: u32 = 4096;

/// What of a file could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that belong to no frame that is whole.
    pub bytes: u64,
    /// Those of them that are the file's end: of a frame that was being written when the session was cut off.
    pub cut_bytes: u64,
    /// Events in whole frames that make no sense.
    pub events: u64,
    /// Events of a kind that this version does not know.
    pub unknown: u64,
}

impl Damage {
    /// Whether everything but a cut end could be read.
    #[must_use]
    pub const fn is_only_cut(&self) -> bool {
        self.bytes == self.cut_bytes && self.events == 0 && self.unknown == 0
    }
}

/// See the module. Holds a frame or two in memory, however long the file is.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame is looked for.
    at: usize,
    is_over: bool,
    /// Where in the buffer the rest of the current frame's payload is.
    payload: std::ops::Range<usize>,
    frame: Frame,
    damage: Damage,
    /// Damaged bytes since the last whole frame.
    tail_bytes: u64,
    broken_frames: u32,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a recording.
    ///
    /// # Errors
    /// When it is no recording, or of a version that is not known.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        (&mut input).take(HEADER_BYTES as u64).read_to_end(&mut head).map_err(ReadError::Io)?;
        check_header(&head)?;
        Ok(Self {
            input,
            buffer: Vec::new(),
            at: 0,
            is_over: false,
            payload: 0..0,
            frame: Frame::default(),
            damage: Damage::default(),
            tail_bytes: 0,
            broken_frames: 0,
        })
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read. Damage is no error.
    pub fn next_event(&mut self) -> Result<Option<FeedEvent>, ReadError> {
        loop {
            while !self.payload.is_empty() {
                match self.take() {
                    Some(Taken::Event(event)) => return Ok(Some(event)),
                    Some(Taken::Unknown) => self.damage.unknown += 1,
                    Some(Taken::Broken) => self.damage.events += 1,
                    None => {
                        self.damage.events += 1;
                        self.payload = 0..0;
                    }
                }
            }
            if !self.next_frame().map_err(ReadError::Io)? {
                return Ok(None);
            }
        }
    }

    /// What could not be read so far.
    #[must_use]
    pub fn damage(&self) -> Damage {
        Damage { cut_bytes: if self.is_done() { self.tail_bytes } else { 0 }, ..self.damage }
    }

    fn is_done(&self) -> bool {
        self.is_over && self.at == self.buffer.len() && self.payload.is_empty()
    }

    fn take(&mut self) -> Option<Taken> {
        let mut take = Take(self.buffer.get(self.payload.clone())?);
        let taken = take_event(&mut take, &mut self.frame);
        self.payload.start = self.payload.end - take.0.len();
        taken
    }

    /// Finds the next frame that is whole. False at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if !self.fill(HEAD_BYTES)? || self.broken_frames > MOST_BROKEN {
                self.skip_all()?;
                return Ok(false);
            }
            match self.whole_frame()? {
                Some(payload) => {
                    self.at = payload.end;
                    self.tail_bytes = 0;
                    self.payload = payload;
                    if self.begin().is_none() {
                        self.damage.events += 1;
                        self.payload = 0..0;
                    }
                    return Ok(true);
                }
                None => self.seek_mark(),
            }
        }
    }

    /// The payload of the frame that begins at `at`, if one does that is whole.
    fn whole_frame(&mut self) -> io::Result<Option<std::ops::Range<usize>>> {
        let Some((mark, rest)) = self.buffer.get(self.at..).and_then(|bytes| bytes.split_first_chunk())
        else {
            return Ok(None);
        };
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let Some(crc) = rest.first_chunk() else { return Ok(None) };
        let (length_bytes, crc) = (*length, u32::from_le_bytes(*crc));
        let length = u32::from_le_bytes(length_bytes) as usize;
        if *mark != FRAME_MARK || length > MAX_FRAME_BYTES || !self.fill(HEAD_BYTES + length)? {
            return Ok(None);
        }
        let payload = self.at + HEAD_BYTES..self.at + HEAD_BYTES + length;
        let bytes = self.buffer.get(payload.clone()).unwrap_or_default();
        if super::crc(&length_bytes, bytes) == crc {
            return Ok(Some(payload));
        }
        self.broken_frames += 1;
        Ok(None)
    }

    fn begin(&mut self) -> Option<()> {
        let mut take = Take(self.buffer.get(self.payload.clone())?);
        self.frame = Frame::new(take.number()?, take.number()?);
        self.payload.start = self.payload.end - take.0.len();
        Some(())
    }

    /// Goes on to the next place at which a frame may begin.
    fn seek_mark(&mut self) {
        let rest = self.buffer.get(self.at + 1..).unwrap_or_default();
        let found = rest.windows(FRAME_MARK.len()).position(|bytes| bytes == FRAME_MARK);
        // A mark may be cut by the buffer's end.
        let skipped = found.unwrap_or_else(|| rest.len().saturating_sub(FRAME_MARK.len() - 1)) + 1;
        self.skip(skipped);
    }

    fn skip_all(&mut self) -> io::Result<()> {
        loop {
            self.skip(self.buffer.len() - self.at);
            if !self.fill(1)? {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.damage.bytes += bytes as u64;
        self.tail_bytes += bytes as u64;
    }

    /// Sees to it that so many bytes are there from `at` on. False when the file ends before.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        if self.buffer.len() - self.at >= bytes {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        while self.buffer.len() < bytes && !self.is_over {
            let wanted = (bytes - self.buffer.len()).max(READ_BYTES) as u64;
            let read = (&mut self.input).take(wanted).read_to_end(&mut self.buffer);
            match read {
                Ok(read) => self.is_over = (read as u64) < wanted,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.len() >= bytes)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Goes back to the beginning.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn rewind(&mut self) -> Result<(), ReadError> {
        self.input.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(ReadError::Io)?;
        self.buffer.clear();
        (self.at, self.is_over, self.payload, self.tail_bytes) = (0, false, 0..0, 0);
        self.broken_frames = 0;
        (self.frame, self.damage) = (Frame::default(), Damage::default());
        Ok(())
    }
}
