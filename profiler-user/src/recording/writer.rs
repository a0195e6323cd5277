//! Writes a recording: frames of events, each whole by itself.

use std::io::{self, Write};

use super::bytes::Put;
use super::event::{in_parts, put_event};
use super::trace::Frame;
use super::{FRAME_MARK, HEADER_BYTES, MAX_FRAME_BYTES, header};
use crate::feed::FeedEvent;

/// A frame is written when it has so many bytes, or when a tick has come: about once a second.
const FULL_BYTES: usize = 64 << 10;

/// What was written so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Bytes.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Traces in them.
    pub traces: u64,
    /// Events that were too large for any frame. Never expected.
    pub too_large: u64,
}

/// See the module. After a failed write nothing more is written.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    /// The frame that fills, its head left free.
    frame_bytes: Put,
    body: Put,
    frame: Frame,
    traces: u64,
    recorded: Recorded,
    failed: bool,
}

impl<W: Write> Recorder<W> {
    /// Writes into `out`, which need not buffer. The first bytes are written with the first frame.
    pub fn new(out: W) -> Self {
        Self {
            out,
            frame_bytes: Put(Vec::with_capacity(FULL_BYTES + 4096)),
            body: Put::default(),
            frame: Frame::default(),
            traces: 0,
            recorded: Recorded::default(),
            failed: false,
        }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When a frame could not be written. Nothing more is written then.
    pub fn event(&mut self, event: &FeedEvent) -> io::Result<()> {
        for part in in_parts(event) {
            self.add(&part)?;
        }
        let is_due = matches!(event, FeedEvent::Tick(_) | FeedEvent::Ended(_));
        if is_due { self.flush() } else { Ok(()) }
    }

    fn add(&mut self, event: &FeedEvent) -> io::Result<()> {
        if self.frame_bytes.0.is_empty() {
            self.begin(event);
        }
        let before = self.frame_bytes.0.len();
        put_event(&mut self.frame_bytes, event, &mut self.frame, &mut self.body);
        if self.frame_bytes.0.len() - before > MAX_FRAME_BYTES - FULL_BYTES * 2 {
            // What it added to the frame's tables is gone with it: so is the frame's use for what follows.
            self.frame_bytes.0.truncate(before);
            self.recorded.too_large += 1;
            return self.flush();
        }
        self.traces += u64::from(matches!(event, FeedEvent::Trace(_)));
        if self.frame_bytes.0.len() >= FULL_BYTES { self.flush() } else { Ok(()) }
    }

    fn begin(&mut self, first: &FeedEvent) {
        let (base_ns, offset_ns) = match first {
            FeedEvent::Trace(trace) => (trace.start_ns, trace.wall_ns.wrapping_sub(trace.start_ns)),
            other => (super::event_ns(other), 0),
        };
        self.frame = Frame::new(base_ns, offset_ns);
        self.frame_bytes.0.extend_from_slice(&[0; HEAD_BYTES]);
        self.frame_bytes.number(base_ns);
        self.frame_bytes.number(offset_ns);
    }

    /// Writes what has come so far as a frame.
    ///
    /// # Errors
    /// As for [`Recorder::event`].
    pub fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        if self.frame_bytes.0.is_empty() {
            return Ok(());
        }
        let written = self.write_frame();
        self.failed = written.is_err();
        self.frame_bytes.0.clear();
        written
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let length = self.frame_bytes.0.len() - HEAD_BYTES;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let payload = self.frame_bytes.0.get(HEAD_BYTES..).unwrap_or_default();
        let crc = super::crc(&length, payload).to_le_bytes();
        let head = FRAME_MARK.into_iter().chain(length).chain(crc);
        self.frame_bytes.0.iter_mut().zip(head).for_each(|(place, byte)| *place = byte);
        if self.recorded.frames == 0 {
            self.out.write_all(&header())?;
            self.recorded.bytes += HEADER_BYTES as u64;
        }
        self.out.write_all(&self.frame_bytes.0)?;
        self.out.flush()?;
        self.recorded.bytes += self.frame_bytes.0.len() as u64;
        self.recorded.frames += 1;
        self.recorded.traces = self.traces;
        Ok(())
    }

    /// What was written so far.
    #[must_use]
    pub const fn recorded(&self) -> Recorded {
        self.recorded
    }
}

/// Bytes of a frame before its payload.
pub(super) const HEAD_BYTES: usize = 12;
