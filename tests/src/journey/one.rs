//! One trace against its record's calls.

use super::{Expect, KeyKind, Sequence, Violation};
use crate::report::{Entry, Trace};
use crate::truth::{Fate, Row, Truth, fate};

/// A record's name: source and number.
pub(super) type Record = (u32, u64);

/// Checks one trace; says which record it is of.
pub(super) fn check(
    trace: &Trace,
    truth: &Truth,
    expect: &Expect,
    violations: &mut Vec<Violation>,
) -> Option<Record> {
    let trace_id = || trace.trace_id.clone();
    let Some((source, seq)) = identify(trace, truth, expect) else {
        let tid = trace.entries.first().map_or(0, |entry| entry.tid);
        violations.push(Violation::Unknown { trace_id: trace_id(), tid, sequence: trace.sequence });
        return None;
    };
    let calls = truth.record(source, seq);
    if expect.sequence == Sequence::Task && seq % expect.rate != 0 {
        violations.push(Violation::NotSampled { trace_id: trace_id(), source, seq });
    }
    if let Some(expected) = wrong_key(trace, calls, expect) {
        violations.push(Violation::Key { trace_id: trace_id(), found: trace.key.clone(), expected });
    }
    let ordered = trace.entries.is_sorted_by_key(|entry| entry.ts_ns);
    if !ordered || trace.entries.first().is_some_and(|entry| entry.ts_ns != trace.start_ns) {
        violations.push(Violation::Order { trace_id: trace_id() });
    }
    check_stages(trace, calls, expect, violations);
    check_outcome(trace, calls, expect, violations);
    Some((source, seq))
}

fn identify(trace: &Trace, truth: &Truth, expect: &Expect) -> Option<Record> {
    let first = trace.entries.first().filter(|entry| entry.stage == "S0")?;
    match expect.sequence {
        Sequence::Task => {
            let source = truth.source_of(first.tid)?;
            (!truth.record(source, trace.sequence).is_empty()).then_some((source, trace.sequence))
        }
        Sequence::Process | Sequence::Late => {
            truth.emitted_at(first.tid, first.ts_ns).map(|row| (row.source, row.seq))
        }
    }
}

fn wrong_key(trace: &Trace, calls: &[Row], expect: &Expect) -> Option<u64> {
    let first = calls.first()?;
    let expected = match expect.key {
        KeyKind::Address => first.record,
        KeyKind::Uid => u64::from(first.source) << 40 | first.seq,
        KeyKind::Opaque => return None,
    };
    (trace.key() != Some(expected)).then_some(expected)
}

/// Whether the outcome is one whose terminal stage is stamped.
fn has_terminal(outcome: &str) -> bool {
    matches!(outcome, "written" | "filtered")
}

fn check_stages(trace: &Trace, calls: &[Row], expect: &Expect, violations: &mut Vec<Violation>) {
    let passed: Vec<&Row> = calls.iter().filter(|row| expect.is_traced(row.stage)).collect();
    let journey = traced_part(trace, &passed, expect);
    let kept = kept(&journey, trace, expect.max_entries);
    let found: Vec<_> = trace.entries.iter().map(|entry| expect.stage_of(&entry.stage)).collect();
    if found != kept.iter().map(|row| Some(row.stage)).collect::<Vec<_>>() {
        violations.push(Violation::Stages {
            trace_id: trace.trace_id.clone(),
            found: trace.entries.iter().map(|entry| entry.stage.clone()).collect(),
            expected: kept.iter().map(|row| row.stage).collect(),
        });
        return;
    }
    let (flagged, expected) = (trace.flag("entries_dropped"), (journey.len() - kept.len()) as u64);
    if flagged != expected {
        violations.push(Violation::DroppedEntries { trace_id: trace.trace_id.clone(), flagged, expected });
    }
    for (entry, row) in trace.entries.iter().zip(kept) {
        check_stamp(trace, entry, row, violations);
    }
}

/// The calls that the trace must show: all that were made. A trace that outlived its time to live shows those up to then,
/// and the target may have ended within a call before the stamp was taken.
fn traced_part<'a>(trace: &Trace, passed: &[&'a Row], expect: &Expect) -> Vec<&'a Row> {
    let stamps = trace.entries.len() + trace.flag("entries_dropped") as usize;
    let shortest = match trace.outcome.as_str() {
        "expired" if expect.may_expire => 0,
        "target_exit" | "thread_exit" if passed.last().is_some_and(|row| row.is_open()) => passed.len() - 1,
        _ => passed.len(),
    };
    passed.get(..stamps.clamp(shortest, passed.len())).unwrap_or_default().to_vec()
}

/// Of a journey, the calls that `max_entries` leaves: the first ones, and always the terminal one.
fn kept<'a>(journey: &[&'a Row], trace: &Trace, max_entries: usize) -> Vec<&'a Row> {
    let body = journey.len() - usize::from(has_terminal(&trace.outcome) && !journey.is_empty());
    let head = body.min(max_entries.saturating_sub(1));
    let (head, tail) = (journey.iter().take(head), journey.iter().skip(body));
    head.chain(tail).copied().collect()
}

fn check_stamp(trace: &Trace, entry: &Entry, row: &Row, violations: &mut Vec<Violation>) {
    let (trace_id, stage) = (trace.trace_id.clone(), entry.stage.clone());
    if entry.tid != row.tid {
        violations.push(Violation::Thread { trace_id, stage, found: entry.tid, expected: row.tid });
    } else if !(row.before_ns..=row.after_ns).contains(&entry.ts_ns) {
        violations.push(Violation::Window {
            trace_id,
            stage,
            ts_ns: entry.ts_ns,
            before_ns: row.before_ns,
            after_ns: row.after_ns,
        });
    }
}

fn check_outcome(trace: &Trace, calls: &[Row], expect: &Expect, violations: &mut Vec<Violation>) {
    let fate = expect.visible(fate(calls));
    let found = trace.outcome.as_str();
    // The target may have ended within the record's last call, before or after the stamp.
    let cut = calls.last().is_some_and(Row::is_open);
    let outlived = found == "expired" && expect.may_expire;
    let fits = match fate {
        Fate::Written => found == "written" || cut && found == "target_exit",
        Fate::Freed => found == "filtered" || cut && found == "target_exit",
        Fate::Silent => matches!(found, "superseded" | "expired" | "target_exit"),
        Fate::Unfinished => found == "target_exit",
    };
    if !(fits || outlived) {
        violations.push(Violation::Outcome {
            trace_id: trace.trace_id.clone(),
            found: found.to_owned(),
            fate,
        });
    }
}
