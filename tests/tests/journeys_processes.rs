//! One journey in two processes, which know a record by its own number.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use stain_tests::expected::{self, End, Expected, Who};
use stain_tests::flow::codes::{RECEIVE, S0, SEND};
use stain_tests::linked::Linked;
use stain_tests::report::Report;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use stain_tests::truth::Truth;

const RATE: u64 = 7;
const RECORDS: u64 = 20_000;

/// How much passes, how much of it is sampled, and how much both processes log.
#[derive(Clone, Copy)]
struct Size {
    records: u64,
    rate: u64,
    logged: u64,
}

const SMALL: Size = Size { records: RECORDS, rate: RATE, logged: 1 };
const TWO_MILLION: Size = Size { records: 2_000_000, rate: 100, logged: 100 };

/// Which of the two processes the agent attaches to.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Both,
    Receiver,
}

/// A whole run; what was reported, and what both have logged.
fn run(
    flavour: Flavour,
    to: To,
    size: Size,
    change: impl FnOnce(&mut Linked),
) -> Result<(Linked, Report, Truth)> {
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let mut linked = Linked::start(flavour, size.rate, size.records, size.logged, home.path())?;
    change(&mut linked);
    let (sender, receiver) = (linked.sender.pid(), linked.receiver.pid());
    let pids = if to == To::Both { vec![sender, receiver] } else { vec![receiver] };
    let spec = Linked::target(&pids) + &linked.flow.toml();
    let mut agent = Agent::follow(&spec, &[], home.path(), "agent")?;
    for pid in pids {
        agent.has_attached_to(pid)?;
    }
    let totals = linked.run()?;
    ensure!(totals.emitted == size.records, "{totals:?}");
    let report = agent.stop(SHORT)?.report;
    let truth = linked.truth()?;
    Ok((linked, report, truth))
}

fn assert_says(report: &Report, expected: &Expected) -> Result<()> {
    let violations = expected::check(report, expected);
    ensure!(violations.is_empty(), "{}\n{}", expected::show(&violations), report.summary);
    Ok(())
}

/// Every sampled record has one journey, in both processes.
fn assert_joined(flavour: Flavour, size: Size) -> Result<()> {
    let (linked, report, truth) = run(flavour, To::Both, size, |_| {})?;
    let mut expected = linked.flow.expected(&truth);
    expected.journeys.iter_mut().for_each(by_number);
    assert_says(&report, &expected)?;
    ensure!(report.ledger.records == size.records, "{}", report.summary);
    ensure!(report.ledger.written == size.records / size.rate, "{}", report.summary);
    linked.finish()
}

#[test]
fn a_shared_key_joins_two_processes() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_processes::a_shared_key_joins_two_processes").open() {
        return Ok(());
    }
    Flavour::LANGUAGES.into_iter().try_for_each(|flavour| assert_joined(flavour, SMALL))
}

#[test]
fn two_million_records_go_from_one_process_to_the_other() -> Result<()> {
    let name = "journeys_processes::two_million_records_go_from_one_process_to_the_other";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    assert_joined(Flavour::CProtected, TWO_MILLION)
}

/// The key of a record is its number, and not its address.
fn by_number(journey: &mut expected::Journey) {
    if let Who::Sequence { sequence, .. } = journey.who {
        journey.key = sequence;
    }
}

#[test]
fn a_key_that_is_not_shared_stays_in_its_process() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_processes::a_key_that_is_not_shared_stays_in_its_process")
        .open()
    {
        return Ok(());
    }
    let (linked, report, truth) =
        run(Flavour::CProtected, To::Both, SMALL, |linked| linked.flow.tables.clear())?;
    let mut expected = linked.flow.expected(&truth.only(|row| row.stage == S0 || row.stage == SEND));
    for journey in &mut expected.journeys {
        by_number(journey);
        journey.end = End::InFlight;
    }
    assert_says(&report, &expected)?;
    ensure!(report.traces.is_empty() && report.ledger.in_flight == RECORDS / RATE, "{}", report.summary);
    linked.finish()
}

/// Trace ids by key, of a run in which keys decide.
fn by_key(flavour: Flavour, to: To) -> Result<BTreeMap<u64, String>> {
    let by_key = |linked: &mut Linked| {
        "mode = \"key\"\n".clone_into(&mut linked.flow.sampling);
        if to == To::Receiver {
            // Whoever sees only the second half of the way says only that in the spec.
            linked.flow.stages.retain(|(stage, _)| stage.truth != S0 && stage.truth != SEND);
        }
    };
    let (linked, report, truth) = run(flavour, to, SMALL, by_key)?;
    let ids: BTreeMap<u64, String> =
        report.traces.iter().filter_map(|trace| Some((trace.key()?, trace.trace_id.clone()))).collect();
    let is_seen = |row: &stain_tests::truth::Row| to == To::Both || row.stage != S0 && row.stage != SEND;
    let mut flow = linked.flow.clone();
    // Which records are sampled, the keys of the report say; that it is the right ones, the comparison of runs.
    flow.rate = 1;
    let mut expected = flow.expected(&truth.only(is_seen));
    for journey in &mut expected.journeys {
        by_number(journey);
        journey.who = Who::Key(journey.key);
        if to == To::Receiver {
            journey.flags.insert("partial".to_owned(), 1);
        }
    }
    expected.journeys.retain(|journey| ids.contains_key(&journey.key));
    assert_says(&report, &expected)?;
    if to == To::Receiver {
        ensure!(report.traces.iter().all(|trace| trace.entries[0].name == "receive"), "{}", report.summary);
        ensure!(
            truth.records().flatten().filter(|row| row.stage == RECEIVE).count() as u64 == RECORDS,
            "records were lost"
        );
    }
    linked.finish()?;
    Ok(ids)
}

#[test]
fn keys_alone_decide_what_is_sampled_and_how_it_is_called() -> Result<()> {
    if !stain_tests::tally::privileged(
        "journeys_processes::keys_alone_decide_what_is_sampled_and_how_it_is_called",
    )
    .open()
    {
        return Ok(());
    }
    let both = by_key(Flavour::CProtected, To::Both)?;
    let fair = RECORDS / RATE;
    ensure!((fair * 9 / 10..=fair * 11 / 10).contains(&(both.len() as u64)), "{} of {RECORDS}", both.len());
    // Another process of another program that sees only the second half of their way.
    let receiver = by_key(Flavour::Rust, To::Receiver)?;
    ensure!(both == receiver, "{} and {} records were sampled", both.len(), receiver.len());
    let ids: std::collections::BTreeSet<&String> = both.values().collect();
    ensure!(ids.len() == both.len(), "two keys have one trace id");
    Ok(())
}
