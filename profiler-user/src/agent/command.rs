//! What a running session is asked for over its control socket.
//!
//! Owns: obeying, and saying only what is true: each answer shows what the kernel program has, read back from it.

use profiler_common::Edition;

use crate::attach::monotonic_ns;
use crate::control::{Answer, Command, Counts, Request, StageStatus, State, Status};
use crate::ledger::Ledger;
use crate::sink::{Change, Setting};
use crate::spec::Stage;

use super::error::AgentError;
use super::events::{Event, Observer};
use super::session::Running;

/// Changes that are remembered, the last ones.
const MAX_CHANGES: usize = 1000;

/// What can be changed, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    rate: u64,
    budget: u32,
    paused: bool,
    edition: Edition,
}

impl Settings {
    fn get(&self, setting: Setting) -> u64 {
        match setting {
            Setting::Rate => self.rate,
            Setting::Budget => self.budget.into(),
            Setting::Paused => self.paused.into(),
            Setting::Level | Setting::Stage => self.edition.0.into(),
        }
    }
}

impl Running {
    /// Obeys, and answers. True when the session is to end: that is answered when it has.
    pub(super) fn command(&mut self, command: Command, observer: &mut dyn Observer) -> bool {
        let Command { request, reply } = command;
        let answer = match request {
            Request::Detach => {
                self.detach_reply = Some(reply);
                return true;
            }
            Request::Status => self.status().map(|status| Answer::done(None, status)),
            Request::Rate(rate) => self.change(Setting::Rate, |to| to.rate = rate, observer),
            Request::Budget(budget) => self.change(Setting::Budget, |to| to.budget = budget, observer),
            Request::Level(level) => self.change_level(level, observer),
            Request::Stage(stage, on) => self.change_stage(stage, on, observer),
            Request::Pause => self.change(Setting::Paused, |to| to.paused = true, observer),
            Request::Resume => self.change(Setting::Paused, |to| to.paused = false, observer),
        };
        // The client may have gone.
        let _ = reply.send(answer.unwrap_or_else(|error| Answer::refused(error.to_string())));
        false
    }

    /// Tells who asked for it that the probes are gone. Whether anybody had asked.
    pub(super) fn confirm_detached(&mut self) -> bool {
        let Some(reply) = self.detach_reply.take() else { return false };
        let answer = match self.status() {
            Ok(status) => Answer::done(None, Status { state: State::Detached, ..status }),
            Err(error) => Answer::refused(error.to_string()),
        };
        reply.send(answer).is_ok()
    }

    fn change(
        &mut self,
        setting: Setting,
        change: impl FnOnce(&mut Settings),
        observer: &mut dyn Observer,
    ) -> Result<Answer, AgentError> {
        let before = self.settings()?;
        let mut wanted = before;
        change(&mut wanted);
        self.set(wanted);
        let (from, to) = (before.get(setting), self.settings()?.get(setting));
        if to != wanted.get(setting) {
            self.set(before);
            return Ok(Answer::refused(format!(
                "the kernel program did not take the new {}; it is {to}",
                setting.name()
            )));
        }
        self.changed(setting, from, to, observer)
    }

    /// Remembers and tells a change that the kernel program has taken.
    pub(super) fn changed(
        &mut self,
        setting: Setting,
        from: u64,
        to: u64,
        observer: &mut dyn Observer,
    ) -> Result<Answer, AgentError> {
        let at_ns = monotonic_ns();
        let wall_ns = at_ns.wrapping_add(self.tally.clock.offset_ns);
        let change = Change { setting, from, to, at_ns, wall_ns };
        if from != to {
            if self.changes.len() >= MAX_CHANGES {
                self.changes.remove(0);
            }
            self.changes.push(change);
            let stage =
                usize::try_from(Setting::stage(to).0).ok().and_then(|stage| self.spec.stages.get(stage));
            observer.event(&Event::Changed(change, stage.map(Stage::label)));
        }
        Ok(Answer::done(Some(change), self.status()?))
    }

    /// Rate, budget and whether it is paused, as the kernel program has them.
    pub(super) fn confirmed(&self) -> Result<(u64, u32, bool), AgentError> {
        let Settings { rate, budget, paused, .. } = self.settings()?;
        Ok((rate, budget, paused))
    }

    /// What the kernel program has; before it is loaded, what it will be given.
    fn settings(&self) -> Result<Settings, AgentError> {
        let sampling = &self.spec.sampling;
        Ok(match &self.kernel {
            Some(kernel) => {
                let config = kernel.settings()?;
                Settings {
                    rate: config.rate,
                    budget: config.budget,
                    paused: config.paused != 0,
                    edition: config.edition,
                }
            }
            None => Settings {
                rate: sampling.rate,
                budget: sampling.max_traces_per_second,
                paused: self.paused,
                edition: self.spec.edition(),
            },
        })
    }

    /// All but the level and the stages.
    fn set(&mut self, Settings { rate, budget, paused, .. }: Settings) {
        self.spec.sampling.rate = rate;
        self.spec.sampling.max_traces_per_second = budget;
        self.paused = paused;
        if let Some(kernel) = &mut self.kernel {
            kernel.set_rate(rate);
            kernel.set_budget(budget);
            kernel.set_paused(paused);
        }
    }

    fn stage_status(&self, stage: &Stage) -> StageStatus {
        StageStatus { label: stage.label(), probed: self.spec.is_probed(stage) }
    }

    fn status(&self) -> Result<Status, AgentError> {
        let Settings { rate, budget, paused, edition: _ } = self.settings()?;
        let state = match (self.traced.is_empty(), paused) {
            (true, _) => State::Waiting,
            (false, true) => State::Paused,
            (false, false) => State::Running,
        };
        Ok(Status {
            agent: std::process::id(),
            state,
            target: self.target(),
            pids: self.traced.iter().map(|traced| traced.identity.pid).collect(),
            sites: self.traced.iter().map(|traced| traced.probes() as u64).sum(),
            rate,
            budget,
            level: self.spec.level.to_string(),
            stages: self.spec.stages.iter().map(|stage| self.stage_status(stage)).collect(),
            elapsed_ns: if self.kernel.is_some() {
                monotonic_ns().saturating_sub(self.started_ns)
            } else {
                0
            },
            counts: counts(&self.ledger()?),
        })
    }
}

fn counts(ledger: &Ledger) -> Counts {
    Counts {
        records: ledger.records,
        sampled: ledger.sampled,
        admitted: ledger.admitted,
        refused: ledger.refused(),
        written: ledger.written,
        ended: ledger.reported(),
    }
}
