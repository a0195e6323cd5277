//! All traces together: each of a journey, none twice, none missing, and the numbers right.

use std::collections::{BTreeMap, HashMap};

use super::one::name;
use super::{End, Expected, Journey, Violation, What, Who, path_text};
use crate::ledger;
use crate::report::{Report, Trace};

/// A trace and the journey it is of.
pub(super) type Pair<'a> = (&'a Trace, &'a Journey);

/// Finds the journey of each trace.
pub(super) fn pair<'a>(
    report: &'a Report,
    expected: &'a Expected,
    violations: &mut Vec<Violation>,
) -> Vec<Pair<'a>> {
    let mut journeys = HashMap::new();
    for journey in &expected.journeys {
        journeys.insert((journey.who, journey.path), journey);
    }
    let mut known: Vec<Who> = expected.journeys.iter().map(|journey| journey.who).collect();
    known.sort_unstable();
    let mut taken: HashMap<(Who, u64), &Trace> = HashMap::new();
    let mut pairs = Vec::new();
    for trace in &report.traces {
        let identity = who(trace, &known).zip(trace.path());
        let Some((identity, journey)) = identity.and_then(|id| Some((id, *journeys.get(&id)?))) else {
            violations.push(wrong(trace, What::Unknown, "a trace".to_owned(), "none".to_owned()));
            continue;
        };
        if let Some(first) = taken.insert(identity, trace) {
            violations.push(wrong(trace, What::Twice, name(first), "one".to_owned()));
        }
        pairs.push((trace, journey));
    }
    pairs
}

/// The same of a trace, as the kind of the expected ones is. These are in order.
fn who(trace: &Trace, known: &[Who]) -> Option<Who> {
    match known.first()? {
        Who::Key(_) => trace.key().map(Who::Key),
        Who::Met { .. } => {
            let id = trace.trace_id.parse().ok()?;
            let latest = Who::Met { id, since_ns: trace.entries.first()?.ts_ns };
            let who = known.get(known.partition_point(|who| *who <= latest).checked_sub(1)?)?;
            (*who >= Who::Met { id, since_ns: 0 }).then_some(*who)
        }
        Who::Sequence { .. } => {
            Some(Who::Sequence { tid: trace.entries.first()?.tid, sequence: trace.sequence })
        }
    }
}

fn wrong(trace: &Trace, what: What, found: String, expected: String) -> Violation {
    Violation { of: name(trace), what, found, expected }
}

pub(super) fn check(
    report: &Report,
    expected: &Expected,
    pairs: &[Pair<'_>],
    violations: &mut Vec<Violation>,
) {
    trace_ids(pairs, violations);
    let mut counts = Counts { violations };
    for sentence in ledger::check(report) {
        counts.add("the ledger", sentence, "balance".to_owned());
    }
    let missing = missing(expected, pairs, &mut counts);
    let roots = expected.journeys.iter().filter(|journey| journey.path == 0).count() as u64;
    let branches = expected.journeys.len() as u64 - roots;
    let ledger = &report.ledger;
    counts.same("sampled", ledger.sampled, roots + expected.refused);
    counts.same("admitted", ledger.admitted, roots);
    counts.same("branched", ledger.branched, branches);
    counts.same("in flight", ledger.in_flight, missing);
    if let Some(unreadable) = expected.unreadable {
        counts.same("keys unreadable", ledger.key_unreadable, unreadable);
    }
    let known = |name: &String| name != "scopes_left" || expected.bounds.contains_key(name);
    let met = ledger.journeys.iter().filter(|(name, count)| **count != 0 && known(name));
    let met: BTreeMap<String, u64> = met.map(|(name, count)| (name.clone(), *count)).collect();
    if met != expected.bounds {
        counts.add("bounds met", format!("{met:?}"), format!("{:?}", expected.bounds));
    }
}

struct Counts<'a> {
    violations: &'a mut Vec<Violation>,
}

impl Counts<'_> {
    fn add(&mut self, of: &str, found: String, expected: String) {
        self.violations.push(Violation { of: of.to_owned(), what: What::Count, found, expected });
    }

    fn same(&mut self, of: &str, found: u64, expected: u64) {
        if found != expected {
            self.add(of, found.to_string(), expected.to_string());
        }
    }
}

/// Branches of one record have one trace id, and no other record has it; but for records that come with the same key, where that gives the id.
fn trace_ids(pairs: &[Pair<'_>], violations: &mut Vec<Violation>) {
    let mut ids: HashMap<Who, &str> = HashMap::new();
    let mut owners: HashMap<&str, Who> = HashMap::new();
    for (trace, journey) in pairs {
        let id = *ids.entry(journey.who).or_insert(&trace.trace_id);
        let owner = *owners.entry(&trace.trace_id).or_insert(journey.who);
        let may_recur = matches!(journey.who, Who::Met { .. });
        if id != trace.trace_id || owner != journey.who && !may_recur {
            violations.push(wrong(trace, What::TraceId, format!("{owner:?}"), id.to_owned()));
        }
    }
}

/// Every journey has its trace, but for those that may not have ended; how many of these have none.
fn missing(expected: &Expected, pairs: &[Pair<'_>], counts: &mut Counts<'_>) -> u64 {
    let seen: HashMap<(Who, u64), ()> =
        pairs.iter().map(|(_, journey)| ((journey.who, journey.path), ())).collect();
    let mut open = 0;
    for journey in &expected.journeys {
        if seen.contains_key(&(journey.who, journey.path)) {
            continue;
        }
        if journey.end != End::Vanished && journey.end != End::InFlight {
            let (of, what) = (format!("{:?} branch {}", journey.who, path_text(journey.path)), What::Missing);
            let names: Vec<_> = journey.stamps.iter().map(|stamp| stamp.name).collect();
            let expected = format!("{:?} {names:?}", journey.end);
            counts.violations.push(Violation { of, what, found: "no trace".to_owned(), expected });
            continue;
        }
        open += 1;
    }
    open
}
