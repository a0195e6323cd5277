//! One trace against its journey.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{End, Journey, Membership, Stamp, Time, Violation, What, path_text};
use crate::report::{Entry, Trace};

/// How far a record latency may be from the target's own reckoning, ns.
const LATENCY_SLACK_NS: i64 = 1_000_000;

/// Collects what does not agree about one trace.
struct Judge<'a> {
    of: String,
    violations: &'a mut Vec<Violation>,
}

impl Judge<'_> {
    fn same<T: PartialEq + Debug + ?Sized>(&mut self, what: What, found: &T, expected: &T) -> bool {
        let agree = found == expected;
        if !agree {
            self.wrong(what, format!("{found:?}"), format!("{expected:?}"));
        }
        agree
    }

    fn wrong(&mut self, what: What, found: String, expected: String) {
        self.violations.push(Violation { of: self.of.clone(), what, found, expected });
    }
}

/// The words by which a violation names a trace.
pub(super) fn name(trace: &Trace) -> String {
    let branch = trace.branch.as_deref().unwrap_or("0");
    let tid = trace.entries.first().map_or(0, |entry| entry.tid);
    format!(
        "trace {} branch {branch} (thread {tid}, number {}, {})",
        trace.trace_id, trace.sequence, trace.outcome
    )
}

pub(super) fn check(trace: &Trace, journey: &Journey, violations: &mut Vec<Violation>) {
    let judge = &mut Judge { of: name(trace), violations };
    judge.same(What::Key, &trace.key(), &Some(journey.key));
    let parent = (journey.path != 0).then(|| path_text(journey.path >> 8));
    judge.same(What::Parent, &trace.parent, &parent);
    judge.same(What::Branches, &trace.branches, &journey.branches);
    let ordered = trace.entries.is_sorted_by_key(|entry| entry.ts_ns);
    if !ordered || trace.entries.first().is_some_and(|entry| entry.ts_ns != trace.start_ns) {
        judge.wrong(What::Order, format!("{:?}", times(trace)), format!("from {}", trace.start_ns));
    }
    match &journey.end {
        End::Outcome(outcome) => judge.same(What::Outcome, trace.outcome.as_str(), outcome),
        End::Vanished => judge.same(What::Outcome, trace.outcome.as_str(), vanished(journey)),
        End::InFlight => judge.same(What::Outcome, trace.outcome.as_str(), "none before the agent stops"),
    };
    let flags: BTreeMap<String, u64> =
        trace.flags.keys().map(|flag| (flag.clone(), trace.flag(flag))).collect();
    judge.same(What::Flags, &flags, &journey.flags);
    if !stages(judge, trace, journey) {
        return;
    }
    judge.same(What::Shared, &trace.shared, &journey.shared);
    batches(judge, trace, journey);
    for (entry, expected) in trace.entries.iter().zip(&journey.stamps) {
        stamp(judge, trace, entry, expected);
    }
}

/// A record that others came out of goes on in them.
fn vanished(journey: &Journey) -> &'static str {
    let has_become_others = journey.branches > 0 || journey.flags.contains_key("branches_dropped");
    if has_become_others { "split" } else { "superseded" }
}

fn times(trace: &Trace) -> Vec<u64> {
    trace.entries.iter().map(|entry| entry.ts_ns).collect()
}

fn stages(judge: &mut Judge<'_>, trace: &Trace, journey: &Journey) -> bool {
    let found: Vec<_> =
        trace.entries.iter().map(|entry| (entry.stage.as_str(), entry.name.as_str())).collect();
    let expected: Vec<_> = journey.stamps.iter().map(|stamp| (stamp.code, stamp.name)).collect();
    judge.same(What::Stages, &found, &expected)
}

fn batches(judge: &mut Judge<'_>, trace: &Trace, journey: &Journey) {
    let found = trace.batches.iter().map(|batch| {
        let (entry, key, position) = (batch.entry, batch.key().unwrap_or(0), batch.position);
        Membership { entry, key, position, size: batch.size }
    });
    judge.same(What::Batches, &found.collect::<Vec<_>>(), &journey.batches);
}

fn stamp(judge: &mut Judge<'_>, trace: &Trace, entry: &Entry, expected: &Stamp) {
    let at = |what: String| format!("{}: {what}", expected.name);
    if entry.tid != expected.tid {
        judge.wrong(What::Thread, at(entry.tid.to_string()), expected.tid.to_string());
    }
    let pid = entry.pid.unwrap_or(trace.pid);
    if pid != expected.pid || entry.pid == Some(trace.pid) {
        judge.wrong(What::Process, at(format!("{:?} in {}", entry.pid, trace.pid)), expected.pid.to_string());
    }
    if !(expected.before_ns..=expected.after_ns).contains(&entry.ts_ns) {
        let window = format!("{}..={}", expected.before_ns, expected.after_ns);
        judge.wrong(What::Window, at(entry.ts_ns.to_string()), window);
    }
    if entry.attributes != expected.attributes {
        let (found, expected) = (&entry.attributes, &expected.attributes);
        judge.wrong(What::Attributes, at(format!("{found:?}")), format!("{expected:?}"));
    }
    record_time(judge, entry, expected);
}

fn record_time(judge: &mut Judge<'_>, entry: &Entry, expected: &Stamp) {
    let found = (entry.record_time_ns, entry.record_latency_ns);
    let fits = match (expected.time, found) {
        (None, (None, None)) => true,
        (Some(Time { event_ns, wall_ns }), (Some(event), Some(latency))) => {
            let least = wall_ns - event_ns - LATENCY_SLACK_NS;
            let span = expected.after_ns.saturating_sub(expected.before_ns).cast_signed();
            event == event_ns && (least..=least + span + 2 * LATENCY_SLACK_NS).contains(&latency)
        }
        _ => false,
    };
    if !fits {
        judge.wrong(
            What::RecordTime,
            format!("{}: {found:?}", expected.name),
            format!("{:?}", expected.time),
        );
    }
}
