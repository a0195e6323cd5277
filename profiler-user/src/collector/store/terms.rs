//! What of a part can be searched besides its columns: stages, tasks and attributes as one text, in which any database can look for a piece. Pure.
//!
//! Owns: the text. A term stands between two separators, so that what is found is a whole term; separators inside of names are escaped.

use std::collections::BTreeSet;

use super::super::model::Part;
use super::filter::Filter;

/// Around every term.
const SEPARATOR: char = '\u{1e}';
/// Between an attribute's name and its value.
const INNER: char = '\u{1f}';
/// Before the digit that stands for one of these, or for a NUL, which not every database keeps.
const ESCAPE: char = '\u{1d}';
/// What is escaped, by digit.
const ESCAPED: [char; 4] = ['\0', ESCAPE, SEPARATOR, INNER];

/// All terms of a part.
pub(super) fn of(part: &Part) -> String {
    let mut terms = BTreeSet::new();
    for entry in &part.entries {
        terms.insert(stage(entry.code));
        terms.insert(task(entry.task));
        terms.extend(entry.name.as_deref().map(stage_name));
    }
    terms.extend(part.attributes.iter().map(|one| attribute(&one.name, &one.value.to_string())));
    let mut text = String::from(SEPARATOR);
    for term in terms {
        text.push_str(&term);
        text.push(SEPARATOR);
    }
    text
}

/// What has to be found in a part's terms for it to fit a filter.
pub(super) fn wanted(filter: &Filter) -> Vec<String> {
    let named = filter.attributes.iter().map(|(name, value)| attribute(name, value));
    let terms = filter.stage.map(stage).into_iter();
    let terms = terms.chain(filter.stage_name.as_deref().map(stage_name)).chain(filter.task.map(task));
    terms.chain(named).map(|term| format!("{SEPARATOR}{term}{SEPARATOR}")).collect()
}

fn stage(code: u8) -> String {
    format!("s{code}")
}

fn stage_name(name: &str) -> String {
    format!("n{}", escaped(name))
}

fn task(task: i64) -> String {
    format!("t{task}")
}

fn attribute(name: &str, value: &str) -> String {
    format!("a{}{INNER}{}", escaped(name), escaped(value))
}

/// The text without NULs and separators.
fn escaped(text: &str) -> String {
    replaced(text, &ESCAPED)
}

/// The text without NULs, for a database that keeps none. What is found in a text is found in the same of both.
#[cfg(feature = "postgres")]
pub(super) fn without_nul(text: &str) -> String {
    replaced(text, &[ESCAPED[0], ESCAPED[1]])
}

fn replaced(text: &str, those: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match those.iter().position(|one| *one == char).and_then(|at| char::from_digit(at as u32, 10)) {
            Some(digit) => out.extend([ESCAPE, digit]),
            None => out.push(char),
        }
    }
    out
}

/// The text before that.
#[cfg(feature = "postgres")]
pub(super) fn with_nul(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        let meant = (char == ESCAPE)
            .then(|| chars.next()?.to_digit(10).and_then(|digit| ESCAPED.get(digit as usize).copied()));
        out.push(meant.flatten().unwrap_or(char));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_term_is_found_whole() {
        let filter = |name: &str, value: &str| Filter {
            attributes: vec![(name.to_owned(), value.to_owned())],
            ..Filter::default()
        };
        let text = format!("{SEPARATOR}{}{SEPARATOR}", attribute("table", "a\u{1e}t4\u{1e}b"));
        let has = |filter: &Filter| wanted(filter).iter().all(|term| text.contains(term));
        assert!(has(&filter("table", "a\u{1e}t4\u{1e}b")));
        assert!(!has(&filter("table", "a")) && !has(&filter("able", "a\u{1e}t4\u{1e}b")));
        assert!(!has(&Filter { task: Some(4), ..Filter::default() }));
        assert!(has(&Filter::default()));
    }

    proptest! {
        #[test]
        fn escapes_come_back(text in "[\0\u{1c}-\u{1f}0-3a]{0,12}") {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['\0', SEPARATOR, INNER]));
            prop_assert_eq!(with_nul(&escaped), text.clone());
            let without = without_nul(&text);
            prop_assert!(!without.contains('\0'));
            prop_assert_eq!(with_nul(&without), text);
        }
    }
}
