//! Comparisons that never tell one hit from another: each is a slip of the pen, and said so.

use super::{Comparison, Relation};
use crate::spec::error::quote;
use crate::spec::expr::Expr;

/// What makes no sense in a comparison, if anything.
pub(super) fn nonsense(comparison: &Comparison) -> Option<String> {
    let Comparison { left, mask, relation, right } = comparison;
    let fixed = |value: &Expr| matches!(value.base(), Expr::Constant(_)) && !value.reads_memory();
    if fixed(left) && fixed(right) {
        return Some(format!(
            "{} compares numbers only; use what differs from hit to hit",
            shown(comparison)
        ));
    }
    let Expr::Constant(right) = *right else { return None };
    if comparison.is_signed() {
        return None;
    }
    if right == 0 && matches!(relation, Relation::Less | Relation::GreaterOrEqual) {
        return Some(format!(
            "{} is the same for every hit, because the number is unsigned; make it a signed one, as in (i32){} < 0",
            shown(comparison),
            bare(left),
        ));
    }
    let largest = mask.unwrap_or(u64::MAX) & largest(left);
    (right > largest).then(|| {
        format!(
            "{} is the same for every hit, because its left side is {largest:#x} at most; choose another width, mask or sign",
            shown(comparison)
        )
    })
}

fn shown(comparison: &Comparison) -> String {
    quote(&comparison.to_string())
}

fn bare(value: &Expr) -> String {
    match value {
        Expr::Arg(_) | Expr::Ret => value.to_string(),
        _ => format!("({value})"),
    }
}

/// The largest number that an unsigned value can be.
fn largest(value: &Expr) -> u64 {
    match value {
        Expr::Deref { width: width @ 1..=7, signed: false, .. }
        | Expr::Cast { width: width @ 1..=7, signed: false, .. } => (1 << (8 * width)) - 1,
        Expr::Thread => u64::from(u32::MAX),
        _ => u64::MAX,
    }
}
