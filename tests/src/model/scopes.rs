//! Scopes, by the depth of calls.
//!
//! How deep in the stack a stage function is entered is its *place*: those that a call makes are a little deeper than the others of the same function.
//!
//! A scope that is a call is open as long as the call is, however it ends. One that a stage opened is open until a stage closes it, until a call around it
//! ends, or until the thread opens another scope from further out, or from the same place in the program: then the first was left.

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
    /// The place at which a scope found no room; until a stage is entered there, or further out, no scope is certain.
    pub overflow: Option<usize>,
}

impl Thread {
    /// The place of a stage function.
    fn place(&self, is_call: bool) -> usize {
        2 * self.calls.len() + usize::from(is_call)
    }

    /// Where a scope that it opened is now, if it is still there.
    fn find(&self, serial: u64) -> Option<usize> {
        self.frames.iter().position(|frame| frame.serial == serial)
    }

    /// A stage that has to do with scopes is entered at this place.
    fn forget_overflow(&mut self, place: usize) {
        self.overflow = self.overflow.filter(|&at| at < place);
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
    /// Whether it may close without an output.
    pub keeps: bool,
    /// Of the trace, when the scope was opened.
    pub outputs: u32,
    pub children: u32,
}

impl Model {
    /// The record that a thread is at.
    pub(super) fn current(&mut self, thread: u32) -> Option<Id> {
        let of_thread = self.thread(thread);
        of_thread.forget_overflow(of_thread.place(false));
        if of_thread.overflow.is_some() {
            return None;
        }
        let id = of_thread.frames.last()?.trace?;
        (self.is_alive(id) && self.is_sure(id)).then_some(id)
    }

    pub(super) fn open(&mut self, thread: u32, trace: Option<Id>, code: Code) {
        let is_call = code != Code::Open;
        self.enter(thread, is_call);
        let mut opened = None;
        if trace.is_some() || !self.frames(thread).is_empty() {
            opened = self.push(thread, trace, is_call, code == Code::KeepCall);
        }
        if is_call {
            self.thread(thread).calls.push(Call::Scope(opened));
        }
    }

    /// The function of a stage that may open a scope is entered: scopes that were opened from its place, or from further in, were left.
    pub(super) fn enter(&mut self, thread: u32, is_call: bool) {
        let of_thread = self.thread(thread);
        let place = of_thread.place(is_call);
        of_thread.forget_overflow(place);
        // At the same place there can only be one that the same stage opened.
        if let Some(first) = of_thread.frames.iter().position(|frame| frame.place >= place) {
            self.cut(thread, first);
        }
    }

    /// Its serial number; `None` when there is no room.
    fn push(&mut self, thread: u32, trace: Option<Id>, is_call: bool, keeps: bool) -> Option<u64> {
        let of_thread = self.thread(thread);
        let place = of_thread.place(is_call);
        if of_thread.frames.len() >= MAX_SCOPES || of_thread.overflow.is_some() {
            of_thread.overflow.get_or_insert(place);
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
        self.frames(thread).push(Frame { serial, trace, place, is_call, keeps, outputs, children });
        Some(serial)
    }

    /// Takes away the scopes from the one at `first` on: they were left, which says nothing of their records.
    pub(super) fn cut(&mut self, thread: u32, first: usize) {
        let frames = self.frames(thread);
        let cut = frames.split_off(first.min(frames.len()));
        for id in cut.into_iter().filter_map(|frame| frame.trace) {
            self.lose(id);
        }
    }

    /// The scope at `index` comes to its regular end; those within it were left.
    fn close_at(&mut self, thread: u32, index: usize) {
        self.cut(thread, index + 1);
        let Some(frame) = self.frames(thread).pop() else { return };
        let Some(id) = frame.trace else { return };
        let is_outermost = self.frames(thread).iter().all(|outer| outer.trace != frame.trace);
        let stayed_empty = self.is_alive(id) && self.traces[id].outputs == frame.outputs;
        if is_outermost && stayed_empty && !frame.keeps && self.is_sure(id) {
            let became = if self.traces[id].children == frame.children { "filtered" } else { "split" };
            self.end(id, End::Outcome(became.to_owned()));
        }
        self.lose(id);
    }

    pub(super) fn return_from(&mut self, thread: u32) {
        let of_thread = self.thread(thread);
        let Some(Call::Scope(opened)) = of_thread.calls.pop() else { return };
        of_thread.forget_overflow(of_thread.place(true));
        if let Some(index) = opened.and_then(|serial| of_thread.find(serial)) {
            self.close_at(thread, index);
        }
    }

    pub(super) fn leave(&mut self, thread: u32, calls: u32) {
        let of_thread = self.thread(thread);
        let depth = of_thread.calls.len().saturating_sub(calls as usize);
        let left = of_thread.calls.split_off(depth);
        let opened =
            left.iter().filter_map(|call| if let Call::Scope(opened) = call { *opened } else { None });
        if let Some(first) = opened.filter_map(|serial| of_thread.find(serial)).min() {
            self.cut(thread, first);
        }
    }

    /// A stage closes the scope of the record that the thread is at; of one that is not traced, or is over, no more than the innermost.
    pub(super) fn close(&mut self, thread: u32) {
        let current = self.current(thread);
        if let Some(id) = current {
            self.stamp(id, Code::Close);
        }
        let frames = self.frames(thread).clone();
        let ended = |frame: &Frame| frame.trace.is_none();
        let index = match current {
            Some(_) => frames.iter().rposition(|frame| !frame.is_call && frame.trace == current),
            None => frames.last().filter(|frame| !frame.is_call && ended(frame)).map(|_| frames.len() - 1),
        };
        if let Some(index) = index {
            self.close_at(thread, index);
        }
    }

    /// A stage may close a scope, and whether it does is not known: none that a stage opened goes on, and of none is it known that it stayed empty.
    pub(super) fn close_unknown(&mut self, thread: u32) {
        let frames = self.frames(thread);
        frames.iter_mut().for_each(|frame| frame.keeps = true);
        if let Some(first) = frames.iter().position(|frame| !frame.is_call) {
            self.cut(thread, first);
        }
    }
}
