//! A script that is played: written to a file, done by the target, and its report compared with what the model says.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{Bounds, Code, Manner, Mix, Model, Refusal, Step, script, spec};
use crate::child::Ended;
use crate::control;
use crate::expected::{self, Violation};
use crate::pipeline::Pipeline;
use crate::report::{Report, Trace};
use crate::run::{LONG, SHORT, turn};
use crate::stain::Agent;
use crate::targets::Flavour;
use crate::truth::{Row, Truth};

/// Threads of a script.
const THREADS: u32 = 4;

/// A script in a file, and what the model makes of it.
#[derive(Debug)]
pub struct Play {
    /// The steps.
    pub steps: Vec<Step>,
    /// After the last of them.
    pub model: Model,
    bounds: Bounds,
    manner: Manner,
    folder: TempDir,
}

/// What a run left behind.
struct Played {
    report: Report,
    truth: Truth,
    agent: Ended,
}

impl Play {
    /// A random script of so many steps, of all mixes in turn.
    pub fn random(seed: u64, length: usize, bounds: Bounds, manner: Manner) -> Result<Self> {
        let mut model = Model::new(THREADS, bounds, manner);
        let steps = script(seed, length, &Mix::ALL, &mut model);
        let has_room = manner.refusal == Refusal::Full || model.traces.len() < bounds.slots;
        ensure!(has_room, "{} journeys are too many for {} slots", model.traces.len(), bounds.slots);
        Self::new(steps, model, bounds, manner)
    }

    /// These steps.
    pub fn of(steps: Vec<Step>, bounds: Bounds, manner: Manner) -> Result<Self> {
        let mut model = Model::new(THREADS, bounds, manner);
        steps.iter().for_each(|step| model.step(step));
        Self::new(steps, model, bounds, manner)
    }

    fn new(steps: Vec<Step>, model: Model, bounds: Bounds, manner: Manner) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("script"), Step::encode(&steps))?;
        Ok(Self { steps, model, bounds, manner, folder })
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(self.folder.path().join(name).to_str().context("an odd path")?.to_owned())
    }

    /// The processes that play: one, or two that share the turn.
    fn start(&self, binary: &Path) -> Result<Vec<Pipeline>> {
        let (script, turn) = (self.file("script")?, self.file("turn")?);
        let start = |more: &[&str], name: &str| -> Result<Pipeline> {
            let home = self.folder.path().join(name);
            std::fs::create_dir(&home)?;
            let arguments = [&["--script", &script], more].concat();
            Pipeline::start_binary(binary.to_owned(), &arguments, &home)
        };
        if self.manner.linked.is_none() {
            return Ok(vec![start(&[], "only")?]);
        }
        ["1", "2"].map(|part| start(&["--turn", &turn, "--part", part], part)).into_iter().collect()
    }

    /// Does what the steps want of the agent, as they come to it.
    fn attend(&self, parts: &mut [Pipeline], agent: &Agent) -> Result<()> {
        let halts = self.steps.iter().filter(|step| step.code == Code::Halt);
        for (step, command) in halts.zip(["pause", "resume"].iter().cycle()) {
            let part = parts.get_mut(self.manner.process(step.thread) as usize).context("no such process")?;
            part.comes_to_halt(LONG)?;
            let answer = control::ask(agent.pid(), command)?;
            ensure!(answer["ok"] == true, "{command}: {answer}");
            part.go()?;
        }
        Ok(())
    }

    fn played(&self, binary: &Path) -> Result<Played> {
        let _turn = turn()?;
        let mut parts = self.start(binary)?;
        let pids: Vec<u32> = parts.iter().map(Pipeline::pid).collect();
        let text = format!("[target]\npids = {pids:?}\n{}", spec(&self.bounds, &self.manner));
        let mut agent = Agent::follow(&text, &[], self.folder.path(), "agent")?;
        for pid in pids {
            agent.has_attached_to(pid)?;
        }
        let stands_still = self.manner.refusal == Refusal::Full;
        if stands_still {
            agent.signal(Signal::STOP)?;
        }
        // Nothing happens before all have their go.
        parts.iter_mut().try_for_each(Pipeline::go)?;
        self.attend(&mut parts, &agent)?;
        parts.iter_mut().try_for_each(|part| part.totals(LONG).map(drop))?;
        if stands_still {
            agent.signal(Signal::CONT)?;
        }
        let attached = agent.stop(SHORT)?;
        let truths: Vec<Truth> = parts.iter().map(Pipeline::truth).collect::<Result<_>>()?;
        let truth = truths.into_iter().reduce(Truth::and).context("nobody played")?;
        for part in parts {
            let ended = part.finish(SHORT)?;
            ensure!(ended.status.success(), "a process was harmed: {} {}", ended.status, ended.stderr);
        }
        Ok(Played { report: attached.report, truth, agent: attached.ended })
    }

    /// Fails unless the report of a run says what the model says. What the agent said to its user.
    pub fn assert_agrees(self, flavour: Flavour, what: &str) -> Result<String> {
        let played = self.played(&flavour.script()?)?;
        let records = self.model.records();
        let expected = self.model.expected(&self.steps, &played.truth);
        let violations = expected::check(&played.report, &expected);
        let told = || format!("{}\n{}", expected::show(&violations), at_steps(&played, &violations));
        ensure!(violations.is_empty(), "{what}: {}\n{}", told(), played.report.summary);
        let counted = played.report.ledger.records;
        ensure!(counted == records, "{what}: {counted} records counted of {records}");
        Ok(played.agent.stderr)
    }
}

/// At which steps, counted from 0, the stamps of the first few traces that are wrong were taken.
fn at_steps(played: &Played, violations: &[Violation]) -> String {
    let mut rows: Vec<&Row> = played.truth.records().flatten().collect();
    rows.sort_unstable_by_key(|row| row.before_ns);
    let step = |ts_ns: u64| rows.partition_point(|row| row.before_ns <= ts_ns).saturating_sub(1);
    let is_wrong = |trace: &&Trace| violations.iter().any(|v| v.of.contains(&trace.trace_id));
    let in_words = |trace: &Trace| {
        let at: Vec<_> =
            trace.entries.iter().map(|entry| format!("{}:{}", step(entry.ts_ns), entry.name)).collect();
        format!("  trace {} branch {:?}: {}", trace.trace_id, trace.branch, at.join(" "))
    };
    played.report.traces.iter().filter(is_wrong).take(8).map(in_words).collect::<Vec<_>>().join("\n")
}
