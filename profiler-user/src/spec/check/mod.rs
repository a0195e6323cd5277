//! Judges one layer of settings: ranges, spellings, points, keys. What is wrong goes to the mistakes, what is right goes on.

mod sampling;
mod stage;
mod target;

pub(super) use sampling::check_sampling;
pub(super) use stage::{check_journey, check_stages};
pub(super) use target::{check_target, lay_target_over};
