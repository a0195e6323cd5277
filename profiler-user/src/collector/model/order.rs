//! In which order the parts of one branch lie: what is shown of a journey and what is counted of it follow the same order. Pure.
//!
//! Stages decide: who begins at a source is first, who wrote or filtered the record is last, and between them a part goes behind the one whose last stage leads
//! to its first. Parts of one machine lie as its clock has them. Only where all of this leaves a choice do the clocks of two machines make it, and the
//! journey says so. Two parts that end in the same way from the same stage are two copies of the record, not one journey.

use std::collections::HashMap;

use profiler_common::StageCode;

use super::{Entry, Part};

/// What told the order of a journey's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The stages, and the clock of one machine.
    Stages,
    /// In some place the clocks of two machines.
    Clocks,
}

/// The parts of one journey, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<'p> {
    /// The parts, each with its place among those that were asked about.
    pub parts: Vec<(usize, &'p Part)>,
    /// What told their order.
    pub certainty: Certainty,
}

/// The journeys that the parts of one job, trace and branch make, the one to show first before others. The order in which parts are given does not matter.
#[must_use]
pub fn chains<'p>(parts: impl IntoIterator<Item = (usize, &'p Part)>) -> Vec<Chain<'p>> {
    let mut members: Vec<(usize, &Part)> = parts.into_iter().collect();
    members.sort_by_key(|(_, part)| (part.start_ns, part.end_ns, part.key.sink_task));
    let (heads, rest): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, part)| !part.is_partial);
    let mut chains = Vec::new();
    let mut open = heads.iter().filter(|(_, part)| heads.len() == 1 || !is_end(part));
    // With several that are not at an end, nobody can say which one the rest belongs to.
    let owner = open.next().copied().filter(|_| open.next().is_none());
    for head in &heads {
        if owner.is_none_or(|owner| owner.0 != head.0) {
            chains.push(Chain { parts: vec![*head], certainty: Certainty::Stages });
        }
    }
    if owner.is_some() || !rest.is_empty() {
        chains.extend(spread(owner, rest));
    }
    chains.sort_by_key(rank);
    chains
}

/// Journeys that reached an end come first, then those that began first.
fn rank(chain: &Chain<'_>) -> (bool, bool, i64, i64) {
    let first = chain.parts.first().map(|(_, part)| *part);
    let last = chain.parts.last().map(|(_, part)| *part);
    (
        first.is_none_or(|part| part.is_partial),
        last.is_none_or(|part| !is_end(part)),
        first.map_or(0, |part| part.start_ns),
        last.map_or(0, |part| part.key.sink_task),
    )
}

/// The journey, or the copies, that a beginning and what follows it make.
fn spread<'p>(head: Option<(usize, &'p Part)>, rest: Vec<(usize, &'p Part)>) -> Vec<Chain<'p>> {
    let (ends, middles): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, part)| is_end(part));
    let mut line = Chain { parts: head.into_iter().collect(), certainty: Certainty::Stages };
    line.extend(middles);
    if are_copies(&ends) {
        let copy = |end| {
            let mut copy = line.clone();
            copy.extend(vec![end]);
            copy
        };
        return ends.into_iter().map(copy).collect();
    }
    line.extend(ends);
    vec![line]
}

/// Whether some of those that ended began at the same stage.
fn are_copies(ends: &[(usize, &Part)]) -> bool {
    let stage = |part: &Part| part.entries.first().map(|entry| (entry.code, entry.name.clone()));
    let mut stages: Vec<_> = ends.iter().map(|(_, part)| stage(part)).collect();
    stages.sort_unstable();
    stages.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Whether the record went no further, as far as its part knows.
fn is_end(part: &Part) -> bool {
    matches!(part.outcome.as_str(), "written" | "filtered" | "split")
}

impl<'p> Chain<'p> {
    /// Puts further parts behind, which are in the order of time: each behind the one that leads to it best.
    fn extend(&mut self, mut rest: Vec<(usize, &'p Part)>) {
        while !rest.is_empty() {
            let last = self.parts.last().and_then(|(_, part)| part.entries.last());
            let mut able: Vec<_> = earliest(&rest).map(|(at, part)| (fit(last, part), at, part)).collect();
            // Those of the same fit stay in the order of time.
            able.sort_by_key(|(fit, ..)| *fit);
            let Some((best, at, part)) = able.first().copied() else { return };
            if able.get(1).is_some_and(|(fit, ..)| *fit == best) {
                self.certainty = Certainty::Clocks;
            }
            rest.retain(|(other, _)| *other != at);
            self.parts.push((at, part));
        }
    }
}

/// Of each machine only its earliest parts, of those in the order of time: its own clock has their order.
fn earliest<'r, 'p>(rest: &'r [(usize, &'p Part)]) -> impl Iterator<Item = (usize, &'p Part)> + 'r {
    let mut first_ns: HashMap<&str, i64> = HashMap::new();
    rest.iter().copied().filter(move |(_, part)| {
        part.host.is_empty() || *first_ns.entry(&part.host).or_insert(part.start_ns) == part.start_ns
    })
}

/// How well a part goes behind a stamp: the less the better.
fn fit(last: Option<&Entry>, part: &Part) -> (u8, u8) {
    use StageCode as S;
    let Some(first) = part.entries.first() else { return (u8::MAX, u8::MAX) };
    let Some(last) = last else { return (0, first.code) };
    let grade = match (StageCode(last.code), StageCode(first.code)) {
        (S::ENQUEUE, S::DEQUEUE) | (S::TRANSFORM_IN, S::TRANSFORM_OUT) => 0,
        (S::SOURCE | S::DEQUEUE | S::TRANSFORM_OUT | S::SINK, S::ENQUEUE | S::DEQUEUE | S::TRANSFORM_IN)
        | (S::DEQUEUE | S::TRANSFORM_IN | S::TRANSFORM_OUT, S::SINK | S::DROP) => 1,
        (S(0 | 7..), _) | (_, S(0 | 7..)) => 2,
        _ => 3,
    };
    (grade, 0)
}
