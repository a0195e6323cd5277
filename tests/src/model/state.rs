//! The model's state: records and their journeys, threads with their scopes, keys, batches. One step changes it by the rules, and nothing else does.

use std::collections::{BTreeMap, HashMap};

use super::scopes::{Call, Frame, Thread};
use super::{Bounds, Code, Step};
use crate::expected::End;

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    /// Rows.
    Row,
    /// Nodes.
    Node,
}

/// Index of a trace in [`Model::traces`].
pub(super) type Id = usize;

/// A stay in a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub entry: usize,
    pub position: u32,
    pub size: Option<u64>,
}

/// A journey of a sampled record.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Thread of the source, and number in its sequence.
    pub who: (u32, u64),
    pub path: u64,
    /// Indices of the steps.
    pub stamps: Vec<usize>,
    pub shared: usize,
    pub end: Option<End>,
    /// Keys, scopes and the batch that lead to it.
    pub leads: u32,
    /// Keys it was bound to, or should have been, over its life.
    pub keys: u32,
    pub outputs: u32,
    /// Outputs that were to be branches, and those that became some.
    pub children: u32,
    pub branches: u32,
    /// Serial number of the batch it is in.
    pub batch: Option<u64>,
    /// Serial numbers of the batches it was in.
    pub been: Vec<u64>,
    pub stays: Vec<Stay>,
    pub flags: BTreeMap<String, u64>,
}

/// A batch that is being filled.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub serial: u64,
    pub size: u32,
    /// Sampled ones that were put into it, those past the bound too.
    pub asked: u32,
    pub members: Vec<Id>,
}

/// See the module.
#[derive(Debug)]
pub struct Model {
    pub(super) bounds: Bounds,
    pub(super) traces: Vec<Trace>,
    pub(super) keys: HashMap<(Space, u32), Id>,
    pub(super) threads: Vec<Thread>,
    pub(super) batches: HashMap<u32, Batch>,
    pub(super) serials: u64,
    /// How often bounds were met, by the ledger's names.
    pub(super) met: BTreeMap<String, u64>,
    /// Steps done so far.
    pub(super) now: usize,
}

impl Model {
    /// Before the first step.
    #[must_use]
    pub fn new(threads: u32, bounds: Bounds) -> Self {
        Self {
            bounds,
            traces: Vec::new(),
            keys: HashMap::new(),
            threads: (0..threads).map(|_| Thread::default()).collect(),
            batches: HashMap::new(),
            serials: 0,
            met: BTreeMap::new(),
            now: 0,
        }
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        let Step { thread, code, object, second } = *step;
        let row = (Space::Row, object);
        match code {
            Code::Emit => self.emit(thread, object),
            Code::Take | Code::Put => drop(self.stage_of(row, code)),
            Code::Alias => {
                let trace = self.stage_of(row, code);
                self.bind((Space::Node, second), trace);
            }
            Code::Node => drop(self.stage_of((Space::Node, object), code)),
            Code::Fork => self.fork(thread, object),
            Code::Open | Code::Call | Code::KeepCall => {
                let trace = self.stage_of(row, code);
                self.open(thread, trace, code);
            }
            Code::PlainCall => self.thread(thread).calls.push(Call::Plain),
            Code::Close => self.close(thread),
            Code::Return => self.return_from(thread),
            Code::Leave => self.leave(thread, object),
            Code::Note | Code::Done => {
                if let Some(trace) = self.current(thread) {
                    self.stamp(trace, code);
                }
            }
            Code::Add => self.add(object, second),
            Code::Merge => self.merge(object, second),
            Code::Seal | Code::Flush => self.whole_batch(object, code),
            Code::Write => self.finish(row, code, "written"),
            Code::NodeWrite => self.finish((Space::Node, object), code, "written"),
            Code::Free => self.finish(row, code, "filtered"),
            Code::Error => self.finish(row, code, "error_routed"),
            Code::Die => {
                self.cut(thread, 0);
                // The new thread's sequence begins anew.
                *self.thread(thread) = Thread::default();
            }
        }
        self.now += 1;
    }

    pub(super) fn thread(&mut self, thread: u32) -> &mut Thread {
        let index = thread as usize % self.threads.len();
        &mut self.threads[index]
    }

    pub(super) fn is_alive(&self, id: Id) -> bool {
        self.traces[id].end.is_none()
    }

    pub(super) fn bound(&mut self, name: &str) {
        *self.met.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn flag(&mut self, id: Id, name: &str) {
        *self.traces[id].flags.entry(name.to_owned()).or_default() += 1;
    }

    /// The trace of a key.
    pub(super) fn find(&self, key: (Space, u32)) -> Option<Id> {
        self.keys.get(&key).copied()
    }

    /// A stage by a key: the trace that it stamps.
    fn stage_of(&mut self, key: (Space, u32), code: Code) -> Option<Id> {
        let id = self.find(key)?;
        self.stamp(id, code);
        Some(id)
    }

    /// Takes a stamp at this step; its index.
    pub(super) fn stamp(&mut self, id: Id, code: Code) -> usize {
        let now = self.now;
        let trace = &mut self.traces[id];
        trace.stamps.push(now);
        trace.outputs += u32::from(code.is_output());
        trace.stamps.len() - 1
    }

    pub(super) fn end(&mut self, id: Id, end: End) {
        self.traces[id].end = Some(end);
        self.keys.retain(|_, trace| *trace != id);
    }

    fn finish(&mut self, key: (Space, u32), code: Code, outcome: &str) {
        if let Some(id) = self.stage_of(key, code) {
            self.end(id, End::Outcome(outcome.to_owned()));
        }
    }

    /// One of the things that lead to the trace is no more. With the last one it has vanished.
    pub(super) fn lose(&mut self, id: Id) {
        self.traces[id].leads -= 1;
        if self.traces[id].leads == 0 && self.is_alive(id) {
            self.end(id, End::Vanished);
        }
    }

    /// A record with this key is born: whatever trace has it loses it.
    pub(super) fn birth(&mut self, key: (Space, u32)) {
        if let Some(id) = self.keys.remove(&key) {
            self.lose(id);
        }
    }

    /// A further key, of a record that is traced or not.
    fn bind(&mut self, key: (Space, u32), trace: Option<Id>) {
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

    fn emit(&mut self, thread: u32, row: u32) {
        self.birth((Space::Row, row));
        let rate = self.bounds.rate;
        let of_thread = self.thread(thread);
        of_thread.emitted += 1;
        let sequence = of_thread.emitted;
        if sequence.is_multiple_of(rate) {
            let id = self.begin((thread, sequence), 0, row, Vec::new());
            self.stamp(id, Code::Emit);
        }
    }

    /// A journey that begins with a row, and with the stamps of another one.
    pub(super) fn begin(&mut self, who: (u32, u64), path: u64, row: u32, stamps: Vec<usize>) -> Id {
        let id = self.traces.len();
        self.traces.push(Trace {
            who,
            path,
            shared: stamps.len(),
            stamps,
            end: None,
            leads: 1,
            keys: 1,
            outputs: 0,
            children: 0,
            branches: 0,
            batch: None,
            been: Vec::new(),
            stays: Vec::new(),
            flags: BTreeMap::new(),
        });
        self.keys.insert((Space::Row, row), id);
        id
    }

    fn fork(&mut self, thread: u32, row: u32) {
        let parent = self.current(thread);
        self.birth((Space::Row, row));
        let Some(parent) = parent else { return };
        self.traces[parent].children += 1;
        let Trace { who, path, children, ref stamps, ref stays, .. } = self.traces[parent];
        if children > self.bounds.branches || children > 255 || path >> 56 != 0 {
            self.bound("branches_full");
            self.flag(parent, "branches_dropped");
            return;
        }
        let (stamps, stays) = (stamps.clone(), stays.clone());
        self.traces[parent].branches += 1;
        let id = self.begin(who, path << 8 | u64::from(children), row, stamps);
        self.traces[id].stays = stays;
        self.stamp(id, Code::Fork);
    }

    /// The scopes that are open on a thread, the outermost first.
    pub(super) fn frames(&mut self, thread: u32) -> &mut Vec<Frame> {
        &mut self.thread(thread).frames
    }
}
