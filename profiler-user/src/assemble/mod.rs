//! A finished trace slot becomes one [`Trace`], ordered, with outcome and flags.
//!
//! Owns: the checks that keep a false journey from being shown. What does not fit is left out and counted in the
//! trace's flags, or the whole slot is [`Corrupt`] with a reason.
//! Refuses: shared memory, clocks, names. It sees plain values, and no value makes it panic.
//!
//! The caller has seen the slot in state `Finished` (or has ended the trace itself) and has waited for the
//! grace period: a stamp that is incomplete now stays so.

pub mod bench;
mod corrupt;
pub mod decode;
mod extras;
mod lineage;
mod own;
mod tables;

use std::sync::Arc;

pub use corrupt::Corrupt;
pub use lineage::{Ancestor, Lineage};
use profiler_common::{Entry, Extra, Outcome, SlotHeader};
pub use tables::{AttributeDecoder, Part, ProbePlace, ProbeTable, Processes, StageDecoder, WallClock};

use crate::trace::{BranchPath, Flags, Trace};

/// All that a slot holds.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// Who it belongs to.
    pub header: &'a SlotHeader,
    /// All its entries: the last is the terminal stamp's place, the others are filled from 0.
    pub entries: &'a [Entry],
    /// All its extras, filled from 0.
    pub extras: &'a [Extra],
    /// The journey that this one branched off.
    pub parent: Option<&'a Arc<Ancestor>>,
}

/// What a slot is read by.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// What the probes stand for.
    pub probes: &'a ProbeTable,
    /// The wall clock.
    pub clock: &'a WallClock,
    /// The processes.
    pub processes: &'a Processes,
}

/// Makes a trace of a finished slot. Where it has no extras, the result owns one allocation, the stamps.
///
/// # Errors
/// When what the slot says cannot be the journey of one record.
pub fn assemble(slot: &Slot<'_>, tables: &Tables<'_>) -> Result<Trace, Corrupt> {
    let header = slot.header;
    let outcome = check(header)?;
    let pid = tables.processes.pid(header.process).ok_or(Corrupt::Process(header.process))?;
    let mut part = own::Journey::of(slot, tables, outcome)?;
    let shared = lineage::inherit(slot, tables, &mut part)?;
    let own::Journey { stamps, extras, torn_stamps, late_stamps, early_stamps, entries_dropped } = part;
    let flags = Flags {
        entries_dropped,
        late_stamps,
        torn_stamps,
        early_stamps,
        keys_dropped: header.keys_dropped,
        branches_dropped: header.children.saturating_sub(header.branches),
        attributes_dropped: header.attributes_dropped,
        attributes_unreadable: header.extras_unreadable,
        batches_dropped: header.batches_dropped,
        is_partial: header.flags & SlotHeader::PARTIAL != 0,
    };
    let extras::Extras { batches, attributes, record_times } = extras;
    let SlotHeader { trace_id: id, key, sequence, start_ns, end_ns, branch, branches, .. } = *header;
    Ok(Trace {
        id,
        outcome,
        pid,
        key,
        sequence,
        start_ns,
        wall_ns: tables.clock.at(start_ns),
        end_ns,
        stamps,
        branch: BranchPath(branch),
        shared,
        branches,
        batches,
        attributes,
        record_times,
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

#[cfg(test)]
mod tests;
