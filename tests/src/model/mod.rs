//! Scripts of random steps, and what must become of every journey in them, by a simple model of the rules.
//!
//! Owns: the steps of `tests/targets/c/script.c`, their making, and the model. The model knows the rules as the documents have them, with plain lists and
//! maps, and none of the means of the kernel program: depth of calls instead of stack pointers, records instead of handles.

mod births;
mod condition;
mod journeys;
mod make;
mod manner;
mod play;
mod scopes;
mod spec;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod unread;

pub use make::{Mix, script};
pub use manner::{ByKey, Manner, Refusal, Shared};
pub use play::Play;
pub use spec::{Bounds, spec};
pub use state::Model;
pub use step::{Code, Step, flaw};
