//! At every bound of journeys: what is beyond is counted and flagged, the rest is as true as ever, and the numbers add up.

use anyhow::{Result, ensure};
use stain_tests::expected::Expected;
use stain_tests::flow::{Flow, Kind, Read, bounds, codes};
use stain_tests::run::Done;
use stain_tests::targets::Flavour;

const RATE: u64 = 4;
const SMALL: &str = "--records 20000 --workers 2 --queue 64";

fn bounded(kind: Kind, line: &str) -> Flow {
    let mut flow = Flow::new(kind, Flavour::CProtected, RATE, SMALL);
    flow.sampling = format!("{line}\n");
    flow
}

/// The report says this, and the user was told which bound it was.
fn assert_told(done: &Done, expected: &Expected, key: &str) -> Result<()> {
    ensure!(!expected.bounds.is_empty(), "the bound was not met");
    done.assert_says(expected)?;
    ensure!(done.agent.stderr.contains(key), "the user was not told of {key}:\n{}", done.agent.stderr);
    Ok(())
}

#[test]
fn keys_beyond_the_bound_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::keys_beyond_the_bound_are_counted").open() {
        return Ok(());
    }
    for most in [1, 2] {
        let flow = bounded(Kind::Handover, &format!("max_keys_per_trace = {most}"));
        let done = flow.run()?;
        assert_told(&done, &bounds::keys(flow.expected(&done.truth), most), "max_keys_per_trace")?;
    }
    Ok(())
}

#[test]
fn branches_beyond_the_bound_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::branches_beyond_the_bound_are_counted").open() {
        return Ok(());
    }
    for most in [1, 3] {
        let flow = bounded(Kind::Split, &format!("max_branches_per_trace = {most}"));
        let done = flow.run()?;
        assert_told(&done, &bounds::branches(flow.expected(&done.truth), most), "max_branches_per_trace")?;
    }
    Ok(())
}

#[test]
fn members_beyond_the_bound_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::members_beyond_the_bound_are_counted").open() {
        return Ok(());
    }
    for most in [1, 5] {
        let flow = bounded(Kind::Batch, &format!("max_batch_members = {most}"));
        let done = flow.run()?;
        let expected = bounds::members(flow.expected(&done.truth), &done.truth, RATE, most);
        assert_told(&done, &expected, "max_batch_members")?;
    }
    Ok(())
}

#[test]
fn attributes_beyond_the_bound_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::attributes_beyond_the_bound_are_counted").open() {
        return Ok(());
    }
    let flow =
        bounded(Kind::Errors, "max_attributes_per_trace = 2").read(codes::S0, &[Read::Status, Read::Uid]);
    let more =
        flow.clone().read(codes::WRITE_OK, &[Read::Word, Read::TimeMs]).read(codes::ERROR, &[Read::Word]);
    let done = more.run()?;
    let mut expected = flow.expected(&done.truth);
    let mut full = 0;
    for journey in &mut expected.journeys {
        let dropped = match journey.stamps.last().map(|stamp| stamp.name) {
            Some("write ok") => 2,
            Some("error") => 1,
            _ => continue,
        };
        full += dropped;
        journey.flags.insert("attributes_dropped".to_owned(), dropped);
    }
    expected.bounds.insert("attributes_full".to_owned(), full);
    assert_told(&done, &expected, "max_attributes_per_trace")
}

/// Which batches find room is a matter of time, so that no journey is foretold: but all numbers add up, and what is shown of a batch is whole.
#[test]
fn batches_beyond_the_bound_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::batches_beyond_the_bound_are_counted").open() {
        return Ok(());
    }
    let flow = bounded(Kind::Batch, "max_batches = 1");
    let done = flow.run()?;
    let (report, expected) = (&done.report, flow.expected(&done.truth));
    let full = report.summary["ledger"]["journeys"]["batches_full"].as_u64().unwrap_or(0);
    ensure!(full > 0, "the bound was not met: {}", report.summary);
    ensure!(done.agent.stderr.contains("max_batches"), "the user was not told:\n{}", done.agent.stderr);
    let wrong = stain_tests::ledger::check(report);
    ensure!(wrong.is_empty() && report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    let dropped: u64 =
        report.traces.iter().filter_map(|trace| trace.flags.get("batches_dropped")?.as_u64()).sum();
    // Records that are not sampled found no room either.
    ensure!(dropped > 0 && dropped <= full, "{dropped} flags of {full}");
    // Those that found room for each of their batches are as always.
    let whole = |trace: &&stain_tests::report::Trace| !trace.flags.contains_key("batches_dropped");
    let names = |trace: &stain_tests::report::Trace| -> Vec<String> {
        trace.entries.iter().map(|entry| entry.name.clone()).collect()
    };
    let known: std::collections::BTreeSet<Vec<String>> = expected
        .journeys
        .iter()
        .map(|journey| journey.stamps.iter().map(|stamp| stamp.name.to_owned()).collect())
        .collect();
    for trace in report.traces.iter().filter(|trace| trace.outcome == "written").filter(whole) {
        ensure!(known.contains(&names(trace)), "no record of this target has such a way: {trace:?}");
    }
    Ok(())
}
