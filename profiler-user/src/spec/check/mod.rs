//! Judges one layer of settings: ranges, spellings, points, keys. What is wrong goes to the mistakes, what is right goes on.

mod attribute;
mod binding;
mod births;
mod journey;
mod outcome;
mod sampling;
mod scope;
mod spaces;
mod stage;
mod target;
mod value;

pub(super) use journey::{Around, Journey, check_journey};
pub(super) use sampling::{check_extras, check_sampling};
pub(super) use stage::check_stages;
pub(super) use target::{check_target, lay_target_over};
