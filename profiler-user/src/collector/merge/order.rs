//! In which order the parts of one branch lie. Pure.
//!
//! Stages decide: who begins at a source is first, who wrote or filtered the record is last, and between them a part goes behind the one whose last stage leads
//! to its first. Parts of one machine lie as its clock has them. Only where all of this leaves a choice do the clocks of two machines make it, and the
//! journey says so. Two parts that end in the same way from the same stage are two copies of the record, not one journey.

use profiler_common::StageCode;

use crate::collector::model::{Entry, Part};

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
pub(super) struct Chain {
    pub(super) parts: Vec<usize>,
    pub(super) certainty: Certainty,
}

/// The journeys that the parts of one branch make, the one to show first before others.
pub(super) fn chains(parts: &[Part], members: &[usize]) -> Vec<Chain> {
    let members: Vec<(usize, &Part)> = members.iter().filter_map(|at| Some((*at, parts.get(*at)?))).collect();
    let (heads, rest): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, part)| !part.is_partial);
    let mut chains = Vec::new();
    let mut open = heads.iter().filter(|(_, part)| heads.len() == 1 || !is_end(part));
    // With several that are not at an end, nobody can say which one the rest belongs to.
    let owner = open.next().copied().filter(|_| open.next().is_none());
    for head in &heads {
        if owner.is_none_or(|owner| owner.0 != head.0) {
            chains.push(Chain { parts: vec![head.0], certainty: Certainty::Stages });
        }
    }
    if owner.is_some() || !rest.is_empty() {
        chains.extend(spread(owner, rest));
    }
    chains.sort_by_key(|chain| rank(parts, chain));
    chains
}

/// Journeys that reached an end come first, then those that began first.
fn rank(parts: &[Part], chain: &Chain) -> (bool, bool, i64, i64) {
    let first = chain.parts.first().and_then(|at| parts.get(*at));
    let last = chain.parts.last().and_then(|at| parts.get(*at));
    (
        first.is_none_or(|part| part.is_partial),
        last.is_none_or(|part| !is_end(part)),
        first.map_or(0, |part| part.start_ns),
        last.map_or(0, |part| part.key.sink_task),
    )
}

/// The journey, or the copies, that a beginning and what follows it make.
fn spread(head: Option<(usize, &Part)>, rest: Vec<(usize, &Part)>) -> Vec<Chain> {
    let (ends, middles): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, part)| is_end(part));
    let mut line = Line { parts: head.into_iter().collect(), certainty: Certainty::Stages };
    line.extend(middles);
    if are_copies(&ends) {
        let copy = |end| {
            let mut copy = line.clone();
            copy.extend(vec![end]);
            copy.into_chain()
        };
        return ends.into_iter().map(copy).collect();
    }
    line.extend(ends);
    vec![line.into_chain()]
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

#[derive(Clone)]
struct Line<'a> {
    parts: Vec<(usize, &'a Part)>,
    certainty: Certainty,
}

impl<'a> Line<'a> {
    /// Puts further parts behind, each behind the one that leads to it best.
    fn extend(&mut self, mut rest: Vec<(usize, &'a Part)>) {
        while !rest.is_empty() {
            let last = self.parts.last().and_then(|(_, part)| part.entries.last());
            // Of each machine only its earliest one: its own clock has their order.
            let is_earliest = |(_, part): &(usize, &Part)| {
                let earlier = |(_, other): &(usize, &Part)| {
                    !part.host.is_empty() && other.host == part.host && other.start_ns < part.start_ns
                };
                !rest.iter().any(earlier)
            };
            let mut able: Vec<(usize, &Part)> = rest.iter().copied().filter(is_earliest).collect();
            able.sort_by_key(|(at, part)| (fit(last, part), part.start_ns, *at));
            let Some(next) = able.first().copied() else { return };
            let is_tie = able.get(1).is_some_and(|(_, part)| fit(last, part) == fit(last, next.1));
            if is_tie {
                self.certainty = Certainty::Clocks;
            }
            rest.retain(|(at, _)| *at != next.0);
            self.parts.push(next);
        }
    }

    fn into_chain(self) -> Chain {
        Chain { parts: self.parts.into_iter().map(|(at, _)| at).collect(), certainty: self.certainty }
    }
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
