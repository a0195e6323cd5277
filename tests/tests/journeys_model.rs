//! Random scripts: what is reported must be what a simple model of the rules says.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use stain_tests::expected::{self, Expected, Violation};
use stain_tests::model::{Bounds, Mix, Model, Step, script, spec};
use stain_tests::report::Trace;
use stain_tests::run::{Done, Running};
use stain_tests::targets::Flavour;
use stain_tests::truth::Row;

const THREADS: u32 = 4;

/// A script in a file, and what the model makes of it.
struct Play {
    steps: Vec<Step>,
    model: Model,
    bounds: Bounds,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn play(seed: u64, length: usize, mix: Mix, bounds: Bounds) -> Result<Play> {
    let mut model = Model::new(THREADS, bounds);
    let steps = script(seed, length, mix, &mut model);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script");
    std::fs::write(&file, Step::encode(&steps))?;
    Ok(Play { steps, model, bounds, _folder: folder, file })
}

impl Play {
    fn arguments(&self) -> Result<Vec<String>> {
        let file = self.file.to_str().context("an odd path")?.to_owned();
        Ok(vec!["--script".to_owned(), file])
    }

    /// Fails unless the report of a run says what the model says.
    fn assert_agrees(self, flavour: Flavour, what: &str) -> Result<()> {
        let mut running = Running::start(flavour.script()?, &self.arguments()?, &spec(&self.bounds), &[])?;
        running.pipeline.go()?;
        let done = running.finish()?;
        let expected: Expected = self.model.expected(&self.steps, &done.truth);
        let violations = expected::check(&done.report, &expected);
        let told = || format!("{}\n{}", expected::show(&violations), at_steps(&done, &violations));
        ensure!(violations.is_empty(), "{what}: {}\n{}", told(), done.report.summary);
        Ok(())
    }
}

/// At which steps, counted from 0, the stamps of the first few traces that are wrong were taken.
fn at_steps(done: &Done, violations: &[Violation]) -> String {
    let mut rows: Vec<&Row> = done.truth.records().flatten().collect();
    rows.sort_unstable_by_key(|row| row.before_ns);
    let step = |ts_ns: u64| rows.partition_point(|row| row.before_ns <= ts_ns).saturating_sub(1);
    let is_wrong = |trace: &&Trace| violations.iter().any(|v| v.of.contains(&trace.trace_id));
    let in_words = |trace: &Trace| {
        let at: Vec<_> =
            trace.entries.iter().map(|entry| format!("{}:{}", step(entry.ts_ns), entry.name)).collect();
        format!("  trace {} branch {:?}: {}", trace.trace_id, trace.branch, at.join(" "))
    };
    done.report.traces.iter().filter(is_wrong).take(8).map(in_words).collect::<Vec<_>>().join("\n")
}

/// Every script of a list; all that disagree are told.
fn assert_all_agree(scripts: impl Iterator<Item = (u64, Flavour, Bounds)>) -> Result<()> {
    let mut wrong = Vec::new();
    for (seed, flavour, bounds) in scripts {
        let mix = Mix::ALL[seed as usize % Mix::ALL.len()];
        let what = format!("seed {seed}, {mix:?}, {bounds:?}");
        if let Err(error) = play(seed, 10_000, mix, bounds)?.assert_agrees(flavour, &what) {
            wrong.push(format!("{error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn random_scripts_agree_with_the_model() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::random_scripts_agree_with_the_model").open() {
        return Ok(());
    }
    let flavours = [(Flavour::CProtected, 1), (Flavour::C, 3)];
    assert_all_agree((0..12).map(|seed| {
        let (flavour, rate) = flavours[seed as usize / 4 % 2];
        (seed, flavour, Bounds::wide(rate))
    }))
}

#[test]
fn at_every_bound_the_model_agrees_still() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::at_every_bound_the_model_agrees_still").open() {
        return Ok(());
    }
    assert_all_agree((100..108).map(|seed| {
        let bounds = Bounds { rate: 1 + seed % 2, keys: 2, branches: 2, members: 64 };
        (seed, Flavour::CProtected, bounds)
    }))
}
