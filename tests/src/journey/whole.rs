//! All traces together: none twice, none missing, and the numbers right.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::one::Record;
use super::{Expect, Sequence, Violation};
use crate::report::Report;
use crate::truth::{Fate, Truth, fate};

pub(super) fn check(
    report: &Report,
    records: &[Option<Record>],
    truth: &Truth,
    expect: &Expect,
    violations: &mut Vec<Violation>,
) {
    let seen = check_duplicates(report, records, violations);
    violations.extend(crate::ledger::check(report).into_iter().map(Violation::Count));
    match expect.sequence {
        Sequence::Task => check_missing(report, &seen, truth, expect, violations),
        Sequence::Process => {}
        Sequence::Late => check_spacing(report, &seen, expect, violations),
    }
}

fn check_duplicates(
    report: &Report,
    records: &[Option<Record>],
    violations: &mut Vec<Violation>,
) -> HashMap<Record, String> {
    let mut seen: HashMap<Record, String> = HashMap::new();
    let mut ids = HashSet::new();
    for (trace, record) in report.traces.iter().zip(records) {
        if !ids.insert(trace.trace_id.as_str()) {
            violations.push(Violation::SameId { trace_id: trace.trace_id.clone() });
        }
        let Some((source, seq)) = *record else { continue };
        if let Some(first) = seen.insert((source, seq), trace.trace_id.clone()) {
            let trace_ids = [first, trace.trace_id.clone()];
            violations.push(Violation::Duplicate { source, seq, trace_ids });
        }
    }
    seen
}

/// Every sampled record has its trace, but for those that the ledger says were refused or are in flight.
fn check_missing(
    report: &Report,
    seen: &HashMap<Record, String>,
    truth: &Truth,
    expect: &Expect,
    violations: &mut Vec<Violation>,
) {
    let ledger = &report.ledger;
    let (mut sampled, mut missing) = (0, Vec::new());
    for calls in truth.records() {
        let Some(first) = calls.first().filter(|first| first.seq.is_multiple_of(expect.rate)) else {
            continue;
        };
        sampled += 1;
        if !seen.contains_key(&(first.source, first.seq)) {
            missing.push((first.source, first.seq, expect.visible(fate(calls))));
        }
    }
    if !expect.complete {
        return;
    }
    let accounted = ledger.refused() + ledger.in_flight + ledger.lost_by("corrupt");
    for (what, expected, found) in [
        ("sampled records", sampled, ledger.sampled),
        ("sampled records without a trace = refused + in flight", accounted, missing.len() as u64),
    ] {
        if expected != found {
            violations.push(Violation::Count(format!("{what}: {expected} != {found}")));
        }
    }
    if ledger.refused() == 0 {
        // Only a record that vanished can still be in flight when all is done.
        let lost = missing.into_iter().filter(|&(.., fate)| matches!(fate, Fate::Written | Fate::Freed));
        violations.extend(lost.map(|(source, seq, fate)| Violation::Missing { source, seq, fate }));
    }
}

/// Holds only where nothing was refused and nothing can be left in flight.
fn check_spacing(
    report: &Report,
    seen: &HashMap<Record, String>,
    expect: &Expect,
    violations: &mut Vec<Violation>,
) {
    if report.ledger.refused() > 0 || report.ledger.in_flight > 0 {
        return;
    }
    let mut sources: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for &(source, seq) in seen.keys() {
        sources.entry(source).or_default().push(seq);
    }
    for (source, mut numbers) in sources {
        numbers.sort_unstable();
        for (&seq, &next) in numbers.iter().zip(numbers.iter().skip(1)) {
            if next - seq != expect.rate {
                violations.push(Violation::Spacing { source, seq, next });
            }
        }
    }
}
