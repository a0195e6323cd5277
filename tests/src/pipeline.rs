//! A running target pipeline.
//!
//! Owns: its command line, its go signal, its totals and its truth log. Refuses: knowing of the agent.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde::Deserialize;

use crate::child::{Ended, Guarded};
use crate::targets::Flavour;
use crate::truth::Truth;

/// What the pipeline counted itself. All are counts of records.
#[derive(Clone, Debug, Deserialize)]
pub struct Totals {
    /// Emitted by all sources.
    pub emitted: u64,
    /// Dropped in any way.
    pub dropped: u64,
    /// Written by the sink.
    pub written: u64,
    /// Calls of a stage function with a pointer that nobody can read.
    pub bogus: u64,
    /// From the go to the last record, ns.
    pub elapsed_ns: u64,
    /// The same of each source.
    pub sources: Vec<SourceTotals>,
}

/// What one source thread counted.
#[derive(Clone, Debug, Deserialize)]
pub struct SourceTotals {
    /// Its number.
    pub source: u32,
    /// Its thread id.
    pub tid: u32,
    /// Records emitted.
    pub emitted: u64,
    /// Of these, dropped.
    pub dropped: u64,
    /// Of these, written.
    pub written: u64,
}

impl Totals {
    /// How many records a rate takes out of each source's sequence, in sum.
    #[must_use]
    pub fn sampled_per_task(&self, rate: u64) -> u64 {
        self.sources.iter().map(|source| source.emitted / rate).sum()
    }
}

/// A pipeline that waits for its go, or runs. It lingers after its last record until [`Pipeline::finish`].
#[derive(Debug)]
pub struct Pipeline {
    process: Guarded,
    binary: PathBuf,
    truth: PathBuf,
}

impl Pipeline {
    /// Starts a pipeline with its truth log in `folder`. All its threads are there when this returns.
    pub fn start(flavour: Flavour, arguments: &[&str], folder: &Path) -> Result<Self> {
        Self::start_binary(flavour.binary()?, arguments, folder)
    }

    /// As [`Pipeline::start`], with a binary of the caller's.
    pub fn start_binary(binary: PathBuf, arguments: &[&str], folder: &Path) -> Result<Self> {
        Self::start_command(Command::new(&binary), binary, arguments, folder)
    }

    /// As [`Pipeline::start_binary`], by a command that becomes `binary` when the pipeline's arguments are added.
    pub fn start_command(
        mut command: Command,
        binary: PathBuf,
        arguments: &[&str],
        folder: &Path,
    ) -> Result<Self> {
        let truth = folder.join("truth");
        command.args(["--wait-for-go", "--linger", "--truth"]).arg(&truth).args(arguments);
        let mut process = Guarded::spawn(&mut command)?;
        process
            .stdout()
            .find(|line| line.starts_with("ready "), Duration::from_secs(20))
            .context("the pipeline")?;
        Ok(Self { process, binary, truth })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its executable.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Lets the sources start.
    pub fn go(&mut self) -> Result<()> {
        Ok(self.process.stdin().context("the pipeline's input is closed")?.write_all(b"\n")?)
    }

    /// Lets the sources of a pipeline with `--until-halt` stop.
    pub fn halt(&mut self) -> Result<()> {
        self.go()
    }

    /// Waits until it stands still, for its go on.
    pub fn comes_to_halt(&mut self, limit: Duration) -> Result<()> {
        self.process.stdout().find(|line| line == "halt", limit).context("the pipeline's halt").map(drop)
    }

    /// Waits for the last record.
    pub fn totals(&mut self, limit: Duration) -> Result<Totals> {
        let line = self
            .process
            .stdout()
            .find(|line| line.starts_with('{'), limit)
            .context("the pipeline's totals")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Ends the lingering: the pipeline exits by itself when its last record is through.
    pub fn release(&mut self) {
        self.process.close_stdin();
    }

    /// Ends the lingering, and waits for the process's end.
    pub fn finish(mut self, limit: Duration) -> Result<Ended> {
        self.release();
        self.process.wait(limit)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.is_running()
    }

    /// What it has logged so far.
    pub fn truth(&self) -> Result<Truth> {
        Truth::read(&self.truth)
    }

    /// Where it logs.
    #[must_use]
    pub fn truth_path(&self) -> &Path {
        &self.truth
    }
}
