//! Text to expression, by recursive descent.
//!
//! ```text
//! key     = "bytes" "(" sum "," sum ")" | sum
//! sum     = operand { ("+" | "-") number }
//! operand = "*" "(" width "*" ")" operand | "(" width ")" operand | "(" sum ")" | number | "arg0".."arg5" | "ret" | "thread"
//! width   = "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64"
//! number  = ["-"] (decimal | "0x" hexadecimal)
//! ```
//!
//! Spaces are free. Text, depth and steps are bounded, so that no input can exhaust the stack or the kernel program.

use std::str::FromStr;

use profiler_common::limits::{MAX_STEPS, SAVED_ARGS};

use super::Expr;
use crate::spec::code::nearest;
use crate::spec::error::{ParseError, quote};

/// Longest expression, in bytes.
pub const MAX_EXPR_BYTES: usize = 512;

/// Operands within operands at most, parentheses included.
const MAX_DEPTH: u32 = 64;

const WIDTHS: [(&str, u8, bool); 8] = [
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("i8", 1, true),
    ("i16", 2, true),
    ("i32", 4, true),
    ("i64", 8, true),
];

const NAMES: [&str; 11] =
    ["arg0", "arg1", "arg2", "arg3", "arg4", "arg5", "ret", "thread", "bytes", "scope", "str"];

pub(in crate::spec) type Parsed<T> = Result<T, ParseError>;

impl FromStr for Expr {
    type Err = ParseError;

    fn from_str(text: &str) -> Parsed<Self> {
        if text.len() > MAX_EXPR_BYTES {
            let length = text.len();
            return Err(ParseError::whole(format!(
                "the expression has {length} bytes, and at most {MAX_EXPR_BYTES} are allowed; write a shorter one"
            )));
        }
        let mut parser = Parser::new(text);
        let expr = parser.key()?;
        match parser.peek() {
            None => check_steps(&expr).map(|()| expr),
            Some(_) => Err(parser.unexpected("the end")),
        }
    }
}

/// Refuses what the kernel program has no room for.
pub(in crate::spec) fn check_steps(expr: &Expr) -> Parsed<()> {
    let too_many = expr.values().map(steps).find(|&steps| steps > MAX_STEPS);
    match too_many {
        Some(steps) => Err(ParseError::whole(format!(
            "the expression takes {steps} steps (one for each `*` and each cast, one for a last `+` or `-`), and at most {MAX_STEPS} are allowed; \
             choose a value that is nearer"
        ))),
        None => Ok(()),
    }
}

/// Steps of a key recipe that the value takes: an offset below a dereference or a cast costs none.
fn steps(expr: &Expr) -> usize {
    let mut count = usize::from(matches!(expr, Expr::Add(..)));
    let mut rest = expr;
    loop {
        match rest {
            Expr::Add(inner, _) => rest = inner,
            Expr::Deref { address: inner, .. } | Expr::Cast { value: inner, .. } => {
                count += 1;
                rest = inner;
            }
            _ => return count,
        }
    }
}

/// Reads a text from left to right. Shared with conditions, whose sides are sums.
pub(in crate::spec) struct Parser<'a> {
    text: &'a str,
    /// In bytes, always between two characters.
    at: usize,
    depth: u32,
}

impl<'a> Parser<'a> {
    pub(in crate::spec) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub(in crate::spec) fn position(&self) -> usize {
        self.at
    }

    /// Goes back to a position that was read before.
    pub(in crate::spec) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// Whether `symbol` comes next.
    pub(in crate::spec) fn looks_at(&mut self, symbol: &str) -> bool {
        self.skip_spaces();
        self.rest().starts_with(symbol)
    }

    /// Whether `symbol` came next, and was read.
    pub(in crate::spec) fn takes(&mut self, symbol: &str) -> bool {
        let there = self.looks_at(symbol);
        self.at += if there { symbol.len() } else { 0 };
        there
    }

    /// Whether the whole word `word` came next, and was read.
    pub(in crate::spec) fn takes_word(&mut self, word: &str) -> bool {
        let start = self.skip_spaces();
        let there = self.word() == word;
        self.at = if there { self.at } else { start };
        there
    }

    /// Something within parentheses, one level deeper.
    pub(in crate::spec) fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.skip_spaces();
        if self.depth >= MAX_DEPTH {
            return Err(self
                .error(start, format!("the expression nests deeper than {MAX_DEPTH}; write a simpler one")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn key(&mut self) -> Parsed<Expr> {
        let start = self.skip_spaces();
        if self.word() != "bytes" {
            self.at = start;
            return self.sum();
        }
        self.expect('(', "`(`, as in bytes(arg0, 16)")?;
        let pointer = Box::new(self.sum()?);
        self.expect(',', "`,` and the number of bytes, as in bytes(arg0, 16)")?;
        let len = Box::new(self.sum()?);
        self.expect(')', "`)`")?;
        Ok(Expr::Bytes { pointer, len })
    }

    pub(in crate::spec) fn sum(&mut self) -> Parsed<Expr> {
        let mut value = self.operand()?;
        loop {
            let negative = match self.peek() {
                Some('+') => false,
                Some('-') => true,
                _ => return Ok(value),
            };
            let sign = self.at;
            self.at += 1;
            let offset = self.offset(negative)?;
            value = add(value, offset).ok_or_else(|| {
                self.error(
                    sign,
                    "the offset does not fit into 32 bits; offsets go from -2147483648 to 2147483647",
                )
            })?;
        }
    }

    fn operand(&mut self) -> Parsed<Expr> {
        self.within(|parser| match parser.peek() {
            Some('*') => parser.deref(),
            Some('(') => parser.group(),
            Some(c) if c.is_ascii_digit() || c == '-' => parser.number().map(Expr::Constant),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => parser.name(),
            _ => Err(parser.unexpected("a value such as arg0, ret, thread or *(u64*)(arg0+8)")),
        })
    }

    /// A cast, or a sum within parentheses.
    fn group(&mut self) -> Parsed<Expr> {
        self.at += 1;
        let start = self.skip_spaces();
        let word = self.word();
        if let Some((_, width, signed)) = WIDTHS.into_iter().find(|(name, ..)| *name == word) {
            self.expect(')', "`)` after the type, as in (u32)arg1")?;
            return Ok(Expr::Cast { width, signed, value: Box::new(self.operand()?) });
        }
        self.at = start;
        let inner = self.sum()?;
        self.expect(')', "`)`")?;
        Ok(inner)
    }

    fn deref(&mut self) -> Parsed<Expr> {
        self.at += 1;
        self.expect('(', "what to read, as in *(u64*)(arg0+8)")?;
        let start = self.skip_spaces();
        let word = self.word();
        let Some((_, width, signed)) = WIDTHS.into_iter().find(|(name, ..)| *name == word) else {
            let what = if word.is_empty() { "nothing".to_owned() } else { quote(word) };
            return Err(self.error(
                start,
                format!("{what} is no type to read; it is one of u8, u16, u32, u64, i8, i16, i32, i64, as in *(u64*)(arg0+8)"),
            ));
        };
        self.expect('*', "`*` after the type, as in *(u64*)(arg0+8)")?;
        self.expect(')', "`)` after the type, as in *(u64*)(arg0+8)")?;
        Ok(Expr::Deref { width, signed, address: Box::new(self.operand()?) })
    }

    fn name(&mut self) -> Parsed<Expr> {
        let start = self.at;
        let word = self.word();
        if let Some(digits) =
            word.strip_prefix("arg").filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        {
            return match digits.parse::<u8>() {
                Ok(index) if usize::from(index) < SAVED_ARGS && digits.len() == 1 => Ok(Expr::Arg(index)),
                _ => {
                    Err(self.error(start, format!("there is no {}; arguments are arg0 to arg5", quote(word))))
                }
            };
        }
        match word {
            "ret" => Ok(Expr::Ret),
            "thread" => Ok(Expr::Thread),
            "bytes" => {
                Err(self.error(start, "bytes(..) is a hash and can only be the whole key; take it out"))
            }
            "str" => Err(self.error(start, "str(..) is text and can only be a whole attribute; take it out")),
            "scope" => {
                Err(self.error(start, "`scope` can only be the whole key of a stage; take the rest out"))
            }
            _ => Err(self.error(start, unknown(word))),
        }
    }

    /// The number after a `+` or `-`.
    fn offset(&mut self, negative: bool) -> Parsed<i64> {
        let start = self.skip_spaces();
        if !self.peek().is_some_and(|c| c.is_ascii_digit() || c == '-') {
            return Err(self.unexpected("a number: only numbers can be added, as in arg0+8"));
        }
        // Bits above 63 mean a negative number here: `- -8` is `+ 8`.
        let minus = self.peek() == Some('-');
        let number = self.number()?;
        let signed = number.cast_signed();
        let fits = minus == (signed < 0) || number == 0;
        let offset = if negative { signed.checked_neg() } else { Some(signed) };
        offset.filter(|_| fits).ok_or_else(|| {
            self.error(start, "the number is too large for an offset; offsets fit into 32 bits")
        })
    }

    pub(in crate::spec) fn number(&mut self) -> Parsed<u64> {
        let start = self.at;
        let minus = self.peek() == Some('-');
        if minus {
            self.at += 1;
            self.skip_spaces();
        }
        let word = self.word();
        let magnitude = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => word.parse(),
        };
        let magnitude = magnitude.map_err(|_| {
            self.error(start, format!("{} is no 64-bit number; write one such as 16 or 0x10", quote(word)))
        })?;
        match minus {
            false => Ok(magnitude),
            true => 0_i64.checked_sub_unsigned(magnitude).map(i64::cast_unsigned).ok_or_else(|| {
                self.error(start, "the number is too small; negative numbers fit into 64 bits")
            }),
        }
    }

    fn skip_spaces(&mut self) -> usize {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    pub(in crate::spec) fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.rest().chars().next()
    }

    /// The letters, digits and underscores that come next; perhaps none.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(in crate::spec) fn expect(&mut self, wanted: char, what: &str) -> Parsed<()> {
        if self.peek() != Some(wanted) {
            return Err(self.unexpected(what));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    pub(in crate::spec) fn unexpected(&mut self, wanted: &str) -> ParseError {
        let found = match self.peek() {
            Some(c) => quote(c.encode_utf8(&mut [0; 4])),
            None => "the end".to_owned(),
        };
        self.error(self.at, format!("expected {wanted}, found {found}"))
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        let before = self.text.get(..at).unwrap_or("").chars().count();
        ParseError { character: Some(before + 1), message: message.into() }
    }
}

/// The sum, with neighbouring offsets in one; `None` when that does not fit.
fn add(value: Expr, offset: i64) -> Option<Expr> {
    let (value, offset) = match value {
        Expr::Add(inner, first) => (*inner, first.checked_add(offset)?),
        value => (value, offset),
    };
    i32::try_from(offset).ok()?;
    Some(if offset == 0 { value } else { Expr::Add(Box::new(value), offset) })
}

fn unknown(word: &str) -> String {
    let known = "a value is arg0 to arg5, ret, thread, a number, *(u64*)(..) or, alone, bytes(.., ..)";
    match nearest(word, NAMES.into_iter()) {
        Some(near) => format!("there is no value {}, did you mean {near}?", quote(word)),
        None => format!("there is no value {}; {known}", quote(word)),
    }
}
