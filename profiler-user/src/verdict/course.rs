//! Whether it is always so: chronic, transient, or improving, and since when; and whether it comes at regular times.

use super::{Evidence, Hop, span};
use crate::stats::Subject;
use crate::stats::window::Load;

/// Parts that the time is divided into at most.
const PARTS: usize = 60;

/// Records in a part that it takes to be sure of it: with fewer, a rare kind of record would come and go by chance.
const RECORDS: u64 = 100;

/// Parts that there are all the same.
const AT_LEAST: u64 = 12;

/// Parts with records that it takes to say anything.
const FEWEST: usize = 5;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CourseKind {
    /// Too short a time to say.
    Early,
    /// It is so most of the time, and now.
    Chronic,
    /// It comes and goes, or is over.
    Transient,
    /// It is so most of the time, and takes less and less.
    Improving,
}

impl CourseKind {
    /// The word for it; empty when it is too early.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Early => "",
            Self::Chronic => "chronic",
            Self::Transient => "transient",
            Self::Improving => "improving",
        }
    }
}

/// The course of a hop's share in the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// How it went.
    pub kind: CourseKind,
    /// Since when, monotonic ns: chronic since, improving since; of a transient one, since when it was so the last time.
    pub since_ns: u64,
    /// Until when it was so at last, monotonic ns: of what is so now, until the last record.
    pub until_ns: u64,
    /// The end of the time that was judged, monotonic ns.
    pub now_ns: u64,
    /// It is so right now.
    pub is_now: bool,
    /// It comes at regular times, this far apart, ns.
    pub period_ns: Option<u64>,
}

/// A part of the time in which records passed.
#[derive(Clone, Copy)]
struct Part {
    number: usize,
    mean_ns: u64,
    load: Load,
    is_present: bool,
}

/// How many times as long a past is looked at.
const LONGER: u64 = 10;

/// How it went with a hop in the time that is judged, and how it did with what was before, where the evidence has a past. What kind of course that is, ten times
/// the time that is judged says: a longer one would drown what is new. Since when it is so is followed back as far as it was so all the time.
pub(super) fn of(evidence: &Evidence<'_>, hop: Hop) -> (Course, Course) {
    let (from_ns, to_ns) = span(evidence).unwrap_or_default();
    let usual = Usual::of(evidence, hop, (from_ns, to_ns));
    let over = |from_ns: u64| over(evidence, hop, (from_ns, to_ns), usual);
    let now = over(from_ns);
    let Some(past_ns) = evidence.past_from_ns else { return (now, now) };
    let longer = |from_ns: u64| {
        let length_ns = to_ns.saturating_sub(from_ns).saturating_mul(LONGER);
        to_ns.saturating_sub(length_ns).max(past_ns).min(from_ns)
    };
    let mut start_ns = longer(from_ns);
    let mut course = over(start_ns);
    if course.kind == CourseKind::Early || now.is_now && !course.is_now {
        return (now, now);
    }
    while course.kind == CourseKind::Chronic && course.since_ns <= start_ns.max(past_ns) && start_ns > past_ns
    {
        start_ns = longer(start_ns);
        let before = over(start_ns);
        if !before.is_now || before.since_ns >= course.since_ns {
            break;
        }
        course.since_ns = before.since_ns;
    }
    (now, course)
}

/// How it went with a hop from one moment to another.
fn over(evidence: &Evidence<'_>, hop: Hop, (from_ns, to_ns): (u64, u64), usual: Usual) -> Course {
    let windows = &evidence.stats.windows;
    let all = windows.sum(Subject::Hop(hop.0, hop.1), from_ns, to_ns).count();
    let most = (all / RECORDS).clamp(AT_LEAST, PARTS as u64) as usize;
    let division = windows.parts(from_ns, to_ns, most);
    let starts =
        |number: usize| division.from_ns.saturating_add(division.each_ns.saturating_mul(number as u64));
    let divided = |most: usize| parts(evidence, hop, (from_ns, to_ns), most, usual);
    let parts = divided(most);
    // Parts are whole seconds. Nobody has seen it longer than anything was seen.
    let (first_ns, last_ns) = windows.edges_ns().unwrap_or((from_ns, to_ns));
    let known = |ns: u64| ns.clamp(first_ns, last_ns.max(first_ns)).min(to_ns);
    let course = |kind, (since_ns, until_ns), is_now, period_ns| Course {
        kind,
        since_ns: known(since_ns),
        until_ns: known(until_ns),
        now_ns: to_ns,
        is_now,
        period_ns,
    };
    if parts.len() < FEWEST {
        return course(CourseKind::Early, (from_ns, to_ns), true, None);
    }
    let (since, until, is_now) = last_run(&parts);
    let until_ns = starts(until + 1);
    if let Some(since) = improving_since(&parts) {
        return course(CourseKind::Improving, (starts(since), until_ns), is_now, None);
    }
    let present = parts.iter().filter(|part| part.is_present).count();
    if is_now && present * 4 >= parts.len() * 3 {
        // Nothing is known of the time before the first record.
        return course(CourseKind::Chronic, (starts(since).max(from_ns), until_ns), true, None);
    }
    let fine_ns = windows.parts(from_ns, to_ns, PARTS).each_ns as f64;
    let period = period(&divided(PARTS)).map(|parts| (parts * fine_ns) as u64);
    course(CourseKind::Transient, (starts(since), until_ns), is_now, period)
}

/// How the hop is in the time that is judged: what makes it the worst one there.
#[derive(Clone, Copy)]
struct Usual {
    mean_ns: u64,
    share: f64,
}

impl Usual {
    fn of(evidence: &Evidence<'_>, hop: Hop, (from_ns, to_ns): (u64, u64)) -> Self {
        let loads = Loads::of(evidence, hop, (from_ns, to_ns), 1);
        let mine = loads.mine.iter().fold(Load::default(), |sum, load| sum.and(load));
        let whole: u128 = loads.all_ns.iter().sum();
        Self { mean_ns: mine.mean_ns(), share: mine.total_ns as f64 / whole.max(1) as f64 }
    }
}

/// What went into each part of the time: of one hop, and of all together.
struct Loads {
    mine: Vec<Load>,
    all_ns: Vec<u128>,
}

impl Loads {
    fn of(evidence: &Evidence<'_>, hop: Hop, (from_ns, to_ns): (u64, u64), most: usize) -> Self {
        let windows = &evidence.stats.windows;
        let mine = windows.loads(Subject::Hop(hop.0, hop.1), from_ns, to_ns, most);
        let mut all_ns = vec![0u128; mine.len()];
        for subject in windows.subjects().filter(|subject| matches!(subject, Subject::Hop(..))) {
            let loads = windows.loads(subject, from_ns, to_ns, most);
            all_ns.iter_mut().zip(loads).for_each(|(sum, load)| *sum += load.total_ns);
        }
        Self { mine, all_ns }
    }
}

fn parts(evidence: &Evidence<'_>, hop: Hop, past: (u64, u64), most: usize, usual: Usual) -> Vec<Part> {
    let Loads { mine, all_ns } = Loads::of(evidence, hop, past, most);
    let part = |(number, (load, all)): (usize, (&Load, u128))| {
        let is_large = load.mean_ns() >= usual.mean_ns / 4;
        let is_share = load.total_ns as f64 / all.max(1) as f64 >= usual.share / 2.0;
        let is_present = load.count > 0 && is_large && is_share;
        (all > 0).then_some(Part { number, mean_ns: load.mean_ns(), load: *load, is_present })
    };
    mine.iter().zip(all_ns).enumerate().filter_map(part).collect()
}

/// Where the last run of parts began in which it was so, a gap of one part allowed, where it ended, and whether it lasts.
fn last_run(parts: &[Part]) -> (usize, usize, bool) {
    let last = parts.iter().rposition(|part| part.is_present);
    let Some(last) = last else { return (0, 0, false) };
    let is_now = last + 2 >= parts.len();
    let mut first = last;
    for (place, part) in parts.iter().enumerate().take(last).rev() {
        if part.is_present {
            first = place;
        } else if first > place + 1 {
            break;
        }
    }
    let number = |place: usize| parts.get(place).map_or(0, |part| part.number);
    (number(first), number(last), is_now)
}

/// Where it began to fall, if the last third is well below the first, with no rise between.
fn improving_since(parts: &[Part]) -> Option<usize> {
    let third = parts.len() / 3;
    let (first, rest) = parts.split_at_checked(third).filter(|_| third >= 2)?;
    let (middle, last) = rest.split_at_checked(rest.len() - third)?;
    let [a, b, c] = [first, middle, last].map(mean);
    let falls = c <= a * 0.6 && b <= a * 1.1 && c <= b * 1.1;
    // What comes in bursts is not improving because the last one was a while ago.
    let steady = |parts: &[Part]| {
        let mean = mean(parts);
        parts.iter().filter(|part| part.mean_ns as f64 >= mean / 4.0).count() * 3 >= parts.len() * 2
    };
    if !falls || ![first, middle, last].into_iter().all(steady) {
        return None;
    }
    // From the last part on that was as high as at the beginning. If that was just now, it is getting no better.
    let high = parts.iter().rposition(|part| part.mean_ns as f64 >= a * 0.9);
    high.filter(|place| place + third < parts.len())
        .and_then(|place| parts.get(place))
        .map(|part| part.number)
}

fn mean(parts: &[Part]) -> f64 {
    let (count, total) =
        parts.iter().fold((0u64, 0u128), |sum, part| (sum.0 + part.load.count, sum.1 + part.load.total_ns));
    total as f64 / count.max(1) as f64
}

/// How many parts apart it comes, if it does at regular times: at three of them at least.
fn period(parts: &[Part]) -> Option<f64> {
    let mut means: Vec<u64> = parts.iter().map(|part| part.mean_ns).collect();
    means.sort_unstable();
    let usual = means.get(means.len() / 2).copied()?;
    let is_burst = |part: &Part| part.mean_ns > usual.saturating_mul(4);
    let mut starts = Vec::new();
    let mut last_burst = None;
    for part in parts.iter().filter(|part| is_burst(part)) {
        if last_burst.is_none_or(|last| part.number > last + 1) {
            starts.push(part.number);
        }
        last_burst = Some(part.number);
    }
    let gaps: Vec<usize> = starts.iter().zip(starts.iter().skip(1)).map(|(a, b)| b - a).collect();
    let (first, last) = (starts.first()?, starts.last()?);
    if gaps.len() < 2 {
        return None;
    }
    let period = (last - first) as f64 / gaps.len() as f64;
    // Where a stall falls on the border of a part, it shows in either.
    let tolerance = (period / 4.0).max(1.0);
    gaps.iter().all(|gap| (*gap as f64 - period).abs() <= tolerance).then_some(period)
}
