//! Whether a hit counts: evaluates the predicate of its site.

use crate::frame::Frame;
use crate::key;
use crate::maps::PREDICATES;

/// What a predicate says of a hit.
pub enum Verdict {
    Fails,
    Holds,
    /// A value that matters cannot be read, at this address.
    Unreadable(u64),
}

/// Evaluates the predicate of a probe.
#[inline(always)]
pub fn verdict(probe: u32, frame: &Frame) -> Verdict {
    match evaluate(probe, frame) {
        FAILS => Verdict::Fails,
        HOLDS => Verdict::Holds,
        address => Verdict::Unreadable(address),
    }
}

/// What [`evaluate`] returns, besides addresses. No process maps the lowest ones.
const FAILS: u64 = 0;
const HOLDS: u64 = 1;
const LEAST_ADDRESS: u64 = 2;

/// A function of its own, with a stack of its own: sites without a predicate pay neither its instructions nor its registers. Its result
/// is one register, as the instruction set wants it.
#[inline(never)]
fn evaluate(probe: u32, frame: &Frame) -> u64 {
    let Some(predicate) = PREDICATES.get(probe) else { return FAILS };
    match predicate.holds(|value| key::value(value, frame)) {
        Ok(true) => HOLDS,
        Ok(false) => FAILS,
        Err(address) => address.max(LEAST_ADDRESS),
    }
}
