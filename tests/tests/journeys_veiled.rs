//! Names that cannot be read, on threads that run at the same time: nothing is taken for an older record's, and what is not seen is counted.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use stain_tests::expected::{End, Expected, Journey, Who};
use stain_tests::ledger;
use stain_tests::report::Trace;
use stain_tests::run::{Done, Running};
use stain_tests::targets::Flavour;
use stain_tests::veiled::{STAGES, Veiled};

const RATE: u64 = 3;

/// All keys match those of other processes, too: what cannot be read is then nobody's in particular.
const SHARED: &str = r#"
[[space]]
name = "row"
shared = true
[[space]]
name = "node"
shared = true
[[space]]
name = "batch"
shared = true
"#;

fn run(target: &str, spaces: &str) -> Result<(Done, Veiled)> {
    let spec = format!(
        "[sampling]\nrate = {RATE}\nmax_traces_per_second = 0\nmax_open_traces = 65536\ntrace_ttl = \"120s\"\n{spaces}{STAGES}"
    );
    let target: Vec<String> = target.split_whitespace().map(str::to_owned).collect();
    let mut running = Running::start(Flavour::CProtected.veiled()?, &target, &spec, &[])?;
    running.pipeline.go()?;
    let done = running.finish()?;
    let veiled = Veiled::of(&done.truth, RATE);
    Ok((done, veiled))
}

const SMALL: &str = "--records 6000 --sources 2 --workers 2 --queue 64 --rate-per-second 6000";

/// Nowhere, there is no record: each journey lacks what was not seen of it, and no other does.
#[test]
fn a_name_that_lies_nowhere_is_missed_by_its_own_journey_alone() -> Result<()> {
    let name = "journeys_veiled::a_name_that_lies_nowhere_is_missed_by_its_own_journey_alone";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let (done, veiled) = run(SMALL, "")?;
    ensure!(done.totals.bogus > 1000 && veiled.unseen.is_empty(), "{:?}", done.totals);
    let unreadable = Some(done.totals.bogus);
    done.assert_says(&Expected { journeys: veiled.journeys, unreadable, ..Expected::default() })
}

/// What is not true of a trace, given its journey and the calls in which its record's names may have become another's.
fn wrong(trace: &Trace, journey: &Journey, unseen: &[(u64, u64)]) -> Option<String> {
    let is_stamp = |(entry, stamp): (&stain_tests::report::Entry, &stain_tests::expected::Stamp)| {
        entry.name == stamp.name
            && entry.tid == stamp.tid
            && (stamp.before_ns..=stamp.after_ns).contains(&entry.ts_ns)
    };
    let stamps = &journey.stamps;
    if trace.entries.len() > stamps.len() || !trace.entries.iter().zip(stamps).all(is_stamp) {
        return Some("a stamp that is not its own".to_owned());
    }
    // It began, a record passed unseen, and then it was stamped once more.
    let own = stamps.get(journey.shared)?;
    let kept = stamps.iter().take(trace.entries.len()).skip(journey.shared + 1);
    let passed = |stamp: &stain_tests::expected::Stamp| {
        unseen.iter().find(|(from, to)| own.after_ns < *from && *to < stamp.before_ns).copied()
    };
    if let Some((stamp, passed)) = kept.filter_map(|stamp| Some((stamp, passed(stamp)?))).next() {
        return Some(format!("stamped at {} after {passed:?}", stamp.name));
    }
    let whole = trace.entries.len() == stamps.len();
    let is_right = match (&journey.end, trace.outcome.as_str()) {
        (_, "source_unseen") => unseen.iter().any(|(_, to)| *to > own.before_ns),
        (_, "superseded" | "split") => true,
        (End::Outcome(outcome), found) => whole && outcome == found,
        (End::Vanished | End::InFlight, _) => false,
    };
    (!is_right).then(|| format!("ended as {}", trace.outcome))
}

/// In a page that is not there, a record may be: no journey goes on over it.
#[test]
fn after_a_record_that_passed_unseen_no_journey_goes_on() -> Result<()> {
    let name = "journeys_veiled::after_a_record_that_passed_unseen_no_journey_goes_on";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    ["", SHARED].into_iter().try_for_each(assert_none_goes_on)
}

fn assert_none_goes_on(spaces: &str) -> Result<()> {
    let (done, veiled) = run(&format!("{SMALL} --fault-keys"), spaces)?;
    let (report, unseen) = (&done.report, &veiled.unseen);
    ensure!(unseen.len() > 10, "{} records passed unseen", unseen.len());
    let known: BTreeMap<(Who, u64), &Journey> =
        veiled.journeys.iter().map(|journey| ((journey.who, journey.path), journey)).collect();
    let mut problems = Vec::new();
    for trace in &report.traces {
        let tid = trace.entries.first().map_or(0, |entry| entry.tid);
        let who = Who::Sequence { tid, sequence: trace.sequence };
        match trace.path().and_then(|path| known.get(&(who, path))) {
            None => problems.push(format!("a trace of no record: {trace:?}")),
            Some(journey) => problems.extend(
                wrong(trace, journey, unseen).map(|what| format!("{what}: {trace:?}, expected {journey:?}")),
            ),
        }
    }
    ensure!(
        problems.is_empty(),
        "{} traces are wrong:\n{}",
        problems.len(),
        problems[..problems.len().min(4)].join("\n")
    );
    let wrong = ledger::check(report);
    ensure!(wrong.is_empty() && report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    assert_eq!(report.ledger.key_unreadable, done.totals.bogus, "{}", report.summary);
    let sampled = veiled.journeys.iter().filter(|journey| journey.path == 0).count() as u64;
    assert_eq!(report.ledger.sampled, sampled, "{}", report.summary);
    ensure!(report.ledger.lost_by("source_unseen") > 0, "{}", report.summary);
    ensure!(report.ledger.written > sampled / 10, "few were written: {}", report.summary);
    Ok(())
}
