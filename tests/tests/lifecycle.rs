//! Whoever ends first, the other is not harmed, and nothing is left behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use stain_tests::journey::{self, Expect};
use stain_tests::run::{LONG, Orphaned, Running, SHORT, Scenario};
use stain_tests::specs;
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use stain_tests::truth::Truth;
use stain_tests::{code, control};

const RATE: u64 = 10;
/// A pipeline that flows until it is told to halt, slowly enough to leave the processor to others.
const FLOW: &str =
    "--until-halt --records 0 --rate-per-second 5000 --work 20000 --reuse shared --truth-sample 10";
/// Traces that are some.
const SOME: u64 = 100;

fn start(flavour: Flavour, target: &str) -> Result<Running> {
    Scenario::new(flavour, target, specs::every(flavour, RATE)).start()
}

/// After the agent's end: code restored, all records through, a second agent attaches and sees the truth.
fn assert_unharmed(mut running: Orphaned, flavour: Flavour) -> Result<()> {
    let (pid, binary) = (running.pipeline.pid(), running.pipeline.binary().to_owned());
    code::wait_until_restored(pid, &binary, Duration::from_secs(5))?;
    ensure!(running.pipeline.is_running()?, "the target died with the agent");
    let spec = specs::every(flavour, RATE).toml();
    let second = Agent::attach(pid, &spec, &[], running.folder.path(), "second")?;
    control::until_written(second.pid(), SOME).context("the second agent")?;
    running.pipeline.halt()?;
    let totals = running.pipeline.totals(LONG)?;
    second.stop(SHORT)?;
    ensure!(totals.written == totals.emitted, "{totals:?}");
    code::wait_until_restored(pid, &binary, Duration::from_secs(5))?;
    let ended = running.pipeline.finish(SHORT)?;
    ensure!(ended.status.success(), "{}", ended.status);
    Ok(())
}

#[test]
fn an_agent_ended_by_sigterm_leaves_nothing_behind() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::an_agent_ended_by_sigterm_leaves_nothing_behind").open() {
        return Ok(());
    }
    for flavour in [Flavour::C, Flavour::CProtected] {
        let mut running = start(flavour, FLOW)?;
        let probed = code::differences(running.pipeline.pid(), running.pipeline.binary())?;
        assert!(probed.len() >= 7, "seven stages, seven breakpoints: {probed:x?}");
        running.pipeline.go()?;
        control::until_written(running.agent.pid(), SOME)?;
        running.agent.signal(Signal::TERM)?;
        let (running, attached) = running.until_agent_ends(SHORT)?;
        let truth = running.pipeline.truth()?;
        let expect = Expect { complete: false, ..Expect::every(RATE) };
        let violations = journey::check(&attached.report, &truth, &expect);
        assert!(violations.is_empty(), "{}", journey::show(&violations));
        assert_unharmed(running, flavour)?;
    }
    Ok(())
}

#[test]
fn an_agent_killed_leaves_nothing_behind() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::an_agent_killed_leaves_nothing_behind").open() {
        return Ok(());
    }
    for flavour in [Flavour::C, Flavour::CProtected, Flavour::Rust] {
        let mut running = start(flavour, FLOW)?;
        running.pipeline.go()?;
        control::until_written(running.agent.pid(), SOME)?;
        running.agent.signal(Signal::KILL)?;
        assert_unharmed(running.without_agent(SHORT)?, flavour)?;
    }
    Ok(())
}

/// The target ends in its own way; the agent notices, reports, and calls it no error.
fn target_ends(flavour: Flavour, target: &str, end: impl FnOnce(&mut Running) -> Result<()>) -> Result<()> {
    let mut running = start(flavour, target)?;
    running.pipeline.go()?;
    end(&mut running)?;
    let attached = running.agent.finish(SHORT).context("the agent after its target")?;
    let truth = Truth::read(running.pipeline.truth_path())?;
    let expect = Expect { complete: false, ..Expect::every(RATE) };
    let violations = journey::check(&attached.report, &truth, &expect);
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), attached.report.summary);
    ensure!(attached.report.ledger.in_flight == 0, "{}", attached.report.summary);
    ensure!(attached.report.ledger.written > 0, "{}", attached.report.summary);
    Ok(())
}

#[test]
fn a_target_killed_is_reported() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::a_target_killed_is_reported").open() {
        return Ok(());
    }
    target_ends(Flavour::C, FLOW, |running| {
        control::until_written(running.agent.pid(), SOME)?;
        running.pipeline.signal(Signal::KILL)
    })
}

#[test]
fn a_target_that_crashes_is_reported() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::a_target_that_crashes_is_reported").open() {
        return Ok(());
    }
    target_ends(Flavour::C, &format!("{FLOW} --crash-at 5000"), |_| Ok(()))
}

#[test]
fn a_target_that_exits_midway_is_reported() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::a_target_that_exits_midway_is_reported").open() {
        return Ok(());
    }
    target_ends(Flavour::Cpp, &format!("{FLOW} --exit-at 5000"), |_| Ok(()))
}

#[test]
fn a_target_that_ends_normally_is_reported() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::a_target_that_ends_normally_is_reported").open() {
        return Ok(());
    }
    target_ends(Flavour::Rust, "--records 20000 --truth-sample 10", |running| {
        let totals = running.pipeline.totals(LONG)?;
        ensure!(totals.written == 20_000);
        running.pipeline.release();
        Ok(())
    })
}

#[test]
fn two_agents_on_one_target_do_not_see_each_other() -> Result<()> {
    if !stain_tests::tally::privileged("lifecycle::two_agents_on_one_target_do_not_see_each_other").open() {
        return Ok(());
    }
    let target = "--records 50000 --sources 2 --reuse shared --drop-percent 30";
    let mut running = start(Flavour::CProtected, target)?;
    let spec = specs::every(Flavour::CProtected, 7).toml();
    let second = Agent::attach(running.pipeline.pid(), &spec, &[], running.folder.path(), "second")?;
    running.pipeline.go()?;
    running.pipeline.totals(LONG)?;
    let truth = running.pipeline.truth()?;
    for (agent, rate) in [(running.agent, RATE), (second, 7)] {
        let attached = agent.stop(SHORT)?;
        let violations = journey::check(&attached.report, &truth, &Expect::every(rate));
        assert!(violations.is_empty(), "1 in {rate}: {}", journey::show(&violations));
    }
    Ok(())
}
