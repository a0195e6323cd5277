//! The stages together: whether they can make a journey.

use profiler_common::StageCode;

use super::outcome::Outcomes;
use super::spaces::{Spaces, check_spaces};
use super::stage::Located;
use crate::spec::Stage;
use crate::spec::code;
use crate::spec::expr::Expr;
use crate::spec::level::Level;
use crate::spec::locus::{Locus, Mistakes};

/// Stages that can make a journey, and what they name.
pub(in crate::spec) struct Journey {
    pub(in crate::spec) stages: Vec<Stage>,
    pub(in crate::spec) outcomes: Vec<String>,
    pub(in crate::spec) spaces: Vec<String>,
}

/// Judges the stages together and returns those that are right.
pub(in crate::spec) fn check_journey(stages: Vec<Located>, level: Level, mistakes: &mut Mistakes) -> Journey {
    let probed: Vec<&Located> = stages.iter().filter(|stage| stage.level <= level).collect();
    if !stages.is_empty() {
        check_ends(&stages, &probed, level, mistakes);
    }
    check_twins(&stages, mistakes);
    let mut spaces = Spaces::of(&stages);
    if spaces.are_apart() {
        check_spaces(&probed, &mut spaces, mistakes);
    } else {
        check_threads(&probed, mistakes);
    }
    let mut outcomes = Outcomes::default();
    let into_stage = |stage: Located| stage.into_stage(&mut outcomes, &mut spaces, mistakes);
    let stages = stages.into_iter().filter_map(into_stage).collect();
    Journey { stages, outcomes: outcomes.into_names(), spaces: spaces.into_names() }
}

/// A journey has a source and an end. Not said while a code is unreadable: it might be the one.
fn check_ends(stages: &[Located], probed: &[&Located], level: Level, mistakes: &mut Mistakes) {
    if stages.iter().any(|stage| stage.code.is_none()) {
        return;
    }
    let place = stages.first().and_then(|stage| stage.locus.place.clone());
    let field = if place.is_some() { "stage" } else { "--stage" };
    let place = Locus { place, field: field.to_owned() };
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
        if probed.iter().any(|stage| is(stage)) {
            continue;
        }
        match stages.iter().filter(|stage| is(stage)).map(|stage| stage.level).min() {
            Some(least) => mistakes.missing(
                &place,
                format!(
                    "no {wanted} is probed at the level {level}; give one no level, or attach with `--level {least}`"
                ),
            ),
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

/// Keys that are threads match only each other, so a stage whose kind of key no S0 has can never be hit.
fn check_threads(stages: &[&Located], mistakes: &mut Mistakes) {
    let has = |wanted: fn(StageCode) -> bool| stages.iter().filter_map(|stage| stage.code).any(wanted);
    let incomplete = stages.iter().any(|stage| stage.code.is_none() || stage.key.is_none());
    if incomplete || !has(|code| code == StageCode::SOURCE) || !has(code::ends_trace) {
        return;
    }
    let is_thread = |stage: &Located| stage.key == Some(Expr::Thread);
    let of = |kind: bool| stages.iter().copied().filter(move |stage| is_thread(stage) == kind);
    for kind in [true, false] {
        let sources = of(kind).filter(|stage| stage.code == Some(StageCode::SOURCE)).count();
        let ends = of(kind).filter(|stage| stage.code.is_some_and(code::ends_trace)).count();
        for stage in of(kind) {
            let message = match (kind, sources, ends) {
                (true, 0, _) => {
                    "no S0 has the key `thread`, so no record can be known by it here; use the key of the S0"
                }
                (false, 0, _) => {
                    "every S0 has the key `thread`, so no record can be known by another here; use `thread`"
                }
                (true, _, 0) => {
                    "no W! or drop has the key `thread`, so such a trace never ends; use the key of the last stage"
                }
                (false, _, 0) => {
                    "every W! and drop has the key `thread`, so such a trace never ends; use it here too"
                }
                _ => continue,
            };
            mistakes.wrong(stage.key_locus.as_ref().unwrap_or(&stage.locus), message);
        }
    }
}
