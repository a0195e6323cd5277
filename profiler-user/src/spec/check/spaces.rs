//! Name spaces of keys: which stages name one, their numbers, and whether a stage's keys can match any.
//!
//! While no stage names a space, all keys of records are in one: spellings may differ from stage to stage. Once one does, a
//! stage without a space is in that of its key's spelling. Keys that are threads are always in a space of their own, since such traces end with
//! their thread.

use profiler_common::{ProbeSpec, StageCode};

use super::stage::Located;
use crate::spec::error::quote;
use crate::spec::expr::Expr;
use crate::spec::locus::{At, Mistakes};

/// Longest name of a space, in bytes.
const MAX_SPACE_BYTES: usize = 32;

/// A space that is no thread's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Space {
    /// The user's word.
    Named(String),
    /// Keys that are written alike.
    Spelled(String),
}

/// A space's name, as far as it can be judged by itself.
pub(super) fn check_space(at: At<String>, key: Option<&Expr>, mistakes: &mut Mistakes) -> Option<At<String>> {
    let word = at.value.as_str();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_word = !word.is_empty() && word.len() <= MAX_SPACE_BYTES && word.bytes().all(letter);
    let message = if key == Some(&Expr::Thread) {
        "keys that are threads have a space of their own; take it out".to_owned()
    } else if !is_word {
        format!(
            "{} is no name for a space; write up to {MAX_SPACE_BYTES} letters, digits, _ - and ., as in \"row\"",
            quote(word)
        )
    } else {
        return Some(at);
    };
    mistakes.wrong(&at.locus, message);
    None
}

/// The spaces of a spec's stages.
#[derive(Debug)]
pub(super) struct Spaces {
    apart: bool,
    known: Vec<Space>,
}

impl Spaces {
    /// Those of these stages.
    pub(super) fn of(stages: &[Located]) -> Self {
        Self { apart: stages.iter().any(|stage| stage.space.is_some()), known: Vec::new() }
    }

    /// Whether keys are told apart by their space.
    pub(super) fn are_apart(&self) -> bool {
        self.apart
    }

    /// The number of the space of a key, as the kernel program compares it.
    pub(super) fn number(&mut self, key: &Expr, space: Option<&At<String>>) -> u32 {
        if *key == Expr::Thread {
            return ProbeSpec::SPACE_THREAD;
        }
        if !self.apart {
            return ProbeSpec::SPACE_RECORD;
        }
        let space =
            space.map_or_else(|| Space::Spelled(key.to_string()), |at| Space::Named(at.value.clone()));
        let index = self.known.iter().position(|known| *known == space).unwrap_or_else(|| {
            self.known.push(space);
            self.known.len() - 1
        });
        ProbeSpec::SPACE_OWN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// What a space is called.
    fn name(&self, number: u32) -> String {
        let index = number.checked_sub(ProbeSpec::SPACE_OWN).map_or(usize::MAX, |index| index as usize);
        match self.known.get(index) {
            Some(Space::Named(word)) => quote(word),
            Some(Space::Spelled(text)) => format!("of keys written {}", quote(text)),
            None => "of threads".to_owned(),
        }
    }

    /// The names of the spec's own spaces, by number less [`ProbeSpec::SPACE_OWN`].
    pub(super) fn into_names(self) -> Vec<String> {
        let name = |space| match space {
            Space::Named(text) | Space::Spelled(text) => text,
        };
        self.known.into_iter().map(name).collect()
    }
}

/// A stage in whose space no S0 puts a key can never be hit. Said only of stages that are right so far.
pub(super) fn check_spaces(stages: &[&Located], spaces: &mut Spaces, mistakes: &mut Mistakes) {
    let is_source = |stage: &Located| stage.code == Some(StageCode::SOURCE);
    if stages.iter().any(|stage| stage.code.is_none() || stage.key.is_none())
        || !stages.iter().any(|stage| is_source(stage))
    {
        return;
    }
    let spaces_of = |stage: &&Located| stage.key.as_ref().map(|key| spaces.number(key, stage.space.as_ref()));
    let numbers: Vec<Option<u32>> = stages.iter().map(spaces_of).collect();
    let bound: Vec<u32> =
        stages.iter().zip(&numbers).filter(|(stage, _)| is_source(stage)).filter_map(|(_, n)| *n).collect();
    for (stage, number) in stages.iter().zip(numbers) {
        let Some(number) = number.filter(|number| !bound.contains(number)) else { continue };
        let message = format!(
            "no S0 puts a key into the space {}, so no record can be known by it here; give both stages the same `space`",
            spaces.name(number)
        );
        mistakes.wrong(stage.key_locus.as_ref().unwrap_or(&stage.locus), message);
    }
}
