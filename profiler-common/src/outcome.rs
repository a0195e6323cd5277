//! How a trace ended, and why one was lost.

/// How a trace ended. Every admitted trace ends in exactly one of these, or is still in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The sink wrote the record: its W! stage was seen.
    Written = 1,
    /// The record reached a drop point.
    Filtered = 2,
    /// Its key came to the source again: the record was dropped unseen and its memory reused.
    Superseded = 3,
    /// Its time to live ran out.
    Expired = 4,
    /// The process that held the record ended.
    TargetExit = 5,
    /// The thread that identified the record ended.
    ThreadExit = 6,
    /// A record came to a source whose key could not be read there: it may be the one that has this trace's key since.
    SourceUnseen = 7,
}

impl Outcome {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Written,
        Self::Filtered,
        Self::Superseded,
        Self::Expired,
        Self::TargetExit,
        Self::ThreadExit,
        Self::SourceUnseen,
    ];

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
            _ => None,
        }
    }

    /// Whether a stage of the target ended the trace, so that its last entry is a stamp of that stage.
    #[must_use]
    pub const fn has_terminal_stamp(self) -> bool {
        matches!(self, Self::Written | Self::Filtered)
    }

    /// The word that reports and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Filtered => "filtered",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::TargetExit => LostReason::TargetExit.name(),
            Self::ThreadExit => LostReason::ThreadExit.name(),
            Self::SourceUnseen => LostReason::SourceUnseen.name(),
        }
    }

    /// Why the trace counts as lost, if it does.
    #[must_use]
    pub const fn lost(self) -> Option<LostReason> {
        match self {
            Self::TargetExit => Some(LostReason::TargetExit),
            Self::ThreadExit => Some(LostReason::ThreadExit),
            Self::SourceUnseen => Some(LostReason::SourceUnseen),
            Self::Written | Self::Filtered | Self::Superseded | Self::Expired => None,
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
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome as u32), Some(outcome));
        }
        assert_eq!(Outcome::from_code(0), None);
        assert_eq!(Outcome::from_code(8), None);
    }
}
