//! What identifies a record at a stage, and the further keys that a stage gives it.

use std::fmt;
use std::str::FromStr;

use super::error::ParseError;
use super::expr::Expr;

/// The word for what is current on the thread.
const SCOPE: &str = "scope";

/// What identifies the record at a stage. Parsed from and shown as an expression, or `scope`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageKey {
    /// A value, compared with those of the other stages in its space.
    Value(Expr),
    /// Nothing at the stage itself: it is the record whose scope is open on the thread, the innermost one.
    Scope,
}

impl StageKey {
    /// The value, where there is one.
    #[must_use]
    pub const fn value(&self) -> Option<&Expr> {
        match self {
            Self::Value(expr) => Some(expr),
            Self::Scope => None,
        }
    }

    /// Whether it is the thread's id.
    #[must_use]
    pub fn is_thread(&self) -> bool {
        *self == Self::Value(Expr::Thread)
    }
}

impl FromStr for StageKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.trim() == SCOPE { Ok(Self::Scope) } else { text.parse().map(Self::Value) }
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(expr) => expr.fmt(f),
            Self::Scope => f.write_str(SCOPE),
        }
    }
}

/// A key that a stage gives its record besides the one that it knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its value.
    pub expr: Expr,
    /// Its name space, as the kernel program compares it.
    pub space: u32,
}

#[cfg(test)]
mod tests {
    use super::{Expr, StageKey};

    #[test]
    fn scope_is_a_whole_key_or_none() {
        assert_eq!(" scope ".parse(), Ok(StageKey::Scope));
        assert_eq!("arg1".parse(), Ok(StageKey::Value(Expr::Arg(1))));
        for text in ["scope", "*(u64*)(arg1+8)", "thread"] {
            assert_eq!(text.parse::<StageKey>().unwrap().to_string(), text);
        }
        let message = "scope+8".parse::<StageKey>().unwrap_err().to_string();
        assert!(message.contains("`scope` can only be the whole key"), "{message}");
    }
}
