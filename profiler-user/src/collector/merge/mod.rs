//! Parts of one trace, from several processes and machines, become one journey again. Pure.
//!
//! Owns: which parts belong to one journey, in which order they lie (by what their stages say, see [`order`]), how branches hang on each other, and
//! what crossing hops say about the clocks of two machines (see [`clock`]). Refuses: correcting a stamp, and sorting stamps of different clocks by their times: a hop
//! that comes out negative stays so, and is marked.

pub mod clock;
mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use order::Certainty;

use super::model::{Entry, Part};
use crate::trace::BranchPath;

/// One stamp of a merged journey.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The stamp.
    pub entry: &'a Entry,
    /// Which of the trace's parts it is from.
    pub part: usize,
    /// Its index in that part.
    pub index: usize,
    /// The time since the stamp before it cannot be trusted: the clocks of two machines disagree, or may well.
    pub is_clock_suspect: bool,
}

/// One journey: the record's own, or that of a branch.
#[derive(Clone, Debug)]
pub struct Journey<'a> {
    /// Which one of the trace.
    pub branch: BranchPath,
    /// Its parts, by their places in what was merged, in the order of the journey.
    pub parts: Vec<usize>,
    /// Its stamps, in the order of the journey.
    pub places: Vec<Place<'a>>,
    /// How many stamps, from the first, are those of the journey that it left.
    pub shared: usize,
    /// The journey that it left; `None` for the record's own.
    pub parent: Option<BranchPath>,
    /// Whether stages alone told the order of its parts.
    pub certainty: Certainty,
}

/// All journeys of one trace.
#[derive(Clone, Debug)]
pub struct Merged<'a> {
    /// What was merged.
    pub parts: &'a [Part],
    /// The journeys: by branch, the one to show first before others of the same branch.
    pub journeys: Vec<Journey<'a>>,
}

/// Puts the parts of one job and trace id together. `offsets` are what is known of the clocks.
#[must_use]
pub fn merge<'a>(parts: &'a [Part], offsets: &[clock::Offset]) -> Merged<'a> {
    let mut branches: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        branches.entry(part.key.branch).or_default().push(at);
    }
    let mut journeys = Vec::new();
    for (branch, members) in branches {
        journeys.extend(journeys_of(parts, BranchPath(branch), &members, offsets));
    }
    Merged { parts, journeys }
}

/// The journeys of one branch. One is usual; an engine that gives its copies of a record one id has several.
fn journeys_of<'a>(
    parts: &'a [Part],
    branch: BranchPath,
    members: &[usize],
    offsets: &[clock::Offset],
) -> Vec<Journey<'a>> {
    let chains = order::chains(parts, members);
    let mut journeys: Vec<Journey<'a>> = Vec::with_capacity(chains.len());
    for chain in chains {
        let places = places(parts, &chain.parts, offsets);
        let told = chain.parts.first().and_then(|first| parts.get(*first)).map_or(0, |part| part.shared);
        let mut journey = Journey {
            branch,
            parts: chain.parts,
            places,
            shared: usize::from(told),
            parent: branch.parent(),
            certainty: chain.certainty,
        };
        // A copy under the same name shares what the two have in common.
        if let Some(first) = journeys.first() {
            journey.shared = journey.shared.max(in_common(first, &journey));
            journey.parent = Some(branch);
        }
        journeys.push(journey);
    }
    journeys
}

fn in_common(one: &Journey<'_>, other: &Journey<'_>) -> usize {
    let same = |(a, b): &(&Place<'_>, &Place<'_>)| a.entry == b.entry;
    one.places.iter().zip(&other.places).take_while(same).count()
}

fn places<'a>(parts: &'a [Part], chain: &[usize], offsets: &[clock::Offset]) -> Vec<Place<'a>> {
    let mut places: Vec<Place<'a>> = Vec::new();
    let mut before: Option<(&Entry, &str)> = None;
    for part in chain {
        let Some(of) = parts.get(*part) else { continue };
        for (index, entry) in of.entries.iter().enumerate() {
            let is_clock_suspect = before.is_some_and(|(last, host)| {
                let ns = entry.ts_ns.saturating_sub(last.ts_ns);
                ns < 0 || host != of.host && clock::is_doubtful(offsets, host, &of.host, ns)
            });
            places.push(Place { entry, part: *part, index, is_clock_suspect });
            before = Some((entry, &of.host));
        }
    }
    places
}

impl Journey<'_> {
    /// From its first stamp to its last, ns, as the clocks have it; 0 without a stamp.
    #[must_use]
    pub fn duration_ns(&self) -> i64 {
        match (self.places.first(), self.places.last()) {
            (Some(first), Some(last)) => last.entry.ts_ns.saturating_sub(first.entry.ts_ns),
            _ => 0,
        }
    }

    /// Its first part.
    #[must_use]
    pub fn first_part<'p>(&self, parts: &'p [Part]) -> Option<&'p Part> {
        parts.get(*self.parts.first()?)
    }

    /// Its last part: how it ended is known from there.
    #[must_use]
    pub fn last_part<'p>(&self, parts: &'p [Part]) -> Option<&'p Part> {
        parts.get(*self.parts.last()?)
    }
}
