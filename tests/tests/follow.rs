//! Targets named by executable or by name: they come, go, come again, come in numbers, fork, and become something else.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use stain_tests::family::{self, Family, copy};
use stain_tests::journey::{self, Expect};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use stain_tests::truth::Truth;
use stain_tests::{code, ledger, specs};

const RATE: u64 = 7;
const FLOW: [&str; 8] =
    ["--records", "20000", "--reuse", "shared", "--drop-percent", "30", "--truth-sample", "7"];

fn exe(path: &Path) -> String {
    format!("[target]\nexe = \"{}\"\n", path.display())
}

fn spec(target: &str, flavour: Flavour) -> String {
    target.to_owned() + &specs::every(flavour, RATE).toml()
}

/// A pipeline program of this test's own, so that no other test's pipelines run it.
fn own(flavour: Flavour, folder: &Path) -> Result<PathBuf> {
    copy(&flavour.binary()?, folder, &format!("flow-{}", std::process::id()))
}

fn folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

/// All that the report says of one process is true.
fn assert_true(report: &Report, pid: u32, truth: &Truth, expect: &Expect) -> Result<()> {
    let violations = journey::check(&report.of_process(pid), truth, expect);
    ensure!(violations.is_empty(), "process {pid}: {}\n{}", journey::show(&violations), report.summary);
    Ok(())
}

fn assert_balanced(report: &Report) -> Result<()> {
    let wrong = ledger::check(report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    Ok(())
}

#[test]
fn a_target_that_starts_later_is_waited_for() -> Result<()> {
    if !stain_tests::tally::privileged("follow::a_target_that_starts_later_is_waited_for").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for by_name in [false, true] {
        let home = tempfile::tempdir()?;
        let binary = own(Flavour::C, home.path())?;
        let name = format!("[target]\nprocess = \"flow-{}\"\n", std::process::id());
        let target = if by_name { name } else { exe(&binary) };
        let mut agent = Agent::follow(&spec(&target, Flavour::C), &[], home.path(), "agent")?;
        agent.then_says("waiting for")?;
        let mut pipeline = Pipeline::start_binary(binary, &FLOW, home.path())?;
        let attached = agent.then_says("attached")?;
        ensure!(attached.contains(&pipeline.pid().to_string()), "{attached}");
        pipeline.go()?;
        let totals = pipeline.totals(LONG)?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        assert_true(&report, pipeline.pid(), &pipeline.truth()?, &Expect::every(RATE))?;
        assert_eq!(report.ledger.records, totals.emitted);
        assert_eq!((report.pids(), report.end()), (vec![pipeline.pid()], "interrupted"));
        ensure!(pipeline.finish(SHORT)?.status.success());
    }
    Ok(())
}

#[test]
fn a_target_started_again_is_joined_and_both_runs_are_told() -> Result<()> {
    if !stain_tests::tally::privileged("follow::a_target_started_again_is_joined_and_both_runs_are_told")
        .open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let binary = own(Flavour::CProtected, home.path())?;
    let (first_home, second_home) = (folder(home.path(), "first")?, folder(home.path(), "second")?);
    let midway: Vec<&str> = FLOW.iter().copied().chain(["--exit-at", "9000"]).collect();
    let mut first = Pipeline::start_binary(binary.clone(), &midway, &first_home)?;
    let spec = spec(&exe(&binary), Flavour::CProtected);
    let mut agent = Agent::follow(&spec, &[], home.path(), "agent")?;
    agent.then_says("attached")?;
    first.go()?;
    let first_pid = first.pid();
    agent.then_says(&format!("exited: process {first_pid}"))?;
    agent.then_says("waiting for")?;
    let mut second = Pipeline::start_binary(binary, &FLOW, &second_home)?;
    agent.then_says(&format!("joined: process {}", second.pid()))?;
    second.go()?;
    let totals = second.totals(LONG)?;
    let report = agent.stop(SHORT)?.report;
    assert_balanced(&report)?;
    let first_truth = Truth::read(first.truth_path())?;
    let cut_short = Expect { complete: false, ..Expect::every(RATE) };
    assert_true(&report, first_pid, &first_truth, &cut_short)?;
    assert_true(&report, second.pid(), &second.truth()?, &Expect::every(RATE))?;
    assert_eq!(report.pids(), [first_pid, second.pid()]);
    assert_eq!(report.ledger.records, 9000 + totals.emitted);
    assert_eq!(report.ledger.in_flight, 0, "{}", report.summary);
    ensure!(report.of_process(first_pid).ledger.written > 0, "{}", report.summary);
    Ok(())
}

#[test]
fn records_in_flight_at_the_exit_are_lost_and_counted() -> Result<()> {
    if !stain_tests::tally::privileged("follow::records_in_flight_at_the_exit_are_lost_and_counted").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let binary = Family::copy(home.path())?;
    let mut agent = Agent::follow(&family::spec(&exe(&binary)), &[], home.path(), "agent")?;
    agent.then_says("waiting for")?;
    for (run, held) in [7, 5, 0, 11].into_iter().enumerate() {
        let mut target = Family::start(&binary)?;
        agent.then_says(if run == 0 { "attached" } else { "joined" })?;
        target.tell("flow 100")?;
        target.tell(&format!("hold {held}"))?;
        let pid = target.pid();
        ensure!(target.finish()?.status.success());
        agent.then_says(&format!("exited: process {pid}"))?;
    }
    let report = agent.stop(SHORT)?.report;
    assert_balanced(&report)?;
    let ledger = &report.ledger;
    assert_eq!((ledger.written, ledger.lost_by("target_exit"), ledger.superseded), (400, 23, 0));
    assert_eq!((ledger.records, ledger.in_flight, report.pids().len()), (423, 0, 4));
    Ok(())
}

/// Without address randomisation both processes have their records at the very same addresses, at the same time.
#[test]
fn records_of_two_processes_with_equal_keys_never_mix() -> Result<()> {
    let gate = stain_tests::tally::privileged("follow::records_of_two_processes_with_equal_keys_never_mix");
    if !gate.program("setarch", "/usr/bin/setarch").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for backend in ["multi", "perf"] {
        let home = tempfile::tempdir()?;
        let binary = own(Flavour::C, home.path())?;
        let mut both = Vec::new();
        for name in ["left", "right"] {
            let mut command = Command::new("setarch");
            command.arg("-R").arg(&binary);
            let folder = folder(home.path(), name)?;
            both.push(Pipeline::start_command(command, binary.clone(), &FLOW, &folder)?);
        }
        let mut agent =
            Agent::follow(&spec(&exe(&binary), Flavour::C), &["--backend", backend], home.path(), "agent")?;
        let attached = agent.then_says("attached")?;
        ensure!(attached.contains("14 sites in 2 processes"), "{attached}");
        both.iter_mut().try_for_each(Pipeline::go)?;
        let mut emitted = 0;
        for pipeline in &mut both {
            emitted += pipeline.totals(LONG)?.emitted;
        }
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        let mut addresses = Vec::new();
        for pipeline in &both {
            let truth = pipeline.truth()?;
            assert_true(&report, pipeline.pid(), &truth, &Expect::every(RATE))?;
            addresses.push(truth.records().flatten().map(|row| row.record).collect::<HashSet<_>>());
        }
        let shared = addresses.iter().cloned().reduce(|left, right| &left & &right).unwrap_or_default();
        ensure!(shared.len() > 10, "only {} addresses in common: the test tests nothing", shared.len());
        assert_eq!((report.ledger.records, report.pids().len()), (emitted, 2));
    }
    Ok(())
}

#[test]
fn the_end_of_a_process_named_by_its_id_ends_the_session() -> Result<()> {
    if !stain_tests::tally::privileged("follow::the_end_of_a_process_named_by_its_id_ends_the_session").open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let binary = Family::copy(home.path())?;
    for status in [0, 3] {
        let mut target = Family::start(&binary)?;
        let mut agent = Agent::attach(target.pid(), &family::spec(""), &[], home.path(), "agent")?;
        target.tell("flow 20")?;
        target.tell("hold 4")?;
        target.send(&format!("exit {status}"))?;
        agent.then_says(&format!("exited: process {}", target.pid()))?;
        // `finish` wants the exit code 0.
        let report = agent.finish(SHORT)?.report;
        assert_balanced(&report)?;
        assert_eq!(report.end(), "target exited");
        assert_eq!((report.ledger.written, report.ledger.lost_by("target_exit")), (20, 4));
        assert_eq!(target.finish()?.status.code(), Some(status));
    }
    Ok(())
}

#[test]
fn one_of_two_processes_named_by_id_may_end() -> Result<()> {
    if !stain_tests::tally::privileged("follow::one_of_two_processes_named_by_id_may_end").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let home = tempfile::tempdir()?;
    let binary = Family::copy(home.path())?;
    let (mut left, mut right) = (Family::start(&binary)?, Family::start(&binary)?);
    let target = format!("[target]\npids = [{}, {}]\n", left.pid(), right.pid());
    let mut agent = Agent::follow(&family::spec(&target), &[], home.path(), "agent")?;
    agent.then_says("attached: 4 sites in 2 processes")?;
    left.tell("hold 3")?;
    right.tell("hold 5")?;
    left.send("exit 0")?;
    agent.then_says(&format!("exited: process {}", left.pid()))?;
    right.tell("flow 10")?;
    right.send("exit 0")?;
    let report = agent.finish(SHORT)?.report;
    assert_balanced(&report)?;
    assert_eq!(report.end(), "target exited");
    assert_eq!((report.ledger.written, report.ledger.lost_by("target_exit")), (10, 8));
    Ok(())
}

/// The end of one must not hide that the other lives, which is not looked at as long as all is well.
#[test]
fn one_of_two_processes_named_by_id_may_end_and_the_other_become_itself() -> Result<()> {
    let name = "follow::one_of_two_processes_named_by_id_may_end_and_the_other_become_itself";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let _turn = turn()?;
    for waits in [true, false] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let (mut left, mut right) = (Family::start(&binary)?, Family::start(&binary)?);
        let target = format!("[target]\npids = [{}, {}]\n", left.pid(), right.pid());
        let mut agent = Agent::follow(&family::spec(&target), &[], home.path(), "agent")?;
        agent.then_says("attached: 4 sites in 2 processes")?;
        left.tell("hold 3")?;
        right.tell("hold 5")?;
        left.send("exit 0")?;
        if waits {
            agent.then_says(&format!("exited: process {}", left.pid()))?;
        }
        right.send(&format!("become 0 {}", binary.display()))?;
        agent.then_says(&format!("joined: process {}", right.pid()))?;
        right.tell("flow 10")?;
        right.send("exit 0")?;
        let report = agent.finish(SHORT)?.report;
        assert_balanced(&report)?;
        assert_eq!(report.end(), "target exited");
        assert_eq!((report.ledger.written, report.ledger.lost_by("target_exit")), (10, 8));
    }
    Ok(())
}

/// Children that exit, or become another program, are nobody's business; nor are records of children of a process named by its id.
#[test]
fn children_do_no_harm() -> Result<()> {
    if !stain_tests::tally::privileged("follow::children_do_no_harm").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for (backend, by_exe) in [("multi", false), ("multi", true), ("perf", false)] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let mut target = Family::start(&binary)?;
        let named = if by_exe { exe(&binary) } else { format!("[target]\npid = {}\n", target.pid()) };
        let mut agent = Agent::follow(&family::spec(&named), &["--backend", backend], home.path(), "agent")?;
        agent.then_says("attached")?;
        target.tell("hold 2")?;
        target.tell("brood 20")?;
        target.tell("brood 20 /bin/true")?;
        let twin = (!by_exe).then(|| target.tell("twin 500")).transpose()?;
        if let Some(twin) = twin {
            // It has inherited the breakpoints, and is rid of them; by perf events at its first hits.
            if backend == "multi" {
                code::wait_until_restored(twin, &binary, SHORT)?;
            }
            assert_eq!(code::differences(target.pid(), &binary)?.len(), 2, "the target's own");
            target.tell(&format!("wake {twin}"))?;
        }
        target.tell("flow 30")?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        let ledger = &report.ledger;
        assert_eq!((ledger.records, ledger.written, ledger.in_flight), (32, 30, 2), "{backend} {by_exe}");
        assert_eq!((report.hits("S0"), report.hits("W!")), (32, 30), "{backend} {by_exe}");
        ensure!(target.finish()?.status.success());
    }
    Ok(())
}

#[test]
fn a_forked_child_of_the_same_executable_is_joined() -> Result<()> {
    if !stain_tests::tally::privileged("follow::a_forked_child_of_the_same_executable_is_joined").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for backend in ["multi", "perf"] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let mut target = Family::start(&binary)?;
        let spec = family::spec(&exe(&binary));
        let mut agent = Agent::follow(&spec, &["--backend", backend], home.path(), "agent")?;
        agent.then_says("attached")?;
        // The parent's records are in flight under the very keys that the child's will have.
        target.tell("hold 50")?;
        let twin = target.tell("twin 100")?;
        agent.then_says(&format!("joined: process {twin}"))?;
        target.tell(&format!("wake {twin}"))?;
        agent.then_says(&format!("exited: process {twin}"))?;
        target.tell("flow 10")?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        assert_eq!(report.pids(), [target.pid(), twin]);
        assert_eq!(report.of_process(twin).ledger.written, 100);
        let ledger = &report.ledger;
        assert_eq!((ledger.records, ledger.written, ledger.in_flight), (160, 110, 50), "{backend}");
        for trace in &report.traces {
            ensure!(trace.entries.iter().all(|entry| entry.tid == trace.pid), "{trace:?}");
        }
    }
    Ok(())
}

/// It becomes `cat`: its records are lost, and it is waited for again.
#[test]
fn a_process_that_becomes_another_program_is_left() -> Result<()> {
    if !stain_tests::tally::privileged("follow::a_process_that_becomes_another_program_is_left").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for backend in ["multi", "perf"] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let mut target = Family::start(&binary)?;
        let spec = family::spec(&exe(&binary));
        let mut agent = Agent::follow(&spec, &["--backend", backend], home.path(), "agent")?;
        agent.then_says("attached")?;
        target.tell("flow 10")?;
        target.tell("hold 6")?;
        target.send("become 0 /bin/cat")?;
        target.send("meow")?;
        target.hears("meow")?;
        agent.then_says(&format!("replaced: process {}", target.pid()))?;
        agent.then_says("waiting for")?;
        target.send("and on")?;
        target.hears("and on")?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        let ledger = &report.ledger;
        assert_eq!(
            (ledger.written, ledger.lost_by("target_exit"), ledger.in_flight),
            (10, 6, 0),
            "{backend}"
        );
        ensure!(target.finish()?.status.success());
    }
    Ok(())
}

/// It becomes itself: a new image with the same process id, whose records are its own.
#[test]
fn a_process_that_becomes_itself_is_joined_again() -> Result<()> {
    if !stain_tests::tally::privileged("follow::a_process_that_becomes_itself_is_joined_again").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for backend in ["multi", "perf"] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let mut target = Family::start(&binary)?;
        let spec = family::spec(&exe(&binary));
        let mut agent = Agent::follow(&spec, &["--backend", backend], home.path(), "agent")?;
        agent.then_says("attached")?;
        target.tell("flow 10")?;
        target.tell("hold 6")?;
        target.send(&format!("become 0 {}", binary.display()))?;
        agent.then_says(&format!("replaced: process {}", target.pid()))?;
        agent.then_says(&format!("joined: process {}", target.pid()))?;
        target.tell("flow 30")?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        let ledger = &report.ledger;
        assert_eq!(
            (ledger.written, ledger.lost_by("target_exit"), ledger.superseded),
            (40, 6, 0),
            "{backend}"
        );
        assert_eq!((report.pids(), ledger.records), (vec![target.pid()], 46), "{backend}");
        ensure!(target.finish()?.status.success());
    }
    Ok(())
}

/// The agent stands still while the ring of notices runs full, so that it is not told.
#[test]
fn a_process_that_becomes_itself_without_a_notice_is_joined_again() -> Result<()> {
    let name = "follow::a_process_that_becomes_itself_without_a_notice_is_joined_again";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let _turn = turn()?;
    for by_exe in [true, false] {
        let home = tempfile::tempdir()?;
        let binary = Family::copy(home.path())?;
        let mut target = Family::start(&binary)?;
        let named = if by_exe { exe(&binary) } else { format!("[target]\npid = {}\n", target.pid()) };
        let arguments = ["--max-open-traces", "20000"];
        let mut agent = Agent::follow(&family::spec(&named), &arguments, home.path(), "agent")?;
        agent.then_says("attached")?;
        agent.signal(rustix::process::Signal::STOP)?;
        target.tell("flow 15000")?;
        target.tell("hold 6")?;
        target.send(&format!("become 0 {}", binary.display()))?;
        target.send("flow 0")?;
        target.hears("flow 0")?;
        agent.signal(rustix::process::Signal::CONT)?;
        agent.then_says(&format!("replaced: process {}", target.pid()))?;
        agent.then_says(&format!("joined: process {}", target.pid()))?;
        target.tell("flow 30")?;
        let report = agent.stop(SHORT)?.report;
        assert_balanced(&report)?;
        ensure!(report.summary["ledger"]["notice_full"].as_u64() > Some(1000), "{}", report.summary);
        assert_eq!((report.ledger.written, report.ledger.lost_by("target_exit")), (15_030, 6));
        ensure!(target.finish()?.status.success());
    }
    Ok(())
}
