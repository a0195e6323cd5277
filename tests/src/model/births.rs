//! Births: records at their source, branches, further keys.

use std::collections::BTreeMap;

use super::state::{Id, Key, Model, Space, Trace};
use super::step::flaw;
use super::{Code, Step};

impl Model {
    /// A record with the row of this step is born, at a source or as an output.
    pub(super) fn born(&mut self, step: &Step) {
        let parent = if step.code == Code::Fork { self.current(step.thread) } else { None };
        if self.cannot_read(step) {
            self.may_have_passed(step);
            return;
        }
        let key = self.key_of(step);
        self.birth(key);
        let born = if step.code == Code::Fork { self.fork(parent, key) } else { self.emit(step.thread, key) };
        if let Some(id) = born {
            self.stamp(id, step.code);
            self.read(id, step);
        }
    }

    fn emit(&mut self, thread: u32, key: Key) -> Option<Id> {
        self.records += 1;
        let rate = self.bounds.rate;
        // The number of the step, which is the row's name now.
        let name = self.now as u64 + 1;
        let (number, is_sampled) = match self.manner.by_key {
            Some(by_key) => (name, (by_key.is_sampled)(name, rate)),
            None => {
                let of_thread = self.thread(thread);
                of_thread.emitted += 1;
                (of_thread.emitted, of_thread.emitted.is_multiple_of(rate))
            }
        };
        if !is_sampled {
            return None;
        }
        if self.is_full() {
            self.refused += 1;
            return None;
        }
        Some(self.begin((thread, number), 0, key, Vec::new()))
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
            unseen: self.unseen,
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
        self.keys.insert(key, id);
        id
    }

    /// The record of a step, traced or not, has the second object, a node, from now on.
    pub(super) fn also(&mut self, step: &Step, trace: Option<Id>) {
        if self.manner.named && step.has(flaw::SECOND) {
            self.unreadable += 1;
            self.may_have_passed(step);
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
        self.keys.insert(key, id);
    }
}
