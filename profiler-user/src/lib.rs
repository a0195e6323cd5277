//! The stain agent, one module a room, in the order of the data:
//!
//! spec -> target, symbol -> plan -> attach -> (kernel program) -> assemble -> trace, stats, ledger -> sink
//!
//! `spec`, `plan`, `assemble`, `trace`, `stats`, `ledger` and the formats of `sink` are pure: they import neither aya nor tokio, open
//! nothing and read no clock.

#[cfg(feature = "agent")]
pub mod agent;
pub mod assemble;
#[cfg(feature = "agent")]
pub mod attach;
#[cfg(feature = "agent")]
pub mod calibrate;
pub mod cli;
#[cfg(feature = "collector")]
pub mod collector;
pub mod control;
#[cfg(feature = "agent")]
pub mod demo;
#[cfg(feature = "agent")]
pub mod doctor;
pub mod export;
pub mod feed;
pub mod ledger;
#[cfg(feature = "agent")]
pub mod meter;
pub mod plan;
pub mod recording;
pub mod sink;
pub mod spec;
pub mod stats;
pub mod symbol;
pub mod target;
pub mod trace;
pub mod tui;
pub mod varint;
pub mod verdict;
