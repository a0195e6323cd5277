//! The `stain` program.

fn main() {}
