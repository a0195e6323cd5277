//! Why a spec has no plan: every reason, each with its stage, its point and its function.

use profiler_common::limits::MAX_PROBES;

use super::recipe::RecipeError;
use crate::spec::{Place, Point};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stage \"{name}\", {}{}: {problem}", point_text(.point), in_function(.function))]
pub struct PlanError {
    /// Index of the stage in the spec.
    pub stage: usize,
    /// The stage's name, or its code where it has none.
    pub name: String,
    /// The stage's point.
    pub point: Point,
    /// The function among those that match, if it is about one.
    pub function: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nobody found a function for the stage.
    #[error("no function matches")]
    NoFunction,
    /// The key has no recipe.
    #[error("the key cannot be read: {0}")]
    Key(RecipeError),
    /// The task id has no recipe.
    #[error("the task id cannot be read: {0}")]
    Task(RecipeError),
    /// The condition has no predicate.
    #[error("the condition cannot be evaluated: {0}")]
    Condition(RecipeError),
    /// The further key has no recipe.
    #[error("the further key (also) cannot be read: {0}")]
    Also(RecipeError),
    /// The batch's key has no recipe.
    #[error("the batch's key cannot be read: {0}")]
    Batch(RecipeError),
    /// An attribute has no recipe.
    #[error("the attribute `{name}` cannot be read: {error}")]
    Attribute {
        /// Its name.
        name: String,
        /// Why.
        error: RecipeError,
    },
    /// The record's own time has no recipe.
    #[error("the event time cannot be read: {0}")]
    EventTime(RecipeError),
    /// Scopes in Go.
    #[error(
        "a scope is what a thread does, and a goroutine moves from thread to thread; follow the record by a key"
    )]
    GoScope,
    /// Where the stack was at the entry is not known at an instruction of the user's choice.
    #[error(
        "where the stack was at the function's entry is not known at this instruction, and scopes need it; choose the function's entry, or one before its first jump"
    )]
    NoFrame,
    /// The end of a scope that is a call cannot be caught.
    #[error(
        "the return that closes the scope cannot be caught: {0}; use scope = \"open\" and \"close\" at two functions that are called, or empty = \"keep\" if \
         the function ends in a jump to another"
    )]
    ScopeReturn(String),
    /// No instruction serves for the entry.
    #[error(
        "no instruction near the entry is passed once by every call and can carry a probe, because {0}; \
         choose another function, or one instruction yourself by `0xADDRESS`"
    )]
    NoSite(String),
    /// An offset into the middle of an instruction.
    #[error("no instruction starts at +{offset:#x}; {}", nearest(*before, *after))]
    NotAnInstruction {
        /// The offset asked for, in bytes from the function's start.
        offset: u64,
        /// Where the instruction that it lies in starts.
        before: u64,
        /// Where the next one starts.
        after: Option<u64>,
    },
    /// An offset behind the function's end.
    #[error("+{offset:#x} lies outside the function, which has {size} bytes of code")]
    Outside {
        /// The offset asked for.
        offset: u64,
        /// Bytes of the function.
        size: u64,
    },
    /// Bytes that cannot be decoded before an offset.
    #[error(
        "the bytes at +{0:#x} are no instruction, so what follows cannot be decoded; choose a point before them"
    )]
    Undecodable(u64),
    /// The instruction of the user's choice cannot carry a probe.
    #[error("`{instruction}` cannot carry a probe: {refusal}; choose the instruction before or after it")]
    Refused {
        /// The instruction.
        instruction: String,
        /// Why.
        refusal: &'static str,
    },
    /// `%return` of something that is not a function.
    #[error("`%return` needs a function, not an instruction within one; leave the offset out")]
    ReturnOfInstruction,
    /// The return cannot be caught without harm.
    #[error("the return cannot be caught: {0}; use the entry of the function that is called next")]
    NoReturn(String),
    /// A key is given at the return, and some exits are none.
    #[error(
        "the function is left by {0} jump(s) into other functions (tail calls), at which its return is not seen; a stage that gives a record a key (S0, also, branch, batch) must see every one, or an older record would be taken for the new one: use the entry of the function, or the function that is called next"
    )]
    UnseenBirth(usize),
    /// The entry arguments cannot be brought to the return.
    #[error(
        "arguments cannot be kept until a Go function returns, because its stack may move; use `ret`, or the entry"
    )]
    GoArguments,
    /// More sites than one attachment takes.
    #[error("the spec needs {0} sites, and {MAX_PROBES} is the most; make the pattern narrower")]
    TooManySites(usize),
}

impl Problem {
    /// Whether it is one of the spec's expressions, and so the same in every function that matches.
    pub(super) const fn is_of_expressions(&self) -> bool {
        matches!(
            self,
            Self::Key(_)
                | Self::Task(_)
                | Self::Condition(_)
                | Self::Also(_)
                | Self::Batch(_)
                | Self::Attribute { .. }
                | Self::EventTime(_)
        )
    }
}

fn nearest(before: u64, after: Option<u64>) -> String {
    match after {
        Some(after) => format!("the nearest are +{before:#x} and +{after:#x}"),
        None => format!("the nearest is +{before:#x}"),
    }
}

fn in_function(function: &Option<String>) -> String {
    function.as_ref().map_or_else(String::new, |function| format!(", function `{function}`"))
}

/// A point as the spec spells it.
#[must_use]
pub fn point_text(point: &Point) -> String {
    let library = point.library.as_ref().map_or_else(String::new, |library| format!("{library}:"));
    let place = match &point.place {
        Place::Function { pattern, offset: 0 } => pattern.clone(),
        Place::Function { pattern, offset } => format!("{pattern}+{offset:#x}"),
        Place::Address(address) => format!("{address:#x}"),
    };
    let at_return = if point.at_return { "%return" } else { "" };
    format!("{library}{place}{at_return}")
}

/// Every reason why a spec has no plan. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct PlanErrors(pub Vec<PlanError>);

fn lines(errors: &[PlanError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
