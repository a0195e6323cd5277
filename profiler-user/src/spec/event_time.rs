//! The record's own timestamp, as users write it.

use std::str::FromStr;

use super::error::ParseError;
use super::expr::Expr;
use super::words::one_of;

/// Where a stage finds the record's own timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// Its value: a time since the Unix epoch.
    pub value: Expr,
    /// What that counts.
    pub unit: TimeUnit,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// All units, the largest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// The word that specs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// Nanoseconds in one.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

impl FromStr for TimeUnit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = "it is \"s\", \"ms\", \"us\" or \"ns\"";
        one_of(text, Self::ALL.map(|unit| (unit.name(), unit)), "unit of time", rest)
    }
}
