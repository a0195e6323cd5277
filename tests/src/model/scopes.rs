//! Scopes, by the depth of calls.
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
    /// The calls it is in: for each, whether it opened a scope, and which: the number of scopes below it.
    pub calls: Vec<Option<usize>>,
    pub frames: Vec<Frame>,
    /// The depth at which a scope found no room; until the thread is back there, no scope is certain.
    pub overflow: Option<usize>,
}

/// An open scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// `None` for a record that is not traced.
    pub trace: Option<Id>,
    /// How many calls the thread was in.
    pub depth: usize,
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
        self.forget_overflow(thread);
        let of_thread = self.thread(thread);
        if of_thread.overflow.is_some() {
            return None;
        }
        let id = of_thread.frames.last()?.trace?;
        self.is_alive(id).then_some(id)
    }

    fn forget_overflow(&mut self, thread: u32) {
        let of_thread = self.thread(thread);
        let depth = of_thread.calls.len();
        of_thread.overflow = of_thread.overflow.filter(|&at| at < depth);
    }

    pub(super) fn open(&mut self, thread: u32, trace: Option<Id>, code: Code) {
        self.forget_overflow(thread);
        let is_call = code != Code::Open;
        let depth = self.thread(thread).calls.len();
        let is_left =
            |frame: &Frame| frame.depth > depth || frame.depth == depth && !frame.is_call && !is_call;
        if let Some(first) = self.frames(thread).iter().position(is_left) {
            self.cut(thread, first);
        }
        let below = self.frames(thread).len();
        let mut opened = None;
        if trace.is_some() || below > 0 {
            opened = self.push(thread, trace, is_call, code == Code::KeepCall).then_some(below);
        }
        if is_call {
            self.thread(thread).calls.push(opened);
        }
    }

    /// False when there is no room.
    fn push(&mut self, thread: u32, trace: Option<Id>, is_call: bool, keeps: bool) -> bool {
        let depth = self.thread(thread).calls.len();
        let of_thread = self.thread(thread);
        if of_thread.frames.len() >= MAX_SCOPES || of_thread.overflow.is_some() {
            of_thread.overflow.get_or_insert(depth);
            self.bound("scopes_full");
            return false;
        }
        let (outputs, children) =
            trace.map_or((0, 0), |id| (self.traces[id].outputs, self.traces[id].children));
        if let Some(id) = trace {
            self.traces[id].leads += 1;
        }
        self.frames(thread).push(Frame { trace, depth, is_call, keeps, outputs, children });
        true
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
        if is_outermost && self.is_alive(id) && self.traces[id].outputs == frame.outputs {
            if self.traces[id].children != frame.children {
                self.end(id, End::Outcome("split".to_owned()));
            } else if !frame.keeps {
                self.end(id, End::Outcome("filtered".to_owned()));
            }
        }
        self.lose(id);
    }

    pub(super) fn return_from(&mut self, thread: u32) {
        if let Some(Some(index)) = self.thread(thread).calls.pop() {
            self.close_at(thread, index);
        }
        self.forget_overflow(thread);
    }

    pub(super) fn leave(&mut self, thread: u32, calls: u32) {
        let of_thread = self.thread(thread);
        let depth = of_thread.calls.len().saturating_sub(calls as usize);
        let left = of_thread.calls.split_off(depth);
        if let Some(first) = left.into_iter().flatten().next() {
            self.cut(thread, first);
        }
        self.forget_overflow(thread);
    }

    /// A stage closes the scope of the record that the thread is at; of one that is not traced, or is over, no more than the innermost.
    pub(super) fn close(&mut self, thread: u32) {
        let current = self.current(thread);
        if let Some(id) = current {
            self.stamp(id, Code::Close);
        }
        let frames = self.frames(thread).clone();
        let ended = |frame: &Frame| frame.trace.is_none_or(|id| !self.is_alive(id));
        let index = match current {
            Some(_) => frames.iter().rposition(|frame| !frame.is_call && frame.trace == current),
            None => frames.last().filter(|frame| !frame.is_call && ended(frame)).map(|_| frames.len() - 1),
        };
        if let Some(index) = index {
            self.close_at(thread, index);
        }
    }
}
