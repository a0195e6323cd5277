//! The stages: each one's code, name, point and key, and whether together they can make a journey.

use profiler_common::StageCode;

use crate::spec::Stage;
use crate::spec::code;
use crate::spec::error::{ParseError, quote};
use crate::spec::expr::Expr;
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::point::Point;
use crate::spec::raw::RawStage;

/// Longest stage name, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A stage as far as it is right, with the place of its parts.
#[derive(Debug)]
pub(in crate::spec) struct Located {
    locus: Locus,
    key_locus: Option<Locus>,
    code: Option<StageCode>,
    name: Option<String>,
    point: Option<Point>,
    key: Option<Expr>,
    task: Option<Expr>,
}

/// The stages of one layer, as far as they are right.
pub(in crate::spec) fn check_stages(raw: Vec<RawStage>, mistakes: &mut Mistakes) -> Vec<Located> {
    raw.into_iter().map(|stage| check_stage(stage, mistakes)).collect()
}

fn check_stage(raw: RawStage, mistakes: &mut Mistakes) -> Located {
    let RawStage { locus, code, name, point, key, task } = raw;
    let code = parsed(code.as_ref(), code::parse, mistakes);
    let point = parsed(point.as_ref(), str::parse::<Point>, mistakes);
    let name_given = name.is_some();
    let name = name.and_then(|at| check_name(at, mistakes));
    let key_locus = key.as_ref().map(|at| at.locus.clone());
    let key = check_value(key.as_ref(), point.as_ref(), mistakes, check_key);
    let task = check_value(task.as_ref(), point.as_ref(), mistakes, check_task);
    let name = if name_given { name } else { code.map(code::name) };
    Located { locus, key_locus, code, name, point, key, task }
}

fn parsed<T>(
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

/// Parses a key or a task and judges it by itself, by its point, and by `more`.
fn check_value(
    at: Option<&At<String>>,
    point: Option<&Point>,
    mistakes: &mut Mistakes,
    more: fn(&Expr) -> Option<String>,
) -> Option<Expr> {
    let expr = parsed(at, str::parse::<Expr>, mistakes)?;
    let message = check_point(&expr, point).or_else(|| check_addresses(&expr)).or_else(|| more(&expr));
    if let (Some(message), Some(at)) = (message, at) {
        mistakes.wrong(&at.locus, message);
        return None;
    }
    Some(expr)
}

fn check_point(expr: &Expr, point: Option<&Point>) -> Option<String> {
    let point = point.filter(|point| expr.uses_ret() && !point.at_return)?;
    let shown = quote(&format!("{point}%return"));
    Some(format!("`ret` is only known when the function returns; use an argument, or the point {shown}"))
}

fn check_addresses(expr: &Expr) -> Option<String> {
    let thread = |value: &Expr| value.reads_memory() && *value.base() == Expr::Thread;
    let of_thread = match expr {
        Expr::Bytes { pointer, .. } if *pointer.base() == Expr::Thread => true,
        other => other.values().any(thread),
    };
    of_thread
        .then(|| "`thread` is a number, not an address: nothing can be read there; use it alone".to_owned())
}

fn check_key(expr: &Expr) -> Option<String> {
    if let Expr::Bytes { len, .. } = expr
        && let Expr::Constant(len) = **len
        && (len == 0 || len > i64::MAX.cast_unsigned())
    {
        return Some(
            "bytes(..) of no length is the same for every record; write the number of bytes".to_owned(),
        );
    }
    let constant = !expr.reads_memory() && matches!(expr.base(), Expr::Constant(_));
    constant.then(|| {
        "a number is the same key for every record; use what tells them apart, such as arg0".to_owned()
    })
}

fn check_task(expr: &Expr) -> Option<String> {
    let hash = matches!(expr, Expr::Bytes { .. });
    hash.then(|| {
        "a task id is a number, and bytes(..) is a hash; use a value, such as *(u32*)(arg0+8)".to_owned()
    })
}

/// Judges the stages together and returns them when all are right.
pub(in crate::spec) fn check_journey(stages: Vec<Located>, mistakes: &mut Mistakes) -> Vec<Stage> {
    if !stages.is_empty() {
        check_ends(&stages, mistakes);
    }
    check_twins(&stages, mistakes);
    check_threads(&stages, mistakes);
    stages.into_iter().filter_map(Located::into_stage).collect()
}

/// A journey has a source and an end. Not said while a code is unreadable: it might be the one.
fn check_ends(stages: &[Located], mistakes: &mut Mistakes) {
    let place = stages.first().and_then(|stage| stage.locus.place.clone());
    let field = if place.is_some() { "stage" } else { "--stage" };
    let place = Locus { place, field: field.to_owned() };
    if stages.iter().any(|stage| stage.code.is_none()) {
        return;
    }
    let has = |wanted: fn(StageCode) -> bool| stages.iter().filter_map(|stage| stage.code).any(wanted);
    if !has(|code| code == StageCode::SOURCE) {
        mistakes.missing(&place, "no stage has the code S0; add the one where records enter the pipeline");
    }
    if !has(code::ends_trace) {
        mistakes
            .missing(&place, "no stage ends a trace; add one with the code W! (written) or drop (filtered)");
    }
}

/// Two stages alike would stamp every record twice.
fn check_twins(stages: &[Located], mistakes: &mut Mistakes) {
    let identity = |stage: &Located| Some((stage.code?, stage.point.clone()?, stage.key.clone()?));
    let mut seen: Vec<(_, &Locus)> = Vec::new();
    for stage in stages {
        let Some(identity) = identity(stage) else { continue };
        match seen.iter().find(|(other, _)| *other == identity) {
            Some((_, first)) => {
                let first = first.reference();
                mistakes.wrong(
                    &stage.locus,
                    format!("it has the code, point and key of {first}, and would stamp twice; take one out"),
                );
            }
            None => seen.push((identity, &stage.locus)),
        }
    }
}

/// Keys that are threads match only each other, so a stage whose kind of key no S0 has can never be hit.
fn check_threads(stages: &[Located], mistakes: &mut Mistakes) {
    let has = |wanted: fn(StageCode) -> bool| stages.iter().filter_map(|stage| stage.code).any(wanted);
    let incomplete = stages.iter().any(|stage| stage.code.is_none() || stage.key.is_none());
    if incomplete || !has(|code| code == StageCode::SOURCE) || !has(code::ends_trace) {
        return;
    }
    let is_thread = |stage: &Located| stage.key == Some(Expr::Thread);
    let of = |kind: bool| stages.iter().filter(move |stage| is_thread(stage) == kind);
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

impl Located {
    fn into_stage(self) -> Option<Stage> {
        let Self { code, name, point, key, task, .. } = self;
        Some(Stage { code: code?, name: name?, point: point?, key: key?, task })
    }
}
