//! A whole run: pipeline started, agent attached, go, last record, agent stopped, everything collected.
//!
//! Owns: the order of these steps, the folder they leave their files in, and that only one traced run uses the machine
//! at a time. Refuses: judging the result, but for the one assertion that every run shares.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::child::Ended;
use crate::expected::{self, Expected};
use crate::flow::Flow;
use crate::journey::{self, Expect, Sequence};
use crate::pipeline::{Pipeline, Totals};
use crate::report::Report;
use crate::specs::Spec;
use crate::stain::{Agent, Attached};
use crate::targets::Flavour;
use crate::truth::Truth;

/// For everything that takes a moment.
pub const SHORT: Duration = Duration::from_secs(20);
/// For a pipeline's whole run.
pub const LONG: Duration = Duration::from_secs(240);

/// The right to use the machine; other tests, of other processes too, wait until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// Waits for the right to use the machine.
pub fn turn() -> Result<Turn> {
    let path = crate::targets::output_folder()?.join("turn.lock");
    let lock = File::options().create(true).append(true).open(&path)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(Turn { _lock: lock })
}

/// What to run. Its own words can be changed before [`Scenario::run`].
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The pipeline.
    pub flavour: Flavour,
    /// Its arguments.
    pub target: Vec<String>,
    /// What to trace.
    pub spec: Spec,
    /// More arguments of `stain attach`.
    pub attach: Vec<String>,
}

/// A pipeline that waits for its go, with an agent attached.
#[derive(Debug)]
pub struct Running {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The agent.
    pub agent: Agent,
    /// Where their files are.
    pub folder: TempDir,
    turn: Turn,
}

/// A pipeline whose agent has ended.
#[derive(Debug)]
pub struct Orphaned {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Where its files are.
    pub folder: TempDir,
    _turn: Turn,
}

/// Everything that a run left behind.
#[derive(Debug)]
pub struct Done {
    /// What the pipeline counted.
    pub totals: Totals,
    /// What the pipeline logged.
    pub truth: Truth,
    /// What the agent reported.
    pub report: Report,
    /// The agent's status and messages.
    pub agent: Ended,
}

impl Scenario {
    /// All of a flavour's stages at this rate; `target` is the pipeline's command line.
    #[must_use]
    pub fn new(flavour: Flavour, target: &str, spec: Spec) -> Self {
        let target = target.split_whitespace().map(str::to_owned).collect();
        Self { flavour, target, spec, attach: Vec::new() }
    }

    /// Starts the pipeline and attaches to it.
    pub fn start(&self) -> Result<Running> {
        Running::start(self.flavour.binary()?, &self.target, &self.spec.toml(), &self.attach)
    }

    /// The whole run.
    pub fn run(&self) -> Result<Done> {
        let mut running = self.start()?;
        running.pipeline.go()?;
        running.finish()
    }
}

impl Running {
    /// Starts a program with these arguments, and attaches to it with this spec and these arguments.
    pub fn start(binary: PathBuf, target: &[String], spec: &str, attach: &[String]) -> Result<Self> {
        let turn = turn()?;
        let folder = TempDir::new()?;
        let target: Vec<_> = target.iter().map(String::as_str).collect();
        let attach: Vec<_> = attach.iter().map(String::as_str).collect();
        let pipeline = Pipeline::start_binary(binary, &target, folder.path())?;
        let agent = Agent::attach(pipeline.pid(), spec, &attach, folder.path(), "agent")
            .with_context(|| format!("spec:\n{spec}"))?;
        Ok(Self { pipeline, agent, folder, turn })
    }

    /// Waits until the agent ends by itself, and keeps the pipeline.
    pub fn until_agent_ends(self, limit: Duration) -> Result<(Orphaned, Attached)> {
        let Self { pipeline, agent, folder, turn } = self;
        Ok((Orphaned { pipeline, folder, _turn: turn }, agent.finish(limit)?))
    }

    /// Waits for the agent's end, whatever it was, and keeps the pipeline.
    pub fn without_agent(self, limit: Duration) -> Result<Orphaned> {
        let Self { pipeline, agent, folder, turn } = self;
        agent.wait(limit)?;
        Ok(Orphaned { pipeline, folder, _turn: turn })
    }

    /// Waits for the last record, stops the agent, then lets the pipeline end.
    pub fn finish(mut self) -> Result<Done> {
        let totals = self.pipeline.totals(LONG)?;
        let attached = self.agent.stop(SHORT)?;
        let truth = self.pipeline.truth()?;
        let target = self.pipeline.finish(SHORT)?;
        ensure!(target.status.success(), "the pipeline was harmed: {} {}", target.status, target.stderr);
        drop(self.turn);
        Ok(Done { totals, truth, report: attached.report, agent: attached.ended })
    }
}

impl Flow {
    /// The whole run of a scenario of the journeys programs.
    pub fn run(&self) -> Result<Done> {
        let mut running = Running::start(self.binary()?, &self.arguments(), &self.toml(), &[])?;
        running.pipeline.go()?;
        running.finish()
    }
}

impl Done {
    /// Fails with the list of violations unless the report says all of this, and nothing else.
    pub fn assert_says(&self, expected: &Expected) -> Result<()> {
        let violations = expected::check(&self.report, expected);
        ensure!(violations.is_empty(), "{}\n{}", expected::show(&violations), self.report.summary);
        let (counted, emitted) = (self.report.ledger.records, self.totals.emitted);
        ensure!(counted == emitted, "{counted} records counted, {emitted} emitted");
        Ok(())
    }

    /// Fails with the list of violations unless every journey is true and every number adds up.
    pub fn assert_true(&self, expect: &Expect) -> Result<()> {
        let violations = journey::check(&self.report, &self.truth, expect);
        ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), self.report.summary);
        let (counted, emitted) = (self.report.ledger.records, self.totals.emitted);
        let from_the_first = expect.complete && expect.sequence != Sequence::Late;
        ensure!(counted == emitted || !from_the_first, "{counted} records counted, {emitted} emitted");
        Ok(())
    }
}
