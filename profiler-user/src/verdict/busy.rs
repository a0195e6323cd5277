//! How busy those who do some work are: the records that pass, times what each takes, by the number of tasks.
//!
//! The records that pass are the hits, of all records and not only of sampled ones. Means are of sampled records, and of elapsed time, so that time in
//! which a task was kept from running counts as busy. Tasks are those of sampled records: where records go round the tasks in turn and the rate has a factor in
//! common with their number, some are never seen. What comes to more than all of them can do is such a case, and not known.

use std::collections::BTreeSet;

use super::flow::{Behind, directly_behind};
use super::{Evidence, key};
use crate::stats::{HopFigures, Task};

/// More than this is no inexact 1.
const MOST: f64 = 1.1;

/// Of the work behind a queue. `None` where hits or tasks are not known.
pub(super) fn of(evidence: &Evidence<'_>, every: &[HopFigures], behind: &Behind) -> Option<f64> {
    // Those that did nothing any more when the judged time began have no part in it.
    let from_ns = evidence.span_ns.map_or(0, |(from, _)| from);
    let figures = behind.hops.iter().flat_map(|hop| evidence.stats.tasks.of(key(hop)));
    let tasks: BTreeSet<Task> = figures.filter(|f| f.last_ns >= from_ns).map(|f| f.task).collect();
    // Tasks that were forgotten did their part, too.
    if tasks.is_empty() || evidence.stats.tasks.forgotten > 0 || evidence.hits_ns == 0 {
        return None;
    }
    let mut busy_ns = 0.0;
    for hop in &behind.hops {
        let hits = *evidence.hits.get(hop.from)? as f64;
        // Some records of a stage go another way.
        let all: u64 =
            every.iter().filter(|other| other.from == hop.from).map(|other| other.figures.count).sum();
        let here = find(every, hop).map_or(0, |hop| hop.figures.count);
        busy_ns += hits * here as f64 / all.max(1) as f64 * hop.figures.mean_ns as f64;
    }
    let busy = busy_ns / evidence.hits_ns as f64 / tasks.len() as f64;
    (busy < MOST).then_some(busy.min(1.0))
}

/// Of a hop that is work itself, with what else the same tasks do between their queues.
pub(super) fn of_hop(evidence: &Evidence<'_>, hops: &[HopFigures], hop: &HopFigures) -> Option<f64> {
    let wait = hops.iter().filter(|wait| super::flow::is_wait(wait));
    let mut around = wait.filter_map(|wait| directly_behind(hops, wait));
    let alone = || Behind { hops: vec![*hop], limit: *hop };
    of(
        evidence,
        hops,
        &around.find(|behind| behind.hops.iter().any(|other| key(other) == key(hop))).unwrap_or_else(alone),
    )
}

fn find<'a>(hops: &'a [HopFigures], wanted: &HopFigures) -> Option<&'a HopFigures> {
    hops.iter().find(|hop| key(hop) == key(wanted))
}
