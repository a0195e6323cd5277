//! The target pipelines by themselves, without an agent and without privileges: what they log is what they did.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use stain_tests::pipeline::{Pipeline, Totals};
use stain_tests::run::{LONG, SHORT};
use stain_tests::targets::Flavour;
use stain_tests::truth::{FREE, Fate, POP, Row, S0, SILENT, Truth, WRITTEN, fate};

fn run(flavour: Flavour, arguments: &str) -> Result<(Totals, Truth)> {
    let folder = tempfile::tempdir()?;
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let mut pipeline = Pipeline::start(flavour, &arguments, folder.path())?;
    pipeline.go()?;
    let totals = pipeline.totals(LONG)?;
    let truth = pipeline.truth()?;
    assert!(pipeline.finish(SHORT)?.status.success());
    Ok((totals, truth))
}

fn stages(calls: &[Row]) -> Vec<u32> {
    calls.iter().map(|row| row.stage).collect()
}

/// The journeys a record can have, but for the order of `pop`, whose place is its return.
fn is_a_journey(stages: &[u32], dropped: u32) -> bool {
    let calls: Vec<_> = stages.iter().copied().filter(|&stage| stage != POP).collect();
    calls == [S0, 2, 3, 4, 5, WRITTEN]
        || calls == [S0, dropped]
        || calls == [S0, 2, 3, 4, dropped]
        || calls == [S0, 2, 3, 4, 5, dropped]
}

fn check(totals: &Totals, truth: &Truth, dropped: u32) {
    let mut counts = [0; 4];
    for calls in truth.records() {
        assert!(is_a_journey(&stages(calls), dropped), "{calls:?}");
        assert!(calls.iter().all(|row| row.before_ns <= row.after_ns && !row.is_open()), "{calls:?}");
        assert!(calls.windows(2).all(|pair| pair[0].record == pair[1].record), "{calls:?}");
        match fate(calls) {
            Fate::Written => counts[0] += 1,
            Fate::Freed => counts[1] += 1,
            Fate::Silent => counts[2] += 1,
            Fate::Unfinished => counts[3] += 1,
        }
    }
    let [written, freed, silent, unfinished] = counts;
    assert_eq!((written, freed + silent, unfinished), (totals.written, totals.dropped, 0));
    assert_eq!(totals.emitted, totals.written + totals.dropped);
    assert_eq!(if dropped == FREE { silent } else { freed }, 0);
}

#[test]
fn every_flavour_logs_what_it_counts() -> Result<()> {
    for flavour in Flavour::NAMED {
        for (mode, dropped) in [("function", FREE), ("silent", SILENT)] {
            let arguments = format!(
                "--records 20000 --sources 2 --workers 3 --drop-percent 30 --drop-mode {mode} --reuse owner"
            );
            let (totals, truth) = run(flavour, &arguments)?;
            assert_eq!(totals.emitted, 40_000, "{flavour:?}");
            assert!((10_000..14_000).contains(&totals.dropped), "{totals:?}");
            check(&totals, &truth, dropped);
        }
    }
    Ok(())
}

#[test]
fn addresses_are_used_again_and_again() -> Result<()> {
    let (_, truth) = run(Flavour::C, "--records 50000 --reuse shared --drop-percent 30 --queue 64")?;
    let addresses: HashSet<_> =
        truth.records().filter_map(|calls| calls.first()).map(|row| row.record).collect();
    assert!(addresses.len() < 300, "{} addresses for 50000 records", addresses.len());
    Ok(())
}

#[test]
fn a_sampled_log_has_whole_records_of_the_chosen_numbers() -> Result<()> {
    let (totals, truth) =
        run(Flavour::Rust, "--records 10007 --sources 3 --truth-sample 100 --reuse shared")?;
    assert_eq!((truth.sample, truth.records().count() as u64), (100, totals.sampled_per_task(100)));
    assert!(truth.records().all(|calls| calls.len() == 7 && calls.iter().all(|row| row.seq % 100 == 0)));
    for source in &totals.sources {
        assert_eq!(truth.source_of(source.tid), Some(source.source));
    }
    Ok(())
}

#[test]
fn the_log_survives_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "0", "--crash-at", "5000"], folder.path())?;
    pipeline.go()?;
    let path = pipeline.truth_path().to_owned();
    let ended = pipeline.finish(Duration::from_secs(10))?;
    assert_eq!(ended.signal(), Some(11));
    let truth = Truth::read(&path)?;
    assert_eq!(truth.records().filter(|calls| calls.iter().any(|row| row.stage == S0)).count(), 5000);
    Ok(())
}
