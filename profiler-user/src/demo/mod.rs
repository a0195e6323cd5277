//! `stain demo`: a pipeline to attach to where there is none at hand.
//!
//! Owns: the pipeline, its spec, and the process that it runs in. Refuses: any understanding between the two programs.
//! The pipeline is traced as every other one is, from outside, and `pipeline` imports nothing of stain.

pub mod pipeline;
mod process;
#[cfg(test)]
mod tests;

pub use process::{DemoError, DemoProcess};

/// The pipeline's spec. It names no target: the process id is known only when it runs.
pub const SPEC: &str = include_str!("spec.toml");

/// What messages call the spec.
pub const SPEC_NAME: &str = "the demo's spec";

/// The hidden subcommand of `stain` that runs the pipeline, with [`pipeline::Options`].
pub const SUBCOMMAND: &str = "demo-pipeline";
