//! The version of our own: all that is known of a journey, in nanoseconds.

use bytes::BufMut;

use super::read::Reader;
use super::sections::{Contents, Section, Sections};
use super::{DecodeError, MAGIC, MAX_ENTRIES, VERSION_NANO};
use crate::trace::{BranchPath, Flags, Stamp, Trace};

/// Bytes up to the flags' counts.
const HEADER: usize = 73;
/// Bytes of one entry.
const ENTRY: usize = 31;
/// The bit of the flags that stands for itself; each of the others has a count behind the header.
pub(super) const PARTIAL: u16 = 1 << 15;
/// Flags that have a count.
const COUNTS: usize = 9;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stage's code; any number.
    pub code: u8,
    /// The task.
    pub task_id: i64,
    /// Nanoseconds since the Unix epoch.
    pub ts_ns: i64,
    /// Index of the stage in its spec.
    pub stage: u16,
    /// Process id.
    pub pid: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// CPU number.
    pub cpu: u32,
}

/// A payload with nanoseconds, as a view of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The trace's id: of the record that was sampled, whatever the branch.
    pub trace_id: i64,
    /// Nanoseconds since the Unix epoch at the first stamp.
    pub start_ns: i64,
    /// Nanoseconds since the Unix epoch at the end.
    pub end_ns: i64,
    /// Which journey of its trace it is.
    pub branch: BranchPath,
    /// How many entries, from the first, it shares with the journey that it branched off.
    pub shared: u16,
    /// How many journeys branched off it.
    pub branches: u32,
    /// The code of its outcome; any number.
    pub outcome: u8,
    /// Process id of the target.
    pub pid: u32,
    /// The record key's value at the first stamp.
    pub key: u64,
    /// Number of the record in its source task's sequence.
    pub sequence: u64,
    /// The flags, as they are in the payload: see [`View::flags`].
    pub flag_bits: u16,
    counts: &'a [[u8; 4]],
    entries: &'a [[u8; ENTRY]],
    sections: Sections<'a>,
}

impl<'a> View<'a> {
    /// Reads what follows magic and version.
    pub(super) fn read(reader: Reader<'a>) -> Result<(Self, &'a [u8]), DecodeError> {
        let mut ahead = reader;
        let header = "the header";
        let (trace_id, start_ns) = (ahead.i64(header)?, ahead.i64(header)?);
        let count = ahead.u16(header)?;
        let length = ahead.u32(header)?;
        let (mut reader, rest) =
            ahead.cut(usize::try_from(length).unwrap_or(usize::MAX), "what it says to hold")?;
        if usize::from(count) > MAX_ENTRIES {
            return Err(DecodeError::TooMany { count });
        }
        let end_ns = reader.i64(header)?;
        let branch = BranchPath(reader.u64(header)?);
        let (shared, branches, outcome) = (reader.u16(header)?, reader.u32(header)?, reader.u8(header)?);
        let (pid, key, sequence) = (reader.u32(header)?, reader.u64(header)?, reader.u64(header)?);
        let flag_bits = reader.u16(header)?;
        let counted = (flag_bits & !PARTIAL).count_ones() as usize;
        let (counts, _) = reader.bytes(counted * 4, "the flags' counts")?.as_chunks();
        let (entries, _) = reader.bytes(usize::from(count) * ENTRY, "the entries")?.as_chunks();
        let sections = Sections::check(reader.rest())?;
        let view = Self {
            trace_id,
            start_ns,
            end_ns,
            branch,
            shared,
            branches,
            outcome,
            pid,
            key,
            sequence,
            flag_bits,
            counts,
            entries,
            sections,
        };
        Ok((view, rest))
    }

    /// The entries, in the order of time.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + use<'a> {
        self.entries.iter().map(entry)
    }

    /// The sections, in the order of the payload. Those of unknown kinds too.
    pub fn sections(&self) -> impl Iterator<Item = Section<'a>> + use<'a> {
        self.sections.iter()
    }

    /// Number and count of each flag that has a count, in the order of the numbers. Unknown ones too.
    pub fn counts(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let bits = self.flag_bits;
        let set = (0..u16::BITS - 1).filter(move |bit| bits >> bit & 1 == 1);
        set.zip(self.counts.iter().map(|count| u32::from_be_bytes(*count)))
    }

    /// The flags that this program knows.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let mut counts = [0; COUNTS];
        for (bit, count) in self.counts() {
            if let Some(place) = counts.get_mut(bit as usize) {
                *place = count;
            }
        }
        Flags::from_counts(counts, self.flag_bits & PARTIAL != 0)
    }
}

fn entry(bytes: &[u8; ENTRY]) -> Entry {
    /// The field at a place that lies in the entry, as the layout says.
    fn field<const N: usize>(bytes: &[u8; ENTRY], at: usize) -> [u8; N] {
        *bytes.get(at..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; N])
    }
    let [code, ..] = *bytes;
    Entry {
        code,
        task_id: i64::from_be_bytes(field(bytes, 1)),
        ts_ns: i64::from_be_bytes(field(bytes, 9)),
        stage: u16::from_be_bytes(field(bytes, 17)),
        pid: u32::from_be_bytes(field(bytes, 19)),
        tid: u32::from_be_bytes(field(bytes, 23)),
        cpu: u32::from_be_bytes(field(bytes, 27)),
    }
}

/// The header's fields, for whoever writes a payload from something else than a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) trace_id: i64,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) branch: u64,
    pub(super) shared: u16,
    pub(super) branches: u32,
    pub(super) outcome: u8,
    pub(super) pid: u32,
    pub(super) key: u64,
    pub(super) sequence: u64,
    pub(super) flag_bits: u16,
}

/// Appends header, counts and entries; `more` is how many bytes the sections will take, which the caller appends.
pub(super) fn put(
    out: &mut impl BufMut,
    header: &Header,
    counts: impl Iterator<Item = u32>,
    entries: impl ExactSizeIterator<Item = Entry>,
    more: usize,
) {
    let Header {
        trace_id,
        start_ns,
        end_ns,
        branch,
        shared,
        branches,
        outcome,
        pid,
        key,
        sequence,
        flag_bits,
    } = *header;
    let count = entries.len().min(MAX_ENTRIES);
    let counted = (flag_bits & !PARTIAL).count_ones() as usize;
    let length = HEADER + counted * 4 + count * ENTRY + more;
    // Field by field: gathered in memory and copied from there, they would have to wait for each other.
    out.put_slice(&MAGIC.to_be_bytes());
    out.put_slice(&VERSION_NANO.to_be_bytes());
    out.put_i64(trace_id);
    out.put_i64(start_ns);
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_i64(end_ns);
    out.put_u64(branch);
    out.put_u16(shared);
    out.put_u32(branches);
    out.put_u8(outcome);
    out.put_u32(pid);
    out.put_u64(key);
    out.put_u64(sequence);
    out.put_u16(flag_bits);
    counts.take(counted).for_each(|count| out.put_u32(count));
    entries.take(count).for_each(|entry| out.put_slice(&entry_bytes(entry)));
}

/// An entry's bytes, made in two words: written field by field into memory and copied from there, they would have to wait for each other.
#[inline]
fn entry_bytes(Entry { code, task_id, ts_ns, stage, pid, tid, cpu }: Entry) -> [u8; ENTRY] {
    let (task_id, ts_ns) = (u128::from(task_id.cast_unsigned()), u128::from(ts_ns.cast_unsigned()));
    // Bytes 0 to 15, and 15 to 30: the last but one byte of the time is in both.
    let first = u128::from(code) << 120 | task_id << 56 | ts_ns >> 8;
    let second = ts_ns << 112
        | u128::from(stage) << 96
        | u128::from(pid) << 64
        | u128::from(tid) << 32
        | u128::from(cpu);
    let mut bytes = [0; ENTRY];
    if let Some((place, _)) = bytes.split_first_chunk_mut() {
        *place = first.to_be_bytes();
    }
    if let Some((_, place)) = bytes.split_last_chunk_mut() {
        *place = second.to_be_bytes();
    }
    bytes
}

/// Appends a trace. `outcomes` are the names of the spec's own outcomes.
pub fn encode(trace: &Trace, outcomes: &[String], out: &mut impl BufMut) {
    let counts = trace.flags.counts();
    let bits = (0..).zip(counts).filter(|(_, count)| *count > 0).fold(0u16, |bits, (bit, _)| bits | 1 << bit);
    let narrow = |index: usize| u16::try_from(index).unwrap_or(u16::MAX);
    let header = Header {
        trace_id: trace.id.cast_signed(),
        start_ns: trace.wall_at(trace.start_ns),
        end_ns: trace.wall_at(trace.end_ns),
        branch: trace.branch.0,
        shared: narrow(trace.shared),
        branches: trace.branches,
        outcome: u8::try_from(trace.outcome.code()).unwrap_or(0),
        pid: trace.pid,
        key: trace.key,
        sequence: trace.sequence,
        flag_bits: bits | if trace.flags.is_partial { PARTIAL } else { 0 },
    };
    let entries = trace.stamps.iter().map(|stamp| {
        let Stamp { stage, code, probe: _, pid, task_id, tid, cpu, ts_ns } = *stamp;
        Entry { code: code.0, task_id, ts_ns: trace.wall_at(ts_ns), stage: narrow(stage), pid, tid, cpu }
    });
    let contents = Contents::of(trace, outcomes);
    put(out, &header, counts.into_iter().filter(|count| *count > 0), entries, contents.length());
    contents.put(out);
}
