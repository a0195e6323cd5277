//! The product as a user runs it.
//!
//! Owns: starting and stopping `stain attach`, and what it used while it ran, read from outside.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use stain_tests::child::Guarded;
use stain_tests::stain;

/// For all that takes a moment.
const LIMIT: Duration = Duration::from_secs(30);

/// A `stain attach` that runs.
pub(crate) struct Attached {
    process: Guarded,
}

impl Attached {
    /// Attaches, and waits until all probes are set.
    pub(crate) fn start(pid: u32, spec: &str, folder: &Path, arguments: &[&str]) -> Result<Self> {
        let file = folder.join("spec.toml");
        std::fs::write(&file, spec)?;
        let mut command = Command::new(stain::binary()?);
        command.args(["attach", "--pid", &pid.to_string(), "--spec"]).arg(&file).args(arguments);
        let mut process = Guarded::spawn(&mut command)?;
        process.stderr().find(|line| line.starts_with("attached"), LIMIT).context("stain attach")?;
        Ok(Self { process })
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Result<()> {
        self.process.signal(Signal::INT)?;
        let ended = self.process.wait(LIMIT)?;
        ensure!(ended.status.success(), "stain attach failed: {}", ended.stderr);
        Ok(())
    }

    /// Processor time of all its threads so far, ns.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        cpu_ns(self.process.pid())
    }

    /// Its largest resident memory so far, bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        peak_bytes(self.process.pid())
    }
}

/// Processor time of all threads of a process so far, ns.
pub(crate) fn cpu_ns(pid: u32) -> Result<u64> {
    let mut clock = 0;
    // SAFETY: the call writes one clock id to the address it is given.
    let error = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &mut clock) };
    ensure!(error == 0, "process {pid} has ended");
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to the address it is given.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        bail!("the clock of process {pid} cannot be read: {}", std::io::Error::last_os_error());
    }
    Ok(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// The largest resident memory of a process so far, bytes.
pub(crate) fn peak_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.split_whitespace().next().context("an empty VmHWM")?.parse()?;
    Ok(kib << 10)
}
