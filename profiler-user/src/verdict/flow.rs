//! The way of records through the hops: which one takes most, and what work is behind a queue.

use profiler_common::StageCode;

use crate::stats::HopFigures;

/// The work behind a queue: all hops from the dequeue to the next queue, or to the record's end.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    /// The hops, in the order of the spec's stages.
    pub(super) hops: Vec<HopFigures>,
    /// The one that takes most of the time.
    pub(super) limit: HopFigures,
}

/// The hop with the most time in it; of equal ones the first in the pipeline: it is where to look first.
pub(super) fn worst(hops: &[HopFigures]) -> Option<&HopFigures> {
    hops.iter().rev().max_by_key(|hop| hop.figures.total_ns).filter(|hop| hop.figures.total_ns > 0)
}

/// Whether it is a wait in a queue: from whatever came last until the record is taken out.
pub(super) fn is_wait(hop: &HopFigures) -> bool {
    hop.to_code == StageCode::DEQUEUE || hop.from_code == StageCode::ENQUEUE && hop.to_code != StageCode::SINK
}

/// The work behind a wait. Where it is mostly a wait to be put into the next queue, the work behind that one: what holds up the last queue that is full
/// holds up all before it. `busy` says how busy those behind a queue are.
pub(super) fn behind(
    hops: &[HopFigures],
    wait: &HopFigures,
    busy: impl Fn(&Behind) -> Option<f64>,
) -> Option<Behind> {
    let mut wait = *wait;
    // No way is longer than there are hops, whatever circles they make.
    for _ in 0..hops.len() {
        let behind = directly_behind(hops, &wait)?;
        match queue_after(hops, &behind.limit) {
            Some(next) if (next.from, next.to) != (wait.from, wait.to) => {
                let busy = directly_behind(hops, next).and_then(|behind| busy(&behind));
                if !is_held_back(&behind.limit, next, busy) {
                    return Some(behind);
                }
                wait = *next;
            }
            _ => return Some(behind),
        }
    }
    directly_behind(hops, &wait)
}

/// The work behind a wait itself.
pub(super) fn directly_behind(hops: &[HopFigures], wait: &HopFigures) -> Option<Behind> {
    // A wait that ends with a transform has the worker's first stage already.
    let mut stages = vec![wait.to];
    let mut found: Vec<HopFigures> = Vec::new();
    let mut next = 0;
    while let Some(stage) = stages.get(next).copied() {
        next += 1;
        for hop in hops.iter().filter(|hop| hop.from == stage && !is_wait(hop)) {
            found.push(*hop);
            let goes_on = hop.to_code != StageCode::ENQUEUE && hop.to_code != StageCode::SINK;
            if goes_on && !stages.contains(&hop.to) {
                stages.push(hop.to);
            }
        }
    }
    found.sort_unstable_by_key(|hop| (hop.from, hop.to));
    let limit = *worst(&found)?;
    Some(Behind { hops: found, limit })
}

/// The wait in the queue that a hop puts records into.
pub(super) fn queue_after<'a>(hops: &'a [HopFigures], hop: &HopFigures) -> Option<&'a HopFigures> {
    if hop.to_code != StageCode::ENQUEUE {
        return None;
    }
    hops.iter().filter(|wait| wait.from == hop.to && is_wait(wait)).max_by_key(|wait| wait.figures.total_ns)
}

/// Of a hop into a queue: whether its time is spent waiting for room. In a full queue a record waits about as long as many are before it, so that the
/// wait in the queue is a good part of the wait for it; and those behind it are never idle.
pub(super) fn is_held_back(hop: &HopFigures, wait: &HopFigures, busy: Option<f64>) -> bool {
    let part = wait.figures.total_ns as f64 / hop.figures.total_ns.max(1) as f64;
    match busy {
        Some(busy) => busy >= 0.8 && part >= 0.02,
        None => part >= 0.1,
    }
}
