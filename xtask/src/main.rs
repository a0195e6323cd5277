//! Runs the project chores.
fn main() {}
