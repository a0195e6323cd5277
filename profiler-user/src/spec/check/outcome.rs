//! Outcomes: which stages may name one, which words name one, and their numbers.

use profiler_common::limits::{MAX_NAMED_OUTCOMES, MAX_OUTCOME_BYTES};
use profiler_common::{LostReason, Outcome, StageCode};

use crate::spec::code;
use crate::spec::error::quote;
use crate::spec::locus::{At, Mistakes};

/// Words that the ledger uses for something else.
const TAKEN: [&str; 6] = ["sampled", "admitted", "in_flight", "lost", "records", "unnamed"];

/// A stage's outcome, as far as it can be judged by itself.
pub(super) fn check_outcome(
    at: At<String>,
    code: Option<StageCode>,
    mistakes: &mut Mistakes,
) -> Option<At<String>> {
    let word = at.value.as_str();
    let fixed = Outcome::FIXED.into_iter().find(|outcome| outcome.fixed_name() == Some(word));
    let taken = TAKEN.contains(&word) || LostReason::ALL.iter().any(|reason| reason.name() == word);
    let message = if let Some(code) = code.filter(|code| !code::ends_trace(*code)) {
        format!(
            "a stage of the code {} does not end a trace, and has no outcome; take it out, or use the code W! or drop",
            code::name(code)
        )
    } else if fixed == Some(Outcome::Written) && code != Some(StageCode::SINK) {
        "only a W! stage writes a record; use another word".to_owned()
    } else if fixed.is_some_and(|fixed| !matches!(fixed, Outcome::Written | Outcome::Filtered)) || taken {
        format!("{} has a meaning of its own in the ledger; use another word", quote(word))
    } else if !is_word(word) {
        format!(
            "{} is no name for an outcome; write up to {MAX_OUTCOME_BYTES} small letters, digits and _, as in \"error_routed\"",
            quote(word)
        )
    } else {
        return Some(at);
    };
    mistakes.wrong(&at.locus, message);
    None
}

fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
    text.len() <= MAX_OUTCOME_BYTES
        && text.bytes().all(letter)
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
}

/// The outcomes that a spec names, each with its number.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    names: Vec<String>,
}

impl Outcomes {
    /// The outcome of a name; one that is new gets the next number.
    pub(super) fn number(&mut self, at: &At<String>, mistakes: &mut Mistakes) -> Option<Outcome> {
        let word = at.value.as_str();
        if let Some(fixed) = Outcome::FIXED.into_iter().find(|outcome| outcome.fixed_name() == Some(word)) {
            return Some(fixed);
        }
        let number = match self.names.iter().position(|name| name == word) {
            Some(number) => number,
            None if self.names.len() < MAX_NAMED_OUTCOMES => {
                self.names.push(word.to_owned());
                self.names.len() - 1
            }
            None => {
                let message = format!(
                    "this is outcome {}, and a spec names {MAX_NAMED_OUTCOMES} at most; let stages share one",
                    quote(word)
                );
                mistakes.wrong(&at.locus, message);
                return None;
            }
        };
        u8::try_from(number).ok().map(Outcome::Named)
    }

    /// Their names, by number.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}
