//! The truth log of a target pipeline: what it says itself of each record and stage.
//!
//! Owns: the file's format (targets/common/harness.h) and looking records up in it. Refuses: judging a trace.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// S0, as the profiler numbers it; the other five follow.
pub const S0: u32 = 1;
/// The sink has written the record.
pub const WRITTEN: u32 = 6;
/// The call of the queue's `pop` that returned the record: for stage points at its return.
pub const POP: u32 = 19;
/// The record was dropped by the drop function.
pub const FREE: u32 = 64;
/// The record was dropped without any call.
pub const SILENT: u32 = 65;
/// The record's scope closed without an output.
pub const FILTERED: u32 = 66;
/// The record's scope closed, and it goes on as branches only.
pub const SPLIT: u32 = 67;

const ROW_BYTES: usize = 168;
const TEXT_BYTES: usize = 64;

/// One call of a stage function for one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The source thread's number.
    pub source: u32,
    /// The record's number at its source, from 1.
    pub seq: u64,
    /// Which stage: 1..=6, or one of this module's codes.
    pub stage: u32,
    /// The thread that made the call.
    pub tid: u32,
    /// Monotonic clock before the call, ns.
    pub before_ns: u64,
    /// Monotonic clock after the call, ns; `u64::MAX` when the target ended within it.
    pub after_ns: u64,
    /// The record's address.
    pub record: u64,
    /// The process that made the call.
    pub pid: u32,
    /// What only the journeys programs log.
    pub more: More,
}

/// What a journeys program logs with each call; all zero where there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More {
    /// Which branch of the record: an ordinal a byte, the last one lowest; 0: the record itself.
    pub path: u64,
    /// The batch's number in its process, from 1.
    pub batch: u64,
    /// The batch's address.
    pub holder: u64,
    /// Which record of the batch, from 0.
    pub position: u32,
    /// How many records the call took at once.
    pub size: u64,
    /// The record's status.
    pub number: i64,
    /// The record's own time, ns since the epoch.
    pub event_ns: i64,
    /// The wall clock just before the call, ns since the epoch.
    pub wall_ns: i64,
    /// The first bytes of the record's string; NULs after a shorter one.
    pub text: [u8; TEXT_BYTES],
}

impl Default for More {
    fn default() -> Self {
        Self {
            path: 0,
            batch: 0,
            holder: 0,
            position: 0,
            size: 0,
            number: 0,
            event_ns: 0,
            wall_ns: 0,
            text: [0; TEXT_BYTES],
        }
    }
}

impl Row {
    /// Whether the target ended within the call.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.after_ns == u64::MAX
    }

    /// Where the call stands in the record's journey. A `pop` begins before its record exists, and counts by its return.
    fn place_ns(&self) -> u64 {
        if self.stage == POP { self.after_ns } else { self.before_ns }
    }

    fn decode(bytes: &[u8; ROW_BYTES], pid: u32) -> Option<Self> {
        let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
        let half = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let after_ns = match word(24)? {
            0 => u64::MAX,
            after_ns => after_ns,
        };
        let row = Self {
            seq: word(0)?,
            source: half(8)?,
            tid: half(12)?,
            before_ns: word(16)?,
            after_ns,
            record: word(32)?,
            stage: half(40)?,
            pid,
            more: More {
                position: half(44)?,
                path: word(48)?,
                batch: word(56)?,
                holder: word(64)?,
                number: word(72)?.cast_signed(),
                size: word(80)?,
                event_ns: word(88)?.cast_signed(),
                wall_ns: word(96)?.cast_signed(),
                text: bytes.get(104..)?.try_into().ok()?,
            },
        };
        // A row whose clock was not read yet: the target was killed before the call.
        (row.stage != 0 && row.before_ns != 0).then_some(row)
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The sink wrote it.
    Written,
    /// Dropped by a call of the drop function.
    Freed,
    /// Dropped without a call.
    Silent,
    /// The target ended first.
    Unfinished,
}

/// A whole truth log.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Sorted by source, number, and place in the journey.
    rows: Vec<Row>,
    /// Indices of the S0 rows by (thread, time).
    emits: Vec<usize>,
    /// Which source each source thread is.
    sources: HashMap<u32, u32>,
    /// The records whose number is a multiple of this are logged.
    pub sample: u64,
}

impl Truth {
    /// Reads a truth file.
    pub fn read(path: &Path) -> Result<Self> {
        let file =
            File::open(path).with_context(|| format!("cannot open the truth log {}", path.display()))?;
        let bytes = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (header_bytes, sample, pid) = read_header(&mut reader)?;
        let mut rows = Vec::with_capacity((bytes.saturating_sub(header_bytes) / ROW_BYTES as u64) as usize);
        let mut row = [0; ROW_BYTES];
        while read_row(&mut reader, &mut row)? {
            rows.extend(Row::decode(&row, pid));
        }
        Ok(Self::from_rows(rows, sample))
    }

    /// A log of these rows, in any order.
    #[must_use]
    pub fn from_rows(mut rows: Vec<Row>, sample: u64) -> Self {
        rows.sort_unstable_by_key(|row| (row.source, row.seq, row.place_ns(), row.stage));
        let mut emits = Vec::new();
        let mut sources = HashMap::new();
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.stage == S0) {
            emits.push(index);
            sources.insert(row.tid, row.source);
        }
        emits.sort_unstable_by_key(|&index| rows.get(index).map(|row| (row.tid, row.before_ns)));
        Self { rows, emits, sources, sample }
    }

    /// This log and that of another process as one: their records are the same if source and number are.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        Self::from_rows(self.rows, self.sample)
    }

    /// The log as it would be, had only these calls been made.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Row) -> bool) -> Self {
        Self::from_rows(self.rows.iter().copied().filter(keep).collect(), self.sample)
    }

    /// The calls of one record, in the order of its journey; none when it is not logged.
    #[must_use]
    pub fn record(&self, source: u32, seq: u64) -> &[Row] {
        let wanted = (source, seq);
        let start = self.rows.partition_point(|row| (row.source, row.seq) < wanted);
        let rest = self.rows.get(start..).unwrap_or_default();
        let len = rest.iter().take_while(|row| (row.source, row.seq) == wanted).count();
        rest.get(..len).unwrap_or_default()
    }

    /// The calls of each record in turn, by source and number.
    pub fn records(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|a, b| (a.source, a.seq) == (b.source, b.seq))
    }

    /// Which source the thread is.
    #[must_use]
    pub fn source_of(&self, tid: u32) -> Option<u32> {
        self.sources.get(&tid).copied()
    }

    /// The S0 call that ran on the thread at that time.
    #[must_use]
    pub fn emitted_at(&self, tid: u32, ts_ns: u64) -> Option<&Row> {
        let after = self.emits.partition_point(|&index| {
            self.rows.get(index).is_some_and(|row| (row.tid, row.before_ns) <= (tid, ts_ns))
        });
        let row = self.rows.get(*self.emits.get(after.checked_sub(1)?)?)?;
        (row.tid == tid && ts_ns <= row.after_ns).then_some(row)
    }
}

/// What became of the record of these calls.
#[must_use]
pub fn fate(calls: &[Row]) -> Fate {
    let has = |stage| calls.iter().any(|row| row.stage == stage);
    match (has(WRITTEN), has(FREE), has(SILENT)) {
        (true, _, _) => Fate::Written,
        (_, true, _) => Fate::Freed,
        (_, _, true) => Fate::Silent,
        _ => Fate::Unfinished,
    }
}

/// Its length in bytes, the share of records that are logged, and the process.
fn read_header(reader: &mut impl Read) -> Result<(u64, u64, u32)> {
    let mut header = [0; 32];
    reader.read_exact(&mut header)?;
    let [magic, sizes, sample, pid] = [0, 8, 16, 24].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(header.get(at..at + 8).unwrap_or(&[0; 8]));
        u64::from_ne_bytes(word)
    });
    ensure!(magic == u64::from_ne_bytes(*b"STAINTRU"), "not a truth log");
    let (header_bytes, row_bytes) = (sizes & 0xFFFF_FFFF, sizes >> 32);
    ensure!(row_bytes == ROW_BYTES as u64, "the truth log has rows of {row_bytes} bytes");
    std::io::copy(&mut reader.take(header_bytes.saturating_sub(32)), &mut std::io::sink())?;
    Ok((header_bytes, sample, pid as u32))
}

/// Fills `row`; false at the end of the file.
fn read_row(reader: &mut impl Read, row: &mut [u8; ROW_BYTES]) -> Result<bool> {
    match reader.read_exact(row) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: u32, seq: u64, stage: u32, before_ns: u64) -> Row {
        Row {
            source,
            seq,
            stage,
            tid: 10 + source,
            before_ns,
            after_ns: before_ns + 5,
            record: 0x1000,
            pid: 1,
            more: More::default(),
        }
    }

    #[test]
    fn finds_records_by_number_and_by_time() {
        let truth = Truth::from_rows(
            vec![row(1, 2, 2, 30), row(0, 2, 1, 20), row(1, 2, 1, 21), row(0, 1, 6, 9), row(0, 1, 1, 1)],
            1,
        );
        let stages = |source, seq| truth.record(source, seq).iter().map(|row| row.stage).collect::<Vec<_>>();
        assert_eq!(stages(0, 1), [1, 6]);
        assert_eq!(stages(1, 2), [1, 2]);
        assert!(stages(1, 1).is_empty());
        assert_eq!(truth.records().count(), 3);
        assert_eq!(truth.source_of(11), Some(1));
        assert_eq!(truth.emitted_at(10, 25).map(|row| row.seq), Some(2));
        assert_eq!(truth.emitted_at(10, 26), None);
        assert_eq!(truth.emitted_at(11, 20), None);
        assert_eq!(fate(truth.record(0, 1)), Fate::Written);
        assert_eq!(fate(truth.record(1, 2)), Fate::Unfinished);
    }

    #[test]
    fn a_pop_counts_by_its_return() {
        let mut pop = row(0, 1, POP, 1);
        pop.after_ns = 50;
        let truth = Truth::from_rows(vec![pop, row(0, 1, 1, 10), row(0, 1, 2, 20), row(0, 1, 3, 55)], 1);
        let stages: Vec<_> = truth.record(0, 1).iter().map(|row| row.stage).collect();
        assert_eq!(stages, [1, 2, POP, 3]);
    }
}
