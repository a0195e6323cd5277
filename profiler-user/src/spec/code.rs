//! Stage codes as users write them: the classic ones, stain's drop, the reserved names of the stain-trace format, numbers.

use profiler_common::{Outcome, StageCode};

use super::error::{ParseError, quote};

/// Names that the stain-trace format reserves, with their codes.
const RESERVED: [(&str, u8); 12] = [
    ("SOURCE_READ_END", 101),
    ("QUEUE_OFFER_START", 102),
    ("QUEUE_DESERIALIZE_END", 103),
    ("TRANSFORM_EXECUTE_START", 104),
    ("TRANSFORM_EXECUTE_END", 105),
    ("SINK_BATCH_AGGREGATE_END", 106),
    ("SINK_FORMAT_END", 107),
    ("SINK_WRITE_START", 108),
    ("SINK_WRITE_END", 109),
    ("SINK_COMMIT_END", 110),
    ("FLOW_CONTROL_AUDIT_START", 226),
    ("FLOW_CONTROL_AUDIT_END", 227),
];

/// The codes that have a short name, in the order of a journey.
const SHORT: [&str; 7] = ["S0", "Q+", "Q-", "T+", "T-", "W!", "drop"];

/// What a message offers.
const OFFER: &str = "the codes are S0, Q+, Q-, T+, T-, W! and drop, a number from 7 to 255, or a reserved name such as SINK_WRITE_START";

/// Numbers below this are the classic codes, which are written by name.
const FIRST_FREE: u8 = 7;

/// The name of a code: `S0`, `SINK_WRITE_START`, or `STAGE_42`.
#[must_use]
pub fn name(code: StageCode) -> String {
    let reserved = RESERVED.iter().find(|(_, number)| *number == code.0);
    reserved.map_or_else(|| code.to_string(), |(name, _)| (*name).to_owned())
}

/// Whether a stage of this code ends the trace.
#[must_use]
pub fn ends_trace(code: StageCode) -> bool {
    outcome(code).is_some()
}

/// Whether a stage of this code hands its record on.
#[must_use]
pub const fn is_output(code: StageCode) -> bool {
    matches!(code, StageCode::TRANSFORM_OUT | StageCode::ENQUEUE | StageCode::SINK)
}

/// How a stage of this code ends a trace, unless it says otherwise; `None` when it does not end any.
#[must_use]
pub fn outcome(code: StageCode) -> Option<Outcome> {
    match code {
        StageCode::SINK => Some(Outcome::Written),
        StageCode::DROP => Some(Outcome::Filtered),
        _ => None,
    }
}

/// The code that a user wrote.
///
/// # Errors
/// Says which codes there are, and the nearest one.
pub fn parse(text: &str) -> Result<StageCode, ParseError> {
    let text = text.trim();
    if let Some(code) = StageCode::from_short_name(text) {
        return Ok(code);
    }
    if let Some((_, number)) = RESERVED.iter().find(|(name, _)| *name == text) {
        return Ok(StageCode(*number));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text);
    }
    Err(unknown(text))
}

fn number(text: &str) -> Result<StageCode, ParseError> {
    let code = text.parse().ok().map(StageCode);
    match code {
        Some(code) if code.short_name().is_some() => {
            Err(ParseError::whole(format!("stage code {text} has a name: write {:?}", name(code))))
        }
        Some(code) if code.0 >= FIRST_FREE => Ok(code),
        _ => Err(ParseError::whole(format!("stage code {} is out of range; {OFFER}", quote(text)))),
    }
}

fn unknown(text: &str) -> ParseError {
    let what = if text.is_empty() {
        "the stage code is empty".to_owned()
    } else {
        format!("there is no stage code {}", quote(text))
    };
    match nearest(text, SHORT.into_iter().chain(RESERVED.map(|(name, _)| name))) {
        Some(near) => ParseError::whole(format!("{what}, did you mean {near:?}? {}", capital(OFFER))),
        None => ParseError::whole(format!("{what}; {OFFER}")),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The candidate that is nearest to a misspelt word, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let near =
        candidates.map(|candidate| (distance(candidate), candidate)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{StageCode, name, parse};

    #[test]
    fn names_are_inverse() {
        for code in (1..=255).map(StageCode) {
            let text = name(code);
            let written = text.strip_prefix("STAGE_").unwrap_or(&text);
            assert_eq!(parse(written), Ok(code));
        }
    }

    #[test]
    fn mistakes_name_the_nearest() {
        for (text, part) in [
            ("s0", "did you mean \"S0\"?"),
            ("W", "did you mean \"W!\"?"),
            ("DROP", "did you mean \"drop\"?"),
            ("SINK_WRITE_STRAT", "did you mean \"SINK_WRITE_START\"?"),
            ("sink", "there is no stage code `sink`; the codes are"),
            ("", "the stage code is empty; the codes are"),
            ("1", "write \"S0\""),
            ("64", "write \"drop\""),
            ("0", "out of range"),
            ("256", "out of range"),
            ("-7", "out of range"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
