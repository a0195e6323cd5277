//! How far the clocks of two machines are apart, as far as hops that cross from one to the other tell. Pure.
//!
//! A hop from A to B takes some time, so the clocks' difference is no more than the shortest such hop; one from B to A bounds it from the other
//! side. The truth lies between both bounds, wherever both are known. Owns: the bounds of the last half hour, by the minute, so that a clock that drifts or is set
//! is followed. Refuses: changing a stamp.

use std::collections::BTreeMap;

use super::Merged;
use crate::collector::model::{Certainty, Precision};

/// Pairs of machines that are told apart; further ones are left out.
const MAX_PAIRS: usize = 256;

/// Minutes that bounds are kept for.
const MINUTES: usize = 30;

const MINUTE_NS: i64 = 60_000_000_000;

/// What bounds an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Hops in both directions: the offset is the middle of what is possible, and the error half of it.
    BothWays,
    /// Hops in one direction: the clock of the one that is reached is ahead by the offset at most.
    OneWay,
}

impl Basis {
    /// The words of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BothWays => "both ways",
            Self::OneWay => "one way",
        }
    }
}

/// What is known of two clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// One machine.
    pub from_host: String,
    /// The other one.
    pub to_host: String,
    /// The clock of `to_host` less that of `from_host`, ns; one way, at most that.
    pub offset_ns: i64,
    /// How far it may be off, ns; one way there is no saying.
    pub error_ns: Option<i64>,
    /// What bounds it.
    pub basis: Basis,
}

/// One hop from a machine to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Where it began.
    pub from_host: String,
    /// Where it ended.
    pub to_host: String,
    /// When it ended by the clock of `to_host`, ns since the Unix epoch.
    pub at_ns: i64,
    /// The stamp there less the stamp before, ns, no less than it can have been.
    pub ns: i64,
}

/// The hops of a trace that cross from one machine to another, where stages say that they do.
#[must_use]
pub fn crossings(merged: &Merged<'_>) -> Vec<Crossing> {
    let sure = merged.journeys.iter().filter(|journey| journey.certainty == Certainty::Stages);
    let pairs = sure.flat_map(|journey| journey.places.iter().zip(journey.places.iter().skip(1)));
    let crossing = |(from, to): (&super::Place<'_>, &super::Place<'_>)| {
        let (before, after) = (merged.parts.get(from.part)?, merged.parts.get(to.part)?);
        let crosses = before.host != after.host && !before.host.is_empty() && !after.host.is_empty();
        // A stamp in milliseconds was cut down to them: the hop may have been longer.
        let is_coarse = [before, after].iter().any(|part| part.precision == Precision::Millis);
        let rounding_ns = if is_coarse { 1_000_000 } else { 0 };
        crosses.then(|| Crossing {
            from_host: before.host.clone(),
            to_host: after.host.clone(),
            at_ns: to.entry.ts_ns,
            ns: to.entry.ts_ns.saturating_sub(from.entry.ts_ns).saturating_add(rounding_ns),
        })
    };
    pairs.filter_map(crossing).collect()
}

/// The shortest hops of a minute, ns: there and back.
#[derive(Clone, Copy, Debug, Default)]
struct Shortest {
    there_ns: Option<i64>,
    back_ns: Option<i64>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// By pair of machines, the lesser name first, and by minute.
    pairs: BTreeMap<(String, String), BTreeMap<i64, Shortest>>,
}

impl Clocks {
    /// Takes in a hop.
    pub fn observe(&mut self, crossing: &Crossing) {
        let Crossing { from_host, to_host, at_ns, ns } = crossing;
        let is_there = from_host < to_host;
        let (a, b) = if is_there { (from_host, to_host) } else { (to_host, from_host) };
        let key = (a.clone(), b.clone());
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            return;
        }
        let minutes = self.pairs.entry(key).or_default();
        let shortest = minutes.entry(at_ns.div_euclid(MINUTE_NS)).or_default();
        let side = if is_there { &mut shortest.there_ns } else { &mut shortest.back_ns };
        *side = Some(side.map_or(*ns, |known| known.min(*ns)));
        let oldest = minutes.last_key_value().map_or(0, |(last, _)| last - MINUTES as i64);
        minutes.retain(|minute, _| *minute > oldest);
    }

    /// What is known of each pair of clocks, by name.
    #[must_use]
    pub fn offsets(&self) -> Vec<Offset> {
        let of = |((a, b), minutes): (&(String, String), &BTreeMap<i64, Shortest>)| {
            let there = minutes.values().filter_map(|shortest| shortest.there_ns).min();
            let back = minutes.values().filter_map(|shortest| shortest.back_ns).min();
            offset(a, b, there, back)
        };
        self.pairs.iter().filter_map(of).collect()
    }
}

fn offset(a: &str, b: &str, there: Option<i64>, back: Option<i64>) -> Option<Offset> {
    let one_way = |from: &str, to: &str, offset_ns| Offset {
        from_host: from.to_owned(),
        to_host: to.to_owned(),
        offset_ns,
        error_ns: None,
        basis: Basis::OneWay,
    };
    match (there, back) {
        (Some(there), Some(back)) => {
            let (most, least) = (i128::from(there), -i128::from(back));
            let narrow = |ns: i128| i64::try_from(ns).unwrap_or(i64::MAX);
            Some(Offset {
                offset_ns: narrow((most + least).div_euclid(2)),
                // Rounded up: the truth is never outside. Bounds that contradict each other are of a clock that was set meanwhile.
                error_ns: Some(narrow((most - least).abs() / 2 + 1)),
                basis: Basis::BothWays,
                ..one_way(a, b, 0)
            })
        }
        (Some(there), None) => Some(one_way(a, b, there)),
        (None, Some(back)) => Some(one_way(b, a, back)),
        (None, None) => None,
    }
}

/// Whether a hop between two machines says more about their clocks than about the record: these are known to be apart by more than a tenth of it.
#[must_use]
pub fn is_doubtful(offsets: &[Offset], from: &str, to: &str, ns: i64) -> bool {
    let ways = [(from, to), (to, from)];
    let known = offsets.iter().filter(|known| ways.contains(&(&*known.from_host, &*known.to_host)));
    let mut apart_ns = known.map(|known| match known.error_ns {
        Some(error_ns) if known.offset_ns.saturating_abs() > error_ns => known.offset_ns.saturating_abs(),
        // The clock there is behind by this at least.
        None if known.offset_ns < 0 => known.offset_ns.saturating_abs(),
        _ => 0,
    });
    apart_ns.any(|apart_ns| apart_ns > ns / 10)
}
