//! Bounds that are met: what does not fit is refused and counted, what runs goes on, and the laws hold.

use anyhow::Result;
use stain_tests::journey::Expect;
use stain_tests::run::Scenario;
use stain_tests::specs;
use stain_tests::targets::Flavour;

#[test]
fn traces_beyond_max_open_are_refused_and_counted() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::traces_beyond_max_open_are_refused_and_counted").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1);
    spec.max_open = 4;
    let target = "--records 20000 --work 20000 --workers 2 --queue 256 --reuse shared --drop-percent 30";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect::every(1))?;
    let ledger = &done.report.ledger;
    assert_eq!(ledger.sampled, 20_000);
    assert!(
        ledger.refused_full > 0 && ledger.admitted > 4,
        "slots must fill up and be used again: {ledger:?}"
    );
    let told = |words: &str| done.agent.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!(
        (told("max_open_traces (--max-open-traces)"), told("--max-entries")),
        (1, 0),
        "{}",
        done.agent.stderr
    );
    Ok(())
}

#[test]
fn vanished_records_give_their_slots_back() -> Result<()> {
    if !stain_tests::tally::privileged("overflow::vanished_records_give_their_slots_back").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 1).without_drop();
    spec.max_open = 16;
    // Paced: at full speed the last record may be through before the agent has given a slot back twice.
    let target = "--records 20000 --rate-per-second 20000 --workers 2 --queue 4 --reuse shared --drop-percent 30 \
                  --drop-mode silent";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect::every(1).without_drop())?;
    let ledger = &done.report.ledger;
    assert!(ledger.superseded > 0 && ledger.admitted > 16, "slots must be used again: {ledger:?}");
    Ok(())
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
    // 400 records wait for one worker of 10 ms each: the last ones for 4 s.
    let target = "--records 400 --work 10000000 --workers 1 --reuse shared";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect { may_expire: true, ..Expect::every(1) })?;
    let ledger = &done.report.ledger;
    assert!(ledger.expired > 100 && ledger.written > 50, "{ledger:?}");
    Ok(())
}
