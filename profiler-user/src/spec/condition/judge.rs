//! Comparisons that never tell one hit from another: each is a slip of the pen, and said so.

use super::range::{Numbers, SIGN};
use super::{Comparison, Relation};
use crate::spec::error::quote;
use crate::spec::expr::Expr;

/// What makes no sense in a comparison, if anything.
pub(super) fn nonsense(comparison: &Comparison) -> Option<String> {
    let Comparison { left, mask, right, .. } = comparison;
    let shown = quote(&comparison.to_string());
    if is_fixed(left) && is_fixed(right) {
        return Some(format!("{shown} compares numbers only; use what differs from hit to hit"));
    }
    if mask.is_none() && left == right {
        return Some(format!("{shown} compares a value with itself; use what differs from hit to hit"));
    }
    let (of_left, of_right) = (Numbers::of(left), Numbers::of(right));
    let of_left = mask.map_or(of_left, |mask| of_left.masked(mask));
    let outcome = outcome(comparison.relation, of_left, of_right, comparison.is_signed())?;
    let sides = [("left", left, of_left), ("right", right, of_right)]
        .into_iter()
        .filter(|(_, value, _)| !is_fixed(value))
        .map(|(side, _, numbers)| format!("its {side} side {}", extent(numbers, comparison.is_signed())));
    let sides: Vec<String> = sides.collect();
    Some(format!(
        "{shown} {} holds, because {}; {}",
        if outcome { "always" } else { "never" },
        sides.join(" and "),
        advice(comparison)
    ))
}

/// What a comparison comes to, where that is the same whatever its sides are.
fn outcome(relation: Relation, left: Numbers, right: Numbers, signed: bool) -> Option<bool> {
    match relation {
        Relation::Equal => are_equal(left, right),
        Relation::NotEqual => are_equal(left, right).map(|equal| !equal),
        Relation::Less => is_less(left, right, signed),
        Relation::GreaterOrEqual => is_less(left, right, signed).map(|less| !less),
        Relation::Greater => is_less(right, left, signed),
        Relation::LessOrEqual => is_less(right, left, signed).map(|less| !less),
    }
}

fn are_equal(left: Numbers, right: Numbers) -> Option<bool> {
    let meet = match (left.only(), right.only()) {
        (Some(left), Some(right)) => return Some(left == right),
        (Some(left), None) => right.holds(left),
        (None, Some(right)) => left.holds(right),
        (None, None) => [false, true].into_iter().all(|signed| {
            is_less(left, right, signed) != Some(true) && is_less(right, left, signed) != Some(true)
        }),
    };
    (!meet).then_some(false)
}

fn is_less(left: Numbers, right: Numbers, signed: bool) -> Option<bool> {
    let turn = |(least, most): (u64, u64)| if signed { (least ^ SIGN, most ^ SIGN) } else { (least, most) };
    let (left, right) = (turn(left.bounds(signed)), turn(right.bounds(signed)));
    if left.1 < right.0 {
        Some(true)
    } else if left.0 >= right.1 {
        Some(false)
    } else {
        None
    }
}

/// Whether a value is the same at every hit.
fn is_fixed(value: &Expr) -> bool {
    matches!(value.base(), Expr::Constant(_)) && !value.reads_memory()
}

fn extent(numbers: Numbers, signed: bool) -> String {
    let number = |number: u64| match signed {
        true => number.cast_signed().to_string(),
        false if number < 10 => number.to_string(),
        false => format!("{number:#x}"),
    };
    let (least, most) = numbers.bounds(signed);
    match numbers {
        Numbers::Row { more: 0, .. } => format!("is {}", number(least)),
        Numbers::Row { .. } => format!("is {} to {}", number(least), number(most)),
        Numbers::Bits(bits) => format!("has no bits but those of {bits:#x}"),
    }
}

/// What to do. Who asks an unsigned number whether it is below zero has most likely meant a signed one.
fn advice(comparison: &Comparison) -> String {
    let Comparison { left, mask, relation, right } = comparison;
    let is_order = !matches!(relation, Relation::Equal | Relation::NotEqual);
    let negative =
        |value: &Expr| matches!(value, Expr::Constant(number) if *number == 0 || number & SIGN != 0);
    if !is_order || mask.is_some() || comparison.is_signed() || !(negative(left) || negative(right)) {
        return "choose another width, mask or sign".to_owned();
    }
    format!("make it a signed one, as in {} {} {}", as_signed(left), relation.symbol(), as_signed(right))
}

fn as_signed(value: &Expr) -> String {
    match value {
        Expr::Constant(number) => number.cast_signed().to_string(),
        Expr::Arg(_) | Expr::Ret => format!("(i32){value}"),
        Expr::Deref { width, .. } | Expr::Cast { width, .. } => {
            format!("(i{})({value})", 8 * u32::from(*width))
        }
        _ => format!("(i32)({value})"),
    }
}
