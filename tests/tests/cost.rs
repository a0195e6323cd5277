//! Who pays: the target, for its own calls, and nobody else.

use anyhow::{Result, ensure};
use stain_tests::journey::Expect;
use stain_tests::pipeline::{Pipeline, Totals};
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, Scenario};
use stain_tests::targets::Flavour;
use stain_tests::{code, specs, tally};

const RATE: u64 = 10;
const FLOW: &str = "--records 30000 --reuse shared --drop-percent 30 --truth-sample 10";

/// Calls that the pipeline's own totals know exactly.
fn assert_hits(report: &Report, totals: &Totals) {
    assert_eq!(report.hits("S0"), totals.emitted);
    assert_eq!(report.hits("Q+"), report.hits("Q-"), "what is put is taken");
    assert_eq!(report.hits("W!"), totals.written);
    assert_eq!(report.hits("drop"), totals.dropped);
}

#[test]
fn another_process_of_the_same_program_pays_nothing() -> Result<()> {
    if !tally::privileged("cost::another_process_of_the_same_program_pays_nothing").open() {
        return Ok(());
    }
    for flavour in [Flavour::CProtected, Flavour::Rust] {
        let mut scenario = Scenario::new(flavour, FLOW, specs::every(flavour, RATE));
        scenario.attach = vec!["--backend".to_owned(), "multi".to_owned()];
        let mut running = scenario.start()?;
        let binary = running.pipeline.binary().to_owned();
        let home = tempfile::tempdir()?;
        let arguments: Vec<&str> = FLOW.split(' ').collect();
        let mut other = Pipeline::start_binary(binary.clone(), &arguments, home.path())?;
        ensure!(code::differences(running.pipeline.pid(), &binary)?.len() >= 7, "{flavour:?}: not probed");
        other.go()?;
        running.pipeline.go()?;
        let others = other.totals(LONG)?;
        // After its records and while the first is still traced: no byte of its code is another.
        assert_eq!(code::differences(other.pid(), &binary)?, [0; 0], "{flavour:?}");
        let done = running.finish()?;
        done.assert_true(&Expect::every(RATE))?;
        assert_hits(&done.report, &done.totals);
        assert_eq!(others.emitted, 30_000);
        ensure!(other.finish(SHORT)?.status.success());
    }
    Ok(())
}

#[test]
fn every_call_is_a_hit_and_the_costs_are_their_sum() -> Result<()> {
    if !tally::privileged("cost::every_call_is_a_hit_and_the_costs_are_their_sum").open() {
        return Ok(());
    }
    let target = "--records 20000 --sources 2 --workers 3 --reuse owner";
    let done = Scenario::new(Flavour::C, target, specs::every(Flavour::C, RATE)).run()?;
    let (report, cost) = (&done.report, done.report.summary.get("cost").cloned().unwrap_or_default());
    for stage in ["S0", "Q+", "Q-", "T+", "T-", "W!"] {
        assert_eq!(report.hits(stage), 40_000, "{stage}");
    }
    let probes = cost.get("probe_hits").and_then(|probes| probes.as_array()).cloned().unwrap_or_default();
    let sum = |field: &str| probes.iter().filter_map(|probe| probe.get(field)?.as_u64()).sum::<u64>();
    assert_eq!(sum("hits"), 6 * 40_000);
    assert_eq!(cost.get("probe_ns_total").and_then(|total| total.as_u64()), Some(sum("ns")));
    ensure!(cost.get("target_cpu_ns").and_then(|ns| ns.as_u64()).is_some_and(|ns| ns > 0), "{cost}");
    Ok(())
}

/// Rate 0 samples nothing: the probes alone are paid.
#[test]
fn unsampled_records_leave_no_trace_and_no_line() -> Result<()> {
    if !tally::privileged("cost::unsampled_records_leave_no_trace_and_no_line").open() {
        return Ok(());
    }
    let done = Scenario::new(Flavour::C, FLOW, specs::every(Flavour::C, 100_000)).run()?;
    assert_hits(&done.report, &done.totals);
    assert_eq!((done.report.ledger.records, done.report.ledger.sampled), (30_000, 0));
    ensure!(done.report.traces.is_empty());
    Ok(())
}
