//! Sampling by key where no source is probed: each record is counted once, however many stages it comes to.

use std::time::Duration;

use anyhow::{Result, ensure};
use stain_tests::report::Report;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::told::{Told, in_short, spec};
use stain_tests::{control, ledger, tally, targets};

/// The second half of a way, as a process sees it that did not emit the records.
fn half(sampling: &str) -> String {
    spec(
        &format!("[sampling]\nmode = \"key\"\nrate = 1\nmax_traces_per_second = 0\n{sampling}"),
        &["Q- take arg0", "T+ mark arg0", "T- put arg0", "W! done arg0"],
    )
}

/// A target with an agent on it.
fn attached(spec: &str, folder: &std::path::Path) -> Result<(Told, Agent)> {
    let target = Told::start(&targets::told_target(false)?)?;
    let agent = Agent::attach(target.pid(), spec, &[], folder, "agent")?;
    Ok((target, agent))
}

fn report(target: Told, agent: Agent) -> Result<Report> {
    let report = agent.stop(SHORT)?.report;
    target.finish()?;
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    ensure!(report.summary["ledger"]["balanced"] == true, "{}", report.summary);
    Ok(report)
}

/// Sampled, admitted, refused for want of a slot, refused because paused.
fn counted(report: &Report) -> [u64; 4] {
    ["sampled", "admitted", "refused_full", "refused_paused"]
        .map(|key| report.summary["ledger"][key].as_u64().unwrap_or(u64::MAX))
}

/// Waits until all traces that ended are read, so that their slots are free again.
fn until_ended(agent: &Agent, traces: u64) -> Result<()> {
    control::until_counted(agent.pid(), |counts| counts["ended"].as_u64() >= Some(traces))
}

#[test]
fn a_record_that_is_refused_is_counted_once() -> Result<()> {
    if !tally::privileged("by_key::a_record_that_is_refused_is_counted_once").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let (mut target, agent) = attached(&half("max_open_traces = 2\ntrace_ttl = \"10m\""), folder.path())?;
    // The third one finds no slot, at none of its stages; and what comes with its key after its end is another record, which finds none either.
    target.tell(&["take 1", "take 2", "take 3", "mark 3", "put 3", "done 3", "take 3"])?;
    target.tell(&["mark 1", "done 1", "done 2"])?;
    until_ended(&agent, 2)?;
    // There is room now, but what was refused at its first stage does not begin in the middle.
    target.tell(&["mark 3", "put 3", "done 3"])?;
    target.tell(&["take 3", "mark 3", "put 3", "done 3"])?;
    until_ended(&agent, 3)?;
    let answer = control::ask(agent.pid(), "pause")?;
    ensure!(answer["ok"] == true, "{answer}");
    target.tell(&["take 4", "mark 4"])?;
    let answer = control::ask(agent.pid(), "resume")?;
    ensure!(answer["ok"] == true, "{answer}");
    target.tell(&["put 4", "take 5", "done 4", "done 5"])?;
    let report = report(target, agent)?;
    let expected = ["1: Q- T+ W! written", "2: Q- W! written", "3: Q- T+ T- W! written", "5: Q- W! written"];
    assert_eq!(in_short(&report.traces)?, expected, "{}", report.summary);
    assert_eq!(counted(&report), [7, 4, 2, 1], "{}", report.summary);
    Ok(())
}

/// A record that never comes to its end does not keep its key for ever.
#[test]
fn a_refusal_is_forgotten_when_the_record_would_have_expired() -> Result<()> {
    if !tally::privileged("by_key::a_refusal_is_forgotten_when_the_record_would_have_expired").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let (mut target, agent) = attached(&half("trace_ttl = \"2s\""), folder.path())?;
    control::ask(agent.pid(), "pause")?;
    target.tell(&["take 1"])?;
    control::ask(agent.pid(), "resume")?;
    std::thread::sleep(Duration::from_millis(2100)); // the time that the record had
    target.tell(&["take 1", "done 1"])?;
    let report = report(target, agent)?;
    assert_eq!(in_short(&report.traces)?, ["1: Q- W! written"], "{}", report.summary);
    assert_eq!(counted(&report), [2, 1, 0, 1], "{}", report.summary);
    Ok(())
}

/// With a source, whoever comes to it is a record, whatever came before.
#[test]
fn at_a_source_each_record_is_asked_for_anew() -> Result<()> {
    if !tally::privileged("by_key::at_a_source_each_record_is_asked_for_anew").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let spec = spec(
        "[sampling]\nmode = \"key\"\nrate = 1\nmax_traces_per_second = 0\nmax_open_traces = 1",
        &["S0 emit arg0", "Q- take arg0", "W! done arg0"],
    );
    let (mut target, agent) = attached(&spec, folder.path())?;
    target.tell(&["emit 1 0", "emit 2 0", "take 2", "done 2", "done 1"])?;
    until_ended(&agent, 1)?;
    target.tell(&["emit 2 0", "take 2", "done 2"])?;
    let report = report(target, agent)?;
    assert_eq!(in_short(&report.traces)?, ["1: S0 W! written", "2: S0 Q- W! written"], "{}", report.summary);
    assert_eq!(counted(&report), [3, 2, 1, 0], "{}", report.summary);
    Ok(())
}
