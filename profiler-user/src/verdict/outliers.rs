//! Tasks that are slower than their peers at the same work.

use super::Hop;
use crate::stats::{Figures, Stats, TaskFigures};

/// Peers, the task itself not counted, that it takes to say what is usual.
const PEERS: usize = 2;

/// Records of a task that it takes to judge it.
const RECORDS: u64 = 5;

/// How many times as slow as the usual one.
const TIMES: f64 = 2.0;

/// How many times as far from the usual as peers are.
const SPREADS: f64 = 6.0;

/// A task that stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Who, with all figures.
    pub task: TaskFigures,
    /// Its median, ns.
    pub p50_ns: u64,
    /// The median of its peers' medians, ns.
    pub peers_p50_ns: u64,
    /// How many peers there are.
    pub peers: usize,
}

impl Outlier {
    /// How many times as long it takes.
    #[must_use]
    pub fn times(&self) -> f64 {
        self.p50_ns as f64 / self.peers_p50_ns.max(1) as f64
    }
}

/// One of several that do the same, as far as the rule looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Records that it had.
    pub count: u64,
    /// Its median, ns.
    pub p50_ns: u64,
}

/// That one of them stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandsOut {
    /// Its place among those that were asked about.
    pub place: usize,
    /// The median of its peers' medians, ns.
    pub peers_p50_ns: u64,
    /// How many peers there are.
    pub peers: usize,
}

/// The tasks of a hop that stand out, the slowest first: by the whole session, or by the last one to two minutes.
#[must_use]
pub fn outliers(stats: &Stats, hop: Hop, recent: bool) -> Vec<Outlier> {
    let figures = |task: &TaskFigures| if recent { task.recent } else { Some(task.whole) };
    let known = |task: TaskFigures| Some((task, figures(&task)?));
    let tasks: Vec<(TaskFigures, Figures)> = stats.tasks.of(hop).into_iter().filter_map(known).collect();
    let peer = |(_, figures): &(_, Figures)| Peer { count: figures.count, p50_ns: figures.p50_ns };
    let peers: Vec<Peer> = tasks.iter().map(peer).collect();
    let outlier = |found: StandsOut| {
        let (task, figures) = *tasks.get(found.place)?;
        let StandsOut { place: _, peers_p50_ns, peers } = found;
        Some(Outlier { task, p50_ns: figures.p50_ns, peers_p50_ns, peers })
    };
    let mut found: Vec<Outlier> = stand_out(&peers).into_iter().filter_map(outlier).collect();
    found.sort_by(|a, b| b.times().total_cmp(&a.times()));
    found
}

/// The rule: those that stand out among several that do the same, in the order in which they were given. Who had too few records is no peer.
#[must_use]
pub fn stand_out(all: &[Peer]) -> Vec<StandsOut> {
    let judged: Vec<(usize, Peer)> =
        all.iter().copied().enumerate().filter(|(_, peer)| peer.count >= RECORDS).collect();
    (0..judged.len()).filter_map(|place| stands_out(&judged, place)).collect()
}

fn stands_out(judged: &[(usize, Peer)], at: usize) -> Option<StandsOut> {
    let (place, one) = *judged.get(at)?;
    let others = judged.iter().enumerate().filter(|(other, _)| *other != at);
    let mut peers: Vec<u64> = others.map(|(_, (_, peer))| peer.p50_ns).collect();
    if peers.len() < PEERS {
        return None;
    }
    let usual = median(&mut peers)?;
    let mut spreads: Vec<u64> = peers.iter().map(|p50| p50.abs_diff(usual)).collect();
    let spread = median(&mut spreads)?;
    let p50 = one.p50_ns as f64;
    let stands_out = p50 >= TIMES * usual as f64 && p50 - usual as f64 >= SPREADS * spread as f64;
    stands_out.then_some(StandsOut { place, peers_p50_ns: usual, peers: peers.len() })
}

/// The value in the middle; of two the higher one. Leaves them sorted.
pub(crate) fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
