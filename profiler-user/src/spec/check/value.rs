//! Expressions: whether they can be computed where the stage is, and make sense for what they are used for.

use super::stage::parsed;
use crate::spec::StageKey;
use crate::spec::condition::Condition;
use crate::spec::error::quote;
use crate::spec::expr::Expr;
use crate::spec::locus::{At, Mistakes};
use crate::spec::point::Point;

/// Parses a key or a task and judges it by itself, by its point, and by `more`.
pub(super) fn check_value(
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

/// Parses what the record is known by, and judges it.
pub(super) fn check_stage_key(
    at: Option<&At<String>>,
    point: Option<&Point>,
    mistakes: &mut Mistakes,
) -> Option<StageKey> {
    match at.map(|at| at.value.parse()) {
        Some(Ok(StageKey::Scope)) => Some(StageKey::Scope),
        _ => check_value(at, point, mistakes, check_key).map(StageKey::Value),
    }
}

/// Parses a condition and judges it and all its values.
pub(super) fn check_when(
    at: Option<&At<String>>,
    point: Option<&Point>,
    mistakes: &mut Mistakes,
) -> Option<Condition> {
    let condition = parsed(at, str::parse::<Condition>, mistakes)?;
    let of_value = |value: &Expr| check_point(value, point).or_else(|| check_addresses(value));
    let message = condition.values().find_map(of_value).or_else(|| condition.nonsense());
    if let (Some(message), Some(at)) = (message, at) {
        mistakes.wrong(&at.locus, message);
        return None;
    }
    Some(condition)
}

/// Whether it is known there.
pub(super) fn check_point(expr: &Expr, point: Option<&Point>) -> Option<String> {
    let point = point.filter(|point| expr.uses_ret() && !point.at_return)?;
    let shown = quote(&format!("{point}%return"));
    Some(format!("`ret` is only known when the function returns; use an argument, or the point {shown}"))
}

/// Whether it follows what is no address.
pub(super) fn check_addresses(expr: &Expr) -> Option<String> {
    let thread = |value: &Expr| value.reads_memory() && *value.base() == Expr::Thread;
    let of_thread = match expr {
        Expr::Bytes { pointer, .. } if *pointer.base() == Expr::Thread => true,
        other => other.values().any(thread),
    };
    of_thread
        .then(|| "`thread` is a number, not an address: nothing can be read there; use it alone".to_owned())
}

pub(super) fn check_key(expr: &Expr) -> Option<String> {
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

pub(super) fn check_task(expr: &Expr) -> Option<String> {
    let hash = matches!(expr, Expr::Bytes { .. });
    hash.then(|| {
        "a task id is a number, and bytes(..) is a hash; use a value, such as *(u32*)(arg0+8)".to_owned()
    })
}
