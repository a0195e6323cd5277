//! JSON lines: a line a trace, then one last line with what the session came to. `docs/jsonl.md` has every key.
//!
//! Owns: the lines, and exact counts of those that reached the destination whole.
//! Refuses: opening the destination, and retrying: after a failed write nothing more is written, so that no line is ever torn in the middle.

mod line;
mod summary;
#[cfg(test)]
mod tests;
mod verdict;

use std::io::Write;

use super::{Hurry, Names, Session, Sink, SinkCounts, SinkError};
use crate::trace::Trace;

/// Bytes that are collected before they are written. A flush writes earlier.
const BUFFER_BYTES: usize = 64 * 1024;

/// Appends one trace's line, or nothing.
///
/// # Errors
/// Never expected: every trace has a form in JSON.
pub fn put_line(trace: &Trace, names: &Names, out: &mut Vec<u8>) -> serde_json::Result<()> {
    append(&line::Line::new(trace, names), out)
}

/// Appends one value and a newline, or nothing.
fn append(value: &impl serde::Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let before = out.len();
    let result = serde_json::to_writer(&mut *out, value);
    match result {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(before),
    }
    result
}

/// One trace's line, without its line feed.
///
/// # Errors
/// When it has a time that no calendar knows.
pub fn trace_line(trace: &Trace, names: &Names) -> Result<String, serde_json::Error> {
    serde_json::to_string(&line::Line::new(trace, names))
}

/// Writes JSON lines.
pub struct JsonLines<W> {
    out: W,
    destination: String,
    names: Names,
    buffer: Vec<u8>,
    counts: SinkCounts,
    closed: bool,
    hurry: Option<Hurry>,
}

impl<W: Write> JsonLines<W> {
    /// Writes into `out`, which errors call `destination`. `names` are the spec's.
    pub fn new(out: W, destination: impl Into<String>, names: Names) -> Self {
        let (buffer, counts) = (Vec::with_capacity(BUFFER_BYTES), SinkCounts::default());
        Self { out, destination: destination.into(), names, buffer, counts, closed: false, hurry: None }
    }

    /// With the switch that its writer obeys.
    #[must_use]
    pub fn with_hurry(mut self, hurry: Hurry) -> Self {
        self.hurry = Some(hurry);
        self
    }

    /// Writes the buffer. Every newline in it ends a trace's line, save for the summary's.
    fn write_buffer(&mut self) -> Result<(), SinkError> {
        let mut written = 0;
        let result = loop {
            match self.buffer.get(written..) {
                None | Some([]) => break self.out.flush(),
                Some(rest) => match self.out.write(rest) {
                    Ok(0) => break Err(std::io::ErrorKind::WriteZero.into()),
                    Ok(bytes) => written += bytes,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                },
            }
        };
        let whole = self.buffer.get(..written).unwrap_or(&self.buffer);
        let lines = whole.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counts.sent += lines.min(self.counts.pending());
        self.buffer.clear();
        result.map_err(|source| {
            self.close();
            SinkError::Write { destination: self.destination.clone(), dropped: self.counts.dropped, source }
        })
    }

    fn close(&mut self) {
        self.closed = true;
        self.counts.dropped += self.counts.pending();
    }

    fn check_open(&self) -> Result<(), SinkError> {
        if !self.closed {
            return Ok(());
        }
        Err(SinkError::Closed { destination: self.destination.clone(), dropped: self.counts.dropped })
    }
}

/// What a session came to, as the object of the last line.
///
/// # Errors
/// A value that JSON cannot hold. Never expected.
pub fn summary(session: &Session<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&summary::Line::new(session))
}

impl<W: Write> Sink for JsonLines<W> {
    fn trace(&mut self, trace: &Trace) -> Result<(), SinkError> {
        self.counts.received += 1;
        if self.closed {
            self.counts.dropped += 1;
        }
        self.check_open()?;
        if let Err(source) = put_line(trace, &self.names, &mut self.buffer) {
            self.counts.dropped += 1;
            let (destination, dropped) = (self.destination.clone(), self.counts.dropped);
            return Err(SinkError::Format { destination, dropped, source });
        }
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.write_buffer() }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.check_open()?;
        self.write_buffer()
    }

    fn finish(&mut self, session: &Session<'_>) -> Result<(), SinkError> {
        self.check_open()?;
        // The traces first: the summary's line must not be counted as one of them.
        self.write_buffer()?;
        append(&summary::Line::new(session), &mut self.buffer).map_err(|source| {
            let (destination, dropped) = (self.destination.clone(), self.counts.dropped);
            SinkError::Format { destination, dropped, source }
        })?;
        self.write_buffer()
    }

    fn counts(&self) -> SinkCounts {
        self.counts
    }

    fn hurry(&self) -> Option<Hurry> {
        self.hurry.clone()
    }
}
