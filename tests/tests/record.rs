//! Recordings: what was recorded comes to the same numbers, and nothing that ends a session makes it unreadable.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use stain_tests::run::{SHORT, Scenario};
use stain_tests::stain::path;
use stain_tests::targets::Flavour;
use stain_tests::{specs, stain};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_number_of_a_recording_is_that_of_the_session() -> Result<()> {
    if !stain_tests::tally::privileged("record::every_number_of_a_recording_is_that_of_the_session").open() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (lines, recording) = (path(folder.path(), "lines")?, path(folder.path(), "recording")?);
    let arguments = ["demo", "-d", "4s", "-f", "jsonl", "-o", &lines, "--record", &recording];
    let ended = stain::run(&arguments, LIMIT)?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    ensure!(ended.stderr.contains("recorded: "), "{}", ended.stderr);
    let lines = std::fs::read_to_string(&lines)?;
    let (traces, summary) = lines.trim_end().rsplit_once('\n').context("no traces")?;
    let report = stain::run(&["report", &recording, "--format", "json"], SHORT)?;
    ensure!(report.status.success() && report.stderr.is_empty(), "{}", report.stderr);
    ensure!(report.stdout.trim_end() == summary, "{}\n\n{summary}", report.stdout);
    let text = stain::run(&["report", &recording], SHORT)?;
    let heading = format!("{} traces", traces.lines().count());
    ensure!(text.stdout.contains(&heading), "no {heading:?} in {}", text.stdout);
    // Compact: a line of JSON is ten times as long.
    let size = std::fs::metadata(&recording)?.len();
    ensure!(size < traces.len() as u64 / 5, "{size} bytes, and {} of JSON", traces.len());
    Ok(())
}

#[test]
fn a_killed_agent_leaves_a_readable_recording() -> Result<()> {
    if !stain_tests::tally::privileged("record::a_killed_agent_leaves_a_readable_recording").open() {
        return Ok(());
    }
    let flow = "--seconds 4 --records 0 --rate-per-second 5000 --work 20000 --reuse shared";
    let mut scenario = Scenario::new(Flavour::C, flow, specs::every(Flavour::C, 10));
    let place = tempfile::tempdir()?;
    let recording = path(place.path(), "recording")?;
    scenario.attach = vec!["--record".to_owned(), recording.clone()];
    let mut running = scenario.start()?;
    running.pipeline.go()?;
    std::thread::sleep(Duration::from_secs(2)); // more than a frame's worth of records
    running.agent.signal(Signal::KILL)?;
    running.without_agent(SHORT)?.pipeline.finish(SHORT)?;
    let report = stain::run(&["report", &recording, "--format", "json"], SHORT)?;
    ensure!(report.status.success(), "{}", report.stderr);
    ensure!(report.stderr.contains("the session's end was not recorded"), "{}", report.stderr);
    let summary: Value = serde_json::from_str(&report.stdout)?;
    let written = summary.pointer("/summary/ledger/written").and_then(Value::as_u64);
    let hop = summary.pointer("/summary/e2e/count").and_then(Value::as_u64);
    ensure!(written > Some(10) && hop >= written, "{written:?} written, {hop:?} with a time: {summary}");
    ensure!(summary.pointer("/summary/end") == Some(&Value::from("cut off")), "{summary}");
    Ok(())
}

#[test]
fn what_is_no_recording_is_an_error_that_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = path(folder.path(), "file")?;
    for (bytes, sentence) in [
        (
            &b"{}\n"[..],
            "is no recording: it does not begin with STAINREC; `stain attach --record FILE` makes one",
        ),
        (b"STAINREC\x07\0\0\0\0\0\0\0", "is a recording of version 7, and this program reads version 1"),
    ] {
        std::fs::write(&file, bytes)?;
        let ended = stain::run(&["report", &file], SHORT)?;
        ensure!(ended.status.code() == Some(1), "{}", ended.status);
        ensure!(ended.stderr.starts_with(&format!("error: {file} {sentence}")), "{}", ended.stderr);
    }
    Ok(())
}
