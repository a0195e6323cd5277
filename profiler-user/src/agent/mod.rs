//! The running agent: attaches, harvests, keeps the accounts, and ends cleanly.
//!
//! Owns: the order in which things happen. Everything that can be computed without privileges or clocks lives in the other rooms.

mod awaiting;
mod closing;
mod command;
mod error;
mod events;
mod follow;
mod guard;
pub mod harvest;
mod level;
mod missing;
mod parts;
mod processes;
mod queue;
mod registry;
mod resolve;
mod run;
mod session;
mod strays;
mod tally;
mod telling;
mod unseen;

pub use error::AgentError;
pub use events::{End, Event, Observer, Progress};
pub use queue::QueuedSink;
pub(crate) use queue::room_for;
pub use resolve::{ResolveError, Resolver};
pub use run::{Finished, Options, Outlets, run};
pub use telling::host_name;
