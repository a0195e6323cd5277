//! Two processes of the journeys programs, linked by a pipe: one emits, the other writes.
//!
//! Owns: their start, their go, and their two logs as one. Refuses: knowing of the agent, but for its spec.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::flow::{self, Flow, Kind};
use crate::pipeline::{Pipeline, Totals};
use crate::run::{LONG, SHORT};
use crate::targets::Flavour;
use crate::truth::Truth;

/// Two running processes. They linger after their last record.
#[derive(Debug)]
pub struct Linked {
    /// Emits.
    pub sender: Pipeline,
    /// Writes.
    pub receiver: Pipeline,
    /// The stages of both, and their spec.
    pub flow: Flow,
}

impl Linked {
    /// Starts both, with their files in `home`. They wait for their go. They log one record in `logged`.
    pub fn start(flavour: Flavour, rate: u64, records: u64, logged: u64, home: &Path) -> Result<Self> {
        let pipe = flow::pipe(home)?;
        let start = |kind: Kind| -> Result<(Flow, Pipeline)> {
            let folder: PathBuf = home.join(kind.word());
            std::fs::create_dir(&folder)?;
            let mut flow = Flow::new(kind, flavour, rate, "");
            flow.target = format!("--truth-sample {logged} --records {records} --pipe {}", pipe.display());
            let arguments = flow.arguments();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let pipeline = Pipeline::start_binary(flow.binary()?, &arguments, &folder)?;
            Ok((flow, pipeline))
        };
        let ((mut flow, sender), (_, receiver)) = (start(Kind::Send)?, start(Kind::Receive)?);
        flow.tables = "[[space]]\nname = \"order\"\nshared = true\n".to_owned();
        Ok(Self { sender, receiver, flow })
    }

    /// The spec's `[target]` for one or both of them.
    #[must_use]
    pub fn target(pids: &[u32]) -> String {
        format!("[target]\npids = {pids:?}\n")
    }

    /// Lets records flow, and waits for the last one.
    pub fn run(&mut self) -> Result<Totals> {
        self.sender.go()?;
        self.receiver.go()?;
        let (sent, written) = (self.sender.totals(LONG)?, self.receiver.totals(LONG)?);
        ensure!(sent.emitted == written.written, "{sent:?} {written:?}");
        Ok(sent)
    }

    /// What both have logged so far, as one log.
    pub fn truth(&self) -> Result<Truth> {
        Ok(self.sender.truth()?.and(self.receiver.truth()?))
    }

    /// Lets both end.
    pub fn finish(self) -> Result<()> {
        for pipeline in [self.sender, self.receiver] {
            let ended = pipeline.finish(SHORT).context("one of two")?;
            ensure!(ended.status.success(), "a process was harmed: {} {}", ended.status, ended.stderr);
        }
        Ok(())
    }
}
