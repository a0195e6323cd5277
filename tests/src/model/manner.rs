//! In which manner a script is traced: what its spec has besides the stages.

use super::Code;
use super::step::flaw;
use crate::flow::Read;

/// Sampling by key.
#[derive(Clone, Copy, Debug)]
pub struct ByKey {
    /// Whether the record with a key is sampled at a rate.
    pub is_sampled: fn(u64, u64) -> bool,
    /// The trace id that a key gives.
    pub trace_id: fn(u64) -> u64,
}

/// See the module. By default nothing: keys lie in registers, and all hits count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// The key of an object is its name, by way of two pointers; else it is its address.
    pub named: bool,
    /// Stages have conditions.
    pub conditions: bool,
    /// Stages have attributes.
    pub attributes: bool,
    /// What is read cannot be read now and then.
    pub flaws: bool,
    /// Keys decide what is sampled. Each record has a name of its own then.
    pub by_key: Option<ByKey>,
    /// The threads are those of two processes, which share the space of nodes.
    pub linked: bool,
}

impl Manner {
    /// What is read at a stage.
    #[must_use]
    pub fn reads(&self, code: Code) -> &'static [Read] {
        if !self.attributes {
            return &[];
        }
        match code {
            Code::Emit => &[Read::Table(64), Read::Status],
            Code::Take => &[Read::Exact],
            Code::Fork => &[Read::Word],
            Code::Call => &[Read::Exact, Read::Status],
            Code::Add | Code::Error => &[Read::Word, Read::Exact],
            Code::Write => &[Read::Status, Read::Table(16)],
            _ => &[],
        }
    }

    /// The process of a thread, of two at most.
    #[must_use]
    pub fn process(&self, thread: u32) -> u32 {
        if self.linked { thread / 2 % 2 } else { 0 }
    }

    /// The flaws that a step of a kind can have, but for the kind of place.
    pub(super) fn possible_flaws(&self, code: Code) -> &'static [u32] {
        let conditioned = self.conditions && super::condition::is_linked(code);
        let has_key = code.stage().is_some() && !code.is_by_scope();
        let text = self.reads(code).contains(&Read::Exact);
        match (has_key && self.named || conditioned, has_key && self.named && code.has_second(), text) {
            (true, true, true) => &[flaw::OBJECT, flaw::SECOND, flaw::OBJECT | flaw::SECOND, flaw::TEXT],
            (true, true, false) => &[flaw::OBJECT, flaw::SECOND, flaw::OBJECT | flaw::SECOND],
            (true, false, true) => &[flaw::OBJECT, flaw::TEXT],
            (true, false, false) => &[flaw::OBJECT],
            (false, _, true) => &[flaw::TEXT],
            _ => &[],
        }
    }
}
