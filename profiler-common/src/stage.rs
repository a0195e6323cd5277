//! Stage codes: where in a record's journey a stamp was taken.

/// A stage code as the stain-trace format numbers them: 1..=6 for the six classic stages; others are kept
/// and shown, never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct StageCode(pub u8);

impl StageCode {
    /// Source emit: the record enters the pipeline. Sampling is decided here.
    pub const SOURCE: Self = Self(1);
    /// The record is put into a queue.
    pub const ENQUEUE: Self = Self(2);
    /// The record is taken out of a queue.
    pub const DEQUEUE: Self = Self(3);
    /// A transform starts on the record.
    pub const TRANSFORM_IN: Self = Self(4);
    /// A transform is done with the record.
    pub const TRANSFORM_OUT: Self = Self(5);
    /// The sink has written the record.
    pub const SINK: Self = Self(6);
    /// The record ends without being written. Ours: the stain-trace format has no code for it and shows others as `STAGE_<n>`.
    pub const DROP: Self = Self(64);

    /// The short name that specs and reports use for the codes that have one.
    #[must_use]
    pub const fn short_name(self) -> Option<&'static str> {
        match self {
            Self::SOURCE => Some("S0"),
            Self::ENQUEUE => Some("Q+"),
            Self::DEQUEUE => Some("Q-"),
            Self::TRANSFORM_IN => Some("T+"),
            Self::TRANSFORM_OUT => Some("T-"),
            Self::SINK => Some("W!"),
            Self::DROP => Some("drop"),
            _ => None,
        }
    }

    /// The code that a short name stands for.
    #[must_use]
    pub fn from_short_name(name: &str) -> Option<Self> {
        [
            Self::SOURCE,
            Self::ENQUEUE,
            Self::DEQUEUE,
            Self::TRANSFORM_IN,
            Self::TRANSFORM_OUT,
            Self::SINK,
            Self::DROP,
        ]
        .into_iter()
        .find(|code| code.short_name() == Some(name))
    }
}

impl core::fmt::Display for StageCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.short_name() {
            Some(name) => f.pad(name),
            None => write!(f, "STAGE_{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StageCode;

    #[test]
    fn short_names_are_inverse() {
        for code in (0..=255).map(StageCode) {
            if let Some(name) = code.short_name() {
                assert_eq!(StageCode::from_short_name(name), Some(code));
            }
        }
        assert_eq!(StageCode::from_short_name("S1"), None);
    }
}
