//! Integration tests and their target programs.

pub mod tally;
