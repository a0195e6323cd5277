//! What a journey has besides its stamps: the branch it is, the batches it was in, the attributes it carries, the record's own times.

use std::fmt;

/// Which of the journeys of one trace this is: the path of ordinals from the record that was sampled to this one, a byte each. The
/// record itself is `0`; its children are `1`, `2`, .. in the order of their making; `2.1` is the first child of `2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchPath(pub u64);

impl BranchPath {
    /// The record that was sampled.
    pub const ROOT: Self = Self(0);

    /// Whether this is the record that was sampled.
    #[must_use]
    pub const fn is_root(self) -> bool {
        self.0 == 0
    }

    /// The journey that this one branched off; `None` for the root.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        if self.is_root() { None } else { Some(Self(self.0 >> 8)) }
    }

    /// How many splits lie between the record that was sampled and this one.
    #[must_use]
    pub const fn depth(self) -> u32 {
        (u64::BITS - self.0.leading_zeros()).div_ceil(8)
    }
}

impl fmt::Display for BranchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("0");
        }
        for level in (0..self.depth()).rev() {
            let dot = if level + 1 == self.depth() { "" } else { "." };
            write!(f, "{dot}{}", self.0 >> (8 * level) & 0xFF)?;
        }
        Ok(())
    }
}

/// That a record was put into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Index of the stamp that put it there.
    pub stamp: usize,
    /// The batch's key.
    pub key: u64,
    /// Which record of the batch it is, sampled or not; the first is 0.
    pub position: u32,
    /// How many records the batch had when a stage took all of it; `None` while none has.
    pub size: Option<u32>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A number, read as unsigned.
    Unsigned(u64),
    /// A number, read as signed.
    Signed(i64),
    /// The word that the spec gives a number.
    Word(Box<str>),
    /// A string of the target; what is no UTF-8 is replaced.
    Text(Box<str>),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Word(text) | Self::Text(text) => f.write_str(text),
        }
    }
}

/// A value that the record had at a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Index of the stamp at which it was read.
    pub stamp: usize,
    /// Index in the list of attributes of that stamp's stage.
    pub index: usize,
    /// What was read.
    pub value: AttributeValue,
}

/// The record's own timestamp, as read at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTime {
    /// Index of the stamp at which it was read.
    pub stamp: usize,
    /// What the record says, ns since the Unix epoch.
    pub event_ns: i64,
    /// Wall clock at the stamp less the record's own time, ns. Negative where the record is from the future.
    pub latency_ns: i64,
}

#[cfg(test)]
mod tests {
    use super::BranchPath;

    #[test]
    fn paths_read_from_the_root() {
        for (path, text, parent, depth) in [
            (0, "0", None, 0),
            (1, "1", Some(0), 1),
            (255, "255", Some(0), 1),
            (0x0201, "2.1", Some(2), 2),
            (0x0102_03ff, "1.2.3.255", Some(0x0001_0203), 4),
            (u64::MAX, "255.255.255.255.255.255.255.255", Some(u64::MAX >> 8), 8),
        ] {
            let branch = BranchPath(path);
            assert_eq!(
                (branch.to_string().as_str(), branch.parent().map(|p| p.0), branch.depth()),
                (text, parent, depth)
            );
        }
    }
}
