//! A running target of the micro-benchmarks (`tests/targets/bench/bench.c`).
//!
//! Owns: a copy of its file for each process, so that the probes of one are no work for the others, and its commands.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use profiler_user::symbol::{DebugRoots, FileOffset, Module};
use stain_tests::child::Guarded;
use stain_tests::targets;
use tempfile::TempDir;

use crate::machine;

/// For any single command.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that waits for commands, pinned to the last CPU.
pub(crate) struct Micro {
    process: Guarded,
    path: PathBuf,
    module: Module,
    _folder: TempDir,
}

/// A function that starts with a given instruction.
pub(crate) struct Op {
    /// Its name.
    pub(crate) function: String,
    /// The instruction.
    pub(crate) instruction: String,
}

impl Micro {
    /// Starts one; `protected`: with an `endbr64` at each compiled function's entry.
    pub(crate) fn start(protected: bool) -> Result<Self> {
        let binary = targets::bench_target(protected)?;
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(binary.parent().context("the target has no folder")?)?;
        let path = folder.path().join("target");
        std::fs::copy(&binary, &path)?;
        let module = Module::open(&path, &DebugRoots::none())?;
        let cpu = machine::cpus().saturating_sub(1);
        let mut process = Guarded::spawn(Command::new(&path).arg(cpu.to_string()))?;
        process.stdout().find(|line| line.starts_with("ready"), LIMIT)?;
        Ok(Self { process, path, module, _folder: folder })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a function starts in the file.
    pub(crate) fn offset(&self, function: &str) -> Result<FileOffset> {
        let found = self.module.functions.iter().find(|f| f.symbol == function);
        let found = found.with_context(|| format!("the target has no function {function}"))?;
        self.module.file_offset(found.address).context("a function outside of the file")
    }

    /// Nanoseconds of one call of a function, from as many calls as fit into a round.
    pub(crate) fn cost(&mut self, function: &str) -> Result<f64> {
        let count = fitting(self.call(function, 100)?);
        self.call(function, count)
    }

    /// Nanoseconds of one record through six stages, likewise.
    pub(crate) fn record_cost(&mut self) -> Result<f64> {
        let count = fitting(self.record(100)?);
        self.record(count)
    }

    /// Nanoseconds of one call of a function.
    pub(crate) fn call(&mut self, function: &str, count: u64) -> Result<f64> {
        self.each(&format!("call {function} {count}"), count)
    }

    /// Nanoseconds of one record through six stages.
    pub(crate) fn record(&mut self, count: u64) -> Result<f64> {
        self.each(&format!("record {count}"), count)
    }

    /// Nanoseconds of one round trip between two threads.
    pub(crate) fn pingpong(&mut self, count: u64) -> Result<f64> {
        self.each(&format!("pingpong {count}"), count)
    }

    /// Lets a record enter that never leaves.
    pub(crate) fn hold(&mut self) -> Result<()> {
        self.each("hold", 1).map(drop)
    }

    /// The functions that start with a given instruction, and the distance of the sites in `many`, in bytes.
    pub(crate) fn ops(&mut self) -> Result<(Vec<Op>, u64)> {
        self.say("list")?;
        let mut ops = Vec::new();
        loop {
            let line = self.process.stdout().find(|_| true, LIMIT)?;
            let (function, text) = line.split_once('\t').context("a line without a tab")?;
            if function == "many" {
                let distance = text.parse()?;
                self.process.stdout().find(|line| line == ".", LIMIT)?;
                return Ok((ops, distance));
            }
            ops.push(Op { function: function.to_owned(), instruction: text.to_owned() });
        }
    }

    fn each(&mut self, command: &str, count: u64) -> Result<f64> {
        self.say(command)?;
        let total_ns: u64 = self.process.stdout().find(|_| true, LIMIT)?.parse()?;
        Ok(total_ns as f64 / count as f64)
    }

    fn say(&mut self, command: &str) -> Result<()> {
        Ok(writeln!(self.process.stdin().context("the target has no input")?, "{command}")?)
    }
}

/// How many of what takes so long fit into a round: some milliseconds, short against what else may happen on the machine.
fn fitting(each_ns: f64) -> u64 {
    const ROUND_NS: f64 = 12e6;
    (ROUND_NS / each_ns.max(1.0)).clamp(200.0, 2e6) as u64
}
