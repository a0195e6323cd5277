//! A trace in bytes. Times are distances, and what repeats within a frame (sites, tasks, strings) is written once and then named by its number.

use std::collections::HashMap;
use std::hash::Hash;

use profiler_common::{Outcome, StageCode};

use super::bytes::{Put, Take};
use crate::trace::{Attribute, AttributeValue, BranchPath, Flags, Membership, RecordTime, Stamp, Trace};

/// Bytes of an attribute's text that are kept. The kernel program reads at most 64.
const MAX_TEXT: usize = 1024;

/// The code of the first outcome of a spec's own. Fixed ones have the codes that they have everywhere, from 1 on.
const FIRST_NAMED: u8 = 128;

/// What a trace has besides its stamps, bit by bit.
const HAS_FLAGS: u8 = 1;
const HAS_BRANCH: u8 = 2;
const HAS_BATCHES: u8 = 4;
const HAS_ATTRIBUTES: u8 = 8;
const HAS_RECORD_TIMES: u8 = 16;
/// Its process is not that of its first stamp.
const HAS_PID: u8 = 32;

/// Where a stamp was taken: site, stage and its code.
type Place = (u32, usize, StageCode);

/// Who took a stamp.
type Task = (u32, u32, i64);

/// What the traces of one frame refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// Monotonic time from which the frame's times count, ns.
    pub(super) base_ns: u64,
    /// Wall clock less monotonic clock, ns.
    pub(super) offset_ns: u64,
    places: Table<Place>,
    tasks: Table<Task>,
    strings: Table<Box<str>>,
}

/// What was named so far, by number, and the numbers of what was.
#[derive(Clone, Debug)]
struct Table<T> {
    items: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { items: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    /// Puts the number of an item, and the item itself when it is new.
    fn put(&mut self, put: &mut Put, item: &T, define: impl FnOnce(&mut Put, &T)) {
        let known = self.numbers.get(item).copied();
        put.number(known.unwrap_or(self.numbers.len()) as u64);
        if known.is_none() {
            define(put, item);
            self.numbers.insert(item.clone(), self.numbers.len());
        }
    }

    /// Takes an item by its number; one that is new follows it.
    fn take(&mut self, take: &mut Take<'_>, define: impl FnOnce(&mut Take<'_>) -> Option<T>) -> Option<T> {
        let number = usize::try_from(take.number()?).ok()?;
        if number == self.items.len() {
            self.items.push(define(take)?);
        }
        self.items.get(number).cloned()
    }
}

impl Frame {
    /// A frame whose times count from this moment.
    pub(super) fn new(base_ns: u64, offset_ns: u64) -> Self {
        Self { base_ns, offset_ns, ..Self::default() }
    }

    fn put_stamp(&mut self, put: &mut Put, stamp: &Stamp, before: u64) {
        let Stamp { stage, code, probe, pid, task_id, tid, cpu, ts_ns } = *stamp;
        self.places.put(put, &(probe, stage, code), |put, (probe, stage, code)| {
            put.number(u64::from(*probe));
            put.number(*stage as u64);
            put.u8(code.0);
        });
        self.tasks.put(put, &(pid, tid, task_id), |put, (pid, tid, task_id)| {
            put.number(u64::from(*pid));
            put.number(u64::from(*tid));
            put.signed(task_id.wrapping_sub(i64::from(*tid)));
        });
        put.number(cpu.into());
        put.distance(ts_ns, before);
    }

    fn take_stamp(&mut self, take: &mut Take<'_>, before: u64) -> Option<Stamp> {
        let place = |take: &mut Take<'_>| Some((take.u32()?, take_index(take)?, StageCode(take.u8()?)));
        let (probe, stage, code) = self.places.take(take, place)?;
        let task = |take: &mut Take<'_>| {
            let (pid, tid) = (take.u32()?, take.u32()?);
            Some((pid, tid, take.signed()?.wrapping_add(i64::from(tid))))
        };
        let (pid, tid, task_id) = self.tasks.take(take, task)?;
        let cpu = take.u32()?;
        Some(Stamp { stage, code, probe, pid, task_id, tid, cpu, ts_ns: take.distance(before)? })
    }

    fn put_string(&mut self, put: &mut Put, text: &str) {
        self.strings.put(put, &text.into(), |put, text| put.text(text, MAX_TEXT));
    }

    fn take_string(&mut self, take: &mut Take<'_>) -> Option<Box<str>> {
        self.strings.take(take, |take| Some(take.text()?.into()))
    }
}

pub(super) fn put_trace(put: &mut Put, trace: &Trace, frame: &mut Frame) {
    let Trace { id, outcome, pid, key, sequence, start_ns, wall_ns, end_ns, stamps, .. } = trace;
    put.fixed(*id);
    put.u8(outcome_code(*outcome));
    let parts = parts_of(trace);
    put.u8(parts);
    if parts & HAS_PID != 0 {
        put.number(u64::from(*pid));
    }
    put.number(*key);
    put.number(*sequence);
    put.distance(*start_ns, frame.base_ns);
    put.distance(*wall_ns, start_ns.wrapping_add(frame.offset_ns));
    let mut before = *start_ns;
    put.list(stamps, |put, stamp| {
        frame.put_stamp(put, stamp, before);
        before = stamp.ts_ns;
    });
    put.distance(*end_ns, before);
    put_parts(put, trace, parts, frame);
}

const fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Named(number) => FIRST_NAMED | number,
        fixed => fixed.code() as u8,
    }
}

fn outcome_of(code: u8) -> Option<Outcome> {
    let outcome = match code.checked_sub(FIRST_NAMED) {
        Some(number) => Some(Outcome::Named(number)),
        None => Outcome::FIXED.into_iter().find(|outcome| outcome.code() == u32::from(code)),
    };
    outcome.filter(|outcome| outcome.index() < Outcome::COUNT)
}

fn parts_of(trace: &Trace) -> u8 {
    let Trace { branch, shared, branches, batches, attributes, record_times, flags, .. } = trace;
    let has = |bit, has: bool| if has { bit } else { 0 };
    has(HAS_FLAGS, *flags != Flags::default())
        | has(HAS_BRANCH, (*branch, *shared, *branches) != (BranchPath::ROOT, 0, 0))
        | has(HAS_BATCHES, !batches.is_empty())
        | has(HAS_ATTRIBUTES, !attributes.is_empty())
        | has(HAS_RECORD_TIMES, !record_times.is_empty())
        | has(HAS_PID, trace.stamps.first().map(|stamp| stamp.pid) != Some(trace.pid))
}

fn put_parts(put: &mut Put, trace: &Trace, parts: u8, frame: &mut Frame) {
    if parts & HAS_FLAGS != 0 {
        put_flags(put, &trace.flags);
    }
    if parts & HAS_BRANCH != 0 {
        put.number(trace.branch.0);
        put.number(trace.shared as u64);
        put.number(trace.branches.into());
    }
    if parts & HAS_BATCHES != 0 {
        put.list(&trace.batches, |put, batch| {
            let Membership { stamp, key, position, size } = *batch;
            put.number(stamp as u64);
            put.number(key);
            put.number(position.into());
            put.option(size.map(u64::from));
        });
    }
    if parts & HAS_ATTRIBUTES != 0 {
        put.list(&trace.attributes, |put, attribute| put_attribute(put, attribute, frame));
    }
    if parts & HAS_RECORD_TIMES != 0 {
        put.list(&trace.record_times, |put, time| {
            let RecordTime { stamp, event_ns, latency_ns } = *time;
            put.number(stamp as u64);
            put.signed(event_ns);
            put.signed(latency_ns);
        });
    }
}

fn put_flags(put: &mut Put, flags: &Flags) {
    let counts = flags.counts();
    // Behind the counts, whether it is partial.
    let all: [u32; Flags::NAMES.len() + 1] =
        std::array::from_fn(|place| counts.get(place).copied().unwrap_or(flags.is_partial.into()));
    put.list(&all, |put, count| put.number(u64::from(*count)));
}

fn put_attribute(put: &mut Put, attribute: &Attribute, frame: &mut Frame) {
    let Attribute { stamp, index, value } = attribute;
    put.number(*stamp as u64);
    put.number(*index as u64);
    match value {
        AttributeValue::Unsigned(number) => {
            put.u8(0);
            put.number(*number);
        }
        AttributeValue::Signed(number) => {
            put.u8(1);
            put.signed(*number);
        }
        AttributeValue::Word(text) => {
            put.u8(2);
            frame.put_string(put, text);
        }
        AttributeValue::Text(text) => {
            put.u8(3);
            frame.put_string(put, text);
        }
    }
}

pub(super) fn take_trace(take: &mut Take<'_>, frame: &mut Frame) -> Option<Trace> {
    let id = take.fixed()?;
    let outcome = outcome_of(take.u8()?)?;
    let parts = take.u8()?;
    let pid = if parts & HAS_PID != 0 { Some(take.u32()?) } else { None };
    let (key, sequence) = (take.number()?, take.number()?);
    let start_ns = take.distance(frame.base_ns)?;
    let wall_ns = take.distance(start_ns.wrapping_add(frame.offset_ns))?;
    let mut before = start_ns;
    let stamps = take.list(|take| {
        let stamp = frame.take_stamp(take, before)?;
        before = stamp.ts_ns;
        Some(stamp)
    })?;
    let end_ns = take.distance(before)?;
    let pid = pid.or_else(|| stamps.first().map(|stamp| stamp.pid))?;
    let has = |bit| parts & bit != 0;
    let flags = if has(HAS_FLAGS) { take_flags(take)? } else { Flags::default() };
    let (branch, shared, branches) = if has(HAS_BRANCH) {
        (BranchPath(take.number()?), take_index(take)?, take.u32()?)
    } else {
        (BranchPath::ROOT, 0, 0)
    };
    let batches = if has(HAS_BATCHES) { take.list(take_batch)? } else { Vec::new() };
    let attributes =
        if has(HAS_ATTRIBUTES) { take.list(|take| take_attribute(take, frame))? } else { Vec::new() };
    let record_times = if has(HAS_RECORD_TIMES) { take.list(take_record_time)? } else { Vec::new() };
    Some(Trace {
        id,
        outcome,
        pid,
        key,
        sequence,
        start_ns,
        wall_ns,
        end_ns,
        stamps,
        branch,
        shared,
        branches,
        batches,
        attributes,
        record_times,
        flags,
    })
}

/// An index into something that has far fewer than 2^32 entries.
fn take_index(take: &mut Take<'_>) -> Option<usize> {
    usize::try_from(take.u32()?).ok()
}

fn take_flags(take: &mut Take<'_>) -> Option<Flags> {
    let counts = take.list(Take::u32)?;
    let at = |place: usize| counts.get(place).copied().unwrap_or(0);
    Some(Flags::from_counts(std::array::from_fn(at), at(Flags::NAMES.len()) != 0))
}

fn take_batch(take: &mut Take<'_>) -> Option<Membership> {
    let (stamp, key, position) = (take_index(take)?, take.number()?, take.u32()?);
    let size = take.option()?.map(u32::try_from).transpose().ok()?;
    Some(Membership { stamp, key, position, size })
}

fn take_attribute(take: &mut Take<'_>, frame: &mut Frame) -> Option<Attribute> {
    let (stamp, index) = (take_index(take)?, take_index(take)?);
    let value = match take.u8()? {
        0 => AttributeValue::Unsigned(take.number()?),
        1 => AttributeValue::Signed(take.signed()?),
        2 => AttributeValue::Word(frame.take_string(take)?),
        3 => AttributeValue::Text(frame.take_string(take)?),
        _ => return None,
    };
    Some(Attribute { stamp, index, value })
}

fn take_record_time(take: &mut Take<'_>) -> Option<RecordTime> {
    Some(RecordTime { stamp: take_index(take)?, event_ns: take.signed()?, latency_ns: take.signed()? })
}
