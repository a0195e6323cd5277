//! Bounds that are met: what does not fit is refused and counted, what runs goes on, and the laws hold.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use stain_tests::child::Guarded;
use stain_tests::journey::{self, Expect, Sequence};
use stain_tests::report::{Entry, Report};
use stain_tests::run::{Done, LONG, SHORT, Scenario, turn};
use stain_tests::specs::{self, Spec};
use stain_tests::stain::Agent;
use stain_tests::targets::{self, Flavour};
use stain_tests::{control, ledger};

#[test]
fn traces_beyond_max_open_are_refused_and_counted() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::traces_beyond_max_open_are_refused_and_counted").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1);
    spec.max_open = 4;
    let target = "--until-halt --records 0 --rate-per-second 20000 --work 20000 --workers 2 --queue 256 --reuse shared \
                  --drop-percent 30";
    let done = until_used_again(&Scenario::new(Flavour::C, target, spec), 4)?;
    done.assert_true(&Expect::every(1))?;
    let ledger = &done.report.ledger;
    assert_eq!(ledger.sampled, done.totals.emitted);
    assert!(ledger.refused_full > 0, "slots must fill up: {ledger:?}");
    let told = |words: &str| done.agent.stderr.lines().filter(|line| line.contains(words)).count() as u64;
    // At once, and then every ten seconds at most.
    let most = 1 + done.totals.elapsed_ns / 10_000_000_000;
    assert!((1..=most).contains(&told("max_open_traces (--max-open-traces)")), "{}", done.agent.stderr);
    assert_eq!(told("--max-entries"), 0, "{}", done.agent.stderr);
    Ok(())
}

#[test]
fn vanished_records_give_their_slots_back() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::vanished_records_give_their_slots_back").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1).without_drop();
    spec.max_open = 16;
    let target = "--until-halt --records 0 --rate-per-second 20000 --workers 2 --queue 4 --reuse shared --drop-percent 30 \
                  --drop-mode silent";
    let done = until_used_again(&Scenario::new(Flavour::C, target, spec), 16)?;
    done.assert_true(&Expect::every(1).without_drop())?;
    let ledger = &done.report.ledger;
    assert!(ledger.superseded > 0, "{ledger:?}");
    Ok(())
}

/// Lets records flow until the agent has given each of so many slots back several times, as long as that takes.
fn until_used_again(scenario: &Scenario, slots: u64) -> Result<Done> {
    let mut running = scenario.start()?;
    running.pipeline.go()?;
    control::until_counted(running.agent.pid(), |counts| counts["admitted"].as_u64() >= Some(4 * slots))?;
    running.pipeline.halt()?;
    running.finish()
}

#[test]
fn a_trace_at_its_maximum_of_entries_is_flagged_and_keeps_its_end() -> Result<()> {
    if !stain_tests::tally::privileged(
        "overflow::a_trace_at_its_maximum_of_entries_is_flagged_and_keeps_its_end",
    )
    .open()
    {
        return Ok(());
    }
    for max_entries in [2, 3, 5] {
        let mut spec = specs::every(Flavour::C, 10);
        spec.max_entries = max_entries;
        let target = "--records 20000 --drop-percent 30 --reuse shared --truth-sample 10";
        let done = Scenario::new(Flavour::C, target, spec).run()?;
        done.assert_true(&Expect { max_entries: max_entries as usize, ..Expect::every(10) })?;
        let told =
            done.agent.stderr.lines().find(|line| line.contains("max_entries_per_trace (--max-entries)"));
        let bound = format!("their traces had {max_entries} entries already");
        assert!(told.is_some_and(|line| line.contains(&bound)), "{}", done.agent.stderr);
        let last_is_terminal = |last: &str| matches!(last, "W!" | "drop");
        assert!(
            done.report.traces.iter().all(|t| t.entries.last().is_some_and(|e| last_is_terminal(&e.stage)))
        );
    }
    Ok(())
}

/// The agent stands still, and the ring of notices runs full: each trace is found in its slot all the same.
#[test]
fn notices_that_find_no_room_lose_nothing() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::notices_that_find_no_room_lose_nothing").open() {
        return Ok(());
    }
    let target = "--records 15000 --workers 2 --drop-percent 30 --reuse shared";
    let mut running = Scenario::new(Flavour::C, target, specs::every(Flavour::C, 1)).start()?;
    running.agent.signal(Signal::STOP)?;
    running.pipeline.go()?;
    running.pipeline.totals(LONG)?;
    running.agent.signal(Signal::CONT)?;
    let (truth, attached) = (running.pipeline.truth()?, running.agent.stop(SHORT)?);
    let violations = journey::check(&attached.report, &truth, &Expect::every(1));
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), attached.report.summary);
    let ledger = &attached.report.ledger;
    assert_eq!((ledger.sampled, ledger.admitted, ledger.in_flight), (15_000, 15_000, 0));
    ensure!(attached.report.summary["ledger"]["notice_full"].as_u64() > Some(1000), "{ledger:?}");
    Ok(())
}

/// Each record is a source task of its own: those that find no room in the table are no records, and are counted.
#[test]
fn source_tasks_beyond_the_table_are_counted() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::source_tasks_beyond_the_table_are_counted").open() {
        return Ok(());
    }
    let (records, room) = (70_000, 65_536);
    let spec = specs::every(Flavour::C, 1).with("S0", "task = \"*(u64*)(arg0+24)\"\n");
    let spec = Spec { budget: 100, ..spec };
    let target = format!("--records {records} --workers 2 --reuse shared");
    let done = Scenario::new(Flavour::C, &target, spec).run()?;
    // All are the first of their task.
    let expect = Expect { sequence: Sequence::Process, ..Expect::every(1) };
    let violations = journey::check(&done.report, &done.truth, &expect);
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), done.report.summary);
    let ledger = &done.report.ledger;
    assert_eq!((ledger.records, ledger.sampled), (records, room), "{}", done.report.summary);
    assert_eq!(done.report.summary["ledger"]["tasks_full"], records - room);
    ensure!(done.agent.stderr.contains("Count by process"), "{}", done.agent.stderr);
    Ok(())
}

const CALLS: &str = r#"
[sampling]
rate = 1
max_traces_per_second = 0
max_open_traces = 65536
[[stage]]
code = "S0"
point = "descend"
key = "arg0"
[[stage]]
code = "W!"
point = "descend%return"
key = "arg0"
"#;

/// Each call of a recursion is a record, from its entry to its return: known apart by the stack, up to a depth that is fixed. The kernel lays no
/// more than 64 return trampolines in a thread; where `ret` instructions are probed, the outermost calls are forgotten when the
/// table is full. No return is taken for another's.
#[test]
fn calls_within_calls_are_told_apart_and_those_beyond_the_table_counted() -> Result<()> {
    if !stain_tests::tally::privileged(
        "overflow::calls_within_calls_are_told_apart_and_those_beyond_the_table_counted",
    )
    .open()
    {
        return Ok(());
    }
    // Whether the file can unwind, the depth, and how many returns of it are seen at least and at most.
    for (unwinds, depth, seen) in [
        (false, 64, 64..=64),
        (false, 1000, 64..=64),
        (true, 1000, 1000..=1000),
        (true, 10_000, 10_000..=10_000),
        (true, 40_000, 16_000..=39_000),
    ] {
        let _turn = turn()?;
        let folder = tempfile::tempdir()?;
        let mut target = Guarded::spawn(&mut Command::new(targets::deep_target(unwinds)?))?;
        let agent = Agent::attach(target.pid(), CALLS, &[], folder.path(), "agent")?;
        writeln!(target.stdin().context("no input")?, "{depth}")?;
        target.stdout().find(|line| line == format!("done {depth}"), SHORT)?;
        let report = agent.stop(SHORT)?.report;
        ensure!(seen.contains(&report.ledger.written), "{unwinds} {depth}: {}", report.summary);
        assert_calls(&report, depth)?;
        target.close_stdin();
        ensure!(target.wait(SHORT)?.status.success(), "the target was harmed");
    }
    Ok(())
}

fn assert_calls(report: &Report, depth: u64) -> Result<()> {
    let wrong = ledger::check(report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    let unseen = report.summary["ledger"]["entry_unseen"].as_u64().context("no count")?;
    assert_eq!((report.ledger.admitted, report.ledger.in_flight), (depth, depth - report.ledger.written));
    assert_eq!((report.hits("S0"), report.hits("W!")), (depth, report.ledger.written + unseen));
    // The inner call within the outer one, whose argument is greater.
    let mut calls: Vec<_> = report.traces.iter().map(|trace| (trace.key(), trace)).collect();
    calls.sort_unstable_by_key(|(key, _)| *key);
    for pair in calls.windows(2) {
        let [(_, inner), (_, outer)] = pair else { continue };
        let (Some(end), Some(outer_end)) = (inner.entries.last(), outer.entries.last()) else { continue };
        let nested = outer.start_ns <= inner.start_ns && end.ts_ns <= outer_end.ts_ns;
        ensure!(nested && inner.entries.len() == 2, "{inner:?} {outer:?}");
    }
    Ok(())
}

#[test]
fn traces_past_their_time_to_live_expire() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::traces_past_their_time_to_live_expire").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1);
    spec.ttl = "1s";
    // 400 records wait for one worker of 10 ms each: the last ones for at least 4 s.
    let target = "--records 400 --work 10000000 --workers 1 --reuse shared";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect { may_expire: true, ..Expect::every(1) })?;
    let ledger = &done.report.ledger;
    assert!(ledger.expired > 100 && ledger.written > 0, "{ledger:?}");
    Ok(())
}

/// The same for a stage: what waits in the queue for too long expires, long before the trace's own time.
#[test]
fn traces_past_the_time_to_live_of_a_stage_expire_there() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::traces_past_the_time_to_live_of_a_stage_expire_there")
        .open()
    {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1).with("Q+", "ttl = \"1s\"\n");
    spec.ttl = "300s";
    let target = "--records 400 --work 10000000 --workers 1 --reuse shared";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect { may_expire: true, ..Expect::every(1) })?;
    let ledger = &done.report.ledger;
    assert!(ledger.expired > 100 && ledger.written > 0, "{ledger:?}");
    let expired = done.report.traces.iter().filter(|trace| trace.outcome == "expired");
    for trace in expired {
        let put = trace.entries.iter().position(|entry| entry.stage == "Q+").context("no Q+")?;
        // At the very moment of its end a record may come to its next stage, too late.
        let is_overdue = |next: &Entry| next.ts_ns >= trace.entries[put].ts_ns + 1_000_000_000;
        ensure!(trace.entries.get(put + 1).is_none_or(is_overdue), "{trace:?}");
    }
    Ok(())
}
