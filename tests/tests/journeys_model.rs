//! Random scripts: what is reported must be what a simple model of the rules says.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use stain_tests::expected::{self, Expected};
use stain_tests::model::{Bounds, Mix, Model, Step, script, spec};
use stain_tests::run::Running;
use stain_tests::targets::Flavour;

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
        ensure!(violations.is_empty(), "{what}: {}\n{}", expected::show(&violations), done.report.summary);
        Ok(())
    }
}

#[test]
fn random_scripts_agree_with_the_model() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::random_scripts_agree_with_the_model").open() {
        return Ok(());
    }
    for seed in 0..12 {
        let mix = Mix::ALL[seed as usize % Mix::ALL.len()];
        let (flavour, rate) = if seed % 2 == 0 { (Flavour::CProtected, 1) } else { (Flavour::C, 3) };
        let what = format!("seed {seed}, {mix:?}, one in {rate}");
        play(seed, 10_000, mix, Bounds::wide(rate))?.assert_agrees(flavour, &what)?;
    }
    Ok(())
}

#[test]
fn at_every_bound_the_model_agrees_still() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::at_every_bound_the_model_agrees_still").open() {
        return Ok(());
    }
    for seed in 100..108 {
        let mix = Mix::ALL[seed as usize % Mix::ALL.len()];
        let bounds = Bounds { rate: 1 + seed % 2, keys: 2, branches: 2, members: 3 };
        play(seed, 10_000, mix, bounds)?
            .assert_agrees(Flavour::CProtected, &format!("seed {seed}, {mix:?}"))?;
    }
    Ok(())
}
