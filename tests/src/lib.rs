//! Integration tests and their target programs.
//!
//! Owns: the pipelines that are traced, their truth logs, the check of journeys against truth, and the running of
//! both programs with time limits. Refuses: linking the agent. Everything is seen as a user sees it: arguments in, text out.

pub mod agreed;
pub mod browser;
pub mod child;
pub mod code;
pub mod collector;
pub mod container;
pub mod contract;
pub mod control;
pub mod dice;
pub mod disk;
pub mod expected;
pub mod family;
pub mod faulty;
pub mod ffmpeg;
pub mod fields;
pub mod flow;
pub mod hour;
pub mod journey;
pub mod ledger;
pub mod linked;
pub mod model;
pub mod nginx;
pub mod pipeline;
pub mod receivers;
pub mod report;
pub mod run;
pub mod scraped;
pub mod screen;
pub mod services;
pub mod shipped;
pub mod specs;
pub mod stain;
pub mod tally;
pub mod targets;
pub mod told;
pub mod traffic;
pub mod truth;
pub mod veiled;
pub mod windows;
