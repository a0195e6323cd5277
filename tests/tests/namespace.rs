//! An agent in a pid namespace of its own, beside its target, as in a container that shares the target's: numbers are the namespace's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use stain_tests::child::Guarded;
use stain_tests::journey::{self, Expect};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::targets::Flavour;
use stain_tests::{ledger, specs, stain, tally};

const RATE: u64 = 10;

/// The only child of a process, as this test numbers it.
fn child_of(pid: u32) -> Result<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    children.split_whitespace().next().context("no child")?.parse().context("no number")
}

/// The number of the target in its namespace. Process 1 is a shell: all others are killed when it ends.
const TARGET: &str = "2";

/// A pid namespace whose process 1 runs a pipeline, and stays until the file `over` is written to.
fn alone(home: &Path) -> Result<Pipeline> {
    let binary = Flavour::C.binary()?;
    mknodat(CWD, home.join("over"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"]);
    command.arg("over=$1; shift; \"$@\"; status=$?; read -r _ <\"$over\"; exit $status").arg("sh");
    command.arg(home.join("over")).arg(&binary);
    let target = ["--records", "20000", "--sources", "2", "--reuse", "shared", "--drop-percent", "30"];
    Pipeline::start_command(command, binary, &target, home)
}

/// Ends the target, then the agent, which ends with its target, then the namespace.
fn end(mut pipeline: Pipeline, agent: Guarded, home: &Path) -> Result<()> {
    pipeline.release();
    let ended = agent.wait(SHORT)?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    std::fs::write(home.join("over"), "\n")?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the target was harmed");
    Ok(())
}

/// `stain attach` on the target, within the namespace that has this process.
fn attach_within(first: u32, key: Option<&str>, home: &Path) -> Result<(Guarded, PathBuf)> {
    let (spec, report) = (home.join("spec.toml"), home.join("report.jsonl"));
    let mut words = specs::every(Flavour::C, RATE);
    if let Some(key) = key {
        key.clone_into(&mut words.key);
        words.stages.retain(|stage| matches!(stage.code, "S0" | "Q+" | "W!"));
    }
    std::fs::write(&spec, words.toml())?;
    let mut command = Command::new("nsenter");
    command.args(["--target", &first.to_string(), "--pid", "--mount"]).arg(stain::binary()?);
    command
        .args(["attach", "--pid", TARGET, "--format", "jsonl", "--spec"])
        .arg(&spec)
        .arg("-o")
        .arg(&report);
    let mut agent = Guarded::spawn(&mut command)?;
    let line = agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
    ensure!(line.ends_with("in 1 process (2)"), "{line}");
    Ok((agent, report))
}

fn gate(test: &str) -> bool {
    let test = format!("namespace::{test}");
    let gate = tally::privileged(&test);
    gate.program("unshare", "/usr/bin/unshare").program("nsenter", "/usr/bin/nsenter").open()
}

#[test]
fn threads_are_numbered_as_the_target_numbers_them() -> Result<()> {
    if !gate("threads_are_numbered_as_the_target_numbers_them") {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let mut pipeline = alone(home.path())?;
    let (agent, report) = attach_within(child_of(pipeline.pid())?, None, home.path())?;
    pipeline.go()?;
    let totals = pipeline.totals(LONG)?;
    let truth = pipeline.truth()?;
    end(pipeline, agent, home.path())?;
    let report = Report::parse(&std::fs::read_to_string(&report)?)?;
    let violations = journey::check(&report, &truth, &Expect::every(RATE));
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), report.summary);
    assert_eq!((report.pids(), report.ledger.records), (vec![2], totals.emitted));
    Ok(())
}

/// The kernel program tells of the ends of threads by the same numbers: a trace whose key is the thread ends with it.
#[test]
fn the_end_of_a_thread_is_seen() -> Result<()> {
    if !gate("the_end_of_a_thread_is_seen") {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let mut pipeline = alone(home.path())?;
    let (agent, report) = attach_within(child_of(pipeline.pid())?, Some("thread"), home.path())?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    end(pipeline, agent, home.path())?;
    let report = Report::parse(&std::fs::read_to_string(&report)?)?;
    ensure!(ledger::check(&report).is_empty(), "{}", report.summary);
    // Each source's records supersede each other; the last one ends with its thread.
    let ledger = &report.ledger;
    assert_eq!((ledger.lost_by("thread_exit"), ledger.in_flight), (2, 0), "{}", report.summary);
    assert_eq!(ledger.superseded + 2, ledger.sampled, "{}", report.summary);
    Ok(())
}
