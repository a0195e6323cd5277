//! The whole way: file and flags to a validated spec, or to every mistake in them.

use super::check::{
    Around, Journey, check_extras, check_journey, check_sampling, check_stages, check_target, lay_target_over,
};
use super::error::{SpecError, SpecErrors};
use super::flags::{self, Overrides};
use super::level::Level;
use super::locus::{Locus, Mistakes};
use super::raw::Raw;
use super::{Spec, text};

/// Lays the flags over the file (its name, for messages, and its text) and the file over the defaults.
///
/// The file's target and stages give way as a whole when flags name any; single sampling values give way one by one.
/// What is overridden must still be right in itself.
///
/// # Errors
/// Every mistake that was found, in one go.
pub fn load(file: Option<(&str, &str)>, overrides: &Overrides) -> Result<Spec, SpecErrors> {
    let mut mistakes = Mistakes::default();
    let below = file.map(|(name, text)| text::read(name, text, &mut mistakes)).unwrap_or_default();
    let above = flags::read(overrides, &mut mistakes);
    let level = overrides.level.unwrap_or_default();
    let spec = lay_over(above, below, level, &mut mistakes);
    match spec {
        Some(spec) if mistakes.is_empty() => Ok(spec),
        _ => Err(mistakes.into_errors()),
    }
}

/// The same at the level that is the default, judged at all levels.
///
/// # Errors
/// Every mistake that it has at any level, each once: with the level, where it is another.
pub fn check_all_levels(file: Option<(&str, &str)>, overrides: &Overrides) -> Result<Spec, SpecErrors> {
    let at = |level| load(file, &Overrides { level: Some(level), ..overrides.clone() });
    let known = |found: &[(Level, SpecError)], error: &SpecError| {
        found.iter().any(|(_, one)| is_same_but_for_level(one, error))
    };
    let mut found: Vec<(Level, SpecError)> = Vec::new();
    for level in Level::ALL {
        let errors = at(level).err().map(|errors| errors.0).unwrap_or_default();
        let new: Vec<SpecError> = errors.into_iter().filter(|error| !known(&found, error)).collect();
        found.extend(new.into_iter().map(|error| (level, error)));
    }
    if found.is_empty() {
        return at(Level::default());
    }
    Err(SpecErrors::in_order(found.into_iter().map(|(level, error)| with_level(error, level)).collect()))
}

/// How a message names the level that it is about.
fn named(level: Level) -> String {
    format!("at the level {level}")
}

fn without_level(message: &str) -> String {
    Level::ALL.into_iter().fold(message.to_owned(), |message, level| message.replace(&named(level), ""))
}

fn is_same_but_for_level(one: &SpecError, other: &SpecError) -> bool {
    let is = (&one.place, &one.field) == (&other.place, &other.field);
    is && without_level(&one.message) == without_level(&other.message)
}

fn with_level(error: SpecError, level: Level) -> SpecError {
    if level == Level::default() || error.message.contains(&named(level)) {
        return error;
    }
    SpecError { message: format!("{}, {}", named(level), error.message), ..error }
}

fn lay_over(above: Raw, below: Raw, level: Level, mistakes: &mut Mistakes) -> Option<Spec> {
    check_presence(&above, &below, mistakes);
    let targets = (check_target(below.target, mistakes), check_target(above.target, mistakes));
    let sampled = check_sampling(below.sampling, mistakes);
    let sampled = check_sampling(above.sampling, mistakes).over(sampled);
    let stages = check_stages(below.stages, mistakes);
    let flag_stages = check_stages(above.stages, mistakes);
    let stages = if flag_stages.is_empty() { stages } else { flag_stages };
    let place_of_extras = sampled.place_of_extras();
    let sampling = sampled.or_default(mistakes);
    let exports = super::exports::check(below.exports, mistakes);
    let spaces = below.spaces.into_iter().chain(above.spaces).collect();
    let around = Around { spaces, mode: sampling.mode, level };
    let Journey { stages, outcomes, spaces } = check_journey(stages, around, mistakes);
    check_extras(&stages, &sampling, &place_of_extras, mistakes);
    Some(Spec {
        target: lay_target_over(targets.1, targets.0)?,
        sampling,
        stages,
        level,
        turn: false,
        outcomes,
        spaces,
        exports,
    })
}

/// Target and stages have no default: one of the layers must name them.
fn check_presence(above: &Raw, below: &Raw, mistakes: &mut Mistakes) {
    let place = below.root.as_ref().and_then(|root| root.place.clone());
    if above.target.named.is_empty() && below.target.named.is_empty() {
        let root = Locus { place: place.clone(), field: "target".to_owned() };
        let message = "it is not said what to attach to; give --pid, --process, --exe or --container, or one of pid, pids, process, exe and container in [target]";
        mistakes.missing(below.target.table.as_ref().unwrap_or(&root), message);
    }
    let unreadable = above.stages_unreadable || below.stages_unreadable;
    if above.stages.is_empty() && below.stages.is_empty() && !unreadable {
        let message =
            "there are no stages; add [[stage]] tables to the spec, or --stage 'S0=POINT(KEY)' flags";
        mistakes.missing(&Locus { place, field: "stage".to_owned() }, message);
    }
}
