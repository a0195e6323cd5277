//! The strict budget: in no second more traces than allowed, whatever the agent is doing; refused ones are counted exactly.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use stain_tests::journey::Expect;
use stain_tests::run::{Done, LONG, Running, SHORT, Scenario};
use stain_tests::specs::{self, Spec};
use stain_tests::targets::Flavour;
use stain_tests::windows::Windows;
use stain_tests::{child, control};

/// One sampled record in so many, all of which the target logs.
const RATE: u64 = 50;

/// At full load, until told to halt.
const FULL_LOAD: &str = "--until-halt --records 0 --sources 2 --workers 1 --reuse owner --truth-sample 50";

fn start(spec: Spec) -> Result<Running> {
    Scenario::new(Flavour::C, FULL_LOAD, spec).start()
}

fn spec(budget: u64) -> Spec {
    Spec { budget, ..specs::every(Flavour::C, RATE) }
}

/// Lets the load go on until the budget of so many whole seconds is used, as long as that takes.
fn use_up(mut running: Running, budget: u64, seconds: u64) -> Result<Done> {
    control::until_counted(running.agent.pid(), |counts| {
        counts["admitted"].as_u64() >= Some(budget * seconds)
    })?;
    running.pipeline.halt()?;
    running.finish()
}

fn assert_budget(done: &Done, budget: u64, at_least_seconds: usize) -> Result<()> {
    done.assert_true(&Expect::every(RATE))?;
    let windows = Windows::of(&done.report, &done.truth, RATE)?;
    assert!(windows.iter().all(|(_, window)| window.keeps(budget)), "budget {budget}: {windows:?}");
    let full = windows.iter().filter(|(_, window)| window.traces == budget).count();
    assert!(full + 1 >= at_least_seconds, "{windows:?}");
    let ledger = &done.report.ledger;
    assert_eq!(ledger.sampled, done.totals.sampled_per_task(RATE));
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
    let mut running = start(spec(40))?;
    running.pipeline.go()?;
    assert_budget(&use_up(running, 40, 5)?, 40, 5)
}

#[test]
fn the_budget_holds_while_the_agent_is_stopped() -> Result<()> {
    if !stain_tests::tally::privileged("budget::the_budget_holds_while_the_agent_is_stopped").open() {
        return Ok(());
    }
    let mut running = start(spec(30))?;
    running.pipeline.go()?;
    control::until_written(running.agent.pid(), 1)?;
    running.agent.signal(Signal::STOP)?;
    // The silence is the subject: three whole windows of the budget without an agent.
    std::thread::sleep(Duration::from_secs(4));
    running.agent.signal(Signal::CONT)?;
    assert_budget(&use_up(running, 30, 6)?, 30, 6)
}

#[test]
fn budget_flag_overrides_the_spec() -> Result<()> {
    if !stain_tests::tally::privileged("budget::budget_flag_overrides_the_spec").open() {
        return Ok(());
    }
    let mut scenario = Scenario::new(Flavour::C, FULL_LOAD, spec(40));
    scenario.attach = vec!["--budget".to_owned(), "7".to_owned()];
    let mut running = scenario.start()?;
    running.pipeline.go()?;
    assert_budget(&use_up(running, 7, 3)?, 7, 3)
}

#[test]
fn duration_ends_the_run_and_leaves_the_target_alone() -> Result<()> {
    if !stain_tests::tally::privileged("budget::duration_ends_the_run_and_leaves_the_target_alone").open() {
        return Ok(());
    }
    let mut scenario = Scenario::new(
        Flavour::C,
        "--until-halt --records 0 --rate-per-second 5000 --truth-sample 10",
        specs::every(Flavour::C, 10),
    );
    scenario.attach = vec!["--duration".to_owned(), "2s".to_owned()];
    let mut running = scenario.start()?;
    running.pipeline.go()?;
    let attached = running.agent.finish(SHORT)?;
    assert!(running.pipeline.is_running()?);
    assert!(attached.report.ledger.written > 0, "{}", attached.report.summary);
    running.pipeline.halt()?;
    let totals = running.pipeline.totals(LONG)?;
    assert_eq!(totals.written, totals.emitted);
    let ended: child::Ended = running.pipeline.finish(SHORT)?;
    ended.status.success().then_some(()).context("the pipeline was harmed")
}
