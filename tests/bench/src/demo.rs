//! The demo's pipeline as a process, at full speed.
//!
//! Owns: its command line, its go and its totals.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use profiler_user::demo::SUBCOMMAND;
use serde_json::Value;
use stain_tests::child::Guarded;
use stain_tests::stain;

/// For start and end.
const LIMIT: Duration = Duration::from_secs(30);

/// A pipeline that waits for its go.
pub(crate) struct Demo {
    process: Guarded,
}

impl Demo {
    /// Starts one that will run for so long.
    pub(crate) fn start(seconds: u64) -> Result<Self> {
        let mut command = Command::new(stain::binary()?);
        command.args([SUBCOMMAND, "--full-speed", "--wait", "--seconds", &seconds.to_string()]);
        let mut process = Guarded::spawn(&mut command)?;
        process.stdout().find(|line| line == "ready", LIMIT).context("the demo's pipeline")?;
        Ok(Self { process })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Lets it run, and waits for its end.
    pub(crate) fn records_per_second(mut self) -> Result<f64> {
        writeln!(self.process.stdin().context("it has no input")?)?;
        let line = self.process.stdout().find(|line| line.starts_with('{'), LIMIT)?;
        let totals: Value = serde_json::from_str(&line)?;
        self.process.wait(LIMIT)?;
        totals.get("records_per_second").and_then(Value::as_f64).context("its totals have no rate")
    }
}
