//! The demo's pipeline as a process, at full speed.
//!
//! Owns: its command line, its go, its totals, and the processor time that it took.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
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
    pub(crate) fn run(mut self) -> Result<Ran> {
        writeln!(self.process.stdin().context("it has no input")?)?;
        let line = self.process.stdout().find(|line| line.starts_with('{'), LIMIT)?;
        let totals: Value = serde_json::from_str(&line)?;
        let total = |name: &str| totals.get(name).and_then(Value::as_f64).context("its totals lack a number");
        let before_ns = ended_children_ns()?;
        self.process.wait(LIMIT)?;
        let cpu_ns = ended_children_ns()? - before_ns;
        Ok(Ran { records_per_second: total("records_per_second")?, cpu_ns: cpu_ns / total("emitted")? })
    }
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) records_per_second: f64,
    /// Processor time of the pipeline for one record.
    pub(crate) cpu_ns: f64,
}

/// Processor time of all children that have been waited for.
fn ended_children_ns() -> Result<f64> {
    // SAFETY: all zero is a value of this struct of integers, and the call below fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes one `rusage` to the address it is given.
    let result = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    ensure!(result == 0, "there is no account of processor time");
    let ns = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    Ok(ns(usage.ru_utime) + ns(usage.ru_stime))
}
