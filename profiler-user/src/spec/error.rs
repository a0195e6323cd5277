//! Mistakes of a spec: where each is, and what to do about it.
//!
//! Owns: the types and their one-line form. Refuses: more than one line a mistake.

use std::fmt;
use std::sync::Arc;

/// Characters of the user's text that a message repeats at most.
const QUOTED_CHARS: usize = 60;

/// Where a mistake is in a spec file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One mistake. Shown as `pipeline.toml:12:7: stage[2].key: what is wrong; what to do`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SpecError {
    /// Where in the file; `None` for a flag, or for what is missing altogether.
    pub place: Option<FilePlace>,
    /// The field (`stage[2].key`, stages counted from 0) or the flag (`--rate`).
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// All mistakes of a spec, those of the file first and in its order. Never empty; shown one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SpecErrors(pub Vec<SpecError>);

impl SpecErrors {
    /// These, those of the file first and in its order.
    pub(super) fn in_order(mut errors: Vec<SpecError>) -> Self {
        errors.sort_by(|a, b| (a.place.is_none(), &a.place).cmp(&(b.place.is_none(), &b.place)));
        Self(errors)
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// A mistake in a point or an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// Which character of the text, from 1; `None` when the mistake is in the whole.
    pub character: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.character {
            Some(character) => write!(f, "at character {character}, {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl ParseError {
    /// A mistake in the whole text.
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { character: None, message: message.into() }
    }
}

/// The user's text for a message: in backquotes, cut when long, nothing in it that moves a cursor.
pub(super) fn quote(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED_CHARS).flat_map(escape).collect();
    let more = if text.chars().nth(QUOTED_CHARS).is_some() { "..." } else { "" };
    format!("`{shown}{more}`")
}

fn escape(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}
