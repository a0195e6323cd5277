//! At every bound of journeys: what is beyond is counted and flagged, the rest is as true as ever, and the numbers add up.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use profiler_common::limits::MAX_SCOPE_THREADS;
use stain_tests::child::Guarded;
use stain_tests::expected::Expected;
use stain_tests::flow::{Flow, Kind, Read, bounds, codes};
use stain_tests::model::{Bounds, Code, Manner, Play, Step};
use stain_tests::report::{Report, Trace};
use stain_tests::run::{Done, LONG, SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::targets::{self, Flavour};

const RATE: u64 = 4;
const SMALL: &str = "--records 20000 --workers 2 --queue 64";

fn names(trace: &Trace) -> Vec<String> {
    trace.entries.iter().map(|entry| entry.name.clone()).collect()
}

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
    let dropped: u64 = report.traces.iter().map(|trace| trace.flag("batches_dropped")).sum();
    // Records that are not sampled found no room either.
    ensure!(dropped > 0 && dropped <= full, "{dropped} flags of {full}");
    // Those that found room for each of their batches are as always.
    let whole = |trace: &&Trace| !trace.flags.contains_key("batches_dropped");
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

/// These steps of one thread, with what becomes of them by the model; the user is told of each bound that they meet.
fn assert_plays(
    steps: &[(Code, u32, u32)],
    bounds: Bounds,
    met: &[(&str, u64)],
    told: &[&str],
) -> Result<()> {
    let steps = steps.iter().map(|&(code, object, second)| Step::new(0, code, object, second)).collect();
    let play = Play::of(steps, bounds, Manner::default())?;
    let expected: Vec<(&str, u64)> = play.model.met().collect();
    assert_eq!(expected, met);
    let stderr = play.assert_agrees(Flavour::CProtected, "the bound")?;
    for words in told {
        ensure!(stderr.contains(words), "the user was not told: {words}\n{stderr}");
    }
    Ok(())
}

#[test]
fn a_ninth_scope_is_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::a_ninth_scope_is_counted").open() {
        return Ok(());
    }
    let mut steps = Vec::new();
    for row in 0..5 {
        steps.push((Code::Emit, row, 0));
        steps.extend([(Code::Call, row, 0); 10]);
        steps.extend([(Code::Note, row, 0), (Code::Return, 0, 0), (Code::Return, 0, 0)]);
        // What was begun goes on.
        steps.extend([(Code::Note, row, 0), (Code::Done, row, 0)]);
        steps.extend([(Code::Return, 0, 0); 8]);
        steps.push((Code::Write, row, 0));
    }
    let told = ["10 scopes were not opened: their thread had 8 open already", "bounds that are fixed"];
    assert_plays(&steps, Bounds::wide(1), &[("scopes_full", 10)], &told)
}

#[test]
fn a_ninth_split_after_another_is_counted() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::a_ninth_split_after_another_is_counted").open() {
        return Ok(());
    }
    let mut steps = vec![(Code::Emit, 0, 0)];
    // Each row comes out of the one before; the last two are of no journey.
    for row in 1..=10 {
        steps.extend([
            (Code::Call, row - 1, 0),
            (Code::Fork, row, 0),
            (Code::Done, row, 0),
            (Code::Return, 0, 0),
        ]);
    }
    steps.extend((0..=10).map(|row| (Code::Write, row, 0)));
    let told = ["1 outputs became no branch", "the output of 8 splits, a bound that is fixed"];
    assert_plays(&steps, Bounds::wide(1), &[("branches_full", 1)], &told)
}

/// New records and new branches are refused; those that are on their way go on.
#[test]
fn when_all_slots_are_taken_no_branch_begins() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_bounds::when_all_slots_are_taken_no_branch_begins").open() {
        return Ok(());
    }
    let mut steps: Vec<_> = (0..8).map(|row| (Code::Emit, row, 0)).collect();
    steps.push((Code::Call, 0, 0));
    steps.extend((8..15).map(|row| (Code::Fork, row, 0)));
    steps.extend([(Code::Emit, 15, 0), (Code::Emit, 14, 0), (Code::Done, 0, 0), (Code::Return, 0, 0)]);
    steps.extend((0..16).flat_map(|row| [(Code::Put, row, 0), (Code::Take, row, 0)]));
    steps.extend((0..16).map(|row| (Code::Write, row, 0)));
    let bounds = Bounds { slots: 12, ..Bounds::wide(1) };
    let told = [
        "3 outputs became no branch: 12 traces were in flight already",
        "2 sampled records were refused: 12 traces were in flight already",
        "Raise max_open_traces (--max-open-traces)",
    ];
    assert_plays(&steps, bounds, &[("branches_refused", 3)], &told)
}

const CROWD: &str = r#"
[sampling]
rate = 1
max_traces_per_second = 0
max_open_traces = 16384
trace_ttl = "5m"
[[stage]]
code = "S0"
name = "emit"
point = "emit"
key = "arg0"
space = "record"
[[stage]]
code = "W!"
name = "written"
point = "written"
key = "arg0"
space = "record"
"#;

/// The whole run of a crowd, with more stages; what was reported and what the user was told.
fn crowd(arguments: &[&str], stages: &str) -> Result<(Report, String)> {
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let mut target = Guarded::spawn(Command::new(targets::crowd_target()?).args(arguments))?;
    let spec = format!("{CROWD}{stages}");
    let agent = Agent::attach(target.pid(), &spec, &[], folder.path(), "agent")?;
    target.stdin().context("no input")?.write_all(b"\n")?;
    target.stdout().find(|line| line == "done", LONG)?;
    let attached = agent.stop(SHORT)?;
    target.close_stdin();
    let ended = target.wait(SHORT)?;
    ensure!(ended.status.success(), "the target was harmed: {} {}", ended.status, ended.stderr);
    let report = attached.report;
    let wrong = stain_tests::ledger::check(&report);
    ensure!(wrong.is_empty() && report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    Ok((report, attached.ended.stderr))
}

/// Threads past the bound.
const BEYOND: u64 = 30;

#[test]
fn threads_with_a_scope_beyond_the_bound_are_counted() -> Result<()> {
    let name = "journeys_bounds::threads_with_a_scope_beyond_the_bound_are_counted";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let threads = u64::from(MAX_SCOPE_THREADS) + BEYOND;
    let stages = r#"
[[stage]]
code = "T+"
name = "work"
point = "work"
key = "arg0"
space = "record"
scope = "call"
empty = "keep"
[[stage]]
code = 44
name = "note"
point = "note"
key = "scope"
[[stage]]
code = "T-"
name = "output"
point = "output"
key = "scope"
"#;
    let (report, told) = crowd(&["scopes", &threads.to_string()], stages)?;
    assert_eq!((report.ledger.sampled, report.ledger.written), (threads, threads), "{}", report.summary);
    assert_eq!(report.ledger.journeys["scopes_full"], BEYOND);
    let (whole, bare) = (["emit", "work", "note", "note", "output", "written"], ["emit", "work", "written"]);
    let count = |way: &[&str]| report.traces.iter().filter(|trace| names(trace) == way).count() as u64;
    assert_eq!((count(&whole), count(&bare)), (threads - BEYOND, BEYOND));
    ensure!(
        told.contains("8192 living threads have had some, bounds that are fixed"),
        "the user was not told:\n{told}"
    );
    Ok(())
}

/// A key that is just being taken away on another processor cannot be given: the trace says so, and goes on by its other keys.
#[test]
fn a_key_that_is_just_being_ended_is_refused_and_counted() -> Result<()> {
    let name = "journeys_bounds::a_key_that_is_just_being_ended_is_refused_and_counted";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let stages = r#"
[[stage]]
code = 40
name = "hand over"
point = "hand_over"
key = "arg1"
space = "record"
also = "arg0"
also_space = "node"
"#;
    let (report, told) = crowd(&["keys", "5000"], stages)?;
    let flagged: u64 = report.traces.iter().map(|trace| trace.flag("keys_dropped")).sum();
    let refused = report.ledger.journeys["keys_refused"];
    assert_eq!((flagged, report.ledger.records), (refused, 20_000), "{}", report.summary);
    for trace in &report.traces {
        ensure!(trace.outcome == "written", "{trace:?}");
        ensure!(names(trace).iter().filter(|name| *name == "hand over").count() == 7, "{trace:?}");
    }
    ensure!(refused > 0, "no two processors met there: {}", report.summary);
    ensure!(told.contains("the key was just being ended. Raise max_open_traces"), "{told}");
    Ok(())
}
