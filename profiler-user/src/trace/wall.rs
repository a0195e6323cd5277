//! Stamps on the wall clock: what is exported is told in epoch time.

use super::{BranchPath, Trace};

impl Trace {
    /// Nanoseconds since the Unix epoch at a time of the monotonic clock, by the offset that this trace began with: hops keep their
    /// lengths whatever is done to the wall clock meanwhile.
    #[must_use]
    pub const fn wall_at(&self, ts_ns: u64) -> i64 {
        self.wall_ns.wrapping_add(ts_ns.wrapping_sub(self.start_ns)).cast_signed()
    }

    /// The task that took the last stamp; 0 without a stamp.
    #[must_use]
    pub fn last_task(&self) -> i64 {
        self.stamps.last().map_or(0, |stamp| stamp.task_id)
    }

    /// An id that no other journey has, for formats that know no branches: the trace's own for the record that was sampled, a hash of
    /// trace id and path for a branch. In `0..2^63`, and the same however often the journey is sent.
    #[must_use]
    pub const fn journey_id(&self) -> u64 {
        journey_id(self.id, self.branch)
    }
}

/// See [`Trace::journey_id`].
#[must_use]
pub const fn journey_id(id: u64, branch: BranchPath) -> u64 {
    if branch.is_root() {
        return id;
    }
    // The mixing steps and constants of the stain-trace format's own ids.
    let mut x = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ branch.0.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    x & (u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{BranchPath, journey_id};
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    #[test]
    fn stamps_keep_their_distances_on_the_wall_clock() {
        let trace = trace("S0@100 Q+@110 W!@151", Outcome::Written);
        let walls: Vec<i64> = trace.stamps.iter().map(|stamp| trace.wall_at(stamp.ts_ns)).collect();
        let start = 1_700_000_000_000_000_100;
        assert_eq!(walls, [start, start + 10, start + 51]);
        assert_eq!(trace.last_task(), 4302);
    }

    #[test]
    fn branches_have_ids_of_their_own() {
        assert_eq!(journey_id(42, BranchPath::ROOT), 42);
        let mut seen = HashSet::new();
        for id in 0..50 {
            for path in 0..50 {
                let id = journey_id(id, BranchPath(path));
                assert!(id < 1 << 63 && seen.insert(id));
            }
        }
    }
}
