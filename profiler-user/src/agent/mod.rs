//! The running agent.
pub mod harvest;
