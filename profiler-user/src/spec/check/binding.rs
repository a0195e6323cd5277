//! Further keys that a stage gives its record (`also`) or puts it into (`batch`), each with its space.

use super::scope::Beside;
use super::spaces::check_space;
use super::stage::goes_on;
use super::value::{check_key, check_value};
use crate::spec::expr::Expr;
use crate::spec::locus::{At, Locus, Mistakes};

/// A further key, as far as it is right, with its place.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) locus: Locus,
    pub(super) expr: Expr,
    pub(super) space: Option<At<String>>,
}

/// What the two words for one further key are.
pub(super) struct Words {
    /// Its key in a stage's table; that of its space is this with `_space`.
    pub(super) key: &'static str,
    /// What it is.
    pub(super) what: &'static str,
    /// Why it is no thread.
    pub(super) no_thread: &'static str,
}

pub(super) const ALSO: Words = Words {
    key: "also",
    what: "a further key",
    no_thread: "a thread goes on to other records, so it is no key of this one; to follow it on the thread, open a scope: scope = \"call\"",
};

pub(super) const BATCH: Words = Words {
    key: "batch",
    what: "a batch",
    no_thread: "a thread is no batch; use the address of the object that holds the records",
};

/// Judges a further key and its space.
pub(super) fn check_binding(
    key: Option<At<String>>,
    space: Option<At<String>>,
    words: &Words,
    beside: &Beside<'_>,
    mistakes: &mut Mistakes,
) -> Option<Bound> {
    let Some(key) = key else {
        if let Some(space) = space {
            let key = words.key;
            mistakes.wrong(
                &space.locus,
                format!("it is the space of `{key}`, and there is none; add `{key}`, or take this out"),
            );
        }
        return None;
    };
    let key = goes_on(Some(key), beside.code, words.what, mistakes)?;
    let expr = check_value(Some(&key), beside.point, mistakes, check_key);
    let is_thread = expr == Some(Expr::Thread);
    if is_thread {
        mistakes.wrong(&key.locus, words.no_thread);
    }
    let space_is_right = space.is_none();
    let space = space.filter(|_| !is_thread).and_then(|at| check_space(at, expr.as_ref(), mistakes));
    let expr = expr.filter(|_| !is_thread && (space_is_right || space.is_some()))?;
    Some(Bound { locus: key.locus, expr, space })
}
