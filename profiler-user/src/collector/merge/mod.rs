//! Parts of one trace, from several processes and machines, become one journey again. Pure.
//!
//! Owns: which parts belong to one journey, what a branch has in common with the journey that it left, in which order parts lie (by what their stages say, see [`chains`]), how branches hang on each other, and
//! what crossing hops say about the clocks of two machines (see [`clock`]). Refuses: correcting a stamp, and sorting stamps of different clocks by their times: a hop
//! that comes out negative stays so, and is marked.

pub mod clock;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::model::{Certainty, Entry, Part, chains};
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
    let mut journeys: Vec<Journey<'a>> = Vec::new();
    // A branch's path is above that of the journey that it left, which is therefore there.
    for (branch, members) in branches {
        let mut found = journeys_of(parts, BranchPath(branch), &members, offsets);
        found.iter_mut().for_each(|journey| join(journey, &journeys));
        journeys.extend(found);
    }
    Merged { parts, journeys }
}

/// Puts what a branch has in common with the journey that it left ahead of it, where it came without: OpenTelemetry's spans of a branch begin at the stamp
/// from which it left.
fn join<'a>(branch: &mut Journey<'a>, journeys: &[Journey<'a>]) {
    let Some(left) = branch.shared.checked_sub(1).and_then(|at| branch.places.get(at)).copied() else {
        return;
    };
    let is_left = |place: &Place<'_>| {
        let (one, other) = (place.entry, left.entry);
        (one.code, one.task, one.ts_ns) == (other.code, other.task, other.ts_ns)
    };
    let parents = journeys.iter().filter(|journey| Some(journey.branch) == branch.parent);
    let found = parents.filter_map(|parent| Some((parent, parent.places.iter().position(is_left)?)));
    let Some((parent, at)) = found.max_by_key(|(_, at)| *at).filter(|(_, at)| *at >= branch.shared) else {
        return;
    };
    let ahead = parent.places.get(..=at).unwrap_or_default().iter().copied();
    branch.places.splice(..branch.shared, ahead);
    branch.shared = at + 1;
}

/// The journeys of one branch. One is usual; an engine that gives its copies of a record one id has several.
fn journeys_of<'a>(
    parts: &'a [Part],
    branch: BranchPath,
    members: &[usize],
    offsets: &[clock::Offset],
) -> Vec<Journey<'a>> {
    let chains = chains(members.iter().filter_map(|at| Some((*at, parts.get(*at)?))));
    let mut journeys: Vec<Journey<'a>> = Vec::with_capacity(chains.len());
    for chain in chains {
        let told = chain.parts.first().map_or(0, |(_, part)| part.shared);
        let mut journey = Journey {
            branch,
            parts: chain.parts.iter().map(|(at, _)| *at).collect(),
            places: places(&chain.parts, offsets),
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

fn places<'a>(chain: &[(usize, &'a Part)], offsets: &[clock::Offset]) -> Vec<Place<'a>> {
    let mut places: Vec<Place<'a>> = Vec::new();
    let mut before: Option<(&Entry, &str)> = None;
    for (part, of) in chain {
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

    /// The part in which it begins: of a branch, maybe one of the journey that it left.
    #[must_use]
    pub fn first_part<'p>(&self, parts: &'p [Part]) -> Option<&'p Part> {
        let first = self.places.first().map(|place| place.part);
        parts.get(first.or_else(|| self.parts.first().copied())?)
    }

    /// Its last part: how it ended is known from there.
    #[must_use]
    pub fn last_part<'p>(&self, parts: &'p [Part]) -> Option<&'p Part> {
        parts.get(*self.parts.last()?)
    }
}
