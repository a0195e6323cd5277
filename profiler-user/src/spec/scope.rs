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
