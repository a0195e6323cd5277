//! What a session answers: one JSON object a line, and the same for people.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sink::Change;
use crate::sink::units;

/// The answer to one request. Either `error`, or `status`, and what was changed if something was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// Why not, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Change>,
    /// How the session stands after the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its target, or for a library of it.
    Waiting,
    /// Samples.
    Running,
    /// Begins no new trace.
    Paused,
    /// Has taken all its probes off.
    Detached,
}

/// A stage of the spec; its number is its place in the list, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    /// Its code, and its name if that says more.
    pub label: String,
    /// Whether it is probed now.
    pub probed: bool,
}

/// How a session stands. What can be set is as the kernel program has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's process id.
    pub agent: u32,
    /// What it is doing.
    pub state: State,
    /// What the user knows the target by.
    pub target: String,
    /// The processes traced now.
    pub pids: Vec<u32>,
    /// Probes set now, over all processes.
    pub sites: u64,
    /// One record in so many; 0: none.
    pub rate: u64,
    /// New traces a second at most; 0: no bound.
    pub budget: u32,
    /// The level of detail, in a word.
    pub level: String,
    /// The stages, in the order of the spec.
    pub stages: Vec<StageStatus>,
    /// Since attaching; 0 before.
    pub elapsed_ns: u64,
    /// The accounts so far.
    pub counts: Counts,
}

/// The accounts so far, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Came to a source.
    pub records: u64,
    /// Chosen by the rate.
    pub sampled: u64,
    /// Became traces.
    pub admitted: u64,
    /// Chosen and refused, for whatever reason.
    pub refused: u64,
    /// Written.
    pub written: u64,
    /// Ended in any way and delivered, the written ones included.
    pub ended: u64,
}

impl Answer {
    /// What could not be done.
    #[must_use]
    pub fn refused(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }

    /// What was done.
    #[must_use]
    pub fn done(changed: Option<Change>, status: Status) -> Self {
        Self { ok: true, error: None, changed, status: Some(status) }
    }

    /// The line that is sent, its line feed included.
    #[must_use]
    pub fn line(&self) -> String {
        // Strings, numbers and lists of them: serialization cannot fail.
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"ok":false}"#.to_owned()) + "\n"
    }

    /// For people, a line or some.
    #[must_use]
    pub fn text(&self) -> String {
        match (self, &self.changed, &self.status) {
            (Self { ok: false, error, .. }, ..) => {
                format!("{}\n", error.as_deref().unwrap_or("refused without a reason"))
            }
            (_, Some(change), Some(status)) => {
                let label = |stage: usize| status.stages.get(stage).map(|stage| stage.label.clone());
                format!("agent {}: {}\n", status.agent, change.told(label))
            }
            (_, Some(change), None) => format!("{change}\n"),
            (_, None, Some(status)) => status.text(),
            (_, None, None) => "done\n".to_owned(),
        }
    }
}

impl Status {
    /// In a few words, to tell one agent from another.
    #[must_use]
    pub fn title(&self) -> String {
        let pids: Vec<String> = self.pids.iter().take(8).map(u32::to_string).collect();
        let more = if self.pids.len() > pids.len() { ", .." } else { "" };
        let processes = match pids.len() {
            0 => "no process yet".to_owned(),
            1 => format!("process {}", pids.join("")),
            _ => format!("processes {}{more}", pids.join(", ")),
        };
        format!("agent {}: {} ({processes})", self.agent, self.target)
    }

    fn text(&self) -> String {
        let Self { state, sites, rate, budget, level, stages, elapsed_ns, counts, .. } = self;
        let line = |(number, stage): (usize, &StageStatus)| {
            let off = if stage.probed { "" } else { " (not probed)" };
            format!("  stage {number}: {}{off}\n", stage.label)
        };
        let since = humantime::format_duration(Duration::from_secs(elapsed_ns / 1_000_000_000));
        let state = match state {
            State::Waiting => "waiting for its target".to_owned(),
            State::Running => format!("running for {since}, {sites} probes set"),
            State::Paused => format!("paused, attached for {since}, {sites} probes set"),
            State::Detached => format!("detached after {since}, no probe is left"),
        };
        let rate = if *rate == 0 { "no record".to_owned() } else { format!("one record in {rate}") };
        let budget = match budget {
            0 => "any number of traces a second".to_owned(),
            budget => format!("at most {budget} traces a second"),
        };
        let Counts { records, sampled, admitted, refused, written, ended } = *counts;
        let [records, sampled, admitted, refused, written, ended] =
            [records, sampled, admitted, refused, written, ended].map(units::count);
        format!(
            "{}\n  {state}\n  samples {rate}, {budget}, at level {level}\n  {records} records, {sampled} sampled, {admitted} admitted, {refused} refused; \
             {ended} traces ended, {written} of them written\n{}",
            self.title(),
            stages.iter().enumerate().map(line).collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Counts, StageStatus, State, Status};
    use crate::sink::{Change, Setting};

    pub(crate) fn status() -> Status {
        let counts =
            Counts { records: 12_345, sampled: 123, admitted: 100, refused: 23, written: 80, ended: 90 };
        Status {
            agent: 77,
            state: State::Running,
            target: "nginx".to_owned(),
            pids: vec![42, 43],
            sites: 14,
            rate: 100,
            budget: 50,
            level: "info".to_owned(),
            stages: vec![
                StageStatus { label: "S0".to_owned(), probed: true },
                StageStatus { label: "W! done".to_owned(), probed: false },
            ],
            elapsed_ns: 61_500_000_000,
            counts,
        }
    }

    #[test]
    fn an_answer_survives_its_line() {
        let change = Change {
            setting: Setting::Rate,
            from: 100,
            to: 10,
            at_ns: 5,
            wall_ns: 1_700_000_000_000_000_000,
        };
        for answer in [
            Answer::refused("no \"such\" thing"),
            Answer::done(None, status()),
            Answer::done(Some(change), Status { state: State::Paused, ..status() }),
        ] {
            let line = answer.line();
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
        }
    }

    #[test]
    fn answers_read_as_sentences() {
        let change = Change { setting: Setting::Rate, from: 100, to: 10, at_ns: 5, wall_ns: 0 };
        assert_eq!(Answer::refused("no").text(), "no\n");
        assert_eq!(
            Answer::done(Some(change), status()).text(),
            "agent 77: rate: one record in 10 from now on (was one in 100)\n"
        );
        assert_eq!(
            Answer::done(None, status()).text(),
            "agent 77: nginx (processes 42, 43)\n  running for 1m 1s, 14 probes set\n  samples one record in 100, at most 50 \
             traces a second, at level info\n  12,345 records, 123 sampled, 100 admitted, 23 refused; 90 traces ended, 80 of them written\n  stage 0: S0\n  stage 1: W! done (not probed)\n"
        );
    }
}
