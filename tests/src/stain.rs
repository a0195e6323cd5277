//! The `stain` program, run as a user runs it.
//!
//! Owns: finding the binary, attaching, stopping, and reading the report. Relies on the line `attached: ..` that `stain
//! attach` writes to its standard error when all probes are set.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::child::{Ended, Guarded};
use crate::report::Report;

/// How long attaching may take: symbols, verifier and probes, on a machine with other work.
const ATTACH_LIMIT: Duration = Duration::from_secs(120);

/// The binary: `$STAIN_BIN`, or the one that lies beside the running test, of the test's profile or of the other.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STAIN_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("the test does not lie in target/PROFILE/deps")?;
    let target = profile.parent().context("no target folder")?;
    let places = [
        test.with_file_name("stain"),
        profile.join("stain"),
        target.join("release/stain"),
        target.join("debug/stain"),
    ];
    places
        .into_iter()
        .find(|path| path.exists())
        .context("no stain binary; run `cargo xtask build`, or set STAIN_BIN")
}

/// Runs `stain` with these arguments to its end.
pub fn run(arguments: &[&str], limit: Duration) -> Result<Ended> {
    let mut process = Guarded::spawn(Command::new(binary()?).args(arguments))?;
    process.close_stdin();
    process.wait(limit)
}

/// A `stain attach` that runs.
#[derive(Debug)]
pub struct Agent {
    process: Guarded,
    report: PathBuf,
}

/// What an agent left behind.
#[derive(Debug)]
pub struct Attached {
    /// Status and messages.
    pub ended: Ended,
    /// What it reported.
    pub report: Report,
}

impl Agent {
    /// Starts `stain attach` on a process, without waiting for anything. Spec and report lie in `folder`, called `name`.
    pub fn start(pid: u32, spec: &str, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        let pid = pid.to_string();
        let arguments: Vec<&str> = ["--pid", &pid].into_iter().chain(arguments.iter().copied()).collect();
        Self::follow(spec, &arguments, folder, name)
    }

    /// As [`Agent::start`], on the target that the spec or the arguments name.
    pub fn follow(spec: &str, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        let spec_file = folder.join(format!("{name}.toml"));
        std::fs::write(&spec_file, spec)?;
        Self::launch(&spec_file, arguments, folder, name)
    }

    /// Starts `stain attach` with a spec file, on the target that it or the arguments name, without waiting for anything. The
    /// report lies in `folder`, called `name`.
    pub fn launch(spec: &Path, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        let report = folder.join(format!("{name}.jsonl"));
        let mut command = Command::new(binary()?);
        command.args(["attach", "--spec"]).arg(spec);
        command.args(["--format", "jsonl", "-o"]).arg(&report).args(arguments);
        Ok(Self { process: Guarded::spawn(&mut command)?, report })
    }

    /// Waits until it has said a line that `wanted` says yes to, unless it has already.
    pub fn says(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        self.process
            .stderr()
            .seen_or_find(wanted, ATTACH_LIMIT)
            .context("waiting for a message of stain attach")
    }

    /// Waits until it has attached to this process, first or later.
    pub fn has_attached_to(&mut self, pid: u32) -> Result<String> {
        let pid = pid.to_string();
        let names = |line: &str| line.split(|c: char| !c.is_ascii_digit()).any(|word| word == pid);
        self.says(|line| (line.starts_with("attached: ") || line.starts_with("joined: ")) && names(line))
    }

    /// As [`Agent::start`], and waits until all probes are set.
    pub fn attach(pid: u32, spec: &str, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        let mut agent = Self::start(pid, spec, arguments, folder, name)?;
        agent.then_says("attached").context("stain attach did not attach")?;
        Ok(agent)
    }

    /// Waits until it writes a line that begins so to its standard error. What it wrote before is passed over.
    pub fn then_says(&mut self, beginning: &str) -> Result<String> {
        let said = self.process.stderr().find(|line| line.starts_with(beginning), ATTACH_LIMIT);
        said.with_context(|| format!("waiting for {beginning:?}"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it says while it runs.
    pub fn stderr(&mut self) -> &mut crate::child::Lines {
        self.process.stderr()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Asks it to stop (as Ctrl-C does), and reads its report.
    pub fn stop(self, limit: Duration) -> Result<Attached> {
        self.signal(Signal::INT)?;
        self.finish(limit)
    }

    /// Waits until it ends by itself, and reads its report.
    pub fn finish(self, limit: Duration) -> Result<Attached> {
        let report = self.report.clone();
        let ended = self.process.wait(limit).context("stain attach")?;
        ensure!(ended.status.success(), "stain attach failed ({}): {}", ended.status, ended.stderr);
        let text = std::fs::read_to_string(&report).with_context(|| format!("no {}", report.display()))?;
        Ok(Attached { report: Report::parse(&text)?, ended })
    }

    /// Waits for its end, whatever that is, and leaves the report unread.
    pub fn wait(self, limit: Duration) -> Result<Ended> {
        self.process.wait(limit)
    }
}

/// A file of a folder, as an argument of the program.
pub fn path(folder: &Path, name: &str) -> Result<String> {
    Ok(folder.join(name).to_str().context("an odd path")?.to_owned())
}
