//! Libraries that a target loads after it was attached to: it is waited for, and nothing is sampled before all stages are probed.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use stain_tests::child::Guarded;
use stain_tests::report::Report;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::{self, Agent};
use stain_tests::targets::late_target;
use stain_tests::{code, control, tally};

const RECORDS: u64 = 1000;
const RATE: u64 = 10;

/// The target, which has said that it is ready.
fn start(folder: &Path) -> Result<Guarded> {
    let (program, library) = late_target()?;
    // Under the name that the spec has; not one that a compiler's cache gave it.
    let sink = folder.join("libsink.so.1.2");
    std::fs::copy(library, &sink)?;
    let mut target = Guarded::spawn(Command::new(program).arg(&sink).arg(RECORDS.to_string()))?;
    target.stdout().find(|line| line == "ready", SHORT)?;
    Ok(target)
}

/// Lets the target take a step, up to what it says then.
fn step(target: &mut Guarded, said: &str) -> Result<()> {
    target.stdin().context("no input")?.write_all(b"\n")?;
    target.stdout().find(|line| line == said, SHORT)?;
    Ok(())
}

fn spec(sink: &str) -> String {
    format!(
        "[sampling]\nrate = {RATE}\nmax_traces_per_second = 0\n\
         [[stage]]\ncode = \"S0\"\nname = \"emit\"\npoint = \"record_emit\"\nkey = \"arg0\"\n\
         [[stage]]\ncode = \"W!\"\nname = \"write\"\npoint = \"{sink}\"\nkey = \"arg0\"\n"
    )
}

fn assert_whole(report: &Report) -> Result<()> {
    let ledger = &report.ledger;
    ensure!(
        (ledger.records, ledger.sampled, ledger.written) == (RECORDS, RECORDS / RATE, RECORDS / RATE),
        "{}",
        report.summary
    );
    for trace in &report.traces {
        let stages: Vec<&str> = trace.entries.iter().map(|entry| entry.stage.as_str()).collect();
        ensure!(stages == ["S0", "W!"] && trace.sequence % RATE == 0, "{trace:?}");
    }
    Ok(())
}

#[test]
fn a_library_that_comes_later_is_waited_for() -> Result<()> {
    if !tally::privileged("late::a_library_that_comes_later_is_waited_for").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for point in ["libsink.so.1:sink_write", "libsink.so:sink_*"] {
        let folder = tempfile::tempdir()?;
        let mut target = start(folder.path())?;
        let mut agent = Agent::start(target.pid(), &spec(point), &[], folder.path(), "agent")?;
        let line = agent.stderr().find(|line| line.contains("has not loaded"), SHORT)?;
        ensure!(line.contains("stage W! write waits for libsink.so"), "{line}");
        let status = control::ask(agent.pid(), "status")?;
        ensure!(status["status"]["state"] == "waiting" && status["status"]["sites"] == 0, "{status}");
        let (program, _) = late_target()?;
        ensure!(code::differences(target.pid(), &program)?.is_empty(), "probed while waiting");
        step(&mut target, "emitted")?;
        step(&mut target, "loaded")?;
        agent.stderr().find(|line| line.starts_with("attached: 2 sites"), SHORT)?;
        step(&mut target, "written")?;
        let attached = agent.stop(SHORT)?;
        assert_whole(&attached.report)?;
        target.close_stdin();
        ensure!(target.wait(SHORT)?.status.success(), "the target was harmed");
    }
    Ok(())
}

#[test]
fn a_process_that_waits_for_its_library_does_not_hold_up_others() -> Result<()> {
    if !tally::privileged("late::a_process_that_waits_for_its_library_does_not_hold_up_others").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let (program, _) = late_target()?;
    let exe = program.to_str().context("an odd path")?;
    let (mut first, mut second) = (start(folder.path())?, start(folder.path())?);
    step(&mut first, "emitted")?;
    step(&mut first, "loaded")?;
    let spec_file = folder.path().join("spec.toml");
    std::fs::write(&spec_file, spec("libsink.so:sink_write"))?;
    let report = folder.path().join("report.jsonl");
    let mut command = Command::new(stain::binary()?);
    command
        .args(["attach", "--exe", exe, "--format", "jsonl", "--spec"])
        .arg(&spec_file)
        .arg("-o")
        .arg(&report);
    let mut agent = Guarded::spawn(&mut command)?;
    let line = agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
    ensure!(line.contains("1 process"), "{line}");
    agent
        .stderr()
        .find(|line| line.starts_with(&format!("process {} has not loaded", second.pid())), SHORT)?;
    step(&mut first, "written")?;
    step(&mut second, "emitted")?;
    step(&mut second, "loaded")?;
    agent.stderr().find(|line| line == format!("joined: process {}", second.pid()), SHORT)?;
    step(&mut second, "written")?;
    ensure!(control::ask(agent.pid(), "detach")?["ok"] == true);
    let ended = agent.wait(SHORT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let report = Report::parse(&std::fs::read_to_string(&report)?)?;
    ensure!(
        (report.ledger.records, report.ledger.written) == (2 * RECORDS, 2 * RECORDS / RATE),
        "{}",
        report.summary
    );
    for mut target in [first, second] {
        target.close_stdin();
        ensure!(target.wait(SHORT)?.status.success(), "a target was harmed");
    }
    Ok(())
}

/// All that the process has, and a stage of the library that it has not loaded: of the level debug.
fn with_late_stage() -> String {
    format!(
        "[sampling]\nrate = {RATE}\nmax_traces_per_second = 0\n\
         [[stage]]\ncode = \"S0\"\nname = \"emit\"\npoint = \"record_emit\"\nkey = \"arg0\"\n\
         [[stage]]\ncode = \"W!\"\nname = \"emitted\"\npoint = \"record_emit%return\"\nkey = \"ret\"\n\
         [[stage]]\ncode = \"Q+\"\nname = \"late\"\npoint = \"libsink.so:sink_write\"\nkey = \"arg0\"\n\
         level = \"debug\"\n"
    )
}

#[test]
fn a_process_waits_no_longer_for_a_stage_that_is_not_probed() -> Result<()> {
    if !tally::privileged("late::a_process_waits_no_longer_for_a_stage_that_is_not_probed").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for request in ["level info", "stage 2 off"] {
        let folder = tempfile::tempdir()?;
        let (target, mut other) = (start(folder.path())?, start(folder.path())?);
        step(&mut other, "emitted")?;
        step(&mut other, "loaded")?;
        // Alone, and beside one that has all.
        let pids = [(vec![target.pid()], 1), (vec![target.pid(), other.pid()], 2)];
        for (pids, processes) in pids {
            let spec = format!("[target]\npids = {pids:?}\n{}", with_late_stage());
            let mut agent = Agent::follow(&spec, &["--level", "debug"], folder.path(), "agent")?;
            if processes == 2 {
                agent.has_attached_to(other.pid())?;
            }
            agent.says(|line| line.starts_with(&format!("process {} has not loaded", target.pid())))?;
            let answer = control::ask(agent.pid(), request)?;
            ensure!(answer["ok"] == true, "{answer}");
            agent.has_attached_to(target.pid())?;
            let status = control::ask(agent.pid(), "status")?;
            ensure!(status["status"]["sites"] == 2 * processes, "{status}");
            // It is waited for again only by those that come later.
            let answer = control::ask(agent.pid(), "level debug")?;
            ensure!(answer["ok"] == (request != "level info"), "{answer}");
            agent.stop(SHORT)?;
        }
        for mut target in [target, other] {
            target.close_stdin();
            ensure!(target.wait(SHORT)?.status.success(), "a target was harmed");
        }
    }
    Ok(())
}

#[test]
fn a_library_without_the_function_and_a_target_that_ends_are_errors() -> Result<()> {
    if !tally::privileged("late::a_library_without_the_function_and_a_target_that_ends_are_errors").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let mut target = start(folder.path())?;
    let mut agent = Agent::start(target.pid(), &spec("libsink.so:sink_wrote"), &[], folder.path(), "agent")?;
    agent.stderr().find(|line| line.contains("has not loaded"), SHORT)?;
    step(&mut target, "emitted")?;
    step(&mut target, "loaded")?;
    let ended = agent.wait(SHORT)?;
    ensure!(!ended.status.success() && ended.stderr.contains("did you mean sink_write"), "{}", ended.stderr);
    ensure!(target.is_running()?, "the target was harmed");
    drop(target);
    let mut target = start(folder.path())?;
    let mut agent = Agent::start(target.pid(), &spec("libnever.so:sink_write"), &[], folder.path(), "agent")?;
    agent.stderr().find(|line| line.contains("waits for libnever.so"), SHORT)?;
    let other =
        Agent::start(target.pid(), &spec("libnever.so:sink_write"), &["-d", "1s"], folder.path(), "other")?;
    let ended = other.wait(SHORT)?;
    let why = "runs: stage W! write waits for libnever.so, which it did not load";
    ensure!(!ended.status.success() && ended.stderr.contains(why), "{}", ended.stderr);
    target.close_stdin();
    target.wait(SHORT)?;
    let ended = agent.wait(SHORT)?;
    ensure!(!ended.status.success() && ended.stderr.contains("there is no process"), "{}", ended.stderr);
    Ok(())
}
