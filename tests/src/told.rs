//! A running `targets/told` program, which calls its stages one by one, as it is told.
//!
//! Owns: its commands, and stages of a spec in short. Refuses: knowing of the agent.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::child::Guarded;
use crate::report::Trace;
use crate::run::SHORT;

/// See the module.
#[derive(Debug)]
pub struct Told {
    process: Guarded,
}

impl Told {
    /// Starts it, and waits until it listens.
    pub fn start(binary: &Path) -> Result<Self> {
        let mut process = Guarded::spawn(&mut Command::new(binary))?;
        process.stdout().find(|line| line == "ready", SHORT)?;
        Ok(Self { process })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Tells it each of these lines, and waits each time until it is done.
    pub fn tell(&mut self, lines: &[&str]) -> Result<()> {
        for line in lines {
            writeln!(self.process.stdin().context("its input is closed")?, "{line}")?;
            let word = line.split(' ').next().unwrap_or_default();
            let answer = if word == "become" { "ready" } else { word };
            self.process.stdout().find(|line| line == answer, SHORT).with_context(|| (*line).to_owned())?;
        }
        Ok(())
    }

    /// Ends it from outside.
    pub fn kill(self) -> Result<()> {
        self.process.signal(Signal::KILL)?;
        self.process.wait(SHORT).map(drop)
    }

    /// Lets it end by itself; fails if it was harmed.
    pub fn finish(mut self) -> Result<()> {
        self.process.close_stdin();
        let ended = self.process.wait(SHORT)?;
        ensure!(ended.status.success(), "the target was harmed: {} {}", ended.status, ended.stderr);
        Ok(())
    }
}

/// A spec of stages, each in one line: code, function of the program, key, and what else it has, between semicolons. `first` comes before them.
#[must_use]
pub fn spec(first: &str, stages: &[&str]) -> String {
    stages.iter().fold(first.to_owned() + "\n", |spec, stage| {
        let mut words = stage.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (code, point, key) = (word(), word(), word());
        let more = word().replace(';', "\n");
        spec + &format!("[[stage]]\ncode = \"{code}\"\npoint = \"told_{point}\"\nkey = \"{key}\"\n{more}\n")
    })
}

/// Each of these traces in short, in order of their keys: key, stages by code, outcome.
pub fn in_short(traces: &[Trace]) -> Result<Vec<String>> {
    let mut keyed = Vec::new();
    for trace in traces {
        let stages: Vec<&str> = trace.entries.iter().map(|entry| entry.stage.as_str()).collect();
        let key = trace.key().context("no key")?;
        keyed.push((key, format!("{key}: {} {}", stages.join(" "), trace.outcome)));
    }
    keyed.sort();
    Ok(keyed.into_iter().map(|(_, short)| short).collect())
}
