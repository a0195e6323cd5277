//! Conditions: which hits of a stage count, as users write it in `when`.
//!
//! Owns: the condition in its one form, an `or` of `and`s of comparisons, its spelling (`Display`), and what can be said of it
//! alone. Refuses: registers, which are `plan`'s.

mod judge;
mod parse;
mod range;
#[cfg(test)]
mod tests;

use std::fmt;

pub use profiler_common::Relation;

use super::expr::Expr;

/// Which hits count. Parsed from and shown as `arg2 == 3 and (arg1 & 0x10) != 0 or ret < 8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// It holds when all comparisons of one of these hold. Neither they nor any of them is empty.
    pub alternatives: Vec<Vec<Comparison>>,
}

/// `(left & mask) relation right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Left side.
    pub left: Expr,
    /// Bits of the left side that count; all when `None`.
    pub mask: Option<u64>,
    /// What is asked.
    pub relation: Relation,
    /// Right side.
    pub right: Expr,
}

impl Comparison {
    /// Whether the sides are compared as signed numbers: one of them was last read or cast as signed, and no mask made bits of it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.right.is_signed() || self.mask.is_none() && self.left.is_signed()
    }
}

impl Condition {
    /// All comparisons, from left to right.
    pub fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        self.alternatives.iter().flatten()
    }

    /// All expressions, from left to right.
    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        self.comparisons().flat_map(|comparison| [&comparison.left, &comparison.right])
    }

    /// What makes no sense in it, if anything: one sentence.
    #[must_use]
    pub fn nonsense(&self) -> Option<String> {
        self.comparisons().find_map(judge::nonsense)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, mask, relation, right } = self;
        match mask {
            Some(mask) => write!(f, "({left} & {mask:#x})")?,
            None => write!(f, "{left}")?,
        }
        write!(f, " {} {right}", relation.symbol())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, alternative) in self.alternatives.iter().enumerate() {
            f.write_str(if index > 0 { " or " } else { "" })?;
            for (index, comparison) in alternative.iter().enumerate() {
                write!(f, "{}{comparison}", if index > 0 { " and " } else { "" })?;
            }
        }
        Ok(())
    }
}
