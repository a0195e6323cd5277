//! A true report must pass; each falsified one must be caught, and for the right reason.

use std::collections::BTreeMap;

use serde_json::json;

use super::{End, Expected, Journey, Membership, Stamp, Time, What, Who, check, path_text};
use crate::report::{self, Entry, Report, Trace};

const WALL_NS: i64 = 1_700_000_000_000_000_000;

fn stamp(name: &'static str, code: &'static str, before_ns: u64) -> Stamp {
    Stamp { name, code, pid: 7, tid: 70, before_ns, after_ns: before_ns + 20, ..Stamp::default() }
}

/// A record that splits in two; the first branch goes into a batch and is written, the second vanishes.
fn family(sequence: u64) -> [Journey; 3] {
    let at = sequence * 1000;
    let mut source = stamp("emit", "S0", at);
    source.attributes = BTreeMap::from([("table".to_owned(), json!("orders")), ("n".to_owned(), json!(-1))]);
    source.time = Some(Time { event_ns: WALL_NS - 5, wall_ns: WALL_NS });
    let root = Journey {
        who: Who::Sequence { tid: 70, sequence },
        path: 0,
        key: 0xA000 + sequence,
        stamps: vec![source.clone(), stamp("enter", "T+", at + 100)],
        shared: 0,
        branches: 2,
        batches: Vec::new(),
        end: End::Outcome("split".to_owned()),
        flags: BTreeMap::new(),
    };
    let child = |ordinal: u64| {
        let fork = stamp("fork", "T-", at + 200 + 100 * ordinal);
        let stamps = root.stamps.iter().cloned().chain([fork]).collect();
        Journey { path: ordinal, key: 0xB000 + ordinal, stamps, shared: 2, branches: 0, ..root.clone() }
    };
    let mut first = child(1);
    let written = Stamp { pid: 8, tid: 80, ..stamp("written", "W!", at + 500) };
    first.stamps.extend([stamp("add", "Q+", at + 400), written]);
    first.batches = vec![Membership { entry: 3, key: 0xC0, position: 2, size: Some(4) }];
    first.end = End::Outcome("written".to_owned());
    [Journey { end: End::Vanished, ..child(2) }, first, root]
}

fn expected() -> Expected {
    Expected { journeys: (1..=3).flat_map(family).collect(), ..Expected::default() }
}

fn entry(stamp: &Stamp) -> Entry {
    Entry {
        stage: stamp.code.to_owned(),
        name: stamp.name.to_owned(),
        tid: stamp.tid,
        ts_ns: stamp.before_ns + 10,
        pid: (stamp.pid != 7).then_some(stamp.pid),
        attributes: stamp.attributes.clone(),
        record_time_ns: stamp.time.map(|time| time.event_ns),
        record_latency_ns: stamp.time.map(|time| time.wall_ns - time.event_ns + 900_000),
        ..Entry::default()
    }
}

fn trace(journey: &Journey) -> Trace {
    let Who::Sequence { sequence, .. } = journey.who else { unreachable!() };
    let batches = journey.batches.iter().map(|batch| report::Membership {
        entry: batch.entry,
        key: format!("{:#x}", batch.key),
        position: batch.position,
        size: batch.size,
    });
    Trace {
        trace_id: sequence.to_string(),
        outcome: match &journey.end {
            End::Outcome(outcome) => outcome.clone(),
            _ => "superseded".to_owned(),
        },
        pid: 7,
        key: format!("{:#x}", journey.key),
        sequence,
        start_ns: journey.stamps[0].before_ns + 10,
        entries: journey.stamps.iter().map(entry).collect(),
        branch: (journey.path != 0).then(|| path_text(journey.path)),
        parent: (journey.path != 0).then(|| path_text(journey.path >> 8)),
        shared: journey.shared,
        branches: journey.branches,
        batches: batches.collect(),
        ..Trace::default()
    }
}

/// The counts that the traces make, with three records sampled.
fn count(report: &mut Report) {
    let ended = |outcome| report.count(outcome);
    let (written, split, superseded) = (ended("written"), ended("split"), ended("superseded"));
    let ledger = &mut report.ledger;
    (ledger.sampled, ledger.admitted, ledger.branched) = (3, 3, 6);
    (ledger.written, ledger.split, ledger.superseded) = (written, split, superseded);
    ledger.in_flight = 9 - written - split - superseded;
}

fn good() -> Report {
    let mut report = Report { traces: expected().journeys.iter().map(trace).collect(), ..Report::default() };
    count(&mut report);
    report
}

/// What is found in a true report in which `falsify` changed something.
fn found(falsify: impl FnOnce(&mut Report)) -> Vec<What> {
    let mut report = good();
    falsify(&mut report);
    check(&report, &expected()).into_iter().map(|violation| violation.what).collect()
}

#[test]
fn a_true_report_passes() {
    assert_eq!(found(|_| {}), []);
    // What vanished may be in flight at the end.
    assert_eq!(
        found(|r| {
            r.traces.remove(0);
            count(r);
        }),
        []
    );
    // The order of the lines says nothing.
    assert_eq!(found(|r| r.traces.reverse()), []);
}

type Falsify = fn(&mut Report);

/// Traces of the first record: 0 vanished, 1 written, 2 split.
#[test]
fn every_lie_about_one_trace_is_caught() {
    let cases: [(What, Falsify); 24] = [
        (What::Key, |r| r.traces[0].key = "0x1".to_owned()),
        (What::Parent, |r| r.traces[1].parent = None),
        (What::Branches, |r| r.traces[2].branches = 1),
        (What::Shared, |r| r.traces[1].shared = 1),
        (What::Thread, |r| r.traces[1].entries[4].tid = 70),
        (What::Process, |r| r.traces[1].entries[4].pid = None),
        (What::Process, |r| r.traces[1].entries[0].pid = Some(7)),
        (What::Window, |r| r.traces[1].entries[1].ts_ns += 11),
        (What::Window, |r| r.traces[1].entries[4].ts_ns -= 11),
        (What::Order, |r| r.traces[1].start_ns += 1),
        (What::Stages, |r| drop(r.traces[1].entries.remove(3))),
        (What::Stages, |r| r.traces[1].entries[3].name = "put".to_owned()),
        (What::Stages, |r| {
            let stray = r.traces[1].entries[3].clone();
            r.traces[0].entries.push(stray);
        }),
        (What::Batches, |r| r.traces[1].batches.clear()),
        (What::Batches, |r| r.traces[1].batches[0].position = 1),
        (What::Batches, |r| r.traces[1].batches[0].size = None),
        (What::Batches, |r| r.traces[1].batches[0].key = "0xc1".to_owned()),
        (What::Attributes, |r| drop(r.traces[2].entries[0].attributes.remove("table"))),
        (What::Attributes, |r| drop(r.traces[2].entries[0].attributes.insert("n".to_owned(), json!(1)))),
        (What::RecordTime, |r| r.traces[2].entries[0].record_time_ns = None),
        (What::RecordTime, |r| r.traces[2].entries[0].record_latency_ns = Some(1_000_000 + 5 + 21)),
        (What::RecordTime, |r| r.traces[2].entries[0].record_latency_ns = Some(5 - 1_000_001)),
        (What::RecordTime, |r| r.traces[2].entries[1].record_time_ns = Some(1)),
        (What::Flags, |r| drop(r.traces[1].flags.insert("keys_dropped".to_owned(), json!(1)))),
    ];
    for (index, (what, falsify)) in cases.into_iter().enumerate() {
        assert_eq!(found(falsify), [what], "case {index}");
    }
}

#[test]
fn a_latency_may_be_a_millisecond_off() {
    for latency in [5 - 1_000_000, 5 + 20 + 1_000_000] {
        assert_eq!(found(|r| r.traces[2].entries[0].record_latency_ns = Some(latency)), []);
    }
}

#[test]
fn lies_about_the_whole_are_caught() {
    use What::{Count, Missing, Outcome, TraceId, Twice, Unknown};
    let cases: [(&[What], Falsify); 9] = [
        (&[Unknown, Missing], |r| r.traces[1].branch = Some("3".to_owned())),
        (&[Unknown], |r| r.traces[0].sequence = 4),
        (&[Twice, Count, Count, Count], |r| r.traces.push(r.traces[1].clone())),
        (&[Missing], |r| {
            r.traces.remove(1);
            count(r);
        }),
        (&[TraceId], |r| r.traces[1].trace_id = "77".to_owned()),
        (&[TraceId; 3], |r| (3..6).for_each(|i| r.traces[i].trace_id = "1".to_owned())),
        (&[Outcome], |r| {
            r.traces[1].outcome = "superseded".to_owned();
            count(r);
        }),
        (&[Outcome], |r| {
            r.traces[0].outcome = "written".to_owned();
            count(r);
        }),
        (&[Count], |r| r.ledger.journeys.extend([("keys_full".to_owned(), 1)])),
    ];
    for (index, (expected, falsify)) in cases.into_iter().enumerate() {
        let found = found(falsify);
        assert!(expected.iter().all(|what| found.contains(what)), "case {index}: {found:?}");
    }
    assert_eq!(found(|r| r.ledger.journeys.extend([("scopes_left".to_owned(), 5)])), []);
    for falsify in
        [(|r| r.ledger.sampled += 1) as Falsify, |r| r.ledger.branched -= 1, |r| r.ledger.in_flight += 1]
    {
        assert!(found(falsify).contains(&Count));
    }
}

#[test]
fn mixed_branches_are_caught() {
    // The tails of two branches exchanged: each stage is there, each stamp is real, and both are lies.
    let found = found(|r| {
        let (left, right) = r.traces.split_at_mut(3);
        left[1].entries[3..].swap_with_slice(&mut right[1].entries[3..]);
    });
    let windows = found.iter().filter(|what| **what == What::Window).count();
    assert_eq!((windows, found.len()), (4, 5), "and one of them runs backwards: {found:?}");
}

#[test]
fn records_can_be_told_by_their_keys() {
    let mut expected = expected();
    expected.journeys.retain(|journey| journey.path == 0);
    let mut report = good();
    report.traces.retain(|trace| trace.branch.is_none());
    for (journey, trace) in expected.journeys.iter_mut().zip(&mut report.traces) {
        journey.who = Who::Key(journey.key);
        trace.sequence = 0;
    }
    count(&mut report);
    (report.ledger.branched, report.ledger.in_flight) = (0, 0);
    assert_eq!(check(&report, &expected), []);
    report.traces[0].key = "0x5".to_owned();
    assert!(check(&report, &expected).iter().any(|violation| violation.what == What::Unknown));
}

/// Where keys give the trace ids, records that come with the same key are told apart by when they began.
#[test]
fn records_with_one_key_are_told_apart_by_their_time() {
    let met = |journey: Journey| {
        let since_ns = journey.stamps[0].before_ns;
        Journey { who: Who::Met { id: 5, since_ns }, ..journey }
    };
    let expected =
        Expected { journeys: expected().journeys.into_iter().map(met).collect(), ..Expected::default() };
    let mut report = good();
    report.traces.iter_mut().for_each(|trace| trace.trace_id = "5".to_owned());
    assert_eq!(check(&report, &expected), []);
    // Another id, and a time before them all.
    report.traces[3].trace_id = "6".to_owned();
    report.traces[0].entries[0].ts_ns = 1;
    let unknown =
        check(&report, &expected).iter().filter(|violation| violation.what == What::Unknown).count();
    assert_eq!(unknown, 2);
}
