//! bpftrace counting calls of the same functions: what one would use otherwise.
//!
//! Owns: starting it and knowing when its probes are set. It stops when dropped.

use std::path::Path;
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
    pub(crate) fn count(pid: u32, path: &Path, functions: &[impl AsRef<str>]) -> Result<Self> {
        version()?;
        let point = |function: &str| format!("uprobe:{}:\"{function}\"", path.display());
        let points: Vec<String> = functions.iter().map(|function| point(function.as_ref())).collect();
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

/// What it said before it ended.
fn errors(mut process: Guarded) -> String {
    let end = process.stderr().find(|_| false, Duration::from_secs(1));
    end.err().map_or_else(String::new, |error| error.to_string())
}
