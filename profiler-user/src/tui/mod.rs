//! The terminal UI: a live session, or a recorded one, to look at and to steer.
//!
//! Owns: the state of the screen (an enum of views over one model), the pure update step, the views that only read it, the table of keys, and the
//! terminal while it is ours. Refuses: any number of its own making. What it shows is added up from the feed, as every report is.

pub mod figures;
pub mod flow;
pub mod grid;
pub mod judged;
pub mod keys;
pub mod lists;
pub mod message;
pub mod model;
pub mod paint;
pub mod sites;
pub mod terminal;
#[cfg(test)]
pub(crate) mod testing;
pub mod theme;
pub mod update;
pub mod view;
