//! Where the events of a list begin and end, found without building anything: an event that makes no sense must not take the others with it.

use std::ops::Range;

/// Why a body is no list of JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not UTF-8.
    #[error("the body is not UTF-8 (at byte {0})")]
    Utf8(usize),
    /// It is something else than a list.
    #[error("the body is no list of events; send [{{..}}, ..], also for one event")]
    NoList,
    /// It is no JSON.
    #[error("the body is no JSON: {0}")]
    Json(String),
    /// Lists and objects lie too deep in each other.
    #[error("the body has lists and objects more than {0} deep in each other")]
    Depth(usize),
    /// There are too many events.
    #[error("the body has more than {0} events; send fewer at once")]
    Many(usize),
}

/// The places of the elements of a list. That each is JSON has to be seen by who reads it.
///
/// # Errors
/// When brackets or commas between elements are wrong, and beyond the bounds.
pub(super) fn elements(text: &str, depth: usize, limit: usize) -> Result<Vec<Range<usize>>, Broken> {
    let bytes = text.as_bytes();
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let begin = bytes.iter().position(|byte| !is_space(*byte)).ok_or(Broken::NoList)?;
    if bytes.get(begin) != Some(&b'[') {
        return Err(Broken::NoList);
    }
    let mut all = Vec::new();
    let (mut at, mut first, mut open) = (begin + 1, begin + 1, 1usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'[' | b'{' => open += 1,
            b']' | b'}' => open -= 1,
            _ => {}
        }
        if open > depth {
            return Err(Broken::Depth(depth));
        }
        let ends = open == 0 || open == 1 && *byte == b',';
        if ends {
            let is_blank = bytes.get(first..at).is_none_or(|bytes| bytes.iter().all(|byte| is_space(*byte)));
            if !is_blank {
                all.push(first..at);
            } else if !(open == 0 && all.is_empty()) {
                return Err(Broken::Json(format!("an event is missing at byte {at}")));
            }
            if all.len() > limit {
                return Err(Broken::Many(limit));
            }
            first = at + 1;
        }
        if open == 0 {
            return end(bytes, at, all);
        }
        at += 1;
    }
    Err(Broken::Json("it ends within the list".to_owned()))
}

/// Nothing may follow the list.
fn end(bytes: &[u8], at: usize, all: Vec<Range<usize>>) -> Result<Vec<Range<usize>>, Broken> {
    if bytes.get(at) != Some(&b']') {
        return Err(Broken::Json(format!("the list is closed by a brace at byte {at}")));
    }
    let rest = bytes.get(at + 1..).unwrap_or_default();
    if rest.iter().all(u8::is_ascii_whitespace) {
        return Ok(all);
    }
    Err(Broken::Json("something follows the list".to_owned()))
}

/// The place of the quote that ends the string which begins at a quote.
fn string_end(bytes: &[u8], quote: usize) -> Result<usize, Broken> {
    let mut at = quote + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Err(Broken::Json("it ends within a text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Broken, elements};
    use proptest::prelude::*;

    fn parts(text: &str) -> Result<Vec<&str>, Broken> {
        elements(text, 4, 3).map(|all| all.into_iter().map(|range| text[range].trim()).collect())
    }

    #[test]
    fn elements_are_found_between_commas_of_the_list_alone() {
        assert_eq!(parts("[]"), Ok(vec![]));
        assert_eq!(parts(" [ ] \n"), Ok(vec![]));
        assert_eq!(parts("[1]"), Ok(vec!["1"]));
        assert_eq!(
            parts(r#" [{"a":[1,2],"b":"],\"}"}, "x,\\" ,3]"#),
            Ok(vec![r#"{"a":[1,2],"b":"],\"}"}"#, r#""x,\\""#, "3"])
        );
    }

    #[test]
    fn what_is_no_list_is_told() {
        for text in ["", "  ", "{}", "1", "null", "\"[]\""] {
            assert_eq!(parts(text), Err(Broken::NoList), "{text}");
        }
        for text in
            ["[", "[1", "[1,]", "[,1]", "[,]", "[1,,2]", "[1]]", "[1] 2", "[1}", "[\"a", "[\"a\\", "[\"a\\\""]
        {
            assert!(matches!(parts(text), Err(Broken::Json(_))), "{text}");
        }
        assert_eq!(parts("[[[[]]]]").map(|all| all.len()), Ok(1));
        assert_eq!(parts("[[[[[]]]]]"), Err(Broken::Depth(4)));
        assert_eq!(parts("[1,2,3,4]"), Err(Broken::Many(3)));
    }

    proptest! {
        #[test]
        fn a_list_of_json_is_taken_apart_as_it_was_made(values in proptest::collection::vec("[a-z\\[\\]{},\"\\\\ ]{0,12}", 0..20)) {
            let text = serde_json::to_string(&values).unwrap();
            let found = elements(&text, 32, 20).unwrap();
            let read: Vec<String> = found.into_iter().map(|range| serde_json::from_str(&text[range]).unwrap()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn nothing_panics(text in "[\\[\\]{},\" \\\\a1]{0,60}") {
            let _ = elements(&text, 8, 8);
        }
    }
}
