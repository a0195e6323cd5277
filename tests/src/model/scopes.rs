//! Scopes, by the depth of calls.
//!
//! How deep in the stack a stage function is entered is its *place*: how many calls the thread is in.
//!
//! A scope that is a call is open as long as the call is, however it ends. One that a stage opened is open until a stage closes it, or until a call around it
//! ends. If the thread is found further out than where it was opened, or opens another one there, it was left, or its record has gone on elsewhere: nobody knows.
//! With nothing around it, or nothing certain, it is forgotten then; else it is hidden, and no record is current while it is the innermost one.

use super::Code;
use super::state::{Id, Model};
use crate::expected::End;

/// Scopes that one thread may have open.
const MAX_SCOPES: usize = 8;

/// A thread of the script.
#[derive(Clone, Debug, Default)]
pub(super) struct Thread {
    /// Records it has emitted.
    pub emitted: u64,
    pub calls: Vec<Call>,
    pub frames: Vec<Frame>,
    /// Scopes it has opened.
    opened: u64,
    /// The scope that found no room: as long as it may be open, no scope is certain.
    pub overflow: Option<Overflow>,
}

/// A scope that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Of a call from this place: until a stage is entered there, or further out.
    Call(usize),
    /// Opened by a stage: until there is room for one more.
    Long,
}

/// What a hit is to the scopes of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// It opens a scope that another stage closes.
    OpensLong,
    /// It opens a call, or none.
    Other,
}

impl Thread {
    /// The place of a stage function that is entered now.
    fn place(&self) -> usize {
        self.calls.len()
    }

    /// Where a scope that it opened is now, if it is still there.
    fn find(&self, serial: u64) -> Option<usize> {
        self.frames.iter().position(|frame| frame.serial == serial)
    }

    /// A stage that has to do with scopes is entered at this place.
    fn forget_overflow(&mut self, place: usize) {
        self.overflow = self.overflow.filter(|at| match at {
            Overflow::Call(at) => *at < place,
            Overflow::Long => true,
        });
    }

    /// Scopes were taken away.
    fn has_room(&mut self) {
        if self.frames.len() < MAX_SCOPES {
            self.overflow = self.overflow.filter(|at| *at != Overflow::Long);
        }
    }
}

/// A call that a thread is in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Of no stage.
    Plain,
    /// Of a stage that opens a scope: which one, if there was room for it and a need.
    Scope(Option<u64>),
}

/// An open scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Which scope of its thread it is.
    pub serial: u64,
    /// `None` for a record that is not traced.
    pub trace: Option<Id>,
    pub place: usize,
    pub is_call: bool,
    /// Whether its call was left. It is found so when the thread next has to do with scopes.
    pub is_gone: bool,
    /// Whether it may close without an output.
    pub keeps: bool,
    /// Whether nobody knows if it is open still.
    pub hidden: bool,
    /// Of the trace, when the scope was opened.
    pub outputs: u32,
    pub children: u32,
}

impl Model {
    /// The record that a thread is at.
    pub(super) fn current(&mut self, thread: u32) -> Option<Id> {
        self.settle(thread, Hit::Other);
        let of_thread = self.thread(thread);
        if of_thread.overflow.is_some() {
            return None;
        }
        let id = of_thread.frames.last().filter(|frame| !frame.hidden)?.trace?;
        (self.is_alive(id) && self.is_sure(id)).then_some(id)
    }

    pub(super) fn open(&mut self, thread: u32, trace: Option<Id>, code: Code) {
        let is_call = code != Code::Open;
        self.settle(thread, if is_call { Hit::Other } else { Hit::OpensLong });
        let mut opened = None;
        if trace.is_some() || !self.frames(thread).is_empty() {
            opened = self.push(thread, trace, is_call, code == Code::KeepCall);
        }
        if is_call {
            self.thread(thread).calls.push(Call::Scope(opened));
        }
    }

    /// A stage that has to do with scopes is entered: what was opened from further in was left; and, where the next one is opened, what was opened from there.
    pub(super) fn settle(&mut self, thread: u32, hit: Hit) {
        let of_thread = self.thread(thread);
        let place = of_thread.place();
        of_thread.forget_overflow(place);
        let is_left = |frame: &Frame| {
            let is_next = hit == Hit::OpensLong && frame.place == place;
            frame.is_gone || !frame.is_call && !frame.hidden && (frame.place > place || is_next)
        };
        let Some(first) = of_thread.frames.iter().position(is_left) else { return };
        let around = first.checked_sub(1).and_then(|around| of_thread.frames.get(around));
        if of_thread.frames[first].is_call || around.is_none_or(|around| around.hidden) {
            self.cut(thread, first);
            return;
        }
        of_thread.frames.iter_mut().for_each(|frame| frame.keeps = true);
        of_thread.frames[first].hidden = true;
        self.cut(thread, first + 1);
    }

    /// Its serial number; `None` when there is no room.
    fn push(&mut self, thread: u32, trace: Option<Id>, is_call: bool, keeps: bool) -> Option<u64> {
        let of_thread = self.thread(thread);
        let place = of_thread.place();
        if of_thread.frames.len() >= MAX_SCOPES || of_thread.overflow.is_some() {
            of_thread.overflow.get_or_insert(if is_call { Overflow::Call(place) } else { Overflow::Long });
            self.bound("scopes_full");
            return None;
        }
        of_thread.opened += 1;
        let serial = of_thread.opened;
        let (outputs, children) =
            trace.map_or((0, 0), |id| (self.traces[id].outputs, self.traces[id].children));
        if let Some(id) = trace {
            self.traces[id].leads += 1;
        }
        let (hidden, is_gone) = (false, false);
        let frame = Frame { serial, trace, place, is_call, is_gone, keeps, hidden, outputs, children };
        self.frames(thread).push(frame);
        Some(serial)
    }

    /// Takes away the scopes from the one at `first` on: they were left, which says nothing of their records.
    pub(super) fn cut(&mut self, thread: u32, first: usize) {
        let frames = self.frames(thread);
        let cut = frames.split_off(first.min(frames.len()));
        self.thread(thread).has_room();
        for (id, is_call) in cut.into_iter().filter_map(|frame| Some((frame.trace?, frame.is_call))) {
            // What its record came to there is not known.
            self.traces[id].unsure |= !is_call;
            self.lose(id);
        }
    }

    /// The scope at `index` comes to its regular end; those within it were left.
    fn close_at(&mut self, thread: u32, index: usize) {
        self.cut(thread, index + 1);
        let Some(frame) = self.frames(thread).pop() else { return };
        self.thread(thread).has_room();
        let Some(id) = frame.trace else { return };
        let is_outermost = self.frames(thread).iter().all(|outer| outer.trace != frame.trace);
        let stayed_empty = self.is_alive(id) && self.traces[id].outputs == frame.outputs;
        if is_outermost && stayed_empty && !frame.keeps && !self.traces[id].unsure && self.is_sure(id) {
            let became = if self.traces[id].children == frame.children { "filtered" } else { "split" };
            self.end(id, End::Outcome(became.to_owned()));
        }
        self.lose(id);
    }

    pub(super) fn return_from(&mut self, thread: u32) {
        let of_thread = self.thread(thread);
        let Some(Call::Scope(opened)) = of_thread.calls.pop() else { return };
        of_thread.forget_overflow(of_thread.place());
        if let Some(index) = opened.and_then(|serial| of_thread.find(serial)) {
            self.close_at(thread, index);
        }
    }

    pub(super) fn leave(&mut self, thread: u32, calls: u32) {
        let of_thread = self.thread(thread);
        let depth = of_thread.calls.len().saturating_sub(calls as usize);
        let left = of_thread.calls.split_off(depth);
        for call in left {
            if let Call::Scope(Some(serial)) = call
                && let Some(index) = of_thread.find(serial)
            {
                of_thread.frames[index].is_gone = true;
            }
        }
    }

    /// A stage closes the scope of the record that the thread is at; of one that is not traced, or is over, no more than the innermost.
    pub(super) fn close(&mut self, thread: u32) {
        let current = self.current(thread);
        if let Some(id) = current {
            self.stamp(id, Code::Close);
        }
        let frames = self.frames(thread).clone();
        let ended = |frame: &Frame| frame.trace.is_none_or(|id| !self.is_alive(id));
        let is_its_own = |frame: &&Frame| !frame.is_call && ended(frame);
        let index = match current {
            Some(_) => frames.iter().rposition(|frame| !frame.is_call && frame.trace == current),
            // Another one's, perhaps, that found no room.
            None if self.threads[thread as usize].overflow == Some(Overflow::Long) => None,
            None => frames.last().filter(is_its_own).map(|_| frames.len() - 1),
        };
        if let Some(index) = index {
            self.close_at(thread, index);
        }
    }

    /// A stage may close a scope, and whether it does is not known: nobody knows of any that a stage opened, and of none is it known that it stayed empty.
    pub(super) fn close_unknown(&mut self, thread: u32) {
        for frame in self.frames(thread) {
            frame.keeps = true;
            frame.hidden |= !frame.is_call;
        }
    }
}
