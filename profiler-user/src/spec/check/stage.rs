//! Each stage by itself: its code, name, point, key and what else it says.

use profiler_common::StageCode;

use super::outcome::{Outcomes, check_outcome};
use super::spaces::{Spaces, check_space};
use super::value::{check_key, check_task, check_value, check_when};
use crate::spec::Stage;
use crate::spec::code;
use crate::spec::condition::Condition;
use crate::spec::error::ParseError;
use crate::spec::expr::Expr;
use crate::spec::level::Level;
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::point::Point;
use crate::spec::raw::RawStage;

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
    pub(super) key: Option<Expr>,
    pub(super) space: Option<At<String>>,
    task: Option<Expr>,
    pub(super) outcome: Option<At<String>>,
    pub(super) when: Option<Condition>,
    pub(super) level: Level,
}

/// The stages of one layer, as far as they are right.
pub(in crate::spec) fn check_stages(raw: Vec<RawStage>, mistakes: &mut Mistakes) -> Vec<Located> {
    raw.into_iter().map(|stage| check_stage(stage, mistakes)).collect()
}

fn check_stage(raw: RawStage, mistakes: &mut Mistakes) -> Located {
    let RawStage { locus, code, name, point, key, space, task, outcome, when, level } = raw;
    let code = parsed(code.as_ref(), code::parse, mistakes);
    let point = parsed(point.as_ref(), str::parse::<Point>, mistakes);
    let name_given = name.is_some();
    let name = name.and_then(|at| check_name(at, mistakes));
    let key_locus = key.as_ref().map(|at| at.locus.clone());
    let key = check_value(key.as_ref(), point.as_ref(), mistakes, check_key);
    let space = space.and_then(|at| check_space(at, key.as_ref(), mistakes));
    let task = check_value(task.as_ref(), point.as_ref(), mistakes, check_task);
    let outcome = outcome.and_then(|at| check_outcome(at, code, mistakes));
    let when = check_when(when.as_ref(), point.as_ref(), mistakes);
    let level = parsed(level.as_ref(), str::parse::<Level>, mistakes).unwrap_or_default();
    let name = if name_given { name } else { code.map(code::name) };
    Located { locus, key_locus, code, name, point, key, space, task, outcome, when, level }
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
    /// The stage, when all of it is right. Its outcome and its space get their numbers.
    pub(super) fn into_stage(
        self,
        outcomes: &mut Outcomes,
        spaces: &mut Spaces,
        mistakes: &mut Mistakes,
    ) -> Option<Stage> {
        let Self { code, name, point, key, space, task, outcome, when, level, .. } = self;
        let outcome = match outcome {
            Some(at) => Some(outcomes.number(&at, mistakes)?),
            None => code.and_then(code::outcome),
        };
        let key = key?;
        let space = spaces.number(&key, space.as_ref());
        Some(Stage { code: code?, name: name?, point: point?, key, space, task, outcome, when, level })
    }
}
