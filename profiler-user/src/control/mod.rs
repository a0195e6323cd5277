//! The control socket of a running agent: where it lies, what may be said over it, who may say it.
//!
//! Owns: the folder and its owner, the line protocol (docs/ctl.md), the bounds on clients and on what they send. Refuses: obeying.
//! A request that makes sense is handed to the session, which alone knows whether it came true.

mod answer;
mod ask;
pub mod place;
mod request;
mod serve;

pub use answer::{Answer, Counts, StageStatus, State, Status};
pub use ask::{AskError, ask};
pub use request::{MAX_REQUEST_BYTES, Request};
pub use serve::{Command, Control, MAX_CLIENTS};
