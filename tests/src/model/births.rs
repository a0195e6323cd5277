//! Births: records at their source, branches, further keys.

use std::collections::BTreeMap;

use super::state::{Id, Key, Model, Space, Trace};
use super::step::flaw;
use super::{Code, Step};

/// The flag of journeys that did not begin at a source.
const PARTIAL: &str = "partial";

impl Model {
    /// A record with the row of this step is born, at a source or as an output.
    pub(super) fn born(&mut self, step: &Step) {
        let parent = if step.code == Code::Fork { self.current(step.thread) } else { None };
        if self.cannot_read(step) {
            self.may_have_passed(step, Space::Row);
            return;
        }
        let key = self.key_of(step);
        self.birth(key);
        // Whoever was refused with this key has lost it, too.
        self.refused_keys.remove(&key);
        let born = if step.code == Code::Fork { self.fork(parent, key) } else { self.emit(step.thread, key) };
        if let Some(id) = born {
            self.stamp(id, step.code);
            self.read(id, step);
        }
    }

    fn emit(&mut self, thread: u32, key: Key) -> Option<Id> {
        self.records += 1;
        let rate = self.bounds.rate;
        let (number, is_sampled) = match self.manner.by_key {
            Some(by_key) => (key.2, (by_key.is_sampled)(key.2, rate)),
            None => {
                let of_thread = self.thread(thread);
                of_thread.emitted += 1;
                (of_thread.emitted, of_thread.emitted.is_multiple_of(rate))
            }
        };
        if is_sampled { self.admit((thread, number), key) } else { None }
    }

    /// A row of which nothing is known comes to a stage that any record may come to first.
    pub(super) fn meet(&mut self, thread: u32, key: Key) -> Option<Id> {
        let is_sampled = self.manner.by_key.is_some_and(|by| (by.is_sampled)(key.2, self.bounds.rate));
        if !is_sampled || self.refused_keys.contains(&key) {
            return None;
        }
        let met = self.admit((thread, key.2), key);
        match met {
            Some(id) => self.flag(id, PARTIAL),
            None => drop(self.refused_keys.insert(key)),
        }
        met
    }

    /// A journey begins with a sampled record, unless something forbids it.
    fn admit(&mut self, who: (u32, u64), key: Key) -> Option<Id> {
        if self.is_paused || self.is_full() {
            self.refused += 1;
            return None;
        }
        Some(self.begin(who, 0, key, Vec::new()))
    }

    fn fork(&mut self, parent: Option<Id>, key: Key) -> Option<Id> {
        let parent = parent?;
        self.traces[parent].children += 1;
        let Trace { who, path, children, ref stamps, ref stays, .. } = self.traces[parent];
        let is_one_too_many = children > self.bounds.branches || children > 255 || path >> 56 != 0;
        if is_one_too_many || self.is_full() {
            self.bound(if is_one_too_many { "branches_full" } else { "branches_refused" });
            self.flag(parent, "branches_dropped");
            return None;
        }
        let (stamps, stays) = (stamps.clone(), stays.clone());
        self.traces[parent].branches += 1;
        let id = self.begin(who, path << 8 | u64::from(children), key, stamps);
        self.traces[id].stays = stays;
        if self.traces[parent].flags.contains_key(PARTIAL) {
            self.flag(id, PARTIAL);
        }
        Some(id)
    }

    /// Whether no slot is free.
    fn is_full(&self) -> bool {
        self.traces.len() >= self.bounds.slots
    }

    /// A journey that begins with a row, and with the stamps of another one.
    fn begin(&mut self, who: (u32, u64), path: u64, key: Key, stamps: Vec<usize>) -> Id {
        let id = self.traces.len();
        self.traces.push(Trace {
            who,
            unseen: (key.1, self.unseen_of(key.1)),
            bound: Vec::new(),
            path,
            shared: stamps.len(),
            stamps,
            end: None,
            leads: 1,
            unsure: false,
            size_known: false,
            notes: 0,
            keys: 1,
            outputs: 0,
            children: 0,
            branches: 0,
            batch: None,
            been: Vec::new(),
            stays: Vec::new(),
            flags: BTreeMap::new(),
        });
        self.give(id, key);
        id
    }

    /// The record of a step, traced or not, has the second object, a node, from now on.
    pub(super) fn also(&mut self, step: &Step, trace: Option<Id>) {
        if self.manner.named && step.has(flaw::SECOND) {
            self.unreadable += 1;
            self.may_have_passed(step, Space::Node);
            return;
        }
        let key = self.key(Space::Node, step.thread, step.second);
        self.bind(key, trace);
    }

    /// A further key, of a record that is traced or not.
    fn bind(&mut self, key: Key, trace: Option<Id>) {
        if self.find(key).is_some() && self.find(key) == trace {
            return;
        }
        self.birth(key);
        let Some(id) = trace else { return };
        self.traces[id].keys += 1;
        if self.traces[id].keys > self.bounds.keys {
            self.bound("keys_full");
            self.flag(id, "keys_dropped");
            return;
        }
        self.traces[id].leads += 1;
        self.give(id, key);
    }
}
