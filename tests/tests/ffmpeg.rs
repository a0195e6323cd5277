//! The distribution's ffmpeg: every picture of a transcode followed by its time stamp through libraries that others map too.
//!
//! The input is an AVI, whose pictures have the time stamps 0, 1, 2, ..: so the key at each stage is the picture's own number, whichever
//! packet or frame holds it. The agent attaches while ffmpeg waits for its input, and sees the first picture as well as the last.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use stain_tests::ffmpeg::{self, LIBRARIES, Transcode};
use stain_tests::report::{Report, Trace};
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::{self, Agent};
use stain_tests::{code, ledger, shipped};

const PICTURES: u32 = 400;

fn can_run(test: &str) -> bool {
    let test = format!("ffmpeg::{test}");
    let gate = stain_tests::tally::privileged(&test).program("ffmpeg", ffmpeg::PROGRAM);
    gate.condition(has_libraries(), "ffmpeg is not of version 5: another libavcodec than 59").open()
}

/// Whether the installed ffmpeg is of the version that the shipped spec is for.
fn has_libraries() -> bool {
    let listed = std::process::Command::new("ldd").arg(ffmpeg::PROGRAM).output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    listed.is_ok_and(|list| LIBRARIES.iter().all(|library| list.contains(library)))
}

fn codes(trace: &Trace) -> Vec<&str> {
    trace.entries.iter().map(|entry| entry.stage.as_str()).collect()
}

/// Decoder, encoder, file, in this order.
fn assert_whole(trace: &Trace) {
    assert_eq!(codes(trace), ["S0", "T+", "W!"], "{trace:?}");
    assert!(trace.entries.is_sorted_by_key(|entry| entry.ts_ns), "{trace:?}");
}

fn assert_balanced(report: &Report) {
    assert_eq!(ledger::check(report), Vec::<String>::new(), "{}", report.summary);
    assert_eq!(report.summary.pointer("/ledger/balanced"), Some(&true.into()), "{}", report.summary);
}

fn written(report: &Report) -> Vec<&Trace> {
    report.traces.iter().filter(|trace| trace.outcome == "written").collect()
}

/// A transcode of all pictures, attached to from the first to the last at this rate, and the bytes that ffmpeg wrote.
fn traced(rate: u64, input: &Path, folder: &Path) -> Result<(Report, Vec<u8>)> {
    let mut transcode = Transcode::waiting(ffmpeg::PROGRAM, &folder.join("traced.avi"))?;
    let (pid, rate) = (transcode.pid().to_string(), rate.to_string());
    let arguments = ["--pid", &pid, "--rate", &rate, "--budget", "0"];
    let mut agent = Agent::launch(&shipped::spec("ffmpeg.toml"), &arguments, folder, "agent")?;
    agent.has_attached_to(transcode.pid())?;
    transcode.feed(input)?;
    let output = transcode.finish()?;
    // It ends with its target.
    Ok((agent.finish(SHORT)?.report, output))
}

fn untraced(input: &Path, folder: &Path) -> Result<Vec<u8>> {
    let mut transcode = Transcode::waiting(ffmpeg::PROGRAM, &folder.join("untraced.avi"))?;
    transcode.feed(input)?;
    transcode.finish()
}

#[test]
fn every_picture_is_followed_and_the_output_is_the_same() -> Result<()> {
    if !can_run("every_picture_is_followed_and_the_output_is_the_same") {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let input = ffmpeg::input(PICTURES, folder.path())?;
    let (every, output) = traced(1, &input, folder.path())?;
    assert!(output == untraced(&input, folder.path())?, "ffmpeg wrote something else while traced");
    assert_balanced(&every);
    written(&every).into_iter().for_each(assert_whole);
    let mut pictures: Vec<_> = written(&every).iter().filter_map(|trace| trace.key()).collect();
    pictures.sort_unstable();
    assert!(pictures.into_iter().eq(0..u64::from(PICTURES)), "each picture once: {}", every.summary);
    assert_only_pictures_go_further(&every);
    assert_each_nth_is_the_same(&every, &input, folder.path())
}

/// What else comes to the decoder: packets that ffmpeg tries it with before it starts, and empty ones that drain it at the end. They
/// begin traces, go nowhere, and are accounted for. The null pointer that drains the encoder has no key.
fn assert_only_pictures_go_further(every: &Report) {
    let others: Vec<_> = every.traces.iter().filter(|trace| trace.outcome != "written").collect();
    for trace in &others {
        assert!(["superseded", "target_exit"].contains(&trace.outcome.as_str()), "{trace:?}");
        assert_eq!(codes(trace), ["S0"], "{trace:?}");
    }
    assert!(others.len() < 10, "{}", every.summary);
    assert_eq!(every.ledger.sampled, u64::from(PICTURES) + others.len() as u64);
    let unreadable = |stage: usize| every.summary.pointer(&format!("/stages/{stage}/key_unreadable"));
    let expected = [0, 1, 0].map(|count: u64| Some(count.into()));
    assert_eq!([0, 1, 2].map(|stage| unreadable(stage).cloned()), expected, "{}", every.summary);
}

/// At a rate of N the very same journeys, but only each Nth.
fn assert_each_nth_is_the_same(every: &Report, input: &Path, folder: &Path) -> Result<()> {
    let journeys = |report: &Report| -> BTreeMap<u64, (Option<u64>, String)> {
        report.traces.iter().map(|trace| (trace.sequence, (trace.key(), trace.outcome.clone()))).collect()
    };
    let every = journeys(every);
    for rate in [7, 10] {
        let (nth, _) = traced(rate, input, folder)?;
        assert_balanced(&nth);
        written(&nth).into_iter().for_each(assert_whole);
        let expected = every.iter().filter(|(sequence, _)| *sequence % rate == 0);
        assert!(journeys(&nth).iter().eq(expected), "1 in {rate}: {}", nth.summary);
        assert_eq!(nth.ledger.sampled, every.len() as u64 / rate);
    }
    Ok(())
}

#[test]
fn another_ffmpeg_with_the_same_libraries_is_left_alone() -> Result<()> {
    if !can_run("another_ffmpeg_with_the_same_libraries_is_left_alone") {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let input = ffmpeg::input(PICTURES, folder.path())?;
    let start = |name: &str| Transcode::waiting(ffmpeg::PROGRAM, &folder.path().join(name));
    let (mut traced, mut other) = (start("traced.avi")?, start("other.avi")?);
    let arguments = ["--pid", &traced.pid().to_string(), "--rate", "1", "--budget", "0"];
    let mut agent = Agent::launch(&shipped::spec("ffmpeg.toml"), &arguments, folder.path(), "agent")?;
    agent.has_attached_to(traced.pid())?;
    let probed = |process: &Transcode| -> Result<usize> {
        let files = process.libraries()?;
        files.iter().map(|file| Ok(code::differences(process.pid(), file)?.len())).sum()
    };
    assert_eq!((probed(&traced)?, probed(&other)?), (3, 0), "a breakpoint a stage, and none in the other");
    // A process that starts while the probes are there gets none either.
    let mut late = start("late.avi")?;
    assert_eq!(probed(&late)?, 0);

    for process in [&mut traced, &mut other, &mut late] {
        process.feed(&input)?;
    }
    let pid = traced.pid();
    let outputs = [traced.finish()?, other.finish()?, late.finish()?];
    assert!(outputs.iter().all(|output| *output == outputs[0]), "they wrote different files");
    let report = agent.finish(SHORT)?.report;
    assert_balanced(&report);
    assert_eq!(report.ledger.written, u64::from(PICTURES));
    assert!(report.traces.iter().all(|trace| trace.pid == pid), "only the traced one is seen");
    Ok(())
}

#[test]
fn an_agent_that_is_there_first_attaches_when_ffmpeg_starts() -> Result<()> {
    if !can_run("an_agent_that_is_there_first_attaches_when_ffmpeg_starts") {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let input = ffmpeg::input(PICTURES, folder.path())?;
    let program = shipped::copy(ffmpeg::PROGRAM, folder.path())?;
    let program = program.to_string_lossy();
    let arguments = ["--exe", &program, "--rate", "1", "--budget", "0"];
    let mut agent = Agent::launch(&shipped::spec("ffmpeg.toml"), &arguments, folder.path(), "agent")?;
    agent.says(|line| line.starts_with("waiting for"))?;
    for run in 0..2 {
        let mut transcode = Transcode::waiting(&program, &folder.path().join("traced.avi"))?;
        let pid = transcode.pid();
        agent.has_attached_to(pid)?;
        transcode.feed(&input)?;
        transcode.finish()?;
        agent
            .says(|line| line == format!("exited: process {pid}"))
            .map_err(|e| e.context(format!("run {run}")))?;
    }
    let report = agent.stop(SHORT)?.report;
    assert_balanced(&report);
    written(&report).into_iter().for_each(assert_whole);
    ensure!(report.ledger.written == 2 * u64::from(PICTURES), "{}", report.summary);
    ensure!(report.ledger.in_flight == 0, "{}", report.summary);
    Ok(())
}

#[test]
fn the_shipped_spec_plans_sites_in_a_running_ffmpeg() -> Result<()> {
    if !can_run("the_shipped_spec_plans_sites_in_a_running_ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let transcode = Transcode::waiting(ffmpeg::PROGRAM, &folder.path().join("out.avi"))?;
    let spec = shipped::spec("ffmpeg.toml");
    let pid = transcode.pid().to_string();
    let planned = stain::run(&["plan", "--spec", &spec.to_string_lossy(), "--pid", &pid], SHORT)?;
    assert!(planned.status.success(), "{}", planned.stderr);
    for function in ["avcodec_send_packet", "avcodec_send_frame", "av_interleaved_write_frame"] {
        assert!(planned.stdout.contains(function), "{}", planned.stdout);
    }
    assert!(planned.stdout.contains("3 sites"), "{}", planned.stdout);
    for file in transcode.libraries()? {
        code::wait_until_restored(transcode.pid(), &file, Duration::ZERO)?;
    }
    Ok(())
}
