//! Stage points that a process does not have, and those that it does not have yet.
//!
//! Owns: how they are told. Refuses: finding that out (that is `resolve`'s).

use std::fmt;

/// Stage points in libraries that a process has not loaded; it may do so later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited(Vec<(PointError, String)>);

impl Awaited {
    /// These stage points, each with its library.
    pub(super) fn new(points: Vec<(PointError, String)>) -> Self {
        Self(points)
    }

    /// The libraries, as the points name them, each once.
    #[must_use]
    pub fn libraries(&self) -> Vec<String> {
        let mut libraries: Vec<String> = self.0.iter().map(|(_, library)| library.clone()).collect();
        libraries.sort_unstable();
        libraries.dedup();
        libraries
    }

    /// The stages with their libraries, for people.
    #[must_use]
    pub fn stages(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(point, library)| format!("stage {} {} waits for {library}", point.code, point.name))
            .collect()
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points: Vec<PointError> = self.0.iter().map(|(point, _)| point.clone()).collect();
        Lines(&points).fmt(f)
    }
}

/// A stage point that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stage {}: {what}", if .name == .code { .code.clone() } else { format!("{} {}", .code, .name) })]
pub struct PointError {
    /// The stage's code.
    pub code: String,
    /// The stage's name.
    pub name: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Each in a line of its own.
pub(super) struct Lines<'a>(pub(super) &'a [PointError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
