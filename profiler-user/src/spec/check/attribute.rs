//! Attributes and the record's own time: names, values, words for numbers.

use std::collections::BTreeMap;

use profiler_common::limits::{MAX_ATTRIBUTES, MAX_TEXT_BYTES};

use super::stage::parsed;
use super::value::{check_addresses, check_point, check_value};
use crate::spec::attribute::{AttributeSpec, Reading};
use crate::spec::error::quote;
use crate::spec::event_time::{EventTime, TimeUnit};
use crate::spec::expr::Expr;
use crate::spec::level::Level;
use crate::spec::locus::{At, Mistakes};
use crate::spec::point::Point;
use crate::spec::raw::RawAttribute;

/// Longest name of an attribute, and longest word for a number, in bytes.
const MAX_NAME_BYTES: usize = 32;

/// Words for the numbers of one attribute at most.
const MAX_WORDS: usize = 256;

/// The attributes that are right.
pub(super) fn check_attributes(
    raw: Vec<RawAttribute>,
    point: Option<&Point>,
    mistakes: &mut Mistakes,
) -> Vec<AttributeSpec> {
    if let Some(one) = raw.get(MAX_ATTRIBUTES) {
        let message = format!(
            "it is one too many: a stage has at most {MAX_ATTRIBUTES} attributes; take some out, or read them at another stage"
        );
        mistakes.wrong(&one.name.locus, message);
    }
    raw.into_iter().filter_map(|one| check_one(one, point, mistakes)).collect()
}

fn check_one(raw: RawAttribute, point: Option<&Point>, mistakes: &mut Mistakes) -> Option<AttributeSpec> {
    let RawAttribute { name, value, names, level } = raw;
    let name_is_right = is_name(&name.value);
    if !name_is_right {
        let message = format!(
            "{} is no name for an attribute; write up to {MAX_NAME_BYTES} letters, digits, _, - and ., as in attr.table",
            quote(&name.value)
        );
        mistakes.wrong(&name.locus, message);
    }
    let reading = check_reading(value.as_ref(), point, mistakes);
    let level_given = level.is_some();
    let level = parsed(level.as_ref(), str::parse::<Level>, mistakes);
    let words = check_words(names, reading.as_ref(), mistakes);
    let (reading, words) = (reading?, words?);
    let level = if level_given { level? } else { Level::default() };
    name_is_right.then_some(AttributeSpec { name: name.value, reading, words, level })
}

fn is_name(word: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !word.is_empty() && word.len() <= MAX_NAME_BYTES && word.bytes().all(letter)
}

fn check_reading(at: Option<&At<String>>, point: Option<&Point>, mistakes: &mut Mistakes) -> Option<Reading> {
    let reading = parsed(at, str::parse::<Reading>, mistakes)?;
    let of_value = |value: &Expr| check_point(value, point).or_else(|| check_addresses(value));
    let message = reading.values().find_map(of_value).or_else(|| nonsense(&reading));
    match message.zip(at) {
        Some((message, at)) => {
            mistakes.wrong(&at.locus, message);
            None
        }
        None => Some(reading),
    }
}

fn nonsense(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Number(value) if is_constant(value) => {
            Some("a number is the same for every record; use what tells them apart, such as arg1".to_owned())
        }
        Reading::Number(_) => None,
        Reading::Text { pointer: Expr::Thread, .. } => {
            Some("`thread` is a number, not an address: nothing can be read there".to_owned())
        }
        Reading::Text { len: Expr::Thread, .. } => {
            Some("`thread` is no length; write the most bytes, as in str(arg0, 32)".to_owned())
        }
        Reading::Text { .. } => {
            let most = reading.terminated().filter(|most| !(1..=u64::from(MAX_TEXT_BYTES)).contains(most))?;
            Some(format!(
                "{most} bytes are out of range; write a number from 1 to {MAX_TEXT_BYTES}, which is what is kept of a string at most"
            ))
        }
    }
}

fn is_constant(value: &Expr) -> bool {
    !value.reads_memory() && matches!(value.base(), Expr::Constant(_))
}

fn check_words(
    names: Vec<(At<String>, At<String>)>,
    reading: Option<&Reading>,
    mistakes: &mut Mistakes,
) -> Option<BTreeMap<u64, String>> {
    let mut words = BTreeMap::new();
    let mut right = true;
    let mut wrong = |at: &At<String>, message: String| {
        mistakes.wrong(&at.locus, message);
        right = false;
    };
    if let (Some(Reading::Text { .. }), Some((at, _))) = (reading, names.first()) {
        wrong(at, "words are for numbers, and this attribute is a string; take the names out".to_owned());
        return None;
    }
    if let Some((at, _)) = names.get(MAX_WORDS) {
        wrong(at, format!("it is one too many: an attribute has words for {MAX_WORDS} numbers at most"));
        return None;
    }
    for (number, word) in names {
        let Some(bits) = bits(&number.value) else {
            let shown = quote(&number.value);
            wrong(
                &number,
                format!("{shown} is no 64-bit number; write one such as \"5\", \"-1\" or \"0x10\""),
            );
            continue;
        };
        let text = word.value.trim();
        if text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
            let shown = quote(&word.value);
            wrong(
                &word,
                format!("{shown} is no word for a number; write up to {MAX_NAME_BYTES} bytes of text"),
            );
        } else if words.insert(bits, text.to_owned()).is_some() {
            wrong(&number, format!("{} has a word already; keep one of the two", quote(&number.value)));
        }
    }
    right.then_some(words)
}

/// The 64 bits of a number as users write it.
fn bits(text: &str) -> Option<u64> {
    match text.trim().parse::<Expr>() {
        Ok(Expr::Constant(bits)) => Some(bits),
        _ => None,
    }
}

/// The record's own time. A unit alone is a mistake.
pub(super) fn check_event_time(
    value: Option<&At<String>>,
    unit: Option<&At<String>>,
    point: Option<&Point>,
    mistakes: &mut Mistakes,
) -> Option<EventTime> {
    if let (None, Some(unit)) = (value, unit) {
        mistakes.wrong(
            &unit.locus,
            "it is the unit of `event_time`, and there is none; add `event_time`, or take this out",
        );
        return None;
    }
    let is_right = check_value(value, point, mistakes, check_time);
    let read = parsed(unit, str::parse::<TimeUnit>, mistakes);
    let unit = if unit.is_some() { read? } else { TimeUnit::default() };
    Some(EventTime { value: is_right?, unit })
}

fn check_time(value: &Expr) -> Option<String> {
    match value {
        Expr::Bytes { .. } => Some(
            "a time is a number, and bytes(..) is a hash; use a value, such as *(u64*)(arg0+24)".to_owned(),
        ),
        value if is_constant(value) || *value == Expr::Thread => Some(
            "it is no time of the record's; use the value that holds it, such as *(u64*)(arg0+24)".to_owned(),
        ),
        _ => None,
    }
}
