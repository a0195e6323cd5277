//! The stages together: whether they can make a journey.

use profiler_common::StageCode;

use super::births::{check_batch_ends, check_births, check_mode, check_threads};
use super::outcome::Outcomes;
use super::scope::{check_scopes, check_unheard};
use super::spaces::{Spaces, check_declared};
use super::stage::Located;
use crate::spec::code;
use crate::spec::level::Level;
use crate::spec::locus::{Locus, Mistakes};
use crate::spec::raw::RawSpace;
use crate::spec::{SamplingMode, Space, Stage};

/// Stages that can make a journey, and what they name.
pub(in crate::spec) struct Journey {
    pub(in crate::spec) stages: Vec<Stage>,
    pub(in crate::spec) outcomes: Vec<String>,
    pub(in crate::spec) spaces: Vec<Space>,
}

/// What besides the stages says whether they can make a journey.
pub(in crate::spec) struct Around {
    pub(in crate::spec) spaces: Vec<RawSpace>,
    pub(in crate::spec) mode: SamplingMode,
    pub(in crate::spec) level: Level,
}

/// Which records are sampled, and which stages are probed.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    pub(super) mode: SamplingMode,
    pub(super) level: Level,
}

/// What is said where the level leaves all stages of a kind out. `least`: the first level that would not.
pub(super) fn not_probed(wanted: &str, level: Level, least: Level) -> String {
    format!("no {wanted} is probed at the level {level}; give one no level, or attach with `--level {least}`")
}

/// Judges the stages together and returns those that are right.
pub(in crate::spec) fn check_journey(
    stages: Vec<Located>,
    around: Around,
    mistakes: &mut Mistakes,
) -> Journey {
    let Around { spaces: declared, mode, level } = around;
    let probed: Vec<&Located> = stages.iter().filter(|stage| stage.level <= level).collect();
    if !stages.is_empty() {
        check_ends(&stages, &probed, level, mode, mistakes);
    }
    check_twins(&stages, mistakes);
    check_scopes(&stages, &probed, level, mistakes);
    let mut spaces = Spaces::of(&stages);
    // In the order of the stages, whatever the level.
    number_all(&stages, &mut spaces);
    let before = mistakes.count();
    check_births(&probed, &mut spaces, mode, mistakes);
    let are_whole = stages.iter().all(|stage| stage.is_whole);
    if are_whole && mistakes.count() == before {
        check_batch_ends(&stages, &probed, level, &mut spaces, mistakes);
    }
    if are_whole {
        check_unheard(&stages, level, &mut spaces, mistakes);
    }
    if !spaces.are_apart() {
        check_threads(&probed, mode, mistakes);
    }
    check_mode(&stages, &probed, Mode { mode, level }, &mut spaces, mistakes);
    let shared = check_declared(declared, &stages, &spaces, mistakes);
    let mut outcomes = Outcomes::default();
    let into_stage = |stage: Located| stage.into_stage(&mut outcomes, &mut spaces, mistakes);
    let stages = stages.into_iter().filter_map(into_stage).collect();
    Journey { stages, outcomes: outcomes.into_names(), spaces: spaces.into_list(&shared) }
}

impl Locus {
    /// Where the stages begin.
    pub(super) fn of_all(stages: &[Located]) -> Self {
        let place = stages.first().and_then(|stage| stage.locus.place.clone());
        let field = if place.is_some() { "stage" } else { "--stage" };
        Self { place, field: field.to_owned() }
    }
}

fn number_all(stages: &[Located], spaces: &mut Spaces) {
    for stage in stages {
        if let Some(key) = &stage.key {
            spaces.of_key(key, stage.space.as_ref());
        }
        for bound in [&stage.also, &stage.batch].into_iter().flatten() {
            spaces.number(&bound.expr, bound.space.as_ref());
        }
    }
}

/// A journey has a source and an end. Not said while a code is unreadable: it might be the one.
fn check_ends(
    stages: &[Located],
    probed: &[&Located],
    level: Level,
    mode: SamplingMode,
    mistakes: &mut Mistakes,
) {
    if stages.iter().any(|stage| stage.code.is_none()) {
        return;
    }
    let place = Locus::of_all(stages);
    let is_source = |code| code == StageCode::SOURCE;
    for (wanted, lacks, is) in [
        (
            "S0",
            "no stage has the code S0; add the one where records enter the pipeline",
            &is_source as &dyn Fn(StageCode) -> bool,
        ),
        (
            "stage that ends a trace",
            "no stage ends a trace; add one with the code W! (written) or drop (filtered)",
            &code::ends_trace,
        ),
    ] {
        let is = |stage: &Located| stage.code.is_some_and(is);
        // Where the key decides, any stage can be the first.
        if wanted == "S0" && mode == SamplingMode::Key {
            continue;
        }
        if probed.iter().any(|stage| is(stage)) {
            continue;
        }
        match stages.iter().filter(|stage| is(stage)).map(|stage| stage.level).min() {
            Some(least) => mistakes.missing(&place, not_probed(wanted, level, least)),
            None => mistakes.missing(&place, lacks),
        }
    }
}

/// Two stages alike would stamp every record twice.
fn check_twins(stages: &[Located], mistakes: &mut Mistakes) {
    let identity = |stage: &Located| {
        let space = stage.space.as_ref().map(|at| at.value.clone());
        Some((stage.code?, stage.point.clone()?, stage.key.clone()?, stage.when.clone(), space))
    };
    let mut seen: Vec<(_, &Locus)> = Vec::new();
    for stage in stages {
        let Some(identity) = identity(stage) else { continue };
        match seen.iter().find(|(other, _)| *other == identity) {
            Some((_, first)) => {
                let first = first.reference();
                mistakes.wrong(
                    &stage.locus,
                    format!("it has the code, point, key and condition of {first}, and would stamp twice; take one out"),
                );
            }
            None => seen.push((identity, &stage.locus)),
        }
    }
}
