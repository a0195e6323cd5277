//! Batches, and the journeys that come out when the script is done.

use super::state::{Batch, EVERY_PROCESS, Id, Model, Owner, Stay, Trace};
use super::step::flaw;
use super::unread::is_unread;
use super::{Code, Manner, Step};
use crate::expected::{End, Expected, Journey, Membership, Stamp, Who};
use crate::truth::{Row, Truth};

/// A batch: whose, which one.
type BatchKey = (Owner, u32);

/// What can be noted of the batches of one record, by the two stages of the spec that put it into some.
const MAX_NOTES: u32 = 16;

impl Model {
    /// The batch of a thread's process, made if it is not there.
    fn batch(&mut self, key: BatchKey) -> &mut Batch {
        let next = self.serials + 1;
        let batch = self.batches.entry(key).or_insert(Batch { serial: next, ..Batch::default() });
        self.serials = self.serials.max(batch.serial);
        batch
    }

    fn batch_key(&self, thread: u32, number: u32) -> BatchKey {
        let is_shared = self.manner.linked.is_some_and(|shared| shared.batches);
        (if is_shared { EVERY_PROCESS } else { self.manner.process(thread) }, number)
    }

    pub(super) fn add(&mut self, step: &Step) {
        let trace = self.stage_of(step);
        let entry = trace.map(|id| self.traces[id].stamps.len() - 1);
        if self.manner.named && step.has(flaw::SECOND) {
            self.unreadable += 1;
            // It was handed on, wherever to.
            trace.into_iter().for_each(|id| {
                self.traces[id].outputs += 1;
                self.miss(id);
            });
            return;
        }
        let key = self.batch_key(step.thread, step.second);
        let batch = self.batch(key);
        if batch.is_lost {
            trace.into_iter().for_each(|id| self.miss(id));
            return;
        }
        let position = batch.size;
        batch.size += 1;
        if let Some((id, entry)) = trace.zip(entry) {
            self.join(id, entry, key, position);
        }
    }

    /// The trace's record is in a batch that has no place for it, or that nobody knows; in any case no longer in the one before.
    fn miss(&mut self, id: Id) {
        self.flag(id, "batches_dropped");
        if self.traces[id].batch.take().is_some() {
            self.lose(id);
        }
    }

    /// The trace's record is in the batch now, and in no other.
    fn join(&mut self, id: Id, entry: usize, key: BatchKey, position: u32) {
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
            self.miss(id);
            return;
        }
        let trace = &mut self.traces[id];
        // From now on the batch leads to it.
        trace.leads += u32::from(trace.batch.is_none());
        trace.batch = Some(serial);
        trace.been.push(serial);
        trace.size_known = false;
        if self.note(id) {
            self.traces[id].stays.push(Stay { entry, position, size: None });
        }
    }

    /// Whether there is room to note something of the trace's batches.
    fn note(&mut self, id: Id) -> bool {
        self.traces[id].notes += 1;
        let has_room = self.traces[id].notes <= MAX_NOTES;
        if !has_room {
            self.flag(id, "batches_dropped");
        }
        has_room
    }

    /// Notes how many records the batch has that the trace's record is in: once.
    fn size(&mut self, id: Id, size: u32) {
        if std::mem::replace(&mut self.traces[id].size_known, true) || !self.note(id) {
            return;
        }
        // The last one: those before it, or those of a parent, were others.
        if let Some(stay) = self.traces[id].stays.last_mut() {
            stay.size = Some(u64::from(size));
        }
    }

    /// A stage of a batch by its key.
    pub(super) fn stage_of_batch(&mut self, step: &Step) {
        if self.cannot_read(step) {
            self.lose_end(step);
            return;
        }
        self.whole_batch(self.batch_key(step.thread, step.object), step.code);
    }

    /// It is not known which batch a step ends. Until the next end of each, nothing is known of any.
    fn lose_end(&mut self, step: &Step) {
        if step.code != Code::Seal && step.has(flaw::FAR) {
            self.batches.values_mut().for_each(|batch| batch.is_lost = true);
        }
    }

    /// A stage of a batch: one of every record that is in it, if it is not over.
    fn whole_batch(&mut self, key: BatchKey, code: Code) {
        let Some(batch) = self.batches.get(&key).cloned() else { return };
        let members = if batch.is_lost { Vec::new() } else { self.members(&batch) };
        for id in members {
            self.stamp(id, code);
            self.size(id, batch.size);
            if code == Code::Flush {
                self.end(id, End::Outcome("written".to_owned()));
            }
        }
        if code == Code::Flush {
            self.batches.remove(&key);
        }
    }

    fn listed(&self, batch: &Batch) -> Vec<Id> {
        let is_in = |id: &Id| self.is_alive(*id) && self.traces[*id].batch == Some(batch.serial);
        batch.members.iter().copied().filter(is_in).collect()
    }

    fn members(&mut self, batch: &Batch) -> Vec<Id> {
        self.listed(batch).into_iter().filter(|&id| self.is_sure(id)).collect()
    }

    pub(super) fn merge(&mut self, step: &Step) {
        if self.cannot_read(step) {
            self.lose_end(step);
            return;
        }
        let key = self.batch_key(step.thread, step.object);
        let into = self.batch_key(step.thread, step.second);
        self.whole_batch(key, Code::Merge);
        let Some(batch) = self.batches.get(&key).cloned() else { return };
        let cannot_read = self.manner.named && step.has(flaw::SECOND);
        self.unreadable += u64::from(cannot_read);
        if cannot_read || batch.is_lost || self.batch(into).is_lost {
            self.listed(&batch).into_iter().for_each(|id| self.miss(id));
            self.batches.remove(&key);
            return;
        }
        let members = self.members(&batch);
        let bigger = self.batch(into);
        let base = bigger.size;
        bigger.size += batch.size;
        for id in members {
            let entry = self.traces[id].stamps.len() - 1;
            let position = self.traces[id].stays.last().map_or(0, |stay| stay.position);
            self.join(id, entry, into, base + position);
        }
        self.batches.remove(&key);
    }

    /// Whether the row's record is, or was, in the batch.
    pub(super) fn was_in_batch(&self, step: &Step) -> bool {
        let key = self.batch_key(step.thread, step.second);
        self.find(self.key_of(step)).is_some_and(|id| self.was_in(id, key))
    }

    /// Whether a record of the batch is, or was, in the other one, too.
    pub(super) fn have_met(&self, step: &Step) -> bool {
        let batch = self.batches.get(&self.batch_key(step.thread, step.object));
        let other = self.batch_key(step.thread, step.second);
        batch.is_some_and(|batch| batch.members.iter().any(|id| self.was_in(*id, other)))
    }

    fn was_in(&self, id: Id, key: BatchKey) -> bool {
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
        let told = Told { steps, rows: &rows, manner: self.manner };
        let journeys = self.traces.iter().map(|trace| told.journey(trace)).collect();
        let (refused, unreadable) = (self.refused, Some(self.unreadable));
        Expected { journeys, bounds: self.met, refused, unreadable }
    }
}

/// A script, and the log of its run, row by row.
struct Told<'a> {
    steps: &'a [Step],
    rows: &'a [&'a Row],
    manner: Manner,
}

impl Told<'_> {
    fn journey(&self, trace: &Trace) -> Journey {
        let stamps: Vec<Stamp> = trace.stamps.iter().filter_map(|&at| self.stamp(at)).collect();
        let holder = |stay: &Stay| -> u64 {
            let at = trace.stamps.get(stay.entry).and_then(|&at| self.rows.get(at));
            at.map_or(0, |row| if self.manner.named { row.more.batch } else { row.more.holder })
        };
        let batches = trace.stays.iter().map(|stay| Membership {
            entry: stay.entry,
            key: holder(stay),
            position: stay.position,
            size: stay.size,
        });
        let born = trace.stamps.get(trace.shared).and_then(|&at| self.rows.get(at));
        let who = match self.manner.by_key {
            Some(by_key) => Who::Met {
                id: (by_key.trace_id)(trace.who.1),
                since_ns: stamps.first().map_or(0, |stamp| stamp.before_ns),
            },
            None => Who::Sequence { tid: stamps.first().map_or(0, |stamp| stamp.tid), sequence: trace.who.1 },
        };
        Journey {
            who,
            path: trace.path,
            key: born.map_or(0, |row| if self.manner.named { row.more.path } else { row.record }),
            shared: trace.shared,
            branches: trace.branches,
            batches: batches.collect(),
            end: trace.end.clone().unwrap_or(End::InFlight),
            flags: trace.flags.clone(),
            stamps,
        }
    }

    fn stamp(&self, at: usize) -> Option<Stamp> {
        let (step, row) = (self.steps.get(at)?, self.rows.get(at)?);
        let (code, name) = step.code.stage()?;
        let reads = self.manner.reads(step.code).iter().filter(|read| !is_unread(step, **read));
        let attributes = reads.filter_map(|read| read.value(row)).collect();
        let (before_ns, after_ns) = (row.before_ns, row.after_ns);
        Some(Stamp { name, code, pid: row.pid, tid: row.tid, before_ns, after_ns, attributes, time: None })
    }
}
