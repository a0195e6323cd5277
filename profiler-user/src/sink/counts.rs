//! What became of the traces that an exporter was given. Pure.
//!
//! Owns: the law `received + recovered = sent + spooled + pending + dropped`, in traces.

use std::fmt;

/// Why an exporter gave a trace up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The exporter was too slow to take it over.
    Missed,
    /// The spool was at its limit: the oldest had to go.
    SpoolFull,
    /// There is no spool, or it could not be written, and memory was at its limit: the oldest had to go.
    MemoryFull,
    /// The destination refused it for good; what was refused is set aside.
    Rejected,
    /// The destination could not be written, as a file on a full disk.
    Unwritable,
    /// It lay in the spool, and its checksum did not fit any more.
    Damaged,
    /// The session ended before it could be sent, and there is no spool to keep it.
    Unsent,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Missed,
        Self::SpoolFull,
        Self::MemoryFull,
        Self::Rejected,
        Self::Unwritable,
        Self::Damaged,
        Self::Unsent,
    ];

    /// The word that reports and metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::SpoolFull => "spool_full",
            Self::MemoryFull => "memory_full",
            Self::Rejected => "rejected",
            Self::Unwritable => "unwritable",
            Self::Damaged => "damaged",
            Self::Unsent => "unsent",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Missed => 0,
            Self::SpoolFull => 1,
            Self::MemoryFull => 2,
            Self::Rejected => 3,
            Self::Unwritable => 4,
            Self::Damaged => 5,
            Self::Unsent => 6,
        }
    }
}

/// The accounts of one exporter, in traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given to it by the session, whatever became of them.
    pub received: u64,
    /// Left by an earlier session in the spool, and found there.
    pub recovered: u64,
    /// Taken by the destination.
    pub sent: u64,
    /// In the spool, to be sent: by this session, or by the next one.
    pub spooled: u64,
    /// In memory. 0 when the exporter has ended.
    pub pending: u64,
    /// Given up, in the order of [`DropReason::ALL`].
    pub dropped_by: [u64; DropReason::ALL.len()],
    /// Data points of metrics that the destination refused. They are no traces, and outside of the law: later ones hold what they did.
    pub points_refused: u64,
}

/// The law does not hold: a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{received} traces came in or were found in the spool, but {accounted} are accounted for")]
pub struct Imbalance {
    /// Left side.
    pub received: u64,
    /// Right side.
    pub accounted: u64,
}

impl Counts {
    /// Counts traces as given up.
    pub fn drop_traces(&mut self, reason: DropReason, traces: u64) {
        if let Some(count) = self.dropped_by.get_mut(reason.index()) {
            *count = count.saturating_add(traces);
        }
    }

    /// Traces given up, for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped_by.get(reason.index()).copied().unwrap_or(0)
    }

    /// Traces given up, for whatever reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped_by.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether every trace is accounted for.
    ///
    /// # Errors
    /// Both sides of the law, when they differ.
    pub fn check(&self) -> Result<(), Imbalance> {
        let Self { received, recovered, sent, spooled, pending, dropped_by: _, points_refused: _ } = *self;
        let received = received.saturating_add(recovered);
        let accounted = [sent, spooled, pending, self.dropped_total()]
            .into_iter()
            .fold(0u64, |sum, count| sum.saturating_add(count));
        if received == accounted { Ok(()) } else { Err(Imbalance { received, accounted }) }
    }
}

impl fmt::Display for Counts {
    /// The law in one line, without what is zero on its right side but `sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, recovered, sent, spooled, pending, dropped_by: _, points_refused } = *self;
        write!(f, "{received} received")?;
        if recovered > 0 {
            write!(f, " + {recovered} recovered")?;
        }
        write!(f, " = {sent} sent")?;
        for (count, what) in [(spooled, "spooled"), (pending, "pending")] {
            if count > 0 {
                write!(f, " + {count} {what}")?;
            }
        }
        for reason in DropReason::ALL {
            let count = self.dropped(reason);
            if count > 0 {
                write!(f, " + {count} dropped ({})", reason.name())?;
            }
        }
        if points_refused > 0 {
            write!(f, "; {points_refused} data points of metrics refused")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, DropReason, Imbalance};

    #[test]
    fn the_law_and_its_line() {
        let mut counts =
            Counts { received: 100, recovered: 7, sent: 90, spooled: 9, pending: 2, ..Counts::default() };
        assert_eq!(counts.check(), Err(Imbalance { received: 107, accounted: 101 }));
        counts.drop_traces(DropReason::SpoolFull, 4);
        counts.drop_traces(DropReason::Rejected, 2);
        assert_eq!(counts.check(), Ok(()));
        assert_eq!(
            counts.to_string(),
            "100 received + 7 recovered = 90 sent + 9 spooled + 2 pending + 4 dropped (spool_full) + 2 dropped (rejected)"
        );
        let refused = Counts { points_refused: 3, ..Counts::default() };
        assert_eq!(refused.check(), Ok(()));
        assert_eq!(refused.to_string(), "0 received = 0 sent; 3 data points of metrics refused");
    }

    #[test]
    fn every_reason_has_its_own_place() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
