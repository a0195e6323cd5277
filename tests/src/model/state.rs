//! The model's state: records and their journeys, threads with their scopes, keys, batches. One step changes it by the rules, and nothing else does.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::condition::{Verdict, condition};
use super::scopes::{Call, Frame, Thread};
use super::{Bounds, Code, Manner, Step};
use crate::expected::End;

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    /// Rows.
    Row,
    /// Nodes.
    Node,
}

impl Space {
    /// The name that an object has at first, the same in every process, and past all numbers of steps.
    fn first_name(self, object: u32) -> u64 {
        let first = if self == Self::Row { 0x1000_0000 } else { 0x2000_0000 };
        first + u64::from(object)
    }
}

/// Of which process keys are; [`EVERY_PROCESS`] where they are shared.
pub(super) type Owner = u32;

/// The owner of keys that match across processes.
pub(super) const EVERY_PROCESS: Owner = u32::MAX;

/// A key: of what, whose, the object's name.
pub(super) type Key = (Space, Owner, u64);

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
    /// Thread of the source, and number in its sequence; where keys decide, the key.
    pub who: (u32, u64),
    /// Whose its first key is, and how many of that owner's records had passed unseen when it began.
    pub unseen: (Owner, u64),
    /// The keys it has, and the same of each when it was given.
    pub bound: Vec<(Key, u64)>,
    pub path: u64,
    /// Indices of the steps.
    pub stamps: Vec<usize>,
    pub shared: usize,
    pub end: Option<End>,
    /// Keys, scopes and the batch that lead to it.
    pub leads: u32,
    /// Whether a scope that a stage had opened for it was left.
    pub unsure: bool,
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
    /// Whether the size of the batch that it is in was to be noted.
    pub size_known: bool,
    /// What was to be noted of its batches.
    pub notes: u32,
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
    /// Whether it may have been over before its last record came.
    pub is_lost: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Model {
    pub(super) bounds: Bounds,
    pub(super) manner: Manner,
    pub(super) traces: Vec<Trace>,
    pub(super) keys: HashMap<Key, Id>,
    pub(super) threads: Vec<Thread>,
    /// By owner and number.
    pub(super) batches: HashMap<(Owner, u32), Batch>,
    /// Of objects that have another name than at first: of what, in which process, which one.
    names: HashMap<(Space, u32, u32), u64>,
    pub(super) serials: u64,
    /// How often bounds were met, by the ledger's names.
    pub(super) met: BTreeMap<String, u64>,
    /// Records that may have passed a source unseen, by the owner of their key.
    pub(super) unseen: HashMap<Owner, u64>,
    /// Sampled records that no journey began with.
    pub(super) refused: u64,
    /// Keys of those that may be met again.
    pub(super) refused_keys: HashSet<Key>,
    /// Whether none begins at the moment.
    pub(super) is_paused: bool,
    /// Records that came to a source.
    pub(super) records: u64,
    /// Keys and conditions that could not be read.
    pub(super) unreadable: u64,
    /// Steps done so far.
    pub(super) now: usize,
}

impl Model {
    /// Before the first step.
    #[must_use]
    pub fn new(threads: u32, bounds: Bounds, manner: Manner) -> Self {
        Self {
            bounds,
            manner,
            traces: Vec::new(),
            keys: HashMap::new(),
            threads: (0..threads).map(|_| Thread::default()).collect(),
            batches: HashMap::new(),
            names: HashMap::new(),
            serials: 0,
            met: BTreeMap::new(),
            unseen: HashMap::new(),
            refused: 0,
            refused_keys: HashSet::new(),
            is_paused: false,
            records: 0,
            unreadable: 0,
            now: 0,
        }
    }

    /// How often bounds were met so far, by the ledger's names.
    pub fn met(&self) -> impl Iterator<Item = (&str, u64)> {
        self.met.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Records that came to a source so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        if step.name != 0 {
            let process = self.manner.process(step.thread);
            self.names.insert((Space::Row, process, step.object), u64::from(step.name));
        }
        let has_condition = self.manner.conditions && self.manner.probes(step.code);
        let counts = condition(step).filter(|_| has_condition).map_or(Verdict::Holds, |(_, says)| says);
        match counts {
            Verdict::Holds => self.stage(step),
            Verdict::Fails => self.passed_over(step),
            Verdict::Unreadable => self.unknown(step),
        }
        self.now += 1;
    }

    /// What a step does whose hit counts.
    fn stage(&mut self, step: &Step) {
        let Step { thread, code, object, .. } = *step;
        match code {
            Code::Emit if self.manner.is_unsourced() => {}
            Code::Emit | Code::Fork => self.born(step),
            Code::Take | Code::Put | Code::Node => drop(self.stage_of(step)),
            Code::Alias => {
                let trace = self.stage_of(step);
                self.also(step, trace);
            }
            Code::Open | Code::Call | Code::KeepCall => {
                let trace = self.stage_of(step);
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
            Code::Add => self.add(step),
            Code::Merge => self.merge(step),
            Code::Seal | Code::Flush => self.stage_of_batch(step),
            Code::Write | Code::NodeWrite => self.finish(step, "written"),
            Code::Free => self.finish(step, "filtered"),
            Code::Error => self.finish(step, "error_routed"),
            Code::Halt => self.is_paused = !self.is_paused,
            Code::Die => {
                self.cut(thread, 0);
                // The new thread's sequence begins anew.
                *self.thread(thread) = Thread::default();
            }
        }
    }

    /// The key of a step's object.
    pub(super) fn key_of(&self, step: &Step) -> Key {
        let space = if matches!(step.code, Code::Node | Code::NodeWrite) { Space::Node } else { Space::Row };
        let (_, owner, name) = self.key(space, step.thread, step.object);
        (space, owner, if step.name == 0 { name } else { u64::from(step.name) })
    }

    /// A key as a thread has it.
    pub(super) fn key(&self, space: Space, thread: u32, object: u32) -> Key {
        let object = (space, self.manner.process(thread), object);
        let name = self.names.get(&object).copied().unwrap_or_else(|| space.first_name(object.2));
        (space, self.owner(space, thread), name)
    }

    /// Whose the keys of a space are on a thread.
    pub(super) fn owner(&self, space: Space, thread: u32) -> Owner {
        let shared = self.manner.linked.unwrap_or_default();
        let is_shared = if space == Space::Row { shared.rows } else { shared.nodes };
        if is_shared { EVERY_PROCESS } else { self.manner.process(thread) }
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
    pub(super) fn find(&self, key: Key) -> Option<Id> {
        self.keys.get(&key).copied()
    }

    /// A stage by the key of its object: the trace that it stamps.
    pub(super) fn stage_of(&mut self, step: &Step) -> Option<Id> {
        if self.cannot_read(step) {
            return None;
        }
        let key = self.key_of(step);
        let may_be_first = self.manner.is_unsourced() && step.code.is_of_row();
        if may_be_first && step.code.ends_row() {
            self.refused_keys.remove(&key);
        }
        let id = match self.find_sure(key) {
            None if may_be_first && !step.code.ends_row() => self.meet(step.thread, key)?,
            known => known?,
        };
        self.stamp(id, step.code);
        self.read(id, step);
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
        for (key, _) in std::mem::take(&mut self.traces[id].bound) {
            self.keys.remove(&key);
        }
    }

    fn finish(&mut self, step: &Step, outcome: &str) {
        if let Some(id) = self.stage_of(step) {
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
    pub(super) fn birth(&mut self, key: Key) {
        if let Some(id) = self.keys.remove(&key) {
            self.traces[id].bound.retain(|(bound, _)| *bound != key);
            self.lose(id);
        }
    }

    /// The trace has this key from now on.
    pub(super) fn give(&mut self, id: Id, key: Key) {
        let unseen = self.unseen_of(key.1);
        self.traces[id].bound.push((key, unseen));
        self.keys.insert(key, id);
    }

    /// The scopes that are open on a thread, the outermost first.
    pub(super) fn frames(&mut self, thread: u32) -> &mut Vec<Frame> {
        &mut self.thread(thread).frames
    }
}
