//! Hops: two neighbouring stamps of a trace, and what kind of work lies between them.

use profiler_common::StageCode;

use super::{Stamp, Trace};

/// The way from one stamp to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'a> {
    /// Where it starts.
    pub from: &'a Stamp,
    /// Where it ends.
    pub to: &'a Stamp,
    /// How long it took, ns.
    pub ns: u64,
    /// Stamps between the two are known to be missing, so that it is not the way from a stage to the next one.
    pub has_gap: bool,
}

/// What the time of a hop went into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The source, after it emitted the record.
    Source,
    /// Waiting in a queue, or waiting to be put into one.
    Queue,
    /// Work on the record.
    Transform,
    /// The way to the sink's completed write.
    SinkWrite,
    /// Between stages whose codes say nothing about it.
    Other,
}

impl Cause {
    /// What the time between two neighbouring stages goes into.
    #[must_use]
    pub const fn of(from: StageCode, to: StageCode) -> Self {
        match (from, to) {
            (_, StageCode::SINK) => Self::SinkWrite,
            (StageCode::SOURCE, _) => Self::Source,
            (StageCode::ENQUEUE, _)
            | (_, StageCode::DEQUEUE)
            | (StageCode::TRANSFORM_OUT, StageCode::ENQUEUE) => Self::Queue,
            // From Q- on, a worker has the record: also where it only hands it to the next queue.
            (StageCode::TRANSFORM_IN | StageCode::DEQUEUE | StageCode::TRANSFORM_OUT, _)
            | (_, StageCode::TRANSFORM_IN | StageCode::TRANSFORM_OUT) => Self::Transform,
            _ => Self::Other,
        }
    }

    /// The word that reports and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Queue => "queue",
            Self::Transform => "transform",
            Self::SinkWrite => "sink write",
            Self::Other => "other",
        }
    }

    /// How the time was spent, after "is spent".
    #[must_use]
    pub const fn spent(self) -> &'static str {
        match self {
            Self::Source => "at the source",
            Self::Queue => "waiting in a queue",
            Self::Transform => "in a transform",
            Self::SinkWrite => "in the sink write",
            Self::Other => "between two stages",
        }
    }
}

impl Trace {
    /// The hops that this journey does not share with the one that it branched off.
    pub fn own_hops(&self) -> impl Iterator<Item = Hop<'_>> {
        self.hops().skip(self.shared.saturating_sub(1))
    }

    /// The hops, in the order of time. Any number of stamps in any order of stages will do.
    pub fn hops(&self) -> impl Iterator<Item = Hop<'_>> {
        let torn = self.flags.torn_stamps > 0;
        let (cut, ends) = (self.flags.entries_dropped > 0, self.outcome.has_terminal_stamp());
        let (branches, deep) = (self.shared > 0, self.branch.depth() > 1);
        let hops = self.stamps.len().saturating_sub(1);
        self.stamps.iter().zip(self.stamps.iter().skip(1)).enumerate().map(move |(index, (from, to))| Hop {
            from,
            to,
            ns: to.ts_ns.saturating_sub(from.ts_ns),
            // A torn stamp may have been anywhere. Stamps past the maximum all lie before the terminal one; those of a parent lie before the first stamp of the
            // branch, or, of its parent's parent, before that one's.
            has_gap: torn
                || cut && ends && index + 1 == hops
                || cut && branches && (index + 1 == self.shared || deep && index + 1 < self.shared),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Cause;
    use crate::trace::BranchPath;
    use crate::trace::testing::trace;
    use profiler_common::{Outcome, StageCode};

    #[test]
    fn a_cause_for_each_pair_of_stages() {
        for (from, to, cause) in [
            ("S0", "Q+", Cause::Source),
            ("S0", "T+", Cause::Source),
            ("S0", "W!", Cause::SinkWrite),
            ("Q+", "Q-", Cause::Queue),
            ("Q+", "T+", Cause::Queue),
            ("T-", "Q+", Cause::Queue),
            ("Q-", "T+", Cause::Transform),
            ("Q-", "Q+", Cause::Transform),
            ("T+", "T-", Cause::Transform),
            ("T+", "drop", Cause::Transform),
            ("T-", "T+", Cause::Transform),
            ("T-", "W!", Cause::SinkWrite),
            ("Q-", "W!", Cause::SinkWrite),
        ] {
            let code = |name| StageCode::from_short_name(name).unwrap();
            assert_eq!(Cause::of(code(from), code(to)), cause, "{from} -> {to}");
        }
        assert_eq!(Cause::of(StageCode(101), StageCode(102)), Cause::Other);
    }

    #[test]
    fn hops_are_neighbours() {
        let whole = trace("S0@100 Q+@110 Q-@150 W!@151", Outcome::Written);
        let hops: Vec<_> =
            whole.hops().map(|hop| (hop.from.stage, hop.to.stage, hop.ns, hop.has_gap)).collect();
        assert_eq!(hops, [(0, 1, 10, false), (1, 2, 40, false), (2, 3, 1, false)]);
        assert_eq!(trace("S0@5", Outcome::Expired).hops().count(), 0);
    }

    #[test]
    fn shared_hops_are_the_parents() {
        let mut branch = trace("S0@1 T+@2 T-@5 W!@9", Outcome::Written);
        branch.shared = 2;
        assert_eq!(branch.own_hops().map(|hop| hop.ns).collect::<Vec<_>>(), [3, 4]);
        branch.shared = 0;
        assert_eq!(branch.own_hops().count(), 3);
    }

    #[test]
    fn gaps_lie_where_stamps_may_be_missing() {
        let gaps = |trace: &crate::trace::Trace| trace.hops().map(|hop| hop.has_gap).collect::<Vec<_>>();
        let mut cut = trace("S0@1 T+@2 T-@3 W!@4", Outcome::Written);
        cut.flags.entries_dropped = 2;
        assert_eq!(gaps(&cut), [false, false, true]);
        cut.outcome = Outcome::Superseded;
        assert_eq!(gaps(&cut), [false, false, false]);
        cut.flags.torn_stamps = 1;
        assert_eq!(gaps(&cut), [true, true, true]);
        let mut branch = trace("S0@1 T+@2 T-@5 Q+@6 W!@9", Outcome::Written);
        (branch.flags.entries_dropped, branch.shared, branch.branch) = (1, 2, BranchPath(1));
        assert_eq!(gaps(&branch), [false, true, false, true]);
        (branch.outcome, branch.branch) = (Outcome::Expired, BranchPath(0x0101));
        assert_eq!(gaps(&branch), [true, true, false, false]);
    }
}
