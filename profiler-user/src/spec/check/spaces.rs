//! Name spaces of keys: which stages name one, their numbers, which are shared.
//!
//! While no stage names a space, all keys of records are in one: spellings may differ from stage to stage. Once one does, a
//! stage without a space is in that of its key's spelling. Keys that are threads are always in a space of their own, since such traces end with
//! their thread.

use profiler_common::ProbeSpec;

use super::stage::Located;
use crate::spec::error::quote;
use crate::spec::expr::Expr;
use crate::spec::locus::{At, Mistakes};
use crate::spec::raw::RawSpace;
use crate::spec::{Space, StageKey};

/// Longest name of a space, in bytes.
const MAX_SPACE_BYTES: usize = 32;

/// What a space that is no thread's is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// The user's word.
    Given(String),
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
    known: Vec<Name>,
}

impl Spaces {
    /// Those of these stages. A batch is another kind of object than its records, so its keys are never those of records.
    pub(super) fn of(stages: &[Located]) -> Self {
        let named = |stage: &Located| {
            stage.space.is_some()
                || stage.batch.is_some()
                || stage.also.as_ref().is_some_and(|also| also.space.is_some())
        };
        Self { apart: stages.iter().any(named), known: Vec::new() }
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
        let space = space.map_or_else(|| Name::Spelled(key.to_string()), |at| Name::Given(at.value.clone()));
        let index = self.known.iter().position(|known| *known == space).unwrap_or_else(|| {
            self.known.push(space);
            self.known.len() - 1
        });
        ProbeSpec::SPACE_OWN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The same for what a stage knows its record by; what is current on a thread has no space that matters.
    pub(super) fn of_key(&mut self, key: &StageKey, space: Option<&At<String>>) -> u32 {
        key.value().map_or(ProbeSpec::SPACE_RECORD, |value| self.number(value, space))
    }

    /// The same for the key of a stage; `None` where it has none of its own.
    pub(super) fn of_stage(&mut self, stage: &Located) -> Option<u32> {
        let key = stage.key.as_ref()?.value()?;
        Some(self.number(key, stage.space.as_ref()))
    }

    /// The number of the space that bears this name.
    pub(super) fn named(&self, word: &str) -> Option<u32> {
        let is = |known: &Name| matches!(known, Name::Given(name) if name == word);
        let index = u32::try_from(self.known.iter().position(is)?).ok()?;
        Some(ProbeSpec::SPACE_OWN.saturating_add(index))
    }

    /// What a space is called.
    pub(super) fn name(&self, number: u32) -> String {
        let index = number.checked_sub(ProbeSpec::SPACE_OWN).map_or(usize::MAX, |index| index as usize);
        match self.known.get(index) {
            Some(Name::Given(word)) => quote(word),
            Some(Name::Spelled(text)) => format!("of keys written {}", quote(text)),
            None if number == ProbeSpec::SPACE_RECORD => "of all records".to_owned(),
            None => "of threads".to_owned(),
        }
    }

    /// The spec's own spaces, by number less [`ProbeSpec::SPACE_OWN`]. Those in `shared` are shared.
    pub(super) fn into_list(self, shared: &[String]) -> Vec<Space> {
        let space = |name| match name {
            Name::Given(name) => Space { shared: shared.contains(&name), name },
            Name::Spelled(name) => Space { name, shared: false },
        };
        self.known.into_iter().map(space).collect()
    }
}

/// The tables of spaces that are right: the names of those that are shared. Each must be the space of some stage.
pub(super) fn check_declared(
    declared: Vec<RawSpace>,
    stages: &[Located],
    spaces: &Spaces,
    mistakes: &mut Mistakes,
) -> Vec<String> {
    let mut seen: Vec<At<String>> = Vec::new();
    let mut shared = Vec::new();
    for RawSpace { name, shared: is_shared } in declared {
        let Some(name) = name.and_then(|at| check_space(at, None, mistakes)) else { continue };
        if let Some(first) = seen.iter().find(|first| first.value == name.value) {
            let first = first.locus.reference();
            mistakes.wrong(
                &name.locus,
                format!("the space {} is already described by {first}; keep one of them", quote(&name.value)),
            );
            continue;
        }
        if spaces.named(&name.value).is_none() && stages.iter().all(|stage| stage.is_whole) {
            mistakes.wrong(
                &name.locus,
                format!("no stage has the space {}; take it out, or give it to a stage", quote(&name.value)),
            );
        }
        if is_shared.is_some_and(|at| at.value) {
            shared.push(name.value.clone());
        }
        seen.push(name);
    }
    shared
}
