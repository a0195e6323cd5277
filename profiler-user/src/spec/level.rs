//! Levels: how much of a spec is looked at.

use std::fmt;
use std::str::FromStr;

use super::code::nearest;
use super::error::{ParseError, quote};

/// How detailed a stage is. A session of one level probes the stages of that level and of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Always probed.
    #[default]
    Info,
    /// Probed from `--level debug` on.
    Debug,
    /// Probed with `--level trace` only.
    Trace,
}

impl Level {
    /// All levels, the least detailed first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Debug, Self::Trace];

    /// The word that specs and flags use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if let Some(level) = Self::ALL.into_iter().find(|level| level.name() == text) {
            return Ok(level);
        }
        let hint = nearest(text, Self::ALL.map(Self::name).into_iter())
            .map(|near| format!(", did you mean \"{near}\"?"));
        let rest = "; it is \"info\", \"debug\" or \"trace\"".to_owned();
        Err(ParseError::whole(format!("there is no level {}{}", quote(text), hint.unwrap_or(rest))))
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn names_are_inverse() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        let message = "Info".parse::<Level>().unwrap_err().to_string();
        assert_eq!(message, "there is no level `Info`, did you mean \"info\"?");
        let message = "5".parse::<Level>().unwrap_err().to_string();
        assert_eq!(message, "there is no level `5`; it is \"info\", \"debug\" or \"trace\"");
    }
}
