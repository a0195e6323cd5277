//! Bounds that are met: what does not fit is refused and counted, what runs goes on, and the laws hold.

use anyhow::Result;
use stain_tests::journey::Expect;
use stain_tests::run::{Done, Scenario};
use stain_tests::targets::Flavour;
use stain_tests::{control, specs};

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
