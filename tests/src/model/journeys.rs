//! Batches, and the journeys that come out when the script is done.

use super::state::{Batch, Id, Model, Space, Stay, Trace};
use super::{Code, Step};
use crate::expected::{End, Expected, Journey, Membership, Stamp, Who};
use crate::truth::{Row, Truth};

impl Model {
    fn batch(&mut self, key: u32) -> &mut Batch {
        let next = self.serials + 1;
        let batch = self.batches.entry(key).or_insert(Batch { serial: next, ..Batch::default() });
        self.serials = self.serials.max(batch.serial);
        batch
    }

    pub(super) fn add(&mut self, row: u32, key: u32) {
        let trace = self.find((Space::Row, row));
        let entry = trace.map(|id| self.stamp(id, Code::Add));
        let batch = self.batch(key);
        let position = batch.size;
        batch.size += 1;
        if let Some((id, entry)) = trace.zip(entry) {
            self.join(id, entry, key, position);
        }
    }

    /// The trace's record is in the batch now, and in no other.
    fn join(&mut self, id: Id, entry: usize, key: u32, position: u32) {
        let most = self.bounds.members;
        let batch = self.batch(key);
        batch.asked += 1;
        let (is_full, serial) = (batch.asked > most, batch.serial);
        if !is_full {
            batch.members.push(id);
        }
        self.traces[id].outputs += 1;
        if is_full {
            self.bound("members_full");
            self.flag(id, "batches_dropped");
            return;
        }
        let trace = &mut self.traces[id];
        // From now on the batch leads to it.
        trace.leads += u32::from(trace.batch.is_none());
        trace.batch = Some(serial);
        trace.been.push(serial);
        trace.stays.push(Stay { entry, position, size: None });
    }

    /// A stage of a batch: one of every record that is in it, if it is not over.
    pub(super) fn whole_batch(&mut self, key: u32, code: Code) {
        let Some(batch) = self.batches.get(&key).cloned() else { return };
        for id in self.members(&batch) {
            self.stamp(id, code);
            // The last one: those before it, or those of a parent, were others.
            if let Some(stay) = self.traces[id].stays.last_mut() {
                stay.size.get_or_insert(u64::from(batch.size));
            }
            if code == Code::Flush {
                self.end(id, End::Outcome("written".to_owned()));
            }
        }
        if code == Code::Flush {
            self.batches.remove(&key);
        }
    }

    fn members(&self, batch: &Batch) -> Vec<Id> {
        let is_in = |id: &Id| self.is_alive(*id) && self.traces[*id].batch == Some(batch.serial);
        batch.members.iter().copied().filter(is_in).collect()
    }

    pub(super) fn merge(&mut self, key: u32, into: u32) {
        self.whole_batch(key, Code::Merge);
        let Some(batch) = self.batches.get(&key).cloned() else { return };
        let bigger = self.batch(into);
        let base = bigger.size;
        bigger.size += batch.size;
        for id in self.members(&batch) {
            let entry = self.traces[id].stamps.len() - 1;
            let position = self.traces[id].stays.last().map_or(0, |stay| stay.position);
            self.join(id, entry, into, base + position);
        }
        self.batches.remove(&key);
    }

    /// Whether the row's record is, or was, in the batch.
    pub(super) fn was_in_batch(&self, row: u32, key: u32) -> bool {
        self.find((Space::Row, row)).is_some_and(|id| self.was_in(id, key))
    }

    /// Whether a record of the batch is, or was, in the other one, too.
    pub(super) fn have_met(&self, key: u32, other: u32) -> bool {
        let batch = self.batches.get(&key);
        batch.is_some_and(|batch| batch.members.iter().any(|id| self.was_in(*id, other)))
    }

    fn was_in(&self, id: Id, key: u32) -> bool {
        self.batches.get(&key).is_some_and(|batch| self.traces[id].been.contains(&batch.serial))
    }

    /// What a report must say after these steps, if the log says when they were done. All threads end with the script.
    #[must_use]
    pub fn expected(mut self, steps: &[Step], log: &Truth) -> Expected {
        for thread in 0..self.threads.len() as u32 {
            self.cut(thread, 0);
        }
        let mut rows: Vec<&Row> = log.records().flatten().collect();
        rows.sort_unstable_by_key(|row| row.seq);
        let journeys = self.traces.iter().map(|trace| journey(trace, steps, &rows)).collect();
        Expected { journeys, bounds: self.met }
    }
}

fn journey(trace: &Trace, steps: &[Step], rows: &[&Row]) -> Journey {
    let stamps: Vec<Stamp> =
        trace.stamps.iter().filter_map(|&at| stamp(steps.get(at)?, rows.get(at)?)).collect();
    let holder = |stay: &Stay| -> u64 {
        let at = trace.stamps.get(stay.entry).and_then(|&at| rows.get(at));
        at.map_or(0, |row| row.more.holder)
    };
    let batches = trace.stays.iter().map(|stay| Membership {
        entry: stay.entry,
        key: holder(stay),
        position: stay.position,
        size: stay.size,
    });
    let born = trace.stamps.get(trace.shared).and_then(|&at| rows.get(at));
    Journey {
        who: Who::Sequence { tid: stamps.first().map_or(0, |stamp| stamp.tid), sequence: trace.who.1 },
        path: trace.path,
        key: born.map_or(0, |row| row.record),
        shared: trace.shared,
        branches: trace.branches,
        batches: batches.collect(),
        end: trace.end.clone().unwrap_or(End::InFlight),
        flags: trace.flags.clone(),
        stamps,
    }
}

fn stamp(step: &Step, row: &Row) -> Option<Stamp> {
    let (code, name) = step.code.stage()?;
    let (before_ns, after_ns) = (row.before_ns, row.after_ns);
    Some(Stamp { name, code, pid: row.pid, tid: row.tid, before_ns, after_ns, ..Stamp::default() })
}
