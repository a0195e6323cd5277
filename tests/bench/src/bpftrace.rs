//! bpftrace counting calls of the same functions: what one would use otherwise.
//!
//! Owns: starting it and knowing when its probes are set. It stops when dropped.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stain_tests::child::Guarded;
use stain_tests::code;

/// From start to the last probe; it compiles its program with LLVM.
const LIMIT: Duration = Duration::from_secs(30);

/// A bpftrace that counts.
pub(crate) struct Bpftrace {
    _process: Guarded,
}

/// Its version, or that it is not here.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("bpftrace").arg("--version").output();
    let output = output.context("bpftrace is not installed (`cargo xtask setup bench` installs it)")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Bpftrace {
    /// Counts all calls of some functions of a process, in one number.
    pub(crate) fn count<'f>(
        pid: u32,
        path: &std::path::Path,
        functions: impl Iterator<Item = &'f str>,
    ) -> Result<Self> {
        version()?;
        let points: Vec<String> =
            functions.map(|function| format!("uprobe:{}:{function}", path.display())).collect();
        let program = format!("{} {{ @ = count(); }}", points.join(","));
        let mut process =
            Guarded::spawn(Command::new("bpftrace").args(["-e", &program, "-p", &pid.to_string()]))?;
        let deadline = Instant::now() + LIMIT;
        while code::differences(pid, path)?.len() < points.len() {
            ensure!(process.is_running()?, "bpftrace does not run here: {}", errors(process));
            ensure!(Instant::now() < deadline, "bpftrace did not set its probes within {LIMIT:?}");
            std::thread::yield_now();
        }
        Ok(Self { _process: process })
    }
}

fn errors(process: Guarded) -> String {
    process.wait(LIMIT).map_or_else(|error| error.to_string(), |ended| ended.stderr)
}
