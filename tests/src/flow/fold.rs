//! From the rows of a truth log to journeys: what was logged of each record and of each branch, in order.

use std::collections::BTreeMap;

use super::codes::*;
use super::{Read, Stage};
use crate::expected::{End, Expected, Journey, Membership, Stamp, Time, Who};
use crate::truth::{Row, Truth};

type Stages = [(Stage, Vec<Read>)];

/// The journeys of all logged records whose number is a multiple of the rate, as a report must show them.
#[must_use]
pub fn fold(truth: &Truth, stages: &Stages, rate: u64) -> Expected {
    let sampled = truth.records().filter(|rows| rows.first().is_some_and(|row| row.seq % rate == 0));
    Expected { journeys: sampled.flat_map(|rows| record(rows, stages)).collect(), ..Expected::default() }
}

/// The journeys of one record: itself, and its branches. A branch's number is higher than its parent's.
fn record(rows: &[Row], stages: &Stages) -> Vec<Journey> {
    let mut paths: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        paths.entry(row.more.path).or_default().push(row);
    }
    let mut journeys: BTreeMap<u64, Journey> = BTreeMap::new();
    for (&path, rows) in &paths {
        let parent = if path == 0 { None } else { journeys.get_mut(&(path >> 8)) };
        if let Some(journey) = journey(path, rows, parent, stages) {
            journeys.insert(path, journey);
        }
    }
    journeys.into_values().collect()
}

fn journey(path: u64, rows: &[&Row], parent: Option<&mut Journey>, stages: &Stages) -> Option<Journey> {
    let first = rows.first()?;
    let mut stamps = Vec::new();
    let mut who = Who::Sequence { tid: first.tid, sequence: first.seq };
    if let Some(parent) = parent {
        who = parent.who;
        parent.branches += 1;
        let before = |stamp: &&Stamp| stamp.before_ns < first.before_ns;
        stamps.extend(parent.stamps.iter().take_while(before).cloned());
    }
    let shared = stamps.len();
    let (mut batches, mut end) = (Vec::new(), End::InFlight);
    for row in rows {
        if let Some(stamp) = stamp(row, stages) {
            note_batch(row, stamps.len(), &mut batches);
            stamps.push(stamp);
        }
        end = ending(row.stage).unwrap_or(end);
    }
    let (key, branches, flags) = (first.record, 0, BTreeMap::new());
    Some(Journey { who, path, key, stamps, shared, branches, batches, end, flags })
}

fn stamp(row: &Row, stages: &Stages) -> Option<Stamp> {
    let (stage, reads) = stages.iter().find(|(stage, _)| stage.truth == row.stage)?;
    let time = Time { event_ns: row.more.event_ns, wall_ns: row.more.wall_ns };
    Some(Stamp {
        name: stage.name,
        code: stage.shown(),
        pid: row.pid,
        tid: row.tid,
        before_ns: row.before_ns,
        after_ns: row.after_ns,
        attributes: reads.iter().filter_map(|read| read.value(row)).collect(),
        time: reads.iter().any(|read| read.is_time()).then_some(time),
    })
}

/// What the call does to the record's batches. The first call that has the whole batch makes its size known.
fn note_batch(row: &Row, entry: usize, batches: &mut Vec<Membership>) {
    if matches!(row.stage, BATCH_MERGE | BATCH_SEAL | BATCH_WRITTEN)
        && let Some(last) = batches.last_mut()
    {
        last.size.get_or_insert(row.more.size);
    }
    if matches!(row.stage, BATCH_ADD | BATCH_MERGE) {
        let (key, position) = (row.more.holder, row.more.position);
        batches.push(Membership { entry, key, position, size: None });
    }
}

/// How the row ends its journey, if it does.
fn ending(stage: u32) -> Option<End> {
    let outcome = match stage {
        WRITTEN | BUFFER_WRITTEN | BATCH_WRITTEN | WRITE_OK => "written",
        FREE | FILTERED => "filtered",
        SPLIT => "split",
        ERROR => "error_routed",
        WRITE_FAILED => "write_failed",
        SILENT => return Some(End::Vanished),
        _ => return None,
    };
    Some(End::Outcome(outcome.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::{Flow, Kind};
    use super::*;
    use crate::targets::Flavour;
    use crate::truth::More;

    fn row(stage: u32, path: u64, before_ns: u64) -> Row {
        let more = More { path, batch: 1, holder: 0xC0, position: 4, size: 9, ..More::default() };
        let after_ns = before_ns + 5;
        Row { source: 0, seq: 10, stage, tid: 3, before_ns, after_ns, record: 0xA0 + path, pid: 2, more }
    }

    fn folded(kind: Kind, rows: &[(u32, u64)]) -> Vec<Journey> {
        let rows = (1..).zip(rows).map(|(at, &(stage, path))| row(stage, path, 10 * at)).collect();
        Flow::new(kind, Flavour::C, 5, "").expected(&Truth::from_rows(rows, 5)).journeys
    }

    fn names(journey: &Journey) -> Vec<&str> {
        journey.stamps.iter().map(|stamp| stamp.name).collect()
    }

    #[test]
    fn branches_share_what_was_before_them() {
        let journeys = folded(
            Kind::Split,
            &[
                (S0, 0),
                (ENTER, 0),
                (FORK, 1),
                (PUT, 1),
                (FORK, 2),
                (DONE, 0),
                (ENTER, 1),
                (FORK, 0x101),
                (WRITTEN, 0x101),
                (SPLIT, 1),
                (WRITTEN, 0),
                (FILTERED, 2),
            ],
        );
        let seen: Vec<_> = journeys
            .iter()
            .map(|j| (j.path, names(j).join(" "), j.shared, j.branches, j.end.clone(), j.key))
            .collect();
        let end = |outcome: &str| End::Outcome(outcome.to_owned());
        assert_eq!(
            seen,
            [
                (0, "emit enter done written".to_owned(), 0, 2, end("written"), 0xA0),
                (1, "emit enter fork put enter".to_owned(), 2, 1, end("split"), 0xA1),
                (2, "emit enter fork".to_owned(), 2, 0, end("filtered"), 0xA2),
                (0x101, "emit enter fork put enter fork written".to_owned(), 5, 0, end("written"), 0x1A1),
            ]
        );
        assert!(journeys.iter().all(|j| j.who == Who::Sequence { tid: 3, sequence: 10 }));
    }

    #[test]
    fn a_batch_is_sized_by_the_first_call_that_has_it() {
        let journeys = folded(
            Kind::Batch,
            &[(S0, 0), (BATCH_ADD, 0), (BATCH_MERGE, 0), (BATCH_SEAL, 0), (BATCH_WRITTEN, 0)],
        );
        let batch = |entry| Membership { entry, key: 0xC0, position: 4, size: Some(9) };
        assert_eq!(journeys[0].batches, [batch(1), batch(2)]);
        let journeys = folded(Kind::Batch, &[(S0, 0), (BATCH_ADD, 0)]);
        assert_eq!(journeys[0].batches, [Membership { size: None, ..batch(1) }]);
        assert_eq!(journeys[0].end, End::InFlight);
    }

    #[test]
    fn what_is_not_traced_is_not_shown_and_the_end_is_known_all_the_same() {
        let journeys = folded(Kind::Errors, &[(S0, 0), (NOTE, 0), (ERROR, 0)]);
        assert_eq!(names(&journeys[0]), ["emit", "error"]);
        let journeys = folded(Kind::Handover, &[(S0, 0), (NODE_PUT, 0), (SILENT, 0)]);
        assert_eq!(
            (names(&journeys[0]).join(" "), &journeys[0].end),
            ("emit node put".to_owned(), &End::Vanished)
        );
    }
}
