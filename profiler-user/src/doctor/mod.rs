//! `stain doctor`: whether attaching will work on this machine, what is missing, and how to get it.
//!
//! Owns: the facts worth asking for, what each means, and how that is told. Refuses: changing anything, and going by versions where a thing can be
//! tried. It runs with any privileges, and says what it could not find out.

mod checks;
mod facts;
mod gather;
mod render;

pub use facts::{Capabilities, Facts, Load, Others, Perf};
pub use gather::gather;

use serde::Serialize;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// Attaching works without it, but something is dearer, is not shown, or could not be found out.
    Warn,
    /// Attaching does not work without it.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What scripts know it by.
    pub id: &'static str,
    /// What people know it by.
    pub name: &'static str,
    /// What it came to.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What that means; empty when it could not be found out.
    pub means: String,
    /// How to get what is missing; `None` when nothing is, or when it cannot be had. What stands after a line break is a command.
    pub get: Option<String>,
}

impl Check {
    fn new(id: &'static str, name: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self { id, name, status, found: found.into(), means: String::new(), get: None }
    }

    fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    fn get(mut self, get: impl Into<String>) -> Self {
        self.get = Some(get.into());
        self
    }
}

/// All checks of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The checks, the ones that attaching hangs on first.
    pub checks: Vec<Check>,
    /// Whether attaching will work. What the command's exit status says.
    pub attach_works: bool,
    calibrated: Option<crate::calibrate::Calibrated>,
}

/// Judges the facts.
#[must_use]
pub fn examine(facts: &Facts) -> Diagnosis {
    let checks = checks::all(facts);
    let attach_works =
        facts.load == Load::Loaded && checks.iter().all(|check| check.status != Status::Missing);
    Diagnosis { checks, attach_works, calibrated: facts.calibrated.as_ref().ok().cloned() }
}
