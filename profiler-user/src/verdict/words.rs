//! A verdict in words.

use super::{Course, CourseKind, Hop, Modes, Outlier, Reason, Verdict};
use crate::sink::units;
use crate::stats::Task;
use crate::trace::Cause;

/// From this on, work is going on all the time: no more records can be taken on.
const FULLY: f64 = 0.8;

/// From this part of the target's CPU time on, probes distort what is measured. Durations have the probes within them in them, and those of short hops
/// much more than this mean: with a fifth of all CPU time, a hop that works little is made of probes for the most part, and queues fill that would be empty. Below,
/// what each hop has of probes in it is told beside the hops.
const DISTORTING: f64 = 0.2;

/// How things are called, and which characters there are.
#[derive(Clone, Copy)]
pub struct Speech<'a> {
    /// What a hop is called, for example `Q+ queued → Q- taken`.
    pub hop: &'a dyn Fn(Hop) -> String,
    /// ASCII only.
    pub ascii: bool,
}

impl Speech<'_> {
    fn duration(&self, ns: u64) -> String {
        units::duration(ns, self.ascii)
    }
}

/// One line: `81% of the time records wait in Q+ → Q-: the transform behind it is the limit, chronic for 4 min`.
#[must_use]
pub fn headline(verdict: &Verdict, speech: &Speech<'_>) -> String {
    let mut line = format!(
        "{} of the time records {} {}",
        units::share(verdict.share),
        doing(verdict),
        (speech.hop)(verdict.hop)
    );
    if let Some(blame) = blame(verdict) {
        line += &format!(": {blame}");
    }
    if let Some(course) = course(&verdict.course, speech) {
        line += &format!(", {course}");
    }
    line
}

/// The sentences after the first: what is to blame, how it went, what else is odd. Each with its full stop.
#[must_use]
pub fn explanation(verdict: &Verdict, speech: &Speech<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(blame) = blame(verdict) {
        let whose = match (verdict.work() == verdict.hop, verdict.limit) {
            (false, Some(limit)) => {
                format!(" ({}, {} at P50)", (speech.hop)(verdict.work()), speech.duration(limit.p50_ns))
            }
            _ => String::new(),
        };
        sentences.push(capital(&format!("{blame}{whose}.")));
    }
    sentences.extend(course(&verdict.course, speech).map(|course| format!("This is {course}.")));
    sentences.extend(asides(verdict, speech));
    sentences
}

/// The sentences below the first line: the work behind a queue, by name and duration, and what else is odd.
#[must_use]
pub fn details(verdict: &Verdict, speech: &Speech<'_>) -> Vec<String> {
    let limit = verdict.limit.filter(|_| verdict.work() != verdict.hop);
    let behind = limit.map(|limit| {
        format!("Behind it: {}, {} at P50.", (speech.hop)(verdict.work()), speech.duration(limit.p50_ns))
    });
    behind.into_iter().chain(asides(verdict, speech)).collect()
}

/// What else is odd: the sentences that the first line says nothing of.
#[must_use]
pub fn asides(verdict: &Verdict, speech: &Speech<'_>) -> Vec<String> {
    let modes = verdict.modes.map(|found| modes(&found, &(speech.hop)(verdict.work()), speech));
    let outlier = verdict.outliers.first().map(|found| outlier(found, speech));
    modes.into_iter().chain(outlier).collect()
}

/// What tells whether the work behind a queue is busy, for who does not know it from its own counts of records.
#[must_use]
pub const fn elsewhere(verdict: &Verdict) -> Option<&'static str> {
    match (verdict.reason, verdict.busy) {
        (Reason::Unmeasured(_) | Reason::HeldBack(Some(_)), None) => {
            Some("`stain attach` beside the target tells how busy that is.")
        }
        _ => None,
    }
}

/// What to know of figures that were taken with probes of this part of the target's CPU time; `None` where they hardly disturb, or that is not known.
#[must_use]
pub fn caution(share: Option<f64>) -> Option<String> {
    share.filter(|share| *share >= DISTORTING).map(|share| {
        format!(
            "The probes take {} of the target's CPU time and distort what is measured: probe fewer or cheaper stages (`stain plan` tells what each costs).",
            units::share(share)
        )
    })
}

/// What records do at the hop.
const fn doing(verdict: &Verdict) -> &'static str {
    match (verdict.reason, verdict.cause) {
        (Reason::HeldBack(_), _) if verdict.busy.is_none() => "seem to be held back in",
        (Reason::HeldBack(_), _) => "are held back in",
        (Reason::Filling, _) | (_, Cause::Queue) => "wait in",
        (_, Cause::Source) => "are in the source,",
        (_, Cause::Transform) => "are in a transform,",
        (_, Cause::SinkWrite) => "are being written,",
        (_, Cause::Other) => "are in",
    }
}

/// Who is to blame; `None` where the hop itself says it.
fn blame(verdict: &Verdict) -> Option<String> {
    let limit = match verdict.class_of_work() {
        Cause::SinkWrite => "the sink",
        Cause::Transform => "the transform",
        Cause::Source | Cause::Queue | Cause::Other => "what comes",
    };
    let busy = verdict.busy.map(units::share);
    Some(match (verdict.reason, busy) {
        (Reason::Behind(_), Some(busy)) if verdict.busy >= Some(FULLY) => {
            format!("{limit} behind it is the limit, busy {busy} of the time")
        }
        (Reason::Behind(_), Some(busy)) => {
            format!("{limit} behind it, busy {busy} of the time, falls behind at times")
        }
        // What comes and goes: it is busy at those times, and idle at others.
        (Reason::Behind(_), None) => format!("{limit} behind it falls behind at times"),
        (Reason::Unmeasured(_), _) => {
            format!("{limit} behind it is either busy or takes them late, which is not known here")
        }
        (Reason::HeldBack(Some(_)), None) => {
            format!("the queue behind it looks full, and how busy {limit} behind that is is not known here")
        }
        (Reason::HeldBack(None), None) => "the queue behind it looks full".to_owned(),
        (Reason::HeldBack(Some(_)), _) => {
            format!("the queue behind it is full, and {limit} behind that is the limit")
        }
        (Reason::HeldBack(None), _) => "the queue behind it is full".to_owned(),
        (Reason::Idle(_), Some(busy)) => {
            format!(
                "{limit} behind it is busy only {busy} of the time: records come in bursts, or the queue hands them over slowly"
            )
        }
        (Reason::Filling, _) => "they wait for their batch to be filled or flushed".to_owned(),
        (Reason::Idle(_), None) | (Reason::Unseen, _) => return None,
        (Reason::Work, Some(busy)) if verdict.busy >= Some(FULLY) => {
            format!("busy {busy} of the time, it is the limit")
        }
        (Reason::Work, _) => return None,
    })
}

/// How it went; `None` when it is too early to say.
fn course(course: &Course, speech: &Speech<'_>) -> Option<String> {
    let lasts = rounded(course.until_ns.saturating_sub(course.since_ns));
    let ago = rounded(course.now_ns.saturating_sub(course.until_ns));
    Some(match (course.kind, course.period_ns) {
        (CourseKind::Early, _) => return None,
        (CourseKind::Chronic, _) => format!("chronic for {lasts}"),
        (CourseKind::Improving, _) => format!("improving for {lasts}"),
        (CourseKind::Transient, Some(period)) => {
            format!("transient, about every {}", speech.duration(period))
        }
        (CourseKind::Transient, None) if course.is_now => format!("transient, now for {lasts}"),
        (CourseKind::Transient, None) => format!("transient, last seen {ago} ago"),
    })
}

/// Names the hop: the sentences before may have been about another one, the wait in the queue before it.
fn modes(modes: &Modes, hop: &str, speech: &Speech<'_>) -> String {
    let Modes { fast_ns, slow_ns, slow_share } = *modes;
    format!(
        "At {hop}, {} of the records take some {}, the others some {}.",
        units::share(slow_share),
        speech.duration(slow_ns),
        speech.duration(fast_ns)
    )
}

fn outlier(outlier: &Outlier, speech: &Speech<'_>) -> String {
    let Task { pid, task_id } = outlier.task.task;
    let who = format!("Task {task_id} of process {pid}");
    slow(&who, outlier.p50_ns, (outlier.peers, outlier.peers_p50_ns), speech.ascii)
}

/// That somebody is slow at something, beside so many peers and their median, ns.
#[must_use]
pub fn slow(who: &str, p50_ns: u64, (peers, peers_p50_ns): (usize, u64), ascii: bool) -> String {
    let [p50, peers_p50] = [p50_ns, peers_p50_ns].map(|ns| units::duration(ns, ascii));
    format!("{who} is slow: {p50} at P50, its {peers} peers {peers_p50}.")
}

/// A long time in one unit: `45 s`, `4 min`, `3 h`.
fn rounded(ns: u64) -> String {
    let seconds = (ns + 500_000_000) / 1_000_000_000;
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
