//! The stain agent, one module a room, in the order of the data:
//!
//! spec -> target, symbol -> plan -> attach -> (kernel program) -> assemble -> trace, stats -> sink
//!
//! `spec`, `plan`, `assemble`, `trace`, `stats` and the formats of `sink` are pure: they import neither aya nor tokio, open nothing
//! and read no clock.

pub mod plan;
pub mod spec;
pub mod symbol;
pub mod target;
pub mod trace;
