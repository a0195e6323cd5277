//! Each stage by itself: its code, name, point, key and what else it says.

use std::time::Duration;

use profiler_common::StageCode;

use super::attribute::{check_attributes, check_event_time};
use super::binding::{ALSO, BATCH, Bound, check_binding};
use super::outcome::{Outcomes, check_outcome};
use super::sampling::check_ttl;
use super::scope::{Beside, check_branch, check_scope};
use super::spaces::{Spaces, check_space};
use super::value::{check_stage_key, check_task, check_value, check_when};
use crate::spec::attribute::AttributeSpec;
use crate::spec::code;
use crate::spec::condition::Condition;
use crate::spec::error::ParseError;
use crate::spec::event_time::EventTime;
use crate::spec::expr::Expr;
use crate::spec::level::Level;
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::point::Point;
use crate::spec::raw::RawStage;
use crate::spec::scope::Scope;
use crate::spec::{Binding, Outcome, Stage, StageKey};

/// Longest stage name, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A stage as far as it is right, with the place of its parts.
#[derive(Debug)]
pub(in crate::spec) struct Located {
    pub(super) locus: Locus,
    pub(super) key_locus: Option<Locus>,
    pub(super) code: Option<StageCode>,
    name: Option<String>,
    pub(super) point: Option<Point>,
    pub(super) key: Option<StageKey>,
    pub(super) space: Option<At<String>>,
    pub(super) also: Option<Bound>,
    pub(super) scope: Option<At<Scope>>,
    /// Where it says that it makes branches.
    pub(super) branch: Option<Locus>,
    pub(super) batch: Option<Bound>,
    task: Option<Expr>,
    pub(super) outcome: Option<At<String>>,
    pub(super) when: Option<Condition>,
    attributes: Vec<AttributeSpec>,
    /// Where it first says that it reads something of the record.
    pub(super) reads: Option<Locus>,
    event_time: Option<EventTime>,
    ttl: Option<Duration>,
    pub(super) level: Level,
    /// Whether nothing is wrong with it by itself.
    pub(super) is_whole: bool,
}

/// The stages of one layer, as far as they are right.
pub(in crate::spec) fn check_stages(raw: Vec<RawStage>, mistakes: &mut Mistakes) -> Vec<Located> {
    let check = |stage| {
        let before = mistakes.count();
        let stage = check_stage(stage, mistakes);
        Located { is_whole: stage.is_complete() && mistakes.count() == before, ..stage }
    };
    raw.into_iter().map(check).collect()
}

fn check_stage(raw: RawStage, mistakes: &mut Mistakes) -> Located {
    let RawStage {
        locus,
        code,
        name,
        point,
        key,
        space,
        also,
        also_space,
        scope,
        empty,
        branch,
        batch,
        batch_space,
        task,
        outcome,
        when,
        attributes,
        event_time,
        event_time_unit,
        ttl,
        level,
    } = raw;
    let code = parsed(code.as_ref(), code::parse, mistakes);
    let point = parsed(point.as_ref(), str::parse::<Point>, mistakes);
    let name_given = name.is_some();
    let name = name.and_then(|at| check_name(at, mistakes));
    let key_locus = key.as_ref().map(|at| at.locus.clone());
    let at_point = point.as_ref();
    let key = check_stage_key(key.as_ref(), at_point, mistakes);
    check_source_key(code, key.as_ref(), key_locus.as_ref(), mistakes);
    let is_new = code == Some(StageCode::SOURCE) || branch.as_ref().is_some_and(|at| at.value);
    let space = space.and_then(|at| check_key_space(at, key.as_ref(), is_new, mistakes));
    let beside = Beside { code, point: at_point, key: key.as_ref() };
    let scope = check_scope(scope.as_ref(), empty.as_ref(), &beside, mistakes);
    let branch = check_branch(branch, &beside, mistakes);
    let also = check_binding(also, also_space, &ALSO, &beside, mistakes);
    let batch = check_binding(batch, batch_space, &BATCH, &beside, mistakes);
    let task = check_value(task.as_ref(), at_point, mistakes, check_task);
    let outcome = outcome.and_then(|at| check_outcome(at, code, mistakes));
    let when = check_when(when.as_ref(), at_point, mistakes);
    let reads = attributes.first().map(|one| &one.name.locus).or(event_time.as_ref().map(|at| &at.locus));
    let reads = reads.cloned();
    let attributes = check_attributes(attributes, at_point, mistakes);
    let event_time = check_event_time(event_time.as_ref(), event_time_unit.as_ref(), at_point, mistakes);
    let ttl = goes_on(ttl, code, "a time to live", mistakes).and_then(|at| check_ttl(at, mistakes));
    let level = parsed(level.as_ref(), str::parse::<Level>, mistakes).unwrap_or_default();
    let name = if name_given { name } else { code.map(code::name) };
    Located {
        locus,
        key_locus,
        code,
        name,
        point,
        key,
        space,
        also,
        scope,
        branch,
        batch,
        task,
        outcome,
        when,
        attributes,
        reads,
        event_time,
        ttl: ttl.map(|at| at.value),
        level,
        is_whole: true,
    }
}

/// Records begin at an S0, so nothing can be known of them before.
fn check_source_key(
    code: Option<StageCode>,
    key: Option<&StageKey>,
    locus: Option<&Locus>,
    mistakes: &mut Mistakes,
) {
    if let (Some(StageCode::SOURCE), Some(StageKey::Scope), Some(locus)) = (code, key, locus) {
        mistakes.wrong(
            locus,
            "a record begins at an S0, so none can be current there; use the key that it has from here on",
        );
    }
}

/// A new record cannot be known by a scope, which is then said of its key.
fn check_key_space(
    at: At<String>,
    key: Option<&StageKey>,
    is_new: bool,
    mistakes: &mut Mistakes,
) -> Option<At<String>> {
    if key == Some(&StageKey::Scope) {
        if is_new {
            return None;
        }
        mistakes
            .wrong(&at.locus, "`key = \"scope\"` is compared with nothing, and has no space; take it out");
        return None;
    }
    check_space(at, key.and_then(StageKey::value), mistakes)
}

/// What is for records that go on: a stage that ends its trace has none of it.
pub(super) fn goes_on(
    at: Option<At<String>>,
    code: Option<StageCode>,
    what: &str,
    mistakes: &mut Mistakes,
) -> Option<At<String>> {
    let at = at?;
    if code.is_some_and(code::ends_trace) {
        mistakes
            .wrong(&at.locus, format!("the stage ends its trace, so {what} is of no use here; take it out"));
        return None;
    }
    Some(at)
}

pub(super) fn parsed<T>(
    at: Option<&At<String>>,
    parse: impl Fn(&str) -> Result<T, ParseError>,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let At { value, locus } = at?;
    parse(value).map_err(|error| mistakes.wrong(locus, error.to_string())).ok()
}

fn check_name(at: At<String>, mistakes: &mut Mistakes) -> Option<String> {
    let At { value: name, locus } = at;
    let message = if name.trim().is_empty() {
        "the name is empty; write one, or leave it out to use the code".to_owned()
    } else if name.chars().count() > MAX_NAME_CHARS {
        format!("the name is longer than {MAX_NAME_CHARS} characters; write a shorter one")
    } else if name.chars().any(char::is_control) {
        "the name holds a control character; take it out".to_owned()
    } else {
        return Some(name);
    };
    mistakes.wrong(&locus, message);
    None
}

impl Located {
    /// Whether it has all that a stage must have.
    fn is_complete(&self) -> bool {
        self.code.is_some() && self.point.is_some() && self.key.is_some()
    }

    /// Whether it ends its trace as filtered.
    pub(super) fn filters(&self) -> bool {
        let word = self.outcome.as_ref().map(|at| at.value.as_str());
        let outcome = self.code.and_then(code::outcome);
        word.or(outcome.and_then(Outcome::fixed_name)) == Outcome::Filtered.fixed_name()
    }

    /// The stage, when all of it is right. Its outcome and its spaces get their numbers.
    pub(super) fn into_stage(
        self,
        outcomes: &mut Outcomes,
        spaces: &mut Spaces,
        mistakes: &mut Mistakes,
    ) -> Option<Stage> {
        let Self { code, name, point, key, space, also, scope, branch, batch, task, outcome, when, .. } =
            self;
        let outcome = match outcome {
            Some(at) => Some(outcomes.number(&at, mistakes)?),
            None => code.and_then(code::outcome),
        };
        let key = key?;
        let space = spaces.of_key(&key, space.as_ref());
        let mut binding = |bound: Bound| {
            let space = spaces.number(&bound.expr, bound.space.as_ref());
            Binding { expr: bound.expr, space }
        };
        Some(Stage {
            code: code?,
            name: name?,
            point: point?,
            key,
            space,
            also: also.map(&mut binding),
            scope: scope.map(|at| at.value),
            branch: branch.is_some(),
            batch: batch.map(binding),
            task,
            outcome,
            when,
            attributes: self.attributes,
            event_time: self.event_time,
            ttl: self.ttl,
            level: self.level,
            off: false,
        })
    }
}
