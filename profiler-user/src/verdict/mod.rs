//! The verdict: where records lose their time, what limits them there, and whether that is how it always is.
//!
//! Owns: the reasoning from durations, their course, and the counts of the stages to one cause. Pure: the same evidence gives the same verdict, live
//! or recorded. Refuses: certainty that the evidence does not give. What is not known is left out of the words.

mod busy;
mod course;
mod flow;
mod modes;
mod outliers;
#[cfg(test)]
mod tests;
pub mod words;

pub use course::{Course, CourseKind};
pub use modes::Modes;
pub(crate) use outliers::median;
pub use outliers::{Outlier, Peer, StandsOut, outliers, stand_out};

use crate::sink::Session;
use crate::sink::units::part;
use crate::stats::{Figures, HopFigures, Stats, Subject};
use crate::trace::Cause;

/// A hop, by the indices of its stages.
pub type Hop = (usize, usize);

/// What a verdict is made from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The traces' durations.
    pub stats: &'a Stats,
    /// The stretch of monotonic time that is judged, ns; the whole session when `None`.
    pub span_ns: Option<(u64, u64)>,
    /// Hits of each stage in that time, by its index in the spec. Empty when they are not known.
    pub hits: &'a [u64],
    /// The hops in which a batch is filled. Empty when they are not known.
    pub fills: &'a [Hop],
    /// How long that time was, ns.
    pub hits_ns: u64,
    /// From when on the course is followed, monotonic ns: a screen that judges the last minute knows more. From the beginning of what is judged when `None`.
    pub past_from_ns: Option<u64>,
}

/// Why records lose their time there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The hop is the work that takes the time.
    Work,
    /// Records wait for the work behind the queue.
    Behind(Hop),
    /// The queue is full: records are held back before it, because of the work behind it if that is known.
    HeldBack(Option<Hop>),
    /// Records wait, though those who do the work behind the queue are idle most of the time: they come in bursts, or the queue hands them over slowly.
    Idle(Hop),
    /// Records wait, and how busy those are who do the work behind the queue is not known: it may be the limit as well as idle, so it is not to blame.
    Unmeasured(Hop),
    /// Records wait for their batch to be filled or flushed.
    Filling,
    /// Records wait, and what is behind the queue was not seen.
    Unseen,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where most of the time goes.
    pub hop: Hop,
    /// What kind of hop that is.
    pub cause: Cause,
    /// Its share of all the records' time, 0..=1.
    pub share: f64,
    /// Its durations.
    pub figures: Figures,
    /// What is to blame. Of a wait for a transform that is the transform, if it is known to be busy.
    pub class: Cause,
    /// Why.
    pub reason: Reason,
    /// The durations of the work behind the queue, when that is the reason.
    pub limit: Option<Figures>,
    /// What kind of work that is; the hop's own cause otherwise.
    work_cause: Cause,
    /// How much of the time those who do the work are busy, 0..=1, when that is known.
    pub busy: Option<f64>,
    /// Whether it is always so.
    pub course: Course,
    /// Two kinds of durations, where there are.
    pub modes: Option<Modes>,
    /// Tasks that are slower than their peers, at the hop or at the one behind it; the slowest first.
    pub outliers: Vec<Outlier>,
}

impl Verdict {
    /// What kind of work [`Verdict::work`] is.
    #[must_use]
    pub const fn class_of_work(&self) -> Cause {
        self.work_cause
    }

    /// The hop whose work is to blame: the one behind the queue if there is one.
    #[must_use]
    pub const fn work(&self) -> Hop {
        match self.reason {
            Reason::Behind(hop)
            | Reason::HeldBack(Some(hop))
            | Reason::Idle(hop)
            | Reason::Unmeasured(hop) => hop,
            Reason::Work | Reason::HeldBack(None) | Reason::Filling | Reason::Unseen => self.hop,
        }
    }
}

/// Judges. `None` while nothing takes any time.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    judge_hops(evidence, &hops(evidence))
}

/// The same for who has the figures of the hops in that time already, in the order of the spec's stages.
#[must_use]
pub fn judge_hops(evidence: &Evidence<'_>, hops: &[HopFigures]) -> Option<Verdict> {
    flow::worst(hops).map(|worst| judge_hop(evidence, hops, worst))
}

/// The verdict on one of the hops, whether or not it is the worst.
#[must_use]
pub fn judge_hop(evidence: &Evidence<'_>, hops: &[HopFigures], worst: &HopFigures) -> Verdict {
    let worst = *worst;
    let whole: u128 = hops.iter().map(|hop| hop.figures.total_ns).sum();
    let hop = key(&worst);
    let (now, course) = course::of(evidence, hop);
    let (reason, busy) = reason(evidence, hops, &worst, now.kind == CourseKind::Transient);
    let mut verdict = Verdict {
        hop,
        cause: worst.cause(),
        share: part(worst.figures.total_ns, whole),
        figures: worst.figures,
        class: worst.cause(),
        reason,
        limit: None,
        work_cause: worst.cause(),
        busy,
        course,
        modes: None,
        outliers: Vec::new(),
    };
    let work = verdict.work();
    verdict.class = class(hops, &verdict);
    verdict.work_cause = find(hops, work).map_or(worst.cause(), HopFigures::cause);
    verdict.limit = find(hops, work).filter(|_| work != hop).map(|hop| hop.figures);
    verdict.modes = modes::of(evidence, work);
    verdict.outliers = match evidence.span_ns {
        None => outliers(evidence.stats, work, false),
        Some(span_ns) if is_recent(evidence.stats, span_ns) => outliers(evidence.stats, work, true),
        // Of tasks at other times nothing is known.
        Some(_) => Vec::new(),
    };
    verdict
}

/// The verdict on a whole session.
#[must_use]
pub fn of_session(session: &Session<'_>) -> Option<Verdict> {
    let hits: Vec<u64> = session.stages.iter().map(|row| row.hits).collect();
    let hits_ns = session.duration_ns;
    judge(&Evidence {
        stats: session.stats,
        span_ns: None,
        hits: &hits,
        fills: session.fills,
        hits_ns,
        past_from_ns: None,
    })
}

/// The hops with their durations in the time that is judged.
fn hops(evidence: &Evidence<'_>) -> Vec<HopFigures> {
    let mut hops = evidence.stats.hops();
    if let Some((from_ns, to_ns)) = evidence.span_ns {
        let in_span = |hop: &HopFigures| {
            let figures = evidence.stats.windows.figures(Subject::Hop(hop.from, hop.to), from_ns, to_ns)?;
            Some(HopFigures { figures, ..*hop })
        };
        hops = hops.iter().filter_map(in_span).collect();
    }
    hops
}

/// Whether a stretch of time is about the one to two minutes that single tasks are known of.
fn is_recent(stats: &Stats, (from_ns, to_ns): (u64, u64)) -> bool {
    const MOST_NS: u64 = 120_000_000_000;
    const NOW_NS: u64 = 2_000_000_000;
    to_ns.saturating_sub(from_ns) <= MOST_NS && to_ns.saturating_add(NOW_NS) >= stats.tasks.now_ns()
}

/// The time that is judged.
fn span(evidence: &Evidence<'_>) -> Option<(u64, u64)> {
    evidence.span_ns.or_else(|| evidence.stats.windows.span_ns())
}

const fn key(hop: &HopFigures) -> Hop {
    (hop.from, hop.to)
}

fn find(hops: &[HopFigures], wanted: Hop) -> Option<&HopFigures> {
    hops.iter().find(|hop| key(hop) == wanted)
}

/// Why records lose their time at the worst hop, and how busy those behind it are. Means over all the time say nothing of that while it comes and goes:
/// a sink that stalls is idle most of the time.
fn reason(
    evidence: &Evidence<'_>,
    hops: &[HopFigures],
    worst: &HopFigures,
    is_transient: bool,
) -> (Reason, Option<f64>) {
    let mean = |behind: &flow::Behind| busy::of(evidence, hops, behind);
    let busy = |behind: &flow::Behind| mean(behind).filter(|_| !is_transient);
    let is_filled = evidence.fills.contains(&key(worst));
    if is_filled || flow::is_wait(worst) {
        let behind = flow::behind(hops, worst, busy).map(|behind| (mean(&behind), behind));
        return match behind {
            // Who is late with a batch is the limit if he is busy; otherwise the batch is not full.
            Some((mean, behind)) if !is_filled || mean >= Some(IDLE) => {
                behind_queue(&behind, mean, is_transient)
            }
            _ if is_filled => (Reason::Filling, None),
            _ => (Reason::Unseen, None),
        };
    }
    if let Some(wait) = flow::queue_after(hops, worst) {
        let behind = flow::behind(hops, wait, busy);
        let busy = behind.as_ref().and_then(busy);
        if flow::is_held_back(worst, wait, busy) {
            return (Reason::HeldBack(behind.map(|behind| key(&behind.limit))), busy);
        }
    }
    (Reason::Work, busy::of_hop(evidence, hops, worst).filter(|_| !is_transient))
}

/// Below this, those who do the work are not what records wait for.
const IDLE: f64 = 0.5;

/// What records wait for behind a queue, and how busy that is; the mean over all the time is not told of what comes and goes.
const fn behind_queue(behind: &flow::Behind, mean: Option<f64>, is_transient: bool) -> (Reason, Option<f64>) {
    let limit = key(&behind.limit);
    match mean {
        None => (Reason::Unmeasured(limit), None),
        Some(_) if is_transient => (Reason::Behind(limit), None),
        Some(busy) if busy < IDLE => (Reason::Idle(limit), mean),
        Some(_) => (Reason::Behind(limit), mean),
    }
}

fn class(hops: &[HopFigures], verdict: &Verdict) -> Cause {
    match verdict.reason {
        Reason::Work => verdict.cause,
        Reason::Behind(limit) => find(hops, limit).map_or(Cause::Queue, HopFigures::cause),
        Reason::HeldBack(_) | Reason::Idle(_) | Reason::Unmeasured(_) | Reason::Filling | Reason::Unseen => {
            Cause::Queue
        }
    }
}
