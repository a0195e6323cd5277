//! Targets in containers: found by the container's id, reached through their own root, and nothing outside is touched.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use stain_tests::child::Guarded;
use stain_tests::container::{Container, Kind, hierarchy};
use stain_tests::family::{self, Family};
use stain_tests::journey::{self, Expect};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use stain_tests::{code, specs, stain, tally};

const RATE: u64 = 10;
const TARGET: [&str; 6] = ["--records", "20000", "--reuse", "shared", "--drop-percent", "30"];

#[test]
fn a_container_is_traced_by_its_id_and_nothing_outside_of_it() -> Result<()> {
    let groups = hierarchy();
    let gate = tally::privileged("container::a_container_is_traced_by_its_id_and_nothing_outside_of_it");
    if !gate.condition(groups.is_some(), "no control group can be made here").open() {
        return Ok(());
    }
    let groups = groups.context("no control groups")?;
    let _turn = turn()?;
    for (kind, within) in [
        (Kind::Tmpfs, &[][..]),
        (Kind::Tmpfs, &["--exe", "/bin/app"]),
        (Kind::Overlay, &["--process", "app"]),
    ] {
        traced(&groups, kind, within).with_context(|| format!("{kind:?} {within:?}"))?;
    }
    Ok(())
}

/// The threads of a process: their numbers here, and those that they have in the container, which its truth log has.
fn threads_inside(pid: u32) -> Result<BTreeMap<u32, u32>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(entry?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).context("no NSpid")?;
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        threads.extend(numbers.first().copied().zip(numbers.last().copied()));
    }
    Ok(threads)
}

fn traced(groups: &std::path::Path, kind: Kind, within: &[&str]) -> Result<()> {
    let (folder, outside) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let program = Flavour::C.binary()?;
    let (container, script) = Container::new(groups, kind, &program, folder.path())?;
    let mut pipeline = Pipeline::start_binary(script, &TARGET, folder.path())?;
    // The same program, called the same, without a container.
    let twin = outside.path().join("app");
    std::fs::copy(&program, &twin)?;
    let mut twin = Pipeline::start_binary(twin, &TARGET, outside.path())?;
    let (spec, report) = (outside.path().join("spec.toml"), outside.path().join("report.jsonl"));
    std::fs::write(&spec, specs::every(Flavour::C, RATE).toml())?;
    let mut command = Command::new(stain::binary()?);
    command.args(["attach", "--format", "jsonl", "--container", &container.id[..12]]).args(within);
    let mut agent = Guarded::spawn(command.arg("--spec").arg(&spec).arg("-o").arg(&report))?;
    let line = agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
    let pid = *container.pids()?.last().context("nobody is in the container")?;
    ensure!(line == format!("attached: 7 sites in 1 process ({pid})"), "{line}; {:?}", container.pids()?);
    ensure!(code::differences(twin.pid(), twin.binary())?.is_empty(), "the twin outside was probed");
    let inside = threads_inside(pid)?;
    for pipeline in [&mut pipeline, &mut twin] {
        pipeline.go()?;
        pipeline.totals(LONG)?;
    }
    agent.signal(rustix::process::Signal::INT)?;
    let ended = agent.wait(SHORT)?;
    ensure!(ended.status.success() && !ended.stderr.contains("not attached"), "{}", ended.stderr);
    let mut report = Report::parse(&std::fs::read_to_string(&report)?)?;
    ensure!(
        report.ledger.records == 20_000 && report.traces.iter().all(|trace| trace.pid == pid),
        "{}",
        report.summary
    );
    for entry in report.traces.iter_mut().flat_map(|trace| &mut trace.entries) {
        entry.tid = *inside.get(&entry.tid).with_context(|| format!("no thread {}", entry.tid))?;
    }
    let violations = journey::check(&report, &pipeline.truth()?, &Expect::every(RATE));
    ensure!(violations.is_empty(), "{}", journey::show(&violations));
    ensure!(
        pipeline.finish(SHORT)?.status.success() && twin.finish(SHORT)?.status.success(),
        "a target was harmed"
    );
    Ok(())
}

#[test]
fn a_container_that_is_not_there_is_waited_for_and_an_id_that_is_none_refused() -> Result<()> {
    if !tally::privileged(
        "container::a_container_that_is_not_there_is_waited_for_and_an_id_that_is_none_refused",
    )
    .open()
    {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let spec = folder.path().join("spec.toml");
    std::fs::write(&spec, specs::every(Flavour::C, RATE).toml())?;
    let attach = |id: &str| -> Result<Guarded> {
        let mut command = Command::new(stain::binary()?);
        Guarded::spawn(command.args(["attach", "--no-calibration", "--container", id, "--spec"]).arg(&spec))
    };
    let mut agent = attach("00112233445566778899")?;
    let line = agent.stderr().find(|line| line.starts_with("waiting"), SHORT)?;
    ensure!(line == "waiting for container 00112233445566778899 to start (Ctrl-C ends)", "{line}");
    let ended = attach("web-1")?.wait(SHORT)?;
    ensure!(
        !ended.status.success() && ended.stderr.contains("`web-1` is no container id"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn a_second_container_of_the_same_digits_is_told_of_and_hides_nothing() -> Result<()> {
    let groups = hierarchy();
    let gate =
        tally::privileged("container::a_second_container_of_the_same_digits_is_told_of_and_hides_nothing");
    if !gate.condition(groups.is_some(), "no control group can be made here").open() {
        return Ok(());
    }
    let groups = groups.context("no control groups")?;
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let binary = Family::copy(home.path())?;
    let digits: String = Container::new_id("")?.chars().take(8).collect();
    let (first, second) = (Container::new_id(&digits)?, Container::new_id(&digits)?);
    let mut target = Family::start(&binary)?;
    let _first = Container::around(&groups, &first, target.pid())?;
    let arguments = ["--container", &digits];
    let mut agent = Agent::follow(&family::spec(""), &arguments, home.path(), "agent")?;
    agent.then_says("attached: 2 sites in 1 process")?;
    let other = Family::start(&binary)?;
    let _second = Container::around(&groups, &second, other.pid())?;
    let told = agent.says(|line| line.contains("processes of the target may be missed"))?;
    ensure!(told.contains(&format!("until then only {} is traced", &first[..12])), "{told}");
    target.send(&format!("become 0 {}", binary.display()))?;
    agent.then_says(&format!("joined: process {}", target.pid()))?;
    target.tell("flow 10")?;
    let attached = agent.stop(SHORT)?;
    ensure!(attached.ended.stderr.matches("may be missed").count() <= 1, "{}", attached.ended.stderr);
    ensure!(attached.report.ledger.written == 10, "{}", attached.report.summary);
    for target in [target, other] {
        ensure!(target.finish()?.status.success(), "a target was harmed");
    }
    Ok(())
}
