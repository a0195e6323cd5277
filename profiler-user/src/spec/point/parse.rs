//! Text to point.
//!
//! ```text
//! point = [library ":"] (function ["+" offset] | "0x" address) ["%return"]
//! ```
//!
//! A function is a mangled name, a demangled path or a glob with `*` and `?`, and so may hold nearly anything: `operator+`,
//! `ns::f(int, char*)`, `<T as Trait>::{closure#0}`. So the three marks are told from it by where they stand: `%return` at the end;
//! a single `:` outside brackets; a last `+` that a number follows.

use std::str::FromStr;

use super::{Place, Point};
use crate::spec::error::{ParseError, quote};

/// Longest point, in bytes.
pub const MAX_POINT_BYTES: usize = 4096;

const RETURN: &str = "%return";

type Parsed<T> = Result<T, ParseError>;

fn error<T>(message: impl Into<String>) -> Parsed<T> {
    Err(ParseError::whole(message))
}

impl FromStr for Point {
    type Err = ParseError;

    fn from_str(text: &str) -> Parsed<Self> {
        let text = text.trim();
        if text.is_empty() {
            return error(
                "the point is empty; name a function, as in `request_done` or `libfoo.so.1:request_done`",
            );
        }
        if text.len() > MAX_POINT_BYTES {
            return error(format!(
                "the point is longer than {MAX_POINT_BYTES} bytes; use a glob, as in `ns::parse*`"
            ));
        }
        if text.chars().any(char::is_control) {
            return error("the point holds a control character; take it out");
        }
        let (rest, at_return) = split_return(text)?;
        let (library, rest) = split_library(rest)?;
        let place = place(rest)?;
        match (&place, at_return) {
            (Place::Address(_), true) => {
                error("an address has no return: name the function, as in `request_done%return`")
            }
            (Place::Function { offset: 1.., .. }, true) => {
                error("a place inside a function has no return: take out the offset or `%return`")
            }
            _ => Ok(Self { library: library.map(str::to_owned), place, at_return }),
        }
    }
}

fn split_return(text: &str) -> Parsed<(&str, bool)> {
    if let Some(rest) = text.strip_suffix(RETURN) {
        return Ok((rest.trim_end(), true));
    }
    // `operator%` is a C++ function, and `operator%(int)` ends in no word.
    match text.rsplit_once('%') {
        Some((head, tail))
            if !head.ends_with("operator") && tail.trim().bytes().all(|byte| byte.is_ascii_alphabetic()) =>
        {
            error(format!("there is no {}; only `%return` can follow a function", quote(&format!("%{tail}"))))
        }
        _ => Ok((text, false)),
    }
}

/// The byte offset of the colon that separates library and function, if there is one.
fn separator(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let colon = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b':');
    let path = text.starts_with('/');
    let mut depth = 0_i32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' if !path => depth += 1,
            b'}' | b')' if !path => depth -= 1,
            b':' if depth == 0 && !colon(at.checked_sub(1)) && !colon(at.checked_add(1)) => return Some(at),
            _ => {}
        }
    }
    None
}

fn split_library(text: &str) -> Parsed<(Option<&str>, &str)> {
    if text.contains(":::") {
        return error(
            "there are three colons in a row; one separates library and function, two belong to a path",
        );
    }
    let Some((library, function)) = separator(text).and_then(|at| text.split_at_checked(at)) else {
        return no_library(text);
    };
    let (library, function) = (library.trim(), function.get(1..).unwrap_or("").trim());
    check_library(library)?;
    if separator(function).is_some() {
        return error(
            "there is more than one single `:`; one separates library and function, `::` belongs to a path",
        );
    }
    Ok((Some(library), function))
}

fn no_library(text: &str) -> Parsed<(Option<&str>, &str)> {
    if text.starts_with('/') {
        return error("a path alone is no point; add the function, as in `/usr/lib/libfoo.so.1:write_done`");
    }
    match text.split_once("::") {
        Some((head, _)) if head.ends_with(".so") || head.contains(".so.") => error(format!(
            "one colon separates library and function: write `{head}:..` instead of `{head}::..`"
        )),
        _ => Ok((None, text)),
    }
}

fn check_library(library: &str) -> Parsed<()> {
    if library.is_empty() {
        return error(
            "there is no library before `:`; write `libfoo.so.1:write_done`, or the function alone",
        );
    }
    if library.contains(['*', '?']) {
        return error(format!(
            "the library {} holds a `*` or `?`; write its file name in full",
            quote(library)
        ));
    }
    if library.ends_with(':') {
        return error("the library's name ends in a colon; take it out");
    }
    if library.starts_with('/') {
        return Ok(());
    }
    if library.contains('/') {
        return error(format!(
            "the library {} is a relative path; write its file name or its full path",
            quote(library)
        ));
    }
    if library.contains("::") || library.contains(['<', '>', '(', ')', '{', '}']) {
        return error(format!(
            "a single `:` separates library and function, and {} is no library's file name; paths are written with `::`",
            quote(library)
        ));
    }
    Ok(())
}

fn place(text: &str) -> Parsed<Place> {
    if text.is_empty() {
        return error("there is no function; name one, as in `libfoo.so.1:write_done`");
    }
    if text.starts_with("0x") || text.starts_with("0X") {
        return address(text);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return error(format!("{} is no function; an address is written `0x..` in hexadecimal", quote(text)));
    }
    let (pattern, offset) = split_offset(text)?;
    if split_offset(pattern).map_or(true, |(_, more)| more.is_some()) {
        return error("there are two offsets; add them up");
    }
    check_pattern(pattern)?;
    Ok(Place::Function { pattern: pattern.to_owned(), offset: offset.unwrap_or(0) })
}

fn address(text: &str) -> Parsed<Place> {
    match number(text) {
        Some(address) => Ok(Place::Address(address)),
        None => error(format!(
            "{} is no address; it is `0x` and up to 16 hexadecimal digits, and an offset is added in already",
            quote(text)
        )),
    }
}

/// The function and the number behind its last `+`.
fn split_offset(text: &str) -> Parsed<(&str, Option<u64>)> {
    let Some((head, tail)) = text.rsplit_once('+') else { return Ok((text, None)) };
    let tail = tail.trim();
    let looks_like_one = tail.starts_with(|c: char| c.is_ascii_digit())
        && tail.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !looks_like_one {
        return Ok((text, None));
    }
    match number(tail) {
        Some(offset) => Ok((head.trim_end(), Some(offset))),
        None => error(format!("{} is no offset; write a number of bytes such as 16 or 0x10", quote(tail))),
    }
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` would take a sign.
    let plain = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

fn check_pattern(pattern: &str) -> Parsed<()> {
    if pattern.is_empty() {
        return error("there is no function before the offset; name one, as in `write_done+16`");
    }
    if pattern.contains('*') && pattern.chars().all(|c| matches!(c, '*' | '?' | ':')) {
        return error("the glob matches every function; name what you look for, as in `ns::parse*`");
    }
    if pattern.starts_with(':') || pattern.ends_with(':') {
        return error("a function begins and ends with a name; take out the colons there");
    }
    match split_return(pattern)? {
        (_, true) => error("`%return` stands at the end, and once"),
        (_, false) => Ok(()),
    }
}
