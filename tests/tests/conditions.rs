//! Conditions and levels: which hits count, to the last one.

use anyhow::{Result, ensure};
use stain_tests::journey::{self, Expect};
use stain_tests::run::{Done, Scenario};
use stain_tests::specs::{self, Spec, stage};
use stain_tests::targets::Flavour;
use stain_tests::truth::{Row, S0, WRITTEN};

const RATE: u64 = 7;
const PUT: u32 = 2;
const ENTER: u32 = 4;
const DONE: u32 = 5;

fn run(spec: Spec, target: &str, attach: &[&str]) -> Result<Done> {
    let mut scenario = Scenario::new(Flavour::C, &format!("--truth-sample {RATE} {target}"), spec);
    scenario.attach = attach.iter().map(|argument| (*argument).to_owned()).collect();
    scenario.run()
}

/// Every journey is the one that the target logged, had it made only these calls.
fn assert_only(done: &Done, expect: &Expect, keep: impl Fn(&Row) -> bool) -> Result<()> {
    let violations = journey::check(&done.report, &done.truth.only(keep), expect);
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), done.report.summary);
    Ok(())
}

fn of_stage<'a>(done: &'a Done, code: &str) -> &'a serde_json::Value {
    let stages = done.report.summary["stages"].as_array().into_iter().flatten();
    stages.into_iter().find(|row| row["stage"] == code).unwrap_or(&serde_json::Value::Null)
}

#[test]
fn only_hits_that_fulfil_the_condition_count() -> Result<()> {
    if !stain_tests::tally::privileged("conditions::only_hits_that_fulfil_the_condition_count").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, RATE)
        .with("S0", "when = \"*(u32*)(arg1) == 0\"\n")
        .with("Q+", "when = \"(*(u64*)(arg1+8) & 1) == 0 and arg0 != 0\"\n")
        .with(
            "T-",
            "when = \"(*(u64*)(arg1+16) == 0 or arg0 == 0) and (*(i64*)(arg1+8) < 3000 || *(u64*)(arg1+8) >= 0x2000)\"\n",
        );
    // At the return, by arguments that only the entry has.
    for sink in spec.stages.iter_mut().filter(|stage| stage.code == "W!") {
        sink.point = "sink_done%return";
        sink.more = "when = \"arg0 != 0 and *(u64*)(arg1+8) > 0\"\n";
    }
    let done = run(spec, "--records 20000 --sources 2 --workers 2 --drop-percent 30 --reuse shared", &[])?;
    let first = |row: &Row| row.source == 0;
    assert_only(&done, &Expect::every(RATE), |row| {
        first(row)
            && (row.stage != PUT || row.seq % 2 == 0)
            && (row.stage != DONE || row.seq < 3000 || row.seq >= 0x2000)
    })?;
    assert_eq!(done.report.ledger.records, 20_000);
    assert_eq!(done.report.ledger.in_flight, 0);
    assert_eq!((of_stage(&done, "S0")["hits"].as_u64(), done.totals.emitted), (Some(40_000), 40_000));
    ensure!(
        done.truth.only(|row| first(row) && row.stage == WRITTEN).records().count() > 1000,
        "few were written"
    );
    Ok(())
}

#[test]
fn what_a_condition_cannot_read_is_counted_and_does_not_count() -> Result<()> {
    if !stain_tests::tally::privileged(
        "conditions::what_a_condition_cannot_read_is_counted_and_does_not_count",
    )
    .open()
    {
        return Ok(());
    }
    let target = "--records 20000 --fault-keys --reuse shared";
    for (when, unreadable) in [
        ("when = \"*(u64*)(arg1+8) != 0\"\n", true),
        ("when = \"arg1 == 1 and *(u64*)(arg1+8) != 0\"\n", false),
    ] {
        let done = run(specs::every(Flavour::C, RATE).with("T+", when), target, &[])?;
        assert_only(&done, &Expect::every(RATE), |row| unreadable || row.stage != ENTER)?;
        ensure!(done.totals.bogus > 100, "{:?}", done.totals);
        let counted = of_stage(&done, "T+")["key_unreadable"].as_u64();
        assert_eq!(counted, Some(if unreadable { done.totals.bogus } else { 0 }), "{when}");
    }
    Ok(())
}

#[test]
fn a_stage_below_the_level_is_not_probed() -> Result<()> {
    if !stain_tests::tally::privileged("conditions::a_stage_below_the_level_is_not_probed").open() {
        return Ok(());
    }
    let target = "--records 7000 --reuse shared";
    for (level, probed) in [("info", false), ("debug", true), ("trace", true)] {
        let spec = specs::every(Flavour::C, RATE).with("T+", "level = \"debug\"\n");
        let done = run(spec, target, &["--level", level])?;
        assert_only(&done, &Expect::every(RATE), |row| probed || row.stage != ENTER)?;
        let row = of_stage(&done, "T+");
        assert_eq!((row["sites"].as_u64(), row["hits"] != 0), (Some(u64::from(probed)), probed), "{level}");
    }
    Ok(())
}

#[test]
fn one_function_can_be_two_stages() -> Result<()> {
    if !stain_tests::tally::privileged("conditions::one_function_can_be_two_stages").open() {
        return Ok(());
    }
    // What is written and what is not, told apart by the record itself: two probes at one instruction.
    let mut spec = specs::every(Flavour::C, RATE).with("W!", "when = \"(*(u64*)(arg1+8) & 1) == 0\"\n");
    spec.stages.push(specs::Stage {
        more: "when = \"(*(u64*)(arg1+8) & 1) != 0\"\noutcome = \"error_routed\"\n",
        ..stage("drop", "sink_done", "arg1")
    });
    let done = run(spec, "--records 20000 --sources 2 --workers 2 --reuse shared", &[])?;
    let ledger = &done.report.ledger;
    assert_eq!((ledger.filtered, ledger.outcomes.len()), (0, 1));
    assert_eq!(ledger.written + ledger.outcomes["error_routed"], ledger.sampled);
    assert!(stain_tests::ledger::check(&done.report).is_empty());
    assert_eq!(done.report.ledger.in_flight, 0);
    assert_eq!(done.report.ledger.sampled, 2 * (20_000 / RATE));
    for trace in &done.report.traces {
        let (outcome, last) =
            if trace.sequence % 2 == 0 { ("written", "W!") } else { ("error_routed", "drop") };
        assert_eq!(trace.outcome, outcome);
        let stages: Vec<&str> = trace.entries.iter().map(|entry| entry.stage.as_str()).collect();
        assert_eq!(stages, ["S0", "Q+", "Q-", "T+", "T-", last]);
    }
    assert_eq!(done.truth.only(|row| row.stage == S0).records().count() as u64, done.report.ledger.sampled);
    Ok(())
}
