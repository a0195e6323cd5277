//! In which manner a script is traced: what its spec has besides the stages.

use super::Code;
use super::step::flaw;
use crate::dice::Dice;
use crate::flow::Read;

/// Sampling by key. Rows have other names now and then, new ones and ones that others have or had.
#[derive(Clone, Copy, Debug)]
pub struct ByKey {
    /// Whether no source is probed, so that a row may be met at any stage first.
    pub is_unsourced: bool,
    /// Whether the record with a key is sampled at a rate.
    pub is_sampled: fn(u64, u64) -> bool,
    /// The trace id that a key gives.
    pub trace_id: fn(u64) -> u64,
}

/// Which keys two processes share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared {
    /// Those of rows.
    pub rows: bool,
    /// Those of nodes.
    pub nodes: bool,
    /// Those of batches.
    pub batches: bool,
}

/// Why sampled records are refused now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// They are not.
    #[default]
    Never,
    /// The agent is told to pause.
    Paused,
    /// There are no more slots than [`super::Bounds::slots`]: the agent stands still, and gives none back.
    Full,
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
    /// Keys decide what is sampled. They are names then.
    pub by_key: Option<ByKey>,
    /// The threads are those of two processes, which share these keys. They are names then.
    pub linked: Option<Shared>,
    /// Why sampled records are refused.
    pub refusal: Refusal,
}

impl Manner {
    /// Any of them together, as the dice fall. `by_key` is how keys decide, where they do.
    #[must_use]
    pub fn drawn(dice: &mut Dice, by_key: ByKey) -> Self {
        let mut is = |sides: u64| dice.below(sides) == 0;
        let linked = (!is(3)).then(|| Shared { rows: is(2), nodes: is(2), batches: is(2) });
        let by_key = (!is(3)).then(|| ByKey { is_unsourced: !is(3), ..by_key });
        Self {
            named: by_key.is_some() || linked.is_some() || is(2),
            conditions: is(2),
            attributes: is(3),
            flaws: !is(3),
            by_key,
            linked,
            refusal: if is(2) {
                Refusal::Never
            } else if is(2) {
                Refusal::Paused
            } else {
                Refusal::Full
            },
        }
    }

    /// Whether a row may be met at any stage first.
    #[must_use]
    pub fn is_unsourced(&self) -> bool {
        self.by_key.is_some_and(|by_key| by_key.is_unsourced)
    }

    /// Whether the spec has a stage.
    #[must_use]
    pub fn probes(&self, code: Code) -> bool {
        code.stage().is_some() && !(code == Code::Emit && self.is_unsourced())
    }

    /// What is read at a stage.
    #[must_use]
    pub fn reads(&self, code: Code) -> &'static [Read] {
        if !self.attributes || !self.probes(code) {
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
        if self.linked.is_some() { thread / 2 % 2 } else { 0 }
    }

    /// The flaws that a step of a kind can have, but for the kind of place.
    pub(super) fn possible_flaws(&self, code: Code) -> &'static [u32] {
        let conditioned = self.conditions && super::condition::is_linked(code);
        let has_key = self.probes(code) && !code.is_by_scope();
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
