//! Version 1: trace id, start, and entries of stage, task and millisecond.

use bytes::BufMut;

use super::read::Reader;
use super::{Chunk, DecodeError, MAGIC, MAX_ENTRIES, V1_ENTRY, V1_HEADER, VERSION_1};
use crate::trace::Trace;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stage's code; any number.
    pub stage: u8,
    /// The task.
    pub task_id: i64,
    /// Milliseconds since the Unix epoch.
    pub ts_ms: i64,
}

/// A payload of version 1, as a view of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The trace's id.
    pub trace_id: i64,
    /// Milliseconds since the Unix epoch at S0.
    pub start_ms: i64,
    entries: &'a [[u8; V1_ENTRY]],
}

impl<'a> View<'a> {
    /// Reads what follows magic and version.
    pub(super) fn read(mut reader: Reader<'a>) -> Result<(Self, &'a [u8]), DecodeError> {
        let trace_id = reader.i64("the header")?;
        let start_ms = reader.i64("the header")?;
        let count = reader.u16("the header")?;
        if usize::from(count) > MAX_ENTRIES {
            return Err(DecodeError::TooMany { count });
        }
        let bytes = reader.bytes(usize::from(count) * V1_ENTRY, "what it says to hold")?;
        let (entries, _) = bytes.as_chunks();
        Ok((Self { trace_id, start_ms, entries }, reader.rest()))
    }

    /// The entries, in the order of the payload.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + use<'a> {
        self.entries.iter().map(|bytes| {
            let [stage, t0, t1, t2, t3, t4, t5, t6, t7, ms @ ..] = *bytes;
            let task_id = i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
            Entry { stage, task_id, ts_ms: i64::from_be_bytes(ms) }
        })
    }
}

/// Appends a payload. Entries beyond [`MAX_ENTRIES`] are left out: the format has no room for them.
pub fn put(
    out: &mut impl BufMut,
    trace_id: i64,
    start_ms: i64,
    entries: impl ExactSizeIterator<Item = Entry>,
) {
    let count = entries.len().min(MAX_ENTRIES);
    let header = Chunk::<V1_HEADER>::new()
        .put(MAGIC.to_be_bytes())
        .put(VERSION_1.to_be_bytes())
        .put(trace_id.to_be_bytes())
        .put(start_ms.to_be_bytes())
        .put(u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    out.put_slice(&header.bytes);
    for Entry { stage, task_id, ts_ms } in entries.take(count) {
        let entry = Chunk::<V1_ENTRY>::new().put([stage]).put(task_id.to_be_bytes()).put(ts_ms.to_be_bytes());
        out.put_slice(&entry.bytes);
    }
}

/// Appends a trace under an id of the caller's choice: [`Trace::journey_id`] where the receiver knows no branches.
pub fn encode(trace: &Trace, id: u64, out: &mut impl BufMut) {
    // Of the trace's own clock: a start in the midst of a millisecond must not move the others.
    let ms = |ts_ns| trace.wall_at(ts_ns).div_euclid(1_000_000);
    let entries = trace.stamps.iter().map(|stamp| Entry {
        stage: stamp.code.0,
        task_id: stamp.task_id,
        ts_ms: ms(stamp.ts_ns),
    });
    put(out, id.cast_signed(), ms(trace.start_ns), entries);
}
