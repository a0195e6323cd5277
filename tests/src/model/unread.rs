//! What cannot be read, and what is not certain for that.
//!
//! A record whose key cannot be read is one that is not traced: it takes over what it comes by. One that passes a source so, in a page that is not there, may have
//! an older record's key, of which nobody knows: no journey that began before is sure from then on, and it ends where the next stage would be. Where a record may
//! have been handed on, or ended, so, no scope around it is known to have stayed empty.

use super::scopes::{Call, Hit};
use super::state::{Id, Key, Model, Owner, Space, Trace};
use super::step::flaw;
use super::{Code, Step};
use crate::expected::End;
use crate::flow::Read;

impl Model {
    /// Whether the key of a step's object cannot be read: counts it, and doubts what is to be doubted then.
    pub(super) fn cannot_read(&mut self, step: &Step) -> bool {
        let cannot = self.manner.named && step.has(flaw::OBJECT);
        if cannot {
            self.unreadable += 1;
            self.doubt(step);
        }
        cannot
    }

    /// No scope that is open on the thread is known to have stayed empty, if the step may have been an output, or an end, of a record.
    fn doubt(&mut self, step: &Step) {
        let ends = matches!(step.code, Code::Flush | Code::Free | Code::Error);
        if ends || step.code.is_output() || step.code == Code::Fork || step.code.opens() {
            self.frames(step.thread).iter_mut().for_each(|frame| frame.keeps = true);
        }
    }

    /// A key that could not be read is some record's from now on, if a record can be there.
    pub(super) fn may_have_passed(&mut self, step: &Step, space: Space) {
        let owner = self.owner(space, step.thread);
        *self.unseen.entry(owner).or_default() += u64::from(step.has(flaw::FAR));
    }

    /// How many records with keys of an owner may have passed unseen so far.
    pub(super) fn unseen_of(&self, owner: Owner) -> u64 {
        self.unseen.get(&owner).copied().unwrap_or(0)
    }

    /// The hit of a step does not count.
    pub(super) fn passed_over(&mut self, step: &Step) {
        if matches!(step.code, Code::Call | Code::KeepCall) {
            self.settle(step.thread, Hit::Other);
            self.thread(step.thread).calls.push(Call::Scope(None));
        }
    }

    /// Whether the hit of a step counts is not known.
    pub(super) fn unknown(&mut self, step: &Step) {
        self.unreadable += 1;
        self.doubt(step);
        match step.code {
            Code::Emit | Code::Fork => self.may_have_passed(step, Space::Row),
            Code::Alias => self.may_have_passed(step, Space::Node),
            _ => {}
        }
        if step.code.opens() && step.has(flaw::FAR) {
            self.open(step.thread, None, step.code);
        } else if step.code == Code::Close && step.has(flaw::FAR) {
            self.close_unknown(step.thread);
        } else {
            self.passed_over(step);
        }
    }

    /// The trace of a key, if it is surely still that of the record; else it ends.
    pub(super) fn find_sure(&mut self, key: Key) -> Option<Id> {
        self.find(key).filter(|&id| self.is_sure(id))
    }

    /// Whether each key that the trace has is surely its own: whether no record has passed unseen since it was given that may have taken it over. Of one that
    /// has none any more the same is asked of its first key. If it is not sure, the trace ends.
    pub(super) fn is_sure(&mut self, id: Id) -> bool {
        let Trace { bound, unseen, .. } = &self.traces[id];
        let is_still = |owner: Owner, before: u64| self.unseen_of(owner) == before;
        let sure = if bound.is_empty() {
            is_still(unseen.0, unseen.1)
        } else {
            bound.iter().all(|(key, before)| is_still(key.1, *before))
        };
        if !sure {
            self.end(id, End::Outcome("source_unseen".to_owned()));
        }
        sure
    }

    /// Reads the attributes of a step's stage.
    pub(super) fn read(&mut self, id: Id, step: &Step) {
        let unread = self.manner.reads(step.code).iter().filter(|read| is_unread(step, **read)).count();
        for _ in 0..unread {
            self.bound("attributes_unreadable");
            self.flag(id, "attributes_unreadable");
        }
    }
}

/// Whether something cannot be read of a step's row. Of an empty string nothing is read.
pub(super) fn is_unread(step: &Step, read: Read) -> bool {
    read == Read::Exact && step.has(flaw::TEXT) && !step.value.is_multiple_of(8)
}
