//! Attributes: values that a stage reads of its record to show them on its trace, as users write them.
//!
//! Owns: the expression, its one spelling (`Display`) and the words for numbers. Refuses: registers, which are `plan`'s.
//!
//! ```text
//! attribute = "str" "(" sum "," sum ")" | sum
//! ```
//!
//! with `sum` as in keys.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::error::ParseError;
use super::expr::{Expr, MAX_EXPR_BYTES, Parsed, Parser, check_steps};
use super::level::Level;

/// An attribute of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeSpec {
    /// The user's name for it.
    pub name: String,
    /// What is read.
    pub reading: Reading,
    /// Words for numbers, by the 64 bits of the number.
    pub words: BTreeMap<u64, String>,
    /// From which level on it is read.
    pub level: Level,
}

/// What an attribute is read from. Parsed from and shown as `str(arg1+16, 32)` or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A number.
    Number(Expr),
    /// A string.
    Text {
        /// Address of its first byte.
        pointer: Expr,
        /// A constant: the most bytes, of which those before the first NUL count. Otherwise: how many bytes it has.
        len: Expr,
    },
}

impl Reading {
    /// The numbers that must be computed.
    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        let (first, second) = match self {
            Self::Number(value) => (value, None),
            Self::Text { pointer, len } => (pointer, Some(len)),
        };
        std::iter::once(first).chain(second)
    }

    /// Most bytes of a string that ends at its first NUL; `None` for other readings.
    #[must_use]
    pub fn terminated(&self) -> Option<u64> {
        match self {
            Self::Text { len: Expr::Constant(most), .. } => Some(*most),
            _ => None,
        }
    }

    /// Whether it is a number that was last read, or cast, as a signed one: see [`Expr::is_signed`].
    #[must_use]
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Number(value) if value.is_signed())
    }

    /// Whether memory is read.
    #[must_use]
    pub fn reads_memory(&self) -> bool {
        match self {
            Self::Number(value) => value.reads_memory(),
            Self::Text { .. } => true,
        }
    }
}

impl FromStr for Reading {
    type Err = ParseError;

    fn from_str(text: &str) -> Parsed<Self> {
        if text.len() > MAX_EXPR_BYTES {
            let length = text.len();
            return Err(ParseError::whole(format!(
                "the expression has {length} bytes, and at most {MAX_EXPR_BYTES} are allowed; write a shorter one"
            )));
        }
        let mut parser = Parser::new(text);
        let reading = read(&mut parser)?;
        if parser.peek().is_some() {
            return Err(parser.unexpected("the end"));
        }
        reading.values().try_for_each(check_steps)?;
        Ok(reading)
    }
}

fn read(parser: &mut Parser<'_>) -> Parsed<Reading> {
    if !parser.takes_word("str") {
        return parser.sum().map(Reading::Number);
    }
    parser.expect('(', "`(`, as in str(arg0, 32)")?;
    let pointer = parser.sum()?;
    parser.expect(',', "`,` and the number of bytes, as in str(arg0, 32)")?;
    let len = parser.sum()?;
    parser.expect(')', "`)`")?;
    Ok(Reading::Text { pointer, len })
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Text { pointer, len } => write!(f, "str({pointer}, {len})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Reading;
    use crate::spec::expr::tests::value;

    #[test]
    fn what_users_write() {
        for (text, shown, terminated) in [
            ("str(arg1+16, 32)", "str(arg1+16, 32)", Some(32)),
            (" str ( *(u64*)arg1 , *(u32*)(arg1+8) ) ", "str(*(u64*)(arg1), *(u32*)(arg1+8))", None),
            ("*(i32*)(arg0+8)", "*(i32*)(arg0+8)", None),
            ("thread", "thread", None),
        ] {
            let reading: Reading = text.parse().unwrap();
            assert_eq!((reading.to_string().as_str(), reading.terminated()), (shown, terminated), "{text}");
        }
    }

    #[test]
    fn a_number_has_the_sign_that_it_was_last_read_with() {
        for (text, signed) in [
            ("*(i32*)(arg1)", true),
            ("*(i32*)(arg1)-1", true),
            ("(i8)arg1+200", true),
            ("*(u64*)(*(i32*)(arg1)-1)", false),
            ("(u32)(*(i32*)(arg1)-1)", false),
            ("arg1-1", false),
            ("str(*(i64*)(arg1), 8)", false),
        ] {
            assert_eq!(text.parse::<Reading>().unwrap().is_signed(), signed, "{text}");
        }
    }

    #[test]
    fn mistakes_say_where_and_what() {
        for (text, part) in [
            ("", "at character 1, expected a value"),
            ("str", "at character 4, expected `(`, as in str(arg0, 32)"),
            ("str(arg0)", "at character 9, expected `,` and the number of bytes"),
            ("str(arg0, 8) + 1", "at character 14, expected the end"),
            ("str(str(arg0, 8), 8)", "at character 5, str(..) is text and can only be a whole attribute"),
            ("bytes(arg0, 8)", "at character 1, bytes(..) is a hash"),
            ("scope", "`scope` can only be the whole key"),
            ("str(arg9, 8)", "there is no `arg9`"),
        ] {
            let message = text.parse::<Reading>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
        let deep = format!("str({}arg0{}, 8)", "*(u64*)(".repeat(9), ")".repeat(9));
        assert!(deep.parse::<Reading>().unwrap_err().to_string().contains("takes 9 steps"));
        assert!(" ".repeat(600).parse::<Reading>().unwrap_err().to_string().contains("at most 512"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(pointer in value(), len in value(), text: bool) {
            let reading = if text { Reading::Text { pointer, len } } else { Reading::Number(pointer) };
            let shown = reading.to_string();
            prop_assume!(shown.len() <= 512);
            prop_assert_eq!(shown.parse(), Ok(reading));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}|[str(arg0,)+* ]{0,30}") {
            let _ = text.parse::<Reading>();
        }
    }
}
