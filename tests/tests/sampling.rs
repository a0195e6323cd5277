//! Which records are sampled: exactly the rate-th, twice the rate-th, ... of each source.

use std::collections::BTreeMap;

use anyhow::Result;
use stain_tests::journey::{Expect, Sequence};
use stain_tests::run::{Done, Scenario};
use stain_tests::specs;
use stain_tests::targets::Flavour;

/// The sampled numbers of each source thread.
fn sampled(done: &Done) -> BTreeMap<u32, Vec<u64>> {
    let mut numbers: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for trace in &done.report.traces {
        let tid = trace.entries.first().map_or(0, |entry| entry.tid);
        numbers.entry(tid).or_default().push(trace.sequence);
    }
    numbers.values_mut().for_each(|list| list.sort_unstable());
    numbers
}

fn multiples(rate: u64, up_to: u64) -> Vec<u64> {
    (1..=up_to / rate).map(|n| n * rate).collect()
}

#[test]
fn one_source_gives_floor_of_n_over_r() -> Result<()> {
    if !stain_tests::tally::privileged("sampling::one_source_gives_floor_of_n_over_r").open() {
        return Ok(());
    }
    for (records, rate) in [(9_999, 1_000), (10_000, 1_000), (10_007, 7), (500, 1), (99, 100)] {
        let target = format!("--records {records} --reuse shared");
        let done = Scenario::new(Flavour::C, &target, specs::every(Flavour::C, rate)).run()?;
        done.assert_true(&Expect::every(rate))?;
        assert_eq!(done.report.ledger.sampled, records / rate, "{records} records at 1 in {rate}");
        let expected = multiples(rate, records);
        assert_eq!(sampled(&done).into_values().next().unwrap_or_default(), expected);
    }
    Ok(())
}

#[test]
fn each_source_thread_has_its_own_sequence() -> Result<()> {
    if !stain_tests::tally::privileged("sampling::each_source_thread_has_its_own_sequence").open() {
        return Ok(());
    }
    let target = "--records 20011 --sources 4 --workers 3 --reuse shared";
    let done = Scenario::new(Flavour::C, target, specs::every(Flavour::C, 100)).run()?;
    done.assert_true(&Expect::every(100))?;
    assert_eq!(done.report.ledger.sampled, 4 * 200);
    let numbers = sampled(&done);
    assert_eq!(numbers.len(), 4);
    for source in &done.totals.sources {
        assert_eq!(numbers.get(&source.tid), Some(&multiples(100, 20_011)), "source {}", source.source);
    }
    Ok(())
}

#[test]
fn a_process_wide_sequence_counts_all_sources_as_one() -> Result<()> {
    if !stain_tests::tally::privileged("sampling::a_process_wide_sequence_counts_all_sources_as_one").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 100);
    spec.sequence = "process";
    let done = Scenario::new(Flavour::C, "--records 20011 --sources 3 --reuse shared", spec).run()?;
    done.assert_true(&Expect { sequence: Sequence::Process, ..Expect::every(100) })?;
    let mut numbers: Vec<_> = done.report.traces.iter().map(|trace| trace.sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, multiples(100, 3 * 20_011));
    Ok(())
}

#[test]
fn rate_flag_overrides_the_spec_and_0_samples_nothing() -> Result<()> {
    if !stain_tests::tally::privileged("sampling::rate_flag_overrides_the_spec_and_0_samples_nothing").open()
    {
        return Ok(());
    }
    for (flag, sampled) in [("50", 200), ("0", 0)] {
        let mut scenario = Scenario::new(Flavour::C, "--records 10000", specs::every(Flavour::C, 1000));
        scenario.attach = vec!["--rate".to_owned(), flag.to_owned()];
        let done = scenario.run()?;
        assert_eq!(done.report.ledger.sampled, sampled, "--rate {flag}");
        assert_eq!(done.report.traces.len() as u64, sampled);
    }
    Ok(())
}

#[test]
fn attaching_to_flowing_records_samples_every_rth_from_there() -> Result<()> {
    if !stain_tests::tally::privileged("sampling::attaching_to_flowing_records_samples_every_rth_from_there")
        .open()
    {
        return Ok(());
    }
    use stain_tests::control;
    use stain_tests::pipeline::Pipeline;
    use stain_tests::run::{LONG, SHORT, turn};
    use stain_tests::stain::Agent;

    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let arguments = [
        "--until-halt",
        "--records",
        "0",
        "--rate-per-second",
        "20000",
        "--sources",
        "2",
        "--reuse",
        "owner",
    ];
    let mut pipeline = Pipeline::start(Flavour::CProtected, &arguments, folder.path())?;
    pipeline.go()?;
    let spec = specs::every(Flavour::CProtected, 37).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &[], folder.path(), "late")?;
    control::until_written(agent.pid(), 1000)?;
    pipeline.halt()?;
    let totals = pipeline.totals(LONG)?;
    let attached = agent.stop(SHORT)?;
    let done = Done { totals, truth: pipeline.truth()?, report: attached.report, agent: attached.ended };
    assert!(done.report.traces.len() >= 1000, "{}", done.report.summary);
    done.assert_true(&Expect { sequence: Sequence::Late, ..Expect::every(37) })
}
