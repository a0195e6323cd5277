//! Conditions of a script's stages: their words in the spec, and what they say of a step.

use super::step::flaw;
use super::{Code, Step};

/// What a condition says of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts.
    Holds,
    /// It has no effect.
    Fails,
    /// Whether it counts cannot be told.
    Unreadable,
}

const fn plain(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Fails }
}

/// The condition of a step's stage, where it has one. `{object}` is the argument that its object is: at 56 a row or node has its status, at 24 a batch the
/// step's value, and a row's status is also 32 bytes behind its name, to which its first word points.
#[must_use]
pub(super) fn condition(step: &Step) -> Option<(&'static str, Verdict)> {
    let (status, value) = (step.status(), step.value);
    let linked = |holds: bool| if step.has(flaw::OBJECT) { Verdict::Unreadable } else { plain(holds) };
    Some(match step.code {
        Code::Emit => ("*(i32*)({object}+56) != 5", plain(status != 5)),
        Code::Take => (
            "(*(u32*)({object}+56) & 1) == 0 or *(i32*)({object}+56) < 0",
            plain(status & 1 == 0 || status < 0),
        ),
        Code::Put => ("*(u32*)(*(u64*)({object})+32) & 4 == 0", linked(status & 4 == 0)),
        // From left to right, and no further than needed.
        Code::Alias => (
            "*(i32*)({object}+56) == 2 or *(i32*)(*(u64*)({object})+32) > 2",
            if status == 2 { Verdict::Holds } else { linked(status > 2) },
        ),
        Code::Call => (
            "*(u32*)({object}+56) != 3 and *(i32*)(*(u64*)({object})+32) <= 4",
            if status == 3 { Verdict::Fails } else { linked(status <= 4) },
        ),
        Code::Fork => ("*(i32*)(*(u64*)({object})+32) >= 0", linked(status >= 0)),
        Code::Open => ("*(i32*)({object}+56) < 4", plain(status < 4)),
        // Of a row that may be any: the scope is the thread's.
        Code::Close => ("*(i32*)(*(u64*)(arg1)+32) != 5", linked(status != 5)),
        Code::Done => ("*(u32*)(arg0+4) != 3", plain(value != 3)),
        Code::Add => ("*(i32*)({object}+56) > 0", plain(status > 0)),
        Code::Seal => ("*(u64*)({object}+24) != 2", plain(value != 2)),
        Code::Flush => ("(*(u64*)({object}+24) & 3) != 3", plain(value & 3 != 3)),
        Code::Write => ("*(i32*)(*(u64*)({object})+32) != 1", linked(status != 1)),
        Code::Error => ("*(i32*)({object}+56) >= 3", plain(status >= 3)),
        _ => return None,
    })
}

/// Whether the condition of a stage reads what a flaw of the object makes unreadable.
#[must_use]
pub(super) fn is_linked(code: Code) -> bool {
    matches!(code, Code::Put | Code::Alias | Code::Call | Code::Fork | Code::Close | Code::Write)
}
