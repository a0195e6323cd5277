//! Whether a hit counts: evaluates the predicate of its site.

use crate::frame::Frame;
use crate::key;
use crate::maps::PREDICATES;

/// What a predicate says of a hit.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    Fails = 0,
    Holds = 1,
    /// A value that matters cannot be read.
    Unreadable = 2,
}

/// Evaluates the predicate of a probe. A function of its own, with a stack of its own: sites without one pay neither its
/// instructions nor its registers, and the verifier sees it once.
#[inline(never)]
pub fn verdict(probe: u32, frame: &Frame) -> Verdict {
    let Some(predicate) = PREDICATES.get(probe) else { return Verdict::Fails };
    match predicate.holds(|value| key::value(value, frame)) {
        Some(true) => Verdict::Holds,
        Some(false) => Verdict::Fails,
        None => Verdict::Unreadable,
    }
}
