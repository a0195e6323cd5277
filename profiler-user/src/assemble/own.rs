//! The stamps that lie in a journey's own slot.

use profiler_common::{Entry, Handle, Outcome, SlotHeader};

use super::extras::{self, Extras};
use super::{Corrupt, Part, ProbePlace, Slot, Tables};
use crate::trace::Stamp;

/// What a slot comes to by itself.
#[derive(Debug, Default)]
pub(super) struct Journey {
    /// In the order of time, the terminal one last.
    pub(super) stamps: Vec<Stamp>,
    pub(super) extras: Extras,
    pub(super) torn_stamps: u32,
    pub(super) late_stamps: u32,
    pub(super) early_stamps: u32,
    pub(super) entries_dropped: u32,
}

impl Journey {
    /// The journey of a slot, without what it shares with its parent.
    pub(super) fn of(slot: &Slot<'_>, tables: &Tables<'_>, outcome: Outcome) -> Result<Self, Corrupt> {
        let Slot { header, entries, .. } = *slot;
        let Some((terminal, passed)) = entries.split_last().filter(|(_, passed)| !passed.is_empty()) else {
            return Err(Corrupt::TooSmall(entries.len()));
        };
        let kept = passed.get(..header.entries as usize).unwrap_or(passed);
        let mut journey = Self { entries_dropped: header.entries - kept.len() as u32, ..Self::default() };
        let mut found = Vec::with_capacity(kept.len() + 1);
        found.push((0, first(header, kept, tables)?));
        for (index, entry) in kept.iter().enumerate().skip(1) {
            found.extend(journey.pass(header, entry, tables).map(|stamp| (index, stamp)));
        }
        // Stable: stamps of the same nanosecond stay in the order in which they were reserved, the first before all.
        if !found.is_sorted_by_key(|(_, stamp)| stamp.ts_ns) {
            found.sort_by_key(|(_, stamp)| stamp.ts_ns);
        }
        if header.flags & SlotHeader::HAS_TERMINAL != 0 {
            found.push((passed.len(), last(header, outcome, terminal, tables)?));
        } else if outcome.needs_terminal_stamp() && header.flags & SlotHeader::PARTIAL == 0 {
            return Err(Corrupt::NoTerminal);
        }
        if header.extras > 0 {
            journey.extras = extras::read(slot, tables, &found);
        }
        // In place: the first allocation stays the only one.
        journey.stamps = found.into_iter().map(|(_, stamp)| stamp).collect();
        Ok(journey)
    }

    /// Takes a stamp on the way, or counts why not.
    fn pass(&mut self, header: &SlotHeader, entry: &Entry, tables: &Tables<'_>) -> Option<Stamp> {
        let known = tables.probes.get(u32::from(entry.probe)).filter(|place| place.part == Part::Passes);
        let Some(place) = known.filter(|_| is_complete(header, entry)) else {
            self.torn_stamps += 1;
            return None;
        };
        if entry.ts_ns < header.start_ns {
            self.early_stamps += 1;
        } else if entry.ts_ns > header.end_ns {
            self.late_stamps += 1;
        } else {
            return Some(stamp(header, entry, place, tables));
        }
        None
    }
}

fn first(header: &SlotHeader, kept: &[Entry], tables: &Tables<'_>) -> Result<Stamp, Corrupt> {
    let entry = kept.first().filter(|entry| is_complete(header, entry)).ok_or(Corrupt::NoFirst)?;
    let probe = u32::from(entry.probe);
    let is_branch = header.parent != 0;
    let begins = |part| match part {
        Part::Branches => is_branch,
        Part::Begins => !is_branch,
        Part::Passes | Part::Ends(_) => header.flags & SlotHeader::PARTIAL != 0 && !is_branch,
    };
    let place = tables.probes.get(probe).filter(|place| begins(place.part));
    let place = place.ok_or(Corrupt::FirstNotSource(probe))?;
    if !is_branch && entry.ts_ns != header.start_ns {
        return Err(Corrupt::FirstTime { entry_ns: entry.ts_ns, start_ns: header.start_ns });
    }
    Ok(stamp(header, entry, place, tables))
}

fn last(header: &SlotHeader, outcome: Outcome, entry: &Entry, tables: &Tables<'_>) -> Result<Stamp, Corrupt> {
    if !is_complete(header, entry) {
        return Err(Corrupt::NoTerminal);
    }
    let probe = u32::from(entry.probe);
    let end = tables.probes.get(probe).filter(|place| place.part == Part::Ends(outcome));
    let place = end.ok_or(Corrupt::TerminalProbe(probe))?;
    if entry.ts_ns != header.end_ns {
        return Err(Corrupt::TerminalTime { entry_ns: entry.ts_ns, end_ns: header.end_ns });
    }
    Ok(stamp(header, entry, place, tables))
}

/// The mark is written last, and no use of the slot shares it with the one before.
fn is_complete(header: &SlotHeader, entry: &Entry) -> bool {
    entry.mark == Handle(header.handle).generation() as u32
}

fn stamp(header: &SlotHeader, entry: &Entry, place: ProbePlace, tables: &Tables<'_>) -> Stamp {
    let Entry { ts_ns, task_id, probe, cpu, tid, process, mark: _ } = *entry;
    let pid = tables.processes.pid(process).or_else(|| tables.processes.pid(header.process)).unwrap_or(0);
    Stamp {
        stage: place.stage,
        code: place.code,
        probe: u32::from(probe),
        pid,
        task_id: task_id as i64,
        tid,
        cpu: u32::from(cpu),
        ts_ns,
    }
}
