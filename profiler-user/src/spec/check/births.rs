//! Where keys are born, and whether each stage's keys can match any of them.
//!
//! A key value is known to the kernel program once a stage has bound it: an S0, `also`, a branch, or `batch`. A stage in whose space
//! nothing is ever bound can never be hit, and is a slip of the pen.

use profiler_common::StageCode;

use super::journey::{Mode, not_probed};
use super::spaces::Spaces;
use super::stage::Located;
use crate::spec::code;
use crate::spec::level::Level;
use crate::spec::locus::{Locus, Mistakes};
use crate::spec::{SamplingMode, StageKey};

/// A space that keys are born in, and what bears them.
struct Birth<'a> {
    space: u32,
    of_batch: bool,
    locus: &'a Locus,
}

fn births<'a>(stages: &[&'a Located], spaces: &mut Spaces, mode: SamplingMode) -> Vec<Birth<'a>> {
    let begins = beginning(stages, mode);
    let mut births = Vec::new();
    for stage in stages {
        let own = begins.iter().any(|one| std::ptr::eq(*one, *stage)) || stage.branch.is_some();
        if let (true, Some(StageKey::Value(key))) = (own, &stage.key) {
            let locus = stage.key_locus.as_ref().unwrap_or(&stage.locus);
            births.push(Birth { space: spaces.number(key, stage.space.as_ref()), of_batch: false, locus });
        }
        for (bound, of_batch) in [(&stage.also, false), (&stage.batch, true)] {
            let birth = bound.as_ref().map(|bound| Birth {
                space: spaces.number(&bound.expr, bound.space.as_ref()),
                of_batch,
                locus: &bound.locus,
            });
            births.extend(birth);
        }
    }
    births
}

/// The stages whose key says where records begin: every S0; where the key decides, and there is none, the first stage with a key.
fn beginning<'a>(stages: &[&'a Located], mode: SamplingMode) -> Vec<&'a Located> {
    let sources: Vec<&Located> =
        stages.iter().copied().filter(|stage| stage.code == Some(StageCode::SOURCE)).collect();
    if !sources.is_empty() || mode == SamplingMode::Sequence {
        return sources;
    }
    let has_key = |stage: &&Located| matches!(stage.key, Some(StageKey::Value(_)));
    stages.iter().copied().find(has_key).into_iter().collect()
}

/// Every stage's space has keys, and none has both records and batches. Said only of stages that are right so far.
pub(super) fn check_births(
    stages: &[&Located],
    spaces: &mut Spaces,
    mode: SamplingMode,
    mistakes: &mut Mistakes,
) {
    if stages.iter().any(|stage| !stage.is_whole) || beginning(stages, mode).is_empty() {
        return;
    }
    let births = births(stages, spaces, mode);
    for batch in births.iter().filter(|birth| birth.of_batch) {
        if let Some(record) = births.iter().find(|birth| birth.space == batch.space && !birth.of_batch) {
            let message = format!(
                "the space {} holds records, by {}, and can hold no batches; give the batch a `batch_space` of its own",
                spaces.name(batch.space),
                record.locus.reference()
            );
            mistakes.wrong(batch.locus, message);
        }
    }
    for stage in stages {
        let Some(StageKey::Value(key)) = &stage.key else { continue };
        let space = spaces.number(key, stage.space.as_ref());
        let locus = stage.key_locus.as_ref().unwrap_or(&stage.locus);
        if let Some(birth) = births.iter().find(|birth| birth.space == space) {
            if birth.of_batch {
                check_batch_stage(stage, locus, mistakes);
            }
        } else if spaces.are_apart() {
            let message = format!(
                "no S0, `also`, branch or `batch` puts a key into the space {}, so no record can be known by it here; \
                 give both stages the same `space`",
                spaces.name(space)
            );
            mistakes.wrong(locus, message);
        }
    }
}

/// Batches that no stage ends take in the records of those that come after them at their address. Said only where each key is in a space that has some.
pub(super) fn check_batch_ends(
    stages: &[Located],
    probed: &[&Located],
    level: Level,
    spaces: &mut Spaces,
    mistakes: &mut Mistakes,
) {
    let known: Vec<(Level, Option<u32>)> =
        stages.iter().map(|stage| (stage.level, spaces.of_stage(stage))).collect();
    for batch in probed.iter().filter_map(|stage| stage.batch.as_ref()) {
        let space = spaces.number(&batch.expr, batch.space.as_ref());
        let least = known.iter().filter(|(_, of)| *of == Some(space)).map(|(level, _)| *level).min();
        let name = spaces.name(space);
        let message = match least {
            Some(least) if least <= level => continue,
            Some(least) => format!(
                "the stage that ends the batches of the space {name} is not probed at the level {level}; give both the same level, or attach with `--level {least}`"
            ),
            None => format!(
                "no stage ends the batches of the space {name}; add the one where the batch is written, with the batch as its key"
            ),
        };
        mistakes.wrong(&batch.locus, message);
    }
}

/// What is known by a batch's key is all records in it.
fn check_batch_stage(stage: &Located, locus: &Locus, mistakes: &mut Mistakes) {
    if let Some(also) = &stage.also {
        mistakes
            .wrong(&also.locus, "the stage's key is that of a batch, and a batch has one key; take this out");
    }
    if let Some(read) = &stage.reads {
        mistakes.wrong(
            read,
            "the stage's key is that of a batch, and nothing is read of its records there; read it at a stage of the record's own",
        );
    }
    if let Some(scope) = &stage.scope {
        mistakes.wrong(
            &scope.locus,
            "the stage's key is that of a batch, and only a record can be current on a thread; take this out",
        );
    }
    if stage.code == Some(StageCode::SOURCE) {
        mistakes.wrong(
            locus,
            "an S0 begins a record, and its key is that of a batch; give the batch a space of its own",
        );
    }
}

/// Keys that are threads match only each other, so in a spec that names no space a stage whose kind of key no S0 has can never be hit.
pub(super) fn check_threads(stages: &[&Located], mode: SamplingMode, mistakes: &mut Mistakes) {
    let has = |wanted: fn(StageCode) -> bool| stages.iter().filter_map(|stage| stage.code).any(wanted);
    let sources = beginning(stages, mode);
    if stages.iter().any(|stage| !stage.is_whole) || sources.is_empty() || !has(code::ends_trace) {
        return;
    }
    // A further key, a branch or a scope may bring a record to another kind of key.
    let crosses = stages.iter().any(|stage| {
        stage.also.is_some()
            || stage.branch.is_some()
            || stage.scope.is_some()
            || stage.key == Some(StageKey::Scope)
    });
    let is_thread = |stage: &Located| stage.key.as_ref().is_some_and(StageKey::is_thread);
    let of = |kind: bool| stages.iter().copied().filter(move |stage| is_thread(stage) == kind);
    for kind in [true, false] {
        let sources = sources.iter().filter(|stage| is_thread(stage) == kind).count();
        let ends = of(kind).filter(|stage| stage.code.is_some_and(code::ends_trace)).count();
        for stage in of(kind) {
            let message = match (kind, sources, ends) {
                (true, 0, _) => {
                    "no S0 has the key `thread`, so no record can be known by it here; use the key of the S0"
                }
                _ if crosses => continue,
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

/// Where the key decides, it must be the record's own, and some stage must be one that begins traces.
pub(super) fn check_mode(
    stages: &[Located],
    probed: &[&Located],
    Mode { mode, level }: Mode,
    spaces: &mut Spaces,
    mistakes: &mut Mistakes,
) {
    let of_threads = |stage: &&Located| stage.key.as_ref().is_some_and(StageKey::is_thread);
    if mode == SamplingMode::Sequence {
        return;
    }
    for stage in beginning(probed, mode).into_iter().filter(of_threads) {
        mistakes.wrong(
            stage.key_locus.as_ref().unwrap_or(&stage.locus),
            "sampling.mode = \"key\" takes records by their key, and `thread` is the same for all records of a thread; use a key of the record's own, or mode = \"sequence\"",
        );
    }
    if stages.is_empty() || stages.iter().any(|stage| !stage.is_whole) || begins(probed, spaces) {
        return;
    }
    let at = |level: Level| stages.iter().filter(|stage| stage.level <= level).collect::<Vec<_>>();
    let least = Level::ALL.into_iter().find(|level| begins(&at(*level), spaces));
    let message = match least {
        Some(least) => not_probed("stage that begins a trace", level, least),
        None => "no stage begins a trace: where the key decides, that is an S0, or else the stages that do not end one and whose key is in the space of the \
                 first; add one of these"
            .to_owned(),
    };
    mistakes.missing(&Locus::of_all(stages), message);
}

/// Whether any of these stages begins traces where the key decides: see [`Spec::begins`](crate::spec::Spec::begins).
fn begins(probed: &[&Located], spaces: &mut Spaces) -> bool {
    if probed.iter().any(|stage| stage.code == Some(StageCode::SOURCE)) {
        return true;
    }
    let first = probed.iter().find_map(|stage| spaces.of_stage(stage));
    probed.iter().any(|stage| {
        let ends = stage.code.is_some_and(code::ends_trace);
        !ends && stage.branch.is_none() && first.is_some() && spaces.of_stage(stage) == first
    })
}
