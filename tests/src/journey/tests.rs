//! A good run must pass; each falsified one must be caught, and for the right reason.

use super::{Expect, Sequence, Violation, check};
use crate::report::{Entry, Ledger, Report, Trace};
use crate::truth::{FREE, More, Row, SILENT, Truth};

const RATE: u64 = 10;
const CODES: [(&str, u32); 7] = super::STAGES;

/// How the synthetic pipeline ends a record: every 3rd is freed after T+, every 5th vanishes there.
fn end_of(seq: u64) -> (u32, &'static str) {
    match seq / RATE {
        n if n % 3 == 0 => (FREE, "filtered"),
        n if n % 5 == 0 => (SILENT, "superseded"),
        _ => (6, "written"),
    }
}

/// Calls of a record: stage k runs from `start + 100 k` to 20 ns later; threads are 100 + source, then 200.
fn calls(source: u32, seq: u64) -> Vec<Row> {
    let (end, _) = end_of(seq);
    let stages: &[u32] = if end == 6 { &[1, 2, 3, 4, 5, 6] } else { &[1, 2, 3, 4, end] };
    let row = |(k, &stage): (usize, &u32)| {
        let before_ns = seq * 1000 + u64::from(source) * 7 + 100 * k as u64;
        let tid = if k < 2 { 100 + source } else { 200 };
        let record = 0xA000 + seq % 4;
        let more = More::default();
        Row { source, seq, stage, tid, before_ns, after_ns: before_ns + 20, record, pid: 1, more }
    };
    stages.iter().enumerate().map(row).collect()
}

fn trace(source: u32, seq: u64) -> Trace {
    let calls = calls(source, seq);
    let stamped = calls.iter().filter(|row| row.stage != SILENT);
    let entries: Vec<Entry> = stamped
        .map(|row| Entry {
            stage: CODES
                .iter()
                .find(|(_, stage)| *stage == row.stage)
                .map_or("?", |(code, _)| code)
                .to_owned(),
            name: String::new(),
            task_id: i64::from(row.tid),
            tid: row.tid,
            cpu: 0,
            ts_ns: row.before_ns + 10,
            ..Entry::default()
        })
        .collect();
    Trace {
        trace_id: format!("{}", u64::from(source) << 32 | seq),
        outcome: end_of(seq).1.to_owned(),
        pid: 1,
        key: format!("{:#x}", 0xA000 + seq % 4),
        sequence: seq,
        start_ns: entries.first().map_or(0, |entry| entry.ts_ns),
        wall_time: String::new(),
        entries,
        ..Trace::default()
    }
}

fn truth() -> Truth {
    let rows = (0..2).flat_map(|source| (1..=20).flat_map(move |n| calls(source, n * RATE))).collect();
    Truth::from_rows(rows, RATE)
}

fn count(report: &mut Report) {
    let ended = |outcome| report.count(outcome);
    let n = report.traces.len() as u64;
    report.ledger = Ledger {
        sampled: n,
        admitted: n,
        written: ended("written"),
        filtered: ended("filtered"),
        superseded: ended("superseded"),
        expired: ended("expired"),
        ..Ledger::default()
    };
}

fn good() -> Report {
    let traces = (0..2).flat_map(|source| (1..=20).map(move |n| trace(source, n * RATE))).collect();
    let mut report = Report { traces, ..Report::default() };
    count(&mut report);
    report
}

/// The violations of a good run in which `falsify` changed something, by their names.
fn names(falsify: impl FnOnce(&mut Report)) -> Vec<String> {
    let mut report = good();
    falsify(&mut report);
    let violations = check(&report, &truth(), &Expect::every(RATE));
    violations.iter().map(|v| format!("{v:?}").split([' ', '(']).next().unwrap_or("").to_owned()).collect()
}

#[test]
fn a_true_report_passes() {
    assert_eq!(names(|_| {}), [""; 0]);
    let mut late = Expect::every(RATE);
    for sequence in [Sequence::Process, Sequence::Late] {
        late.sequence = sequence;
        assert_eq!(check(&good(), &truth(), &late), []);
    }
}

#[test]
fn a_stamp_one_ns_outside_its_window_is_caught() {
    for (entry, by) in [(0, -11_i64), (0, 11), (3, -11), (5, 11)] {
        let found = names(|report| {
            let trace = &mut report.traces[0];
            trace.entries[entry].ts_ns = trace.entries[entry].ts_ns.wrapping_add_signed(by);
            trace.start_ns = trace.entries[0].ts_ns;
        });
        assert_eq!(found, ["Window"], "entry {entry} by {by}");
    }
    let on_the_edge = names(|report| report.traces[0].entries[3].ts_ns += 10);
    assert_eq!(on_the_edge, [""; 0]);
}

#[test]
fn mixed_journeys_are_caught() {
    // Records 10 and 40 have their tails exchanged: each stage is there, each stamp is real, and both are lies.
    let found = names(|report| {
        let (left, right) = report.traces.split_at_mut(3);
        left[0].entries[2..].swap_with_slice(&mut right[0].entries[2..]);
    });
    let windows = found.iter().filter(|name| *name == "Window").count();
    assert_eq!((windows, found.len()), (8, 9), "and one of them runs backwards: {found:?}");
    // One stamp of record 40 is put into record 10's journey.
    let found = names(|report| {
        let stray = report.traces[3].entries[4].clone();
        report.traces[0].entries.push(stray);
    });
    assert_eq!(found, ["Stages"]);
    // A superseded trace that went on with the next record of the same address.
    let found = names(|report| {
        let tail = report.traces[6].entries[4..].to_vec();
        report.traces[4].entries.extend(tail);
        report.traces[4].outcome = "written".to_owned();
        count(report);
    });
    assert_eq!(found, ["Stages", "Outcome"]);
}

#[test]
fn a_missing_trace_is_caught() {
    let found = names(|report| drop(report.traces.remove(0)));
    assert_eq!(found, ["Count", "Count", "Count", "Missing"]);
    let found = names(|report| {
        report.traces.remove(0);
        count(report);
    });
    assert_eq!(found, ["Count", "Count", "Missing"]);
    // Refused, and counted as such: fine.
    let found = names(|report| {
        report.traces.remove(0);
        count(report);
        report.ledger.sampled += 1;
        report.ledger.refused_budget = 1;
    });
    assert_eq!(found, [""; 0]);
    // A vanished record may be in flight at the end, a written one may not.
    for (index, expected) in [(4, vec![]), (0, vec!["Missing"])] {
        let found = names(|report| {
            report.traces.remove(index);
            count(report);
            report.ledger.sampled += 1;
            report.ledger.admitted += 1;
            report.ledger.in_flight = 1;
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_duplicate_is_caught() {
    let twice = |report: &mut Report| report.traces.push(report.traces[0].clone());
    assert_eq!(names(twice), ["SameId", "Duplicate", "Count", "Count"]);
}

type Falsify = fn(&mut Report);

#[test]
fn other_lies_are_caught() {
    let cases: [(&str, Falsify); 8] = [
        ("Key", |r| r.traces[0].key = "0x1".to_owned()),
        ("Thread", |r| r.traces[0].entries[1].tid = 9),
        ("Unknown", |r| r.traces[0].entries[0].tid = 9),
        ("Unknown", |r| r.traces[0].sequence = 11),
        ("Order", |r| r.traces[0].start_ns += 1),
        ("Stages", |r| drop(r.traces[0].entries.remove(2))),
        ("Stages", |r| r.traces[0].entries[2].stage = "T+".to_owned()),
        ("DroppedEntries", |r| drop(r.traces[0].flags.insert("entries_dropped".to_owned(), 1.into()))),
    ];
    for (expected, falsify) in cases {
        assert_eq!(names(falsify).first().map(String::as_str), Some(expected));
    }
    for (index, outcome) in
        [(0, "filtered"), (0, "superseded"), (2, "written"), (4, "written"), (4, "filtered")]
    {
        let found = names(|report| {
            report.traces[index].outcome = outcome.to_owned();
            count(report);
        });
        assert!(found.contains(&"Outcome".to_owned()), "{index} as {outcome}: {found:?}");
    }
}

#[test]
fn a_trace_at_its_maximum_keeps_its_end() {
    let mut report = good();
    for trace in &mut report.traces {
        let terminal = trace.outcome != "superseded";
        let body = trace.entries.len() - usize::from(terminal);
        trace.entries.drain(2..body);
        trace.flags.insert("entries_dropped".to_owned(), (body as u64 - 2).into());
    }
    let expect = Expect { max_entries: 3, ..Expect::every(RATE) };
    assert_eq!(check(&report, &truth(), &expect), []);
    report.traces[0].entries.pop();
    assert!(matches!(check(&report, &truth(), &expect)[..], [Violation::Stages { .. }]));
}

#[test]
fn a_killed_target_explains_one_missing_stamp_and_no_more() {
    let mut rows = calls(0, 10);
    rows.truncate(3);
    rows[2].after_ns = u64::MAX;
    let truth = Truth::from_rows(rows, RATE);
    let expect = Expect { complete: false, ..Expect::every(RATE) };
    let verdict = |stamps: usize| {
        let mut killed = trace(0, 10);
        killed.outcome = "target_exit".to_owned();
        killed.entries.truncate(stamps);
        let mut report = Report { traces: vec![killed], ..Report::default() };
        count(&mut report);
        report.ledger.lost.insert("target_exit".to_owned(), 1);
        check(&report, &truth, &expect).len()
    };
    assert_eq!([1, 2, 3, 4].map(verdict), [1, 0, 0, 1]);
}

#[test]
fn samples_of_a_late_attachment_lie_apart_by_the_rate() {
    let mut report = good();
    report.traces.drain(..5);
    count(&mut report);
    let late = Expect { sequence: Sequence::Late, ..Expect::every(RATE) };
    assert_eq!(check(&report, &truth(), &late), []);
    report.traces.remove(3);
    count(&mut report);
    let violations = check(&report, &truth(), &late);
    assert_eq!(violations, [Violation::Spacing { source: 0, seq: 80, next: 100 }]);
}

#[test]
fn a_log_too_coarse_for_the_rate_is_refused() {
    assert!(matches!(check(&good(), &truth(), &Expect::every(15))[..], [Violation::Count(_)]));
}
