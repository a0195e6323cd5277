//! The one suite of tests that every store passes: what a [`Store`](super::Store) promises, checked with exact expectations.
//!
//! Each check gets an empty store of its own. A payload is opaque here: a store gives back the entries that it was given, whatever the payload says.
//! In debug builds only: integration tests call it with stores whose servers they started.
#![expect(clippy::unwrap_used, reason = "these are tests: what fails is to stop them")]

mod asking;
mod figures;
mod hostile;
mod keeping;
mod live;
mod make;
mod model;
mod writing;

#[cfg(test)]
pub(crate) use model::fits;
#[cfg(test)]
pub(super) use writing::everything;

use std::pin::Pin;
use std::sync::Arc;

use super::Store;
#[cfg(test)]
use crate::collector::model::Part;

/// So many parts of which every field depends on a number.
#[cfg(test)]
pub(super) fn parts(seed: u64, count: u64) -> Vec<Part> {
    let mut numbers = make::Numbers(seed);
    (0..count).map(|id| make::any(&mut numbers, id)).collect()
}

/// A batch of plain journeys of these trace ids, of job 77.
#[cfg(test)]
pub(super) fn plain(ids: std::ops::Range<u64>) -> super::Batch {
    let parts: Vec<Part> = ids.map(|id| make::part("77", id)).collect();
    make::batch(&parts)
}

/// A batch of one part whose texts are all empty.
#[cfg(test)]
pub(super) fn hostile_batch() -> super::Batch {
    make::batch(&[hostile::hostile("", 1)])
}

/// All durations of a filter among parts, by bucket, hop and member.
#[cfg(test)]
pub(super) fn durations(parts: &[Part], filter: &super::RollupFilter) -> model::Durations {
    model::durations(parts, filter)
}

type Check = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The checks with their names.
pub const CHECKS: [(&str, Check); 22] = [
    ("a part comes back as it was", |store| Box::pin(writing::comes_back(store))),
    ("a repeat changes nothing", |store| Box::pin(writing::repeats(store))),
    ("each of the key's four fields tells parts apart", |store| Box::pin(writing::keys(store))),
    ("two writers of the same parts write them once", |store| Box::pin(writing::concurrent(store))),
    ("a batch is seen whole or not at all", |store| Box::pin(writing::whole(store))),
    ("nothing in a batch is fine", |store| Box::pin(writing::empty(store))),
    ("events that are no traces are kept once", |store| Box::pin(writing::raw(store))),
    ("every filter finds what fits, with its total", |store| Box::pin(asking::filters(store))),
    ("filters by attribute", |store| Box::pin(asking::attributes(store))),
    ("pages neither skip nor repeat while others write", |store| Box::pin(asking::pages(store))),
    ("a trace's parts, of one job or of all", |store| Box::pin(asking::detail(store))),
    ("jobs", |store| Box::pin(asking::jobs(store))),
    ("hostile text in every field", |store| Box::pin(hostile::texts(store))),
    ("numbers at the ends of their ranges", |store| Box::pin(hostile::numbers(store))),
    ("rollups are what a list of all durations gives", |store| Box::pin(figures::rollups(store))),
    ("branches, torn stamps and negative durations", |store| Box::pin(figures::special(store))),
    ("parts of several processes, in any order of arrival", |store| Box::pin(figures::processes(store))),
    ("members beyond the bound are counted together", |store| Box::pin(figures::members(store))),
    ("streams of agents", |store| Box::pin(live::streams(store))),
    ("the live order misses nothing and repeats nothing", |store| Box::pin(live::after(store))),
    ("retention by age and by size", |store| Box::pin(keeping::retention(store))),
    ("the live order goes on when nothing is left", |store| Box::pin(keeping::emptied(store))),
];

/// Runs them all, each on a store that `empty` makes.
///
/// # Panics
/// When a check fails: its name is printed before.
pub async fn conforms<F, R>(mut empty: F)
where
    F: FnMut() -> R,
    R: Future<Output = Arc<dyn Store>>,
{
    for (name, check) in CHECKS {
        println!("store: {name}");
        check(empty().await).await;
    }
}
