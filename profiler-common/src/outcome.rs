//! How a trace ended, and why one was lost.

use crate::limits::MAX_NAMED_OUTCOMES;

/// How a trace ended. Every admitted trace ends in exactly one of these, or is still in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The sink wrote the record: its W! stage was seen.
    Written,
    /// The record reached a drop point.
    Filtered,
    /// Its key came to the source again: the record was dropped unseen and its memory reused.
    Superseded,
    /// Its time to live ran out.
    Expired,
    /// The process that held the record ended.
    TargetExit,
    /// The thread that identified the record ended.
    ThreadExit,
    /// A record came to a source whose key could not be read there: it may be the one that has this trace's key since.
    SourceUnseen,
    /// The record became others: each goes on as a branch of its own.
    Split,
    /// The record reached a stage that ends it in an outcome of the spec's own, by its number (below [`MAX_NAMED_OUTCOMES`]).
    Named(u8),
}

/// The code of the first outcome that a spec names.
const FIRST_NAMED: u32 = Outcome::FIXED.len() as u32 + 1;

impl Outcome {
    /// The outcomes that every spec has, in the order of their codes.
    pub const FIXED: [Self; 8] = [
        Self::Written,
        Self::Filtered,
        Self::Superseded,
        Self::Expired,
        Self::TargetExit,
        Self::ThreadExit,
        Self::SourceUnseen,
        Self::Split,
    ];

    /// How many outcomes there can be.
    pub const COUNT: usize = Self::FIXED.len() + MAX_NAMED_OUTCOMES;

    /// All outcomes that there can be, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=Self::COUNT as u32).filter_map(Self::from_code)
    }

    /// The number that crosses the kernel boundary: from 1 to [`Outcome::COUNT`].
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Written => 1,
            Self::Filtered => 2,
            Self::Superseded => 3,
            Self::Expired => 4,
            Self::TargetExit => 5,
            Self::ThreadExit => 6,
            Self::SourceUnseen => 7,
            Self::Split => 8,
            Self::Named(number) => FIRST_NAMED + number as u32,
        }
    }

    /// Its place in lists by outcome: the code minus one.
    #[must_use]
    pub const fn index(self) -> usize {
        self.code() as usize - 1
    }

    /// The outcome of a code that crossed the kernel boundary.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Written),
            2 => Some(Self::Filtered),
            3 => Some(Self::Superseded),
            4 => Some(Self::Expired),
            5 => Some(Self::TargetExit),
            6 => Some(Self::ThreadExit),
            7 => Some(Self::SourceUnseen),
            8 => Some(Self::Split),
            FIRST_NAMED.. if code as usize <= Self::COUNT => Some(Self::Named((code - FIRST_NAMED) as u8)),
            _ => None,
        }
    }

    /// Whether a stage of the target can end a trace so, and then its last entry is a stamp of that stage.
    #[must_use]
    pub const fn has_terminal_stamp(self) -> bool {
        matches!(self, Self::Written | Self::Filtered | Self::Named(_))
    }

    /// Whether only a stage of the target can end a trace so. A record that is found to be filtered when its scope closes has no stamp of that.
    #[must_use]
    pub const fn needs_terminal_stamp(self) -> bool {
        matches!(self, Self::Written | Self::Named(_))
    }

    /// The word that reports and files use; `None` for one that the spec names.
    #[must_use]
    pub const fn fixed_name(self) -> Option<&'static str> {
        match self {
            Self::Written => Some("written"),
            Self::Filtered => Some("filtered"),
            Self::Superseded => Some("superseded"),
            Self::Expired => Some("expired"),
            Self::TargetExit => Some(LostReason::TargetExit.name()),
            Self::ThreadExit => Some(LostReason::ThreadExit.name()),
            Self::SourceUnseen => Some(LostReason::SourceUnseen.name()),
            Self::Split => Some("split"),
            Self::Named(_) => None,
        }
    }

    /// The word that reports and files use, where the spec names its own outcomes so, by number.
    #[must_use]
    pub fn name<S: AsRef<str>>(self, named: &[S]) -> &str {
        match self {
            Self::Named(number) => named.get(number as usize).map_or("unnamed", AsRef::as_ref),
            fixed => fixed.fixed_name().unwrap_or("unnamed"),
        }
    }

    /// Why the trace counts as lost, if it does.
    #[must_use]
    pub const fn lost(self) -> Option<LostReason> {
        match self {
            Self::TargetExit => Some(LostReason::TargetExit),
            Self::ThreadExit => Some(LostReason::ThreadExit),
            Self::SourceUnseen => Some(LostReason::SourceUnseen),
            Self::Written
            | Self::Filtered
            | Self::Superseded
            | Self::Expired
            | Self::Split
            | Self::Named(_) => None,
        }
    }
}

impl core::fmt::Display for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Named(number) => write!(f, "outcome {} of the spec's own", number + 1),
            fixed => f.write_str(fixed.name::<&str>(&[])),
        }
    }
}

/// Why an admitted trace was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LostReason {
    /// The target process ended while the record was in flight.
    TargetExit,
    /// The thread that was the record's key ended.
    ThreadExit,
    /// Another record passed a source unseen, its key not readable, and may have taken the key over: no later stamp is sure.
    SourceUnseen,
    /// The agent found a slot that does not make sense. Never expected; counted so that it cannot hide.
    Corrupt,
}

impl LostReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::TargetExit, Self::ThreadExit, Self::SourceUnseen, Self::Corrupt];

    /// The word that reports and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TargetExit => "target_exit",
            Self::ThreadExit => "thread_exit",
            Self::SourceUnseen => "source_unseen",
            Self::Corrupt => "corrupt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn codes_are_inverse() {
        assert_eq!(Outcome::all().count(), Outcome::COUNT);
        for (index, outcome) in Outcome::all().enumerate() {
            assert_eq!((Outcome::from_code(outcome.code()), outcome.index()), (Some(outcome), index));
        }
        assert!(Outcome::all().zip(Outcome::FIXED).all(|(one, other)| one == other));
        assert_eq!(Outcome::from_code(0), None);
        assert_eq!(Outcome::from_code(Outcome::COUNT as u32 + 1), None);
    }

    #[test]
    fn a_named_outcome_has_the_name_that_the_spec_gives() {
        assert_eq!(Outcome::Named(1).name(&["a", "error_routed"]), "error_routed");
        assert_eq!(Outcome::Named(2).name(&["a", "error_routed"]), "unnamed");
        assert_eq!(Outcome::Filtered.name(&["a"]), "filtered");
    }
}
