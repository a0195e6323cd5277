//! The strict budget: in no second more traces than allowed, whatever the agent is doing; refused ones are counted exactly.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use stain_tests::journey::Expect;
use stain_tests::report::Report;
use stain_tests::run::{Done, LONG, SHORT, Scenario};
use stain_tests::targets::Flavour;
use stain_tests::{child, specs};

/// Traces by the second of their wall clock at S0.
fn by_second(report: &Report) -> BTreeMap<String, u64> {
    let mut seconds = BTreeMap::new();
    for trace in &report.traces {
        let second = trace.wall_time.get(.."2026-01-01T00:00:00".len()).unwrap_or("no wall time");
        *seconds.entry(second.to_owned()).or_default() += 1;
    }
    seconds
}

fn assert_budget(done: &Done, rate: u64, budget: u64, at_least_seconds: usize) -> Result<()> {
    done.assert_true(&Expect::every(rate))?;
    let seconds = by_second(&done.report);
    assert!(seconds.values().all(|&traces| traces <= budget), "budget {budget}: {seconds:?}");
    assert!(seconds.len() >= at_least_seconds, "{seconds:?}");
    // Full load: every second but the first and the last uses the whole budget.
    let inner = seconds.len().saturating_sub(2);
    assert!(seconds.values().skip(1).take(inner).all(|&traces| traces == budget), "{seconds:?}");
    let ledger = &done.report.ledger;
    assert_eq!(ledger.sampled, done.totals.sampled_per_task(rate));
    assert_eq!(
        ledger.sampled,
        ledger.admitted + ledger.refused_budget + ledger.refused_full + ledger.refused_busy
    );
    assert!(ledger.refused_budget > 0, "{ledger:?}");
    Ok(())
}

#[test]
fn no_second_admits_more_than_the_budget_at_full_load() -> Result<()> {
    if !stain_tests::tally::privileged("budget::no_second_admits_more_than_the_budget_at_full_load").open() {
        return Ok(());
    }
    let target = "--seconds 5 --records 0 --sources 2 --workers 1 --reuse owner --truth-sample 50";
    let mut spec = specs::every(Flavour::C, 50);
    spec.budget = 40;
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    assert_budget(&done, 50, 40, 5)
}

#[test]
fn the_budget_holds_while_the_agent_is_stopped() -> Result<()> {
    if !stain_tests::tally::privileged("budget::the_budget_holds_while_the_agent_is_stopped").open() {
        return Ok(());
    }
    let target = "--seconds 6 --records 0 --sources 2 --workers 1 --reuse owner --truth-sample 50";
    let mut spec = specs::every(Flavour::C, 50);
    spec.budget = 30;
    let mut running = Scenario::new(Flavour::C, target, spec).start()?;
    running.pipeline.go()?;
    // The silence is the subject: three whole windows of the budget without an agent.
    std::thread::sleep(Duration::from_millis(1200));
    running.agent.signal(Signal::STOP)?;
    std::thread::sleep(Duration::from_secs(3));
    running.agent.signal(Signal::CONT)?;
    assert_budget(&running.finish()?, 50, 30, 6)
}

#[test]
fn budget_flag_overrides_the_spec() -> Result<()> {
    if !stain_tests::tally::privileged("budget::budget_flag_overrides_the_spec").open() {
        return Ok(());
    }
    let target = "--seconds 3 --records 0 --sources 2 --reuse owner --truth-sample 50";
    let mut scenario = Scenario::new(Flavour::C, target, specs::every(Flavour::C, 50));
    scenario.attach = vec!["--budget".to_owned(), "7".to_owned()];
    assert_budget(&scenario.run()?, 50, 7, 3)
}

#[test]
fn duration_ends_the_run_and_leaves_the_target_alone() -> Result<()> {
    if !stain_tests::tally::privileged("budget::duration_ends_the_run_and_leaves_the_target_alone").open() {
        return Ok(());
    }
    let mut scenario = Scenario::new(
        Flavour::C,
        "--seconds 4 --records 0 --rate-per-second 5000 --truth-sample 10",
        specs::every(Flavour::C, 10),
    );
    scenario.attach = vec!["--duration".to_owned(), "2s".to_owned()];
    let mut running = scenario.start()?;
    running.pipeline.go()?;
    let attached = running.agent.finish(SHORT)?;
    assert!(running.pipeline.is_running()?);
    assert!(attached.report.ledger.written > 0, "{}", attached.report.summary);
    let totals = running.pipeline.totals(LONG)?;
    assert_eq!(totals.written, totals.emitted);
    let ended: child::Ended = running.pipeline.finish(SHORT)?;
    ended.status.success().then_some(()).context("the pipeline was harmed")
}
