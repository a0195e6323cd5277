//! Scopes: the stretch of a thread's work that belongs to one record, as users write it.

use super::error::ParseError;
use super::words::one_of;
use std::str::FromStr;

/// What a stage does to the scopes of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Opens or closes one.
    pub kind: ScopeKind,
    /// What it means when the scope that it opens closes without an output.
    pub empty: Empty,
}

/// Opens a scope or closes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// Opens one that the return of the same call closes.
    Call,
    /// Opens one that a stage with `Close` closes.
    Open,
    /// Closes the innermost one that an `Open` opened.
    Close,
}

/// What a scope that closes without an output means for its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// The record was filtered: its trace ends.
    #[default]
    Filtered,
    /// Nothing: the trace goes on.
    Keep,
}

impl Scope {
    /// Whether it says of records that come to nothing within it that they were filtered.
    #[must_use]
    pub const fn decides(self) -> bool {
        self.kind.opens() && matches!(self.empty, Empty::Filtered)
    }
}

/// What a stage has to do with scopes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Whether it is probed.
    pub(super) is_probed: bool,
    /// What it does to the scopes of its thread.
    pub(super) scope: Option<Scope>,
    /// Whether a record that comes there was not filtered: it went on, or ended in another way.
    pub(super) is_heard: bool,
}

/// A scope that would take records for filtered ones, since a stage that knows better is not probed: the places of both among the stages.
pub(super) fn unheard(stages: &[Part]) -> Option<(usize, usize)> {
    let decides = |part: &Part| part.is_probed && part.scope.is_some_and(Scope::decides);
    let scope = stages.iter().position(decides)?;
    let silent = stages.iter().position(|part| part.is_heard && !part.is_probed)?;
    Some((scope, silent))
}

impl ScopeKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Call, Self::Open, Self::Close];

    /// The word that specs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Open => "open",
            Self::Close => "close",
        }
    }

    /// Whether it opens a scope.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Self::Call | Self::Open)
    }
}

impl Empty {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Filtered, Self::Keep];

    /// The word that specs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Keep => "keep",
        }
    }
}

impl FromStr for ScopeKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = "it is \"call\" (closed by the return of the same call), \"open\" or \"close\"";
        one_of(text, Self::ALL.map(|kind| (kind.name(), kind)), "scope", rest)
    }
}

impl FromStr for Empty {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = "it is \"filtered\" (the record ends there) or \"keep\" (it goes on)";
        one_of(text, Self::ALL.map(|empty| (empty.name(), empty)), "meaning of an empty scope", rest)
    }
}
