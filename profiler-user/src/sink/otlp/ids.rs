//! Ids of spans: made from what they are of, so that a batch that is sent twice brings the same spans.

use crate::trace::{BranchPath, Membership, Trace};

/// Sixteen bytes: eight zeros and the trace's own id, as the stain-trace format has it. All branches of a record share it.
#[must_use]
pub fn trace_id(id: u64) -> [u8; 16] {
    u128::from(id).to_be_bytes()
}

/// The span of a journey (`hop` is `None`) or of one of its hops, by the index of the hop's last stamp.
#[must_use]
pub fn span_id(id: u64, branch: BranchPath, hop: Option<usize>) -> [u8; 8] {
    let hop = hop.map_or(0, |hop| hop as u64 + 1);
    nonzero(mix(mix(id ^ 0x5350_414e) ^ mix(branch.0 << 16 ^ hop)))
}

/// What all records of one batch link to: no span of their own, but ids that they share.
#[must_use]
pub fn batch_link(trace: &Trace, batch: &Membership) -> ([u8; 16], [u8; 8]) {
    let pid = trace.stamps.get(batch.stamp).map_or(trace.pid, |stamp| stamp.pid);
    let low = mix(batch.key ^ u64::from(pid).rotate_left(32));
    let high = mix(low ^ 0x4241_5443);
    ((u128::from(high) << 64 | u128::from(low)).to_be_bytes(), nonzero(low))
}

/// An id of zeros is none.
fn nonzero(id: u64) -> [u8; 8] {
    id.max(1).to_be_bytes()
}

/// A bijection that spreads every bit (the finalizer of `MurmurHash3`).
const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    x = x.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ x >> 33
}
