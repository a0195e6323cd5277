//! Settings that were changed while the session ran. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::Level;

/// What can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// One record in so many is sampled; 0: none.
    Rate,
    /// New traces a second at most; 0: no bound.
    Budget,
    /// 1 while no trace is begun, 0 otherwise.
    Paused,
    /// The level of detail, by its place in [`Level::ALL`].
    Level,
    /// Whether a stage is probed at its level: see [`Setting::of_stage`].
    Stage,
}

/// The word for a level; for a number that is none, the most detailed.
fn level(number: u64) -> Level {
    usize::try_from(number).ok().and_then(|index| Level::ALL.get(index)).copied().unwrap_or(Level::Trace)
}

/// One change, as the kernel program has it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub setting: Setting,
    /// Its value before.
    pub from: u64,
    /// Its value since.
    pub to: u64,
    /// When, ns of the monotonic clock: hits after it obey the new value.
    pub at_ns: u64,
    /// When, ns since the Unix epoch.
    pub wall_ns: u64,
}

impl Change {
    /// The same sentence, with the stage's name where it is about one.
    #[must_use]
    pub fn told(&self, label: impl Fn(usize) -> Option<String>) -> String {
        let text = self.to_string();
        let (stage, _) = Setting::stage(self.to);
        let label = usize::try_from(stage).ok().filter(|_| self.setting == Setting::Stage).and_then(label);
        match (label, text.split_once(": ")) {
            (Some(label), Some((stage, rest))) => format!("{stage} ({label}): {rest}"),
            _ => text,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, from, to, .. } = *self;
        let rate = |rate| if rate == 0 { "none".to_owned() } else { format!("one in {rate}") };
        let budget =
            |budget| if budget == 0 { "no bound".to_owned() } else { format!("{budget} traces a second") };
        match (setting, to) {
            (Setting::Rate, _) if from == to => write!(f, "rate: {} as before", rate(to)),
            (Setting::Budget, _) if from == to => write!(f, "budget: {} as before", budget(to)),
            (Setting::Rate, 0) => write!(f, "rate: no record from now on (was {})", rate(from)),
            (Setting::Rate, _) => write!(f, "rate: one record in {to} from now on (was {})", rate(from)),
            (Setting::Budget, _) => write!(f, "budget: {} from now on (was {})", budget(to), budget(from)),
            (Setting::Level, _) if from == to => write!(f, "level: {} as before", level(to)),
            (Setting::Level, _) => write!(f, "level: {} from now on (was {})", level(to), level(from)),
            (Setting::Stage, _) => {
                let (stage, on) = Setting::stage(to);
                let state = if on { "on" } else { "off" };
                let since = if from == to { "as before" } else { "from now on" };
                write!(f, "stage {stage}: {state} {since}")
            }
            (Setting::Paused, 0) if from == 0 => f.write_str("was not paused"),
            (Setting::Paused, 0) => f.write_str("resumed: traces are begun again"),
            (Setting::Paused, _) if from != 0 => f.write_str("was paused already"),
            (Setting::Paused, _) => f.write_str("paused: no trace is begun, those in flight go on"),
        }
    }
}

impl Setting {
    /// The value of [`Setting::Stage`]: twice the stage's number, and one more while it is on.
    #[must_use]
    pub const fn of_stage(stage: usize, on: bool) -> u64 {
        stage as u64 * 2 + on as u64
    }

    /// The stage's number in such a value, and whether it is on.
    #[must_use]
    pub const fn stage(value: u64) -> (u64, bool) {
        (value / 2, value % 2 == 1)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Budget => "budget",
            Self::Paused => "paused",
            Self::Level => "level",
            Self::Stage => "stage",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Setting};

    #[test]
    fn changes_read_as_sentences() {
        for (setting, from, to, sentence) in [
            (Setting::Rate, 100, 1000, "rate: one record in 1000 from now on (was one in 100)"),
            (Setting::Rate, 100, 0, "rate: no record from now on (was one in 100)"),
            (Setting::Rate, 0, 1, "rate: one record in 1 from now on (was none)"),
            (Setting::Rate, 7, 7, "rate: one in 7 as before"),
            (Setting::Budget, 50, 0, "budget: no bound from now on (was 50 traces a second)"),
            (Setting::Budget, 0, 5, "budget: 5 traces a second from now on (was no bound)"),
            (Setting::Budget, 5, 5, "budget: 5 traces a second as before"),
            (Setting::Paused, 0, 1, "paused: no trace is begun, those in flight go on"),
            (Setting::Paused, 1, 1, "was paused already"),
            (Setting::Paused, 1, 0, "resumed: traces are begun again"),
            (Setting::Paused, 0, 0, "was not paused"),
            (Setting::Level, 0, 1, "level: debug from now on (was info)"),
            (Setting::Level, 2, 2, "level: trace as before"),
            (Setting::Stage, 7, 6, "stage 3: off from now on"),
            (Setting::Stage, 0, 1, "stage 0: on from now on"),
            (Setting::Stage, 6, 6, "stage 3: off as before"),
        ] {
            assert_eq!(Change { setting, from, to, at_ns: 0, wall_ns: 0 }.to_string(), sentence);
        }
    }
}
