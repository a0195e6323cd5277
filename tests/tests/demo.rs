//! `stain demo`: a pipeline and the report on it, from one command.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stain_tests::child::Ended;
use stain_tests::report::{Report, Trace};
use stain_tests::{ledger, stain};

/// Of the demo itself; the limit leaves room for a machine with other work.
const DURATION: &str = "5s";
const LIMIT: Duration = Duration::from_secs(60);

/// The way of a record that is written; both queues are on it.
const WRITTEN: [&str; 8] = ["S0", "Q+", "Q-", "T+", "T-", "Q+", "Q-", "W!"];
const FILTERED: [&str; 5] = ["S0", "Q+", "Q-", "T+", "drop"];

fn demo(arguments: &[&str], folder: &Path) -> Result<(Ended, String)> {
    let output = folder.join("output");
    let file = output.to_str().context("no path")?;
    let arguments = [&["demo", "--duration", DURATION, "-o", file], arguments].concat();
    let ended = stain::run(&arguments, LIMIT)?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    let text = std::fs::read_to_string(&output).context("no report")?;
    Ok((ended, text))
}

/// What is wrong with the journey of one trace.
fn fault(trace: &Trace) -> Option<String> {
    let expected = match trace.outcome.as_str() {
        "written" => &WRITTEN[..],
        "filtered" => &FILTERED[..],
        other => return Some(format!("outcome {other}")),
    };
    let stages: Vec<&str> = trace.entries.iter().map(|entry| entry.stage.as_str()).collect();
    if stages != expected {
        return Some(format!("stages {stages:?}"));
    }
    if !trace.entries.is_sorted_by_key(|entry| entry.ts_ns) {
        return Some("out of the order of time".to_owned());
    }
    (!trace.flags.is_empty()).then(|| format!("flags {:?}", trace.flags))
}

#[test]
fn the_demo_shows_whole_journeys_and_leaves_nothing_behind() -> Result<()> {
    if !stain_tests::tally::privileged("demo::the_demo_shows_whole_journeys_and_leaves_nothing_behind").open()
    {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (_, text) = demo(&["--format", "jsonl"], folder.path())?;
    let report = Report::parse(&text)?;
    ensure!(report.ledger.written > 0 && report.ledger.filtered > 0, "{}", report.summary);
    let faults: Vec<_> =
        report.traces.iter().filter_map(|trace| fault(trace).map(|fault| (&trace.trace_id, fault))).collect();
    ensure!(faults.is_empty(), "{faults:?}");
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty(), "{wrong:?}");
    let pids = report.summary.pointer("/target/pids").and_then(|pids| pids.as_array()).context("no pids")?;
    ensure!(pids.len() == 1, "{pids:?}");
    for pid in pids {
        ensure!(!Path::new(&format!("/proc/{pid}")).exists(), "the pipeline, {pid}, still runs");
    }
    Ok(())
}

#[test]
fn the_demo_shows_a_page_to_people() -> Result<()> {
    if !stain_tests::tally::privileged("demo::the_demo_shows_a_page_to_people").open() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (ended, text) = demo(&[], folder.path())?;
    for part in ["parse and scan", "batch written", "filtered"] {
        ensure!(text.contains(part), "no {part:?} in {text}\n{}", ended.stderr);
    }
    Ok(())
}
