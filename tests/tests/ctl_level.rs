//! `stain ctl level`: stages of a level are probed while it holds, at no other time, and every trace stays true.

use anyhow::{Context, Result, ensure};
use stain_tests::journey::{self, Expect};
use stain_tests::report::Trace;
use stain_tests::run::{Done, Scenario};
use stain_tests::targets::Flavour;
use stain_tests::{code, control, ledger, specs, tally};

const RATE: u64 = 20;
const FLOW: &str =
    "--until-halt --records 0 --rate-per-second 20000 --reuse shared --drop-percent 20 --truth-sample 10";

/// Breakpoints in the target, probes by the agent's account, and its level.
fn probes(pid: u32, binary: &std::path::Path, agent: u32) -> Result<(usize, u64, String)> {
    let status = control::ask(agent, "status")?["status"].clone();
    let sites = status["sites"].as_u64().context("no sites")?;
    let level = status["level"].as_str().context("no level")?.to_owned();
    Ok((code::differences(pid, binary)?.len(), sites, level))
}

/// Waits until a hundred more records were sampled.
fn pass(agent: u32) -> Result<()> {
    let sampled = |counts: &serde_json::Value| counts["sampled"].as_u64();
    let before = sampled(&control::ask(agent, "status")?["status"]["counts"]).context("no counts")?;
    control::until_counted(agent, |counts| sampled(counts) >= Some(before + 100)).map(drop)
}

/// What held while a trace was under way. `held`: each change, when it was asked for at the earliest, and when it held at the latest. Only what lies wholly within
/// the time of one is certain.
fn certain<T: Copy>(held: &[(T, u64, u64)], trace: &Trace) -> Result<Option<T>> {
    let (first, last) = (trace.start_ns, trace.entries.last().context("no entry")?.ts_ns);
    Ok(held.iter().enumerate().find_map(|(index, (what, _, from))| {
        let until = held.get(index + 1).map_or(u64::MAX, |(_, asked, _)| *asked);
        (first > *from && last < until).then_some(*what)
    }))
}

/// Apart from these stages, whose stamps are taken out already, all is as always: no trace is lost or mixed, and a place counts once, however often its probes
/// were changed.
fn all_else_is_true(done: &Done, codes: &[&str]) -> Result<()> {
    let mut expect = Expect { complete: false, ..Expect::every(RATE) };
    expect.stages.retain(|(code, _)| !codes.contains(code));
    let violations = journey::check(&done.report, &done.truth, &expect);
    // The kernel runs the new site's program before the old one's: a hit between the two counts once, however the word between them changes.
    let (emitted, records) = (done.totals.emitted, done.report.ledger.records);
    ensure!(emitted == records, "{emitted} records were emitted, and {records} hits of the source seen");
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), done.report.summary);
    let wrong = ledger::check(&done.report);
    ensure!(wrong.is_empty() && done.report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    let rows = done.report.summary["stages"].as_array().context("no stages")?;
    ensure!(rows.iter().all(|row| row["sites"] == 1), "a place counts more than once: {rows:?}");
    Ok(())
}

#[test]
fn stages_come_and_go_with_the_level() -> Result<()> {
    if !tally::privileged("ctl_level::stages_come_and_go_with_the_level").open() {
        return Ok(());
    }
    let spec = specs::every(Flavour::C, RATE)
        .with("T+", "level = \"debug\"\n")
        .with("S0", "attr.size = { value = \"arg0\", level = \"trace\" }\n");
    let mut running = Scenario::new(Flavour::C, FLOW, spec).start()?;
    let (pid, agent, binary) = (running.pipeline.pid(), running.agent.pid(), Flavour::C.binary()?);
    running.pipeline.go()?;
    // Each change: its level, when it was asked for at the earliest, and when it held at the latest.
    let mut held = vec![("info", 0, 0)];
    assert_eq!(probes(pid, &binary, agent)?, (6, 6, "info".to_owned()));
    for (level, sites) in [("debug", 7), ("trace", 7), ("info", 6), ("debug", 7)] {
        pass(agent)?;
        let asked_ns = now_ns()?;
        let answer = control::ask(agent, &format!("level {level}"))?;
        ensure!(answer["ok"] == true && answer["status"]["level"] == level, "{answer}");
        held.push((level, asked_ns, answer["changed"]["at_ns"].as_u64().context("no time")?));
        assert_eq!(probes(pid, &binary, agent)?, (sites, sites as u64, level.to_owned()));
    }
    pass(agent)?;
    running.pipeline.halt()?;
    let mut done = running.finish()?;
    let (mut with, mut without, mut sized) = (0, 0, 0);
    for trace in &done.report.traces {
        let passed = |code: &str| trace.entries.iter().any(|entry| entry.stage == code);
        let Some(level) = certain(&held, trace)? else { continue };
        let has_size = trace.entries.iter().any(|entry| entry.attributes.contains_key("size"));
        ensure!(has_size == (level == "trace"), "an attribute at level {level}: {trace:?}");
        sized += u32::from(has_size);
        if passed("T-") {
            ensure!(passed("T+") == (level != "info"), "T+ at level {level}: {trace:?}");
            if passed("T+") { with += 1 } else { without += 1 }
        }
    }
    ensure!(
        with > 50 && without > 50 && sized > 50,
        "{with} with, {without} without, {sized} with the attribute"
    );
    // Apart from it, all is as always: no trace is lost, mixed, or stamped twice.
    for trace in &mut done.report.traces {
        let stamps = trace.entries.iter().filter(|entry| entry.stage == "T+").count();
        ensure!(stamps <= 1, "{trace:?}");
        trace.entries.retain(|entry| entry.stage != "T+");
    }
    all_else_is_true(&done, &["T+"])?;
    ensure!(done.agent.stderr.contains("level: debug from now on (was info)"), "{}", done.agent.stderr);
    Ok(())
}

/// The monotonic clock, as the answers have it.
fn now_ns() -> Result<u64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Ok(u64::try_from(now.tv_sec)? * 1_000_000_000 + u64::try_from(now.tv_nsec)?)
}

#[test]
fn a_stage_is_switched_off_and_on_and_off_again() -> Result<()> {
    if !tally::privileged("ctl_level::a_stage_is_switched_off_and_on_and_off_again").open() {
        return Ok(());
    }
    let mut running = Scenario::new(Flavour::C, FLOW, specs::every(Flavour::C, RATE)).start()?;
    let (pid, agent, binary) = (running.pipeline.pid(), running.agent.pid(), Flavour::C.binary()?);
    running.pipeline.go()?;
    // Which of the two is probed, when it was asked for at the earliest, and when it held at the latest.
    let mut held = vec![([true, true], 0, 0)];
    let stages = control::ask(agent, "status")?["status"]["stages"].as_array().context("no stages")?.clone();
    let place = |code: &str| {
        stages.iter().position(|stage| stage["label"].as_str().is_some_and(|label| label.starts_with(code)))
    };
    let (put, out) = (place("Q+").context("no Q+")?, place("T-").context("no T-")?);
    let (put_off, put_on) = (format!("stage {put} off"), format!("stage {put} on"));
    let (out_off, out_on) = (format!("stage {out} off"), format!("stage {out} on"));
    for (request, probed, level) in [
        (put_off.as_str(), [false, true], "info"),
        // The level takes other sites, too, though the spec has the same stages at all of them.
        ("level debug", [false, true], "debug"),
        (&out_off, [false, false], "debug"),
        ("level info", [false, false], "info"),
        (&put_on, [true, false], "info"),
        (&out_on, [true, true], "info"),
        (&put_off, [false, true], "info"),
    ] {
        pass(agent)?;
        let asked_ns = now_ns()?;
        let answer = control::ask(agent, request)?;
        ensure!(answer["ok"] == true, "{answer}");
        ensure!(answer["status"]["stages"][put]["probed"] == probed[0], "{answer}");
        held.push((probed, asked_ns, answer["changed"]["at_ns"].as_u64().context("no time")?));
        let sites = 5 + probed.iter().filter(|is| **is).count();
        assert_eq!(probes(pid, &binary, agent)?, (sites, sites as u64, level.to_owned()));
    }
    for (request, sentence) in [
        ("stage 0 off", "stays on: it is the only S0"),
        ("stage 99 off", "there is no stage 99; the spec has 7, counted from 0"),
    ] {
        let answer = control::ask(agent, request)?;
        ensure!(
            answer["ok"] == false && answer["error"].as_str().is_some_and(|e| e.contains(sentence)),
            "{answer}"
        );
    }
    // By its name, as a user would.
    let by_name = stain_tests::stain::run(
        &["ctl", "--agent", &agent.to_string(), "stage", "Q+", "off"],
        stain_tests::run::SHORT,
    )?;
    ensure!(
        by_name.stdout.contains(&format!("stage {put} (Q+")) && by_name.stdout.contains("off as before"),
        "{}",
        by_name.stderr
    );
    pass(agent)?;
    running.pipeline.halt()?;
    let mut done = running.finish()?;
    let mut seen = [[0, 0], [0, 0]];
    for trace in &done.report.traces {
        let passed = |code: &str| trace.entries.iter().any(|entry| entry.stage == code);
        let Some([has_put, has_out]) = certain(&held, trace)? else { continue };
        // A record that was dropped may have come to neither.
        if !passed("W!") {
            continue;
        }
        ensure!([passed("Q+"), passed("T-")] == [has_put, has_out], "{has_put}, {has_out}: {trace:?}");
        seen[0][usize::from(passed("Q+"))] += 1;
        seen[1][usize::from(passed("T-"))] += 1;
    }
    ensure!(seen.iter().flatten().all(|traces| *traces > 50), "{seen:?}");
    for trace in &mut done.report.traces {
        for entry in &trace.entries {
            let stamps = trace.entries.iter().filter(|other| other.stage == entry.stage).count();
            ensure!(stamps == 1, "a hit that was stamped twice: {trace:?}");
        }
        trace.entries.retain(|entry| entry.stage != "Q+" && entry.stage != "T-");
    }
    all_else_is_true(&done, &["Q+", "T-"])?;
    ensure!(done.agent.stderr.contains(&format!("stage {put} (Q+")), "{}", done.agent.stderr);
    Ok(())
}

#[test]
fn a_level_without_journeys_is_refused() -> Result<()> {
    if !tally::privileged("ctl_level::a_level_without_journeys_is_refused").open() {
        return Ok(());
    }
    let spec = specs::every(Flavour::C, RATE).with("S0", "level = \"debug\"\n");
    let mut scenario = Scenario::new(Flavour::C, FLOW, spec);
    scenario.attach = vec!["--level".to_owned(), "debug".to_owned()];
    let mut running = scenario.start()?;
    let answer = control::ask(running.agent.pid(), "level info")?;
    let error = answer["error"].as_str().unwrap_or_default();
    ensure!(
        answer["ok"] == false && error.contains("at level info the spec has no S0; it stays at debug"),
        "{answer}"
    );
    assert_eq!(control::ask(running.agent.pid(), "status")?["status"]["level"], "debug");
    running.pipeline.go()?;
    running.pipeline.halt()?;
    running.finish()?;
    Ok(())
}
