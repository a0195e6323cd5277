//! A finished trace slot becomes one [`Trace`], ordered, with outcome and flags.
//!
//! Owns: the checks that keep a false journey from being shown. What does not fit is left out and counted in the
//! trace's flags, or the whole slot is [`Corrupt`] with a reason.
//! Refuses: shared memory, clocks, names. It sees plain values, and no value makes it panic.
//!
//! The caller has seen the slot in state `Finished` (or has ended the trace itself) and has waited for the
//! grace period: a stamp that is incomplete now stays so.

pub mod bench;
pub mod decode;
mod tables;

use profiler_common::{Entry, Handle, Outcome, SlotHeader};
pub use tables::{Part, ProbePlace, ProbeTable, Processes, WallClock};

use crate::trace::{BranchPath, Flags, Stamp, Trace};

/// Why a slot is not a trace. None is ever expected; each counts as lost, reason `corrupt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// See the message.
    #[error("the slot has room for {0} entries, a trace needs two")]
    TooSmall(usize),
    /// See the message.
    #[error("outcome code {0} is none")]
    Outcome(u32),
    /// See the message.
    #[error("trace id {0:#x} is not below 2^63")]
    TraceId(u64),
    /// See the message.
    #[error("the agent knows no process number {0}")]
    Process(u32),
    /// See the message.
    #[error("the trace ends at {end_ns} ns, before its start at {start_ns} ns")]
    EndsBeforeStart {
        /// Monotonic clock, ns.
        start_ns: u64,
        /// Monotonic clock, ns.
        end_ns: u64,
    },
    /// See the message.
    #[error("the first entry is missing or incomplete")]
    NoFirst,
    /// See the message.
    #[error("the first entry was taken by probe {0}, which is no source")]
    FirstNotSource(u32),
    /// See the message.
    #[error("the first entry was taken at {entry_ns} ns, the trace started at {start_ns} ns")]
    FirstTime {
        /// Monotonic clock, ns.
        entry_ns: u64,
        /// Monotonic clock, ns.
        start_ns: u64,
    },
    /// See the message.
    #[error("the entry that ended the trace is missing or incomplete")]
    NoTerminal,
    /// See the message.
    #[error("the last entry was taken by probe {0}, which does not end a trace in this outcome")]
    TerminalProbe(u32),
    /// See the message.
    #[error("the last entry was taken at {entry_ns} ns, the trace ended at {end_ns} ns")]
    TerminalTime {
        /// Monotonic clock, ns.
        entry_ns: u64,
        /// Monotonic clock, ns.
        end_ns: u64,
    },
}

/// Makes a trace of a finished slot. `entries` are all of the slot's entries: the last is the terminal stamp's
/// place, the others are filled from 0. The result owns one allocation, the stamps.
///
/// # Errors
/// When what the slot says cannot be the journey of one record.
pub fn assemble(
    header: &SlotHeader,
    entries: &[Entry],
    probes: &ProbeTable,
    clock: &WallClock,
    processes: &Processes,
) -> Result<Trace, Corrupt> {
    let Some((terminal, passed)) = entries.split_last().filter(|(_, passed)| !passed.is_empty()) else {
        return Err(Corrupt::TooSmall(entries.len()));
    };
    let outcome = check(header)?;
    let pid = processes.pid(header.process).ok_or(Corrupt::Process(header.process))?;
    let kept = passed.get(..header.entries as usize).unwrap_or(passed);
    let mut flags = Flags { entries_dropped: header.entries - kept.len() as u32, ..Flags::default() };
    let mut stamps = Vec::with_capacity(kept.len() + 1);
    stamps.push(first(header, kept, probes)?);
    for entry in kept.iter().skip(1) {
        pass(header, entry, probes, &mut stamps, &mut flags);
    }
    // Stable: stamps of the same nanosecond stay in the order in which they were reserved, S0 before all.
    if !stamps.is_sorted_by_key(|stamp| stamp.ts_ns) {
        stamps.sort_by_key(|stamp| stamp.ts_ns);
    }
    if outcome.has_terminal_stamp() {
        stamps.push(last(header, outcome, terminal, probes)?);
    }
    let SlotHeader { trace_id: id, key, sequence, start_ns, end_ns, .. } = *header;
    let wall_ns = clock.at(start_ns);
    stamps.iter_mut().for_each(|stamp| stamp.pid = pid);
    Ok(Trace {
        id,
        outcome,
        pid,
        key,
        sequence,
        start_ns,
        wall_ns,
        end_ns,
        stamps,
        branch: BranchPath::ROOT,
        shared: 0,
        branches: 0,
        batches: Vec::new(),
        attributes: Vec::new(),
        record_times: Vec::new(),
        flags,
    })
}

fn check(header: &SlotHeader) -> Result<Outcome, Corrupt> {
    let SlotHeader { outcome, trace_id, start_ns, end_ns, .. } = *header;
    if trace_id > u64::MAX >> 1 {
        return Err(Corrupt::TraceId(trace_id));
    }
    if end_ns < start_ns {
        return Err(Corrupt::EndsBeforeStart { start_ns, end_ns });
    }
    Outcome::from_code(outcome).ok_or(Corrupt::Outcome(outcome))
}

fn first(header: &SlotHeader, kept: &[Entry], probes: &ProbeTable) -> Result<Stamp, Corrupt> {
    let entry = kept.first().filter(|entry| is_complete(header, entry)).ok_or(Corrupt::NoFirst)?;
    let source = probes.get(entry.probe).filter(|place| place.part == Part::Begins);
    let place = source.ok_or(Corrupt::FirstNotSource(entry.probe))?;
    if entry.ts_ns != header.start_ns {
        return Err(Corrupt::FirstTime { entry_ns: entry.ts_ns, start_ns: header.start_ns });
    }
    Ok(stamp(entry, place))
}

fn last(header: &SlotHeader, outcome: Outcome, entry: &Entry, probes: &ProbeTable) -> Result<Stamp, Corrupt> {
    if !is_complete(header, entry) {
        return Err(Corrupt::NoTerminal);
    }
    let end = probes.get(entry.probe).filter(|place| place.part == Part::Ends(outcome));
    let place = end.ok_or(Corrupt::TerminalProbe(entry.probe))?;
    if entry.ts_ns != header.end_ns {
        return Err(Corrupt::TerminalTime { entry_ns: entry.ts_ns, end_ns: header.end_ns });
    }
    Ok(stamp(entry, place))
}

/// Takes a stamp on the way, or counts why not.
fn pass(header: &SlotHeader, entry: &Entry, probes: &ProbeTable, stamps: &mut Vec<Stamp>, flags: &mut Flags) {
    let known = probes.get(entry.probe).filter(|place| place.part == Part::Passes);
    let Some(place) = known.filter(|_| is_complete(header, entry)) else {
        flags.torn_stamps += 1;
        return;
    };
    if entry.ts_ns < header.start_ns {
        flags.early_stamps += 1;
    } else if entry.ts_ns > header.end_ns {
        flags.late_stamps += 1;
    } else {
        stamps.push(stamp(entry, place));
    }
}

/// The mark is written last, and no use of the slot shares it with the one before.
fn is_complete(header: &SlotHeader, entry: &Entry) -> bool {
    entry.mark == Handle(header.handle).generation() as u32
}

fn stamp(entry: &Entry, place: ProbePlace) -> Stamp {
    let Entry { ts_ns, task_id, probe, tid, cpu, mark: _ } = *entry;
    Stamp { stage: place.stage, code: place.code, probe, pid: 0, task_id: task_id as i64, tid, cpu, ts_ns }
}

#[cfg(test)]
mod tests;
