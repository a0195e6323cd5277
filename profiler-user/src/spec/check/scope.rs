//! Scopes and branches: which stages may open, close and use them, and whether those that they need are there.

use profiler_common::StageCode;

use super::spaces::Spaces;
use super::stage::{Located, parsed};
use crate::spec::StageKey;
use crate::spec::code;
use crate::spec::level::Level;
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::point::{Place, Point};
use crate::spec::scope::{Empty, Part, Scope, ScopeKind, unheard};

/// What else of a stage its scope is judged by.
pub(super) struct Beside<'a> {
    pub(super) code: Option<StageCode>,
    pub(super) point: Option<&'a Point>,
    pub(super) key: Option<&'a StageKey>,
}

/// Judges what a stage does to scopes, by itself.
pub(super) fn check_scope(
    scope: Option<&At<String>>,
    empty: Option<&At<String>>,
    beside: &Beside<'_>,
    mistakes: &mut Mistakes,
) -> Option<At<Scope>> {
    let kind = parsed(scope, str::parse::<ScopeKind>, mistakes);
    let meaning = parsed(empty, str::parse::<Empty>, mistakes);
    if let Some(empty) = empty
        && !kind.is_some_and(ScopeKind::opens)
        && (scope.is_none() || kind.is_some())
    {
        mistakes.wrong(
            &empty.locus,
            "only a stage that opens a scope says what it means that the scope stays empty; move it to the one with scope = \"call\" or \"open\"",
        );
    }
    let (at, kind) = (scope?, kind?);
    if let Some(message) = nonsense(kind, beside) {
        mistakes.wrong(&at.locus, message);
        return None;
    }
    Some(At { value: Scope { kind, empty: meaning.unwrap_or_default() }, locus: at.locus.clone() })
}

fn nonsense(kind: ScopeKind, beside: &Beside<'_>) -> Option<&'static str> {
    let Beside { code, point, key } = beside;
    let within = point.is_some_and(|point| match point.place {
        Place::Function { offset, .. } => offset != 0 || point.at_return,
        Place::Address(_) => true,
    });
    if kind.opens() && code.is_some_and(code::ends_trace) {
        Some("the stage ends its trace, so nothing of it can be current afterwards; take it out")
    } else if kind.opens() && *key == Some(&StageKey::Scope) {
        Some("what `key = \"scope\"` means is open already; take it out, or use the record's own key")
    } else if kind == ScopeKind::Call && within {
        Some(
            "the scope of a call begins at the function's entry; write the point as the function's name alone, or use scope = \"open\" and \"close\"",
        )
    } else {
        None
    }
}

/// Judges whether a stage may make branches.
pub(super) fn check_branch(
    branch: Option<At<bool>>,
    beside: &Beside<'_>,
    mistakes: &mut Mistakes,
) -> Option<Locus> {
    let At { locus, .. } = branch.filter(|branch| branch.value)?;
    let message = match beside.key {
        Some(StageKey::Scope) => {
            "a branch is a new record, and needs the key that it is known by from here on; `scope` is its parent"
        }
        Some(key) if key.is_thread() => {
            "a branch is a new record, and needs the key that it is known by from here on; the thread has many"
        }
        _ if beside.code == Some(StageCode::SOURCE) => {
            "an S0 begins records of its own; use another code for those that come out of one, such as T-"
        }
        _ if beside.code.is_some_and(code::ends_trace) => {
            "the stage ends its trace, so no branch can go on from it; make it at the stage before"
        }
        _ => return Some(locus),
    };
    mistakes.wrong(&locus, message);
    None
}

/// Who needs an open scope, or a close for it, finds one. Said only of stages that are right so far.
pub(super) fn check_scopes(stages: &[Located], probed: &[&Located], level: Level, mistakes: &mut Mistakes) {
    if stages.iter().any(|stage| !stage.is_whole) {
        return;
    }
    let opens = |stage: &Located| kind_of(stage).is_some_and(ScopeKind::opens);
    let is = |wanted| move |stage: &Located| kind_of(stage) == Some(wanted);
    for stage in probed {
        let scope = stage.scope.as_ref().map(|at| &at.locus);
        let key = Some(&stage.locus).filter(|_| stage.key == Some(StageKey::Scope));
        for (locus, needed, what) in [
            (
                key.map(|locus| stage.key_locus.as_ref().unwrap_or(locus)),
                &opens as &dyn Fn(&Located) -> bool,
                "no stage opens a scope, so no record is ever current here; add scope = \"call\" to the stage of the function around it",
            ),
            (
                stage.branch.as_ref(),
                &opens,
                "no stage opens a scope, so nobody knows what this is a branch of; add scope = \"call\" to the stage of the function around it",
            ),
            (
                scope.filter(|_| is(ScopeKind::Close)(stage)),
                &is(ScopeKind::Open),
                "no stage has scope = \"open\", so there is nothing to close; scope = \"call\" is closed by its own return",
            ),
            (
                scope.filter(|_| is(ScopeKind::Open)(stage)),
                &is(ScopeKind::Close),
                "no stage has scope = \"close\", so it would stay open for ever; add one, or use scope = \"call\"",
            ),
        ] {
            let Some(locus) = locus else { continue };
            if probed.iter().any(|stage| needed(stage)) {
                continue;
            }
            let least = stages.iter().filter(|stage| needed(stage)).map(|stage| stage.level).min();
            match least {
                Some(least) => mistakes.wrong(
                    locus,
                    format!("the stage that it needs for its scope is not probed at the level {level}; give both the same level, or attach with `--level {least}`"),
                ),
                None => mistakes.wrong(locus, what),
            }
        }
    }
}

/// Where a scope decides which records were filtered, all stages that it decides by are probed with it. Said only of stages that are right so far.
pub(super) fn check_unheard(stages: &[Located], level: Level, spaces: &mut Spaces, mistakes: &mut Mistakes) {
    let batches: Vec<u32> = stages
        .iter()
        .filter_map(|stage| stage.batch.as_ref())
        .map(|batch| spaces.number(&batch.expr, batch.space.as_ref()))
        .collect();
    let mut is_of_batch =
        |stage: &Located| spaces.of_stage(stage).is_some_and(|space| batches.contains(&space));
    let part = |stage: &Located| Part {
        is_probed: stage.level <= level,
        scope: stage.scope.as_ref().map(|at| at.value),
        is_heard: match stage.code {
            Some(code) if code::ends_trace(code) => !stage.filters(),
            _ if stage.branch.is_some() || stage.batch.is_some() => true,
            code => code.is_some_and(code::is_output) && !is_of_batch(stage),
        },
    };
    let parts: Vec<Part> = stages.iter().map(part).collect();
    let Some((scope, silent)) = unheard(&parts) else { return };
    let (Some(scope), Some(silent)) = (stages.get(scope), stages.get(silent)) else { return };
    let locus = scope.scope.as_ref().map_or(&scope.locus, |at| &at.locus);
    let (reference, least) = (silent.locus.reference(), silent.level);
    mistakes.wrong(
        locus,
        format!(
            "it tells by {reference} which records were filtered, and that stage is not probed at the level {level}: records that come there would be taken \
             for such; give both the same level, attach with `--level {least}`, or write empty = \"keep\" here"
        ),
    );
}

fn kind_of(stage: &Located) -> Option<ScopeKind> {
    stage.scope.as_ref().map(|at| at.value.kind)
}
