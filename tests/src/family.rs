//! A running `targets/family` program: told by lines, it forks, becomes other programs, and lets records flow.
//!
//! Owns: its commands and its spec. Refuses: knowing of the agent.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::child::{Ended, Guarded};
use crate::run::SHORT;

/// Two stages, every record; the key is the record's number, which two processes have in common. `target` is the spec's first part.
#[must_use]
pub fn spec(target: &str) -> String {
    format!(
        "{target}\n[sampling]\nrate = 1\nmax_traces_per_second = 0\n\
         [[stage]]\ncode = \"S0\"\npoint = \"family_emit\"\nkey = \"arg0\"\n\
         [[stage]]\ncode = \"W!\"\npoint = \"family_done\"\nkey = \"arg0\"\n"
    )
}

/// It kills nobody but itself: its children die with it.
#[derive(Debug)]
pub struct Family {
    process: Guarded,
}

impl Family {
    /// A copy of the program of its own in `folder`: no other test's processes run it.
    pub fn copy(folder: &Path) -> Result<PathBuf> {
        copy(&crate::targets::family()?, folder, "family")
    }

    /// Starts it, and waits until it listens.
    pub fn start(binary: &Path) -> Result<Self> {
        let mut process = Guarded::spawn(&mut Command::new(binary))?;
        process.stdout().find(|line| line.starts_with("ready "), SHORT)?;
        Ok(Self { process })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Gives it a command that it answers, and waits for that; the answer's number.
    pub fn tell(&mut self, command: &str) -> Result<u32> {
        self.send(command)?;
        let word = command.split(' ').next().unwrap_or_default().to_owned();
        let answer = self.process.stdout().find(|line| line.starts_with(&word), SHORT)?;
        answer.rsplit(' ').next().and_then(|number| number.parse().ok()).context(answer)
    }

    /// Gives it a line without waiting.
    pub fn send(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.process.stdin().context("its input is closed")?, "{line}")?)
    }

    /// The next line of what it has become.
    pub fn hears(&mut self, wanted: &str) -> Result<String> {
        self.process.stdout().find(|line| line == wanted, SHORT)
    }

    /// Lets it end.
    pub fn finish(mut self) -> Result<Ended> {
        self.process.close_stdin();
        self.process.wait(SHORT)
    }
}

/// A copy of a program in `folder`, as `name`: another file, whose processes are told apart from the original's.
pub fn copy(binary: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let copied = folder.join(name);
    std::fs::copy(binary, &copied).with_context(|| format!("cannot copy {}", binary.display()))?;
    Ok(copied)
}
