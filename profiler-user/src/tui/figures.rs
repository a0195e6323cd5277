//! The figures of the time window: of every hop, from end to end, and what part of the whole time each is.
//!
//! Refuses: any arithmetic on single traces. Figures come from the account; those of the whole session are the very ones that reports show.

use std::collections::BTreeMap;

use super::model::{Model, Time, WHOLE};
use crate::sink::units;
use crate::stats::window::Column;
use crate::stats::{Figures, Subject};

/// What a kind of duration comes to in the time window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its durations.
    pub figures: Figures,
    /// How many there were a second.
    pub rate: f64,
    /// What part of the time in all hops together it is, 0..=1; of hops only.
    pub share: Option<f64>,
}

/// Everything of the time window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    parts: BTreeMap<Subject, Part>,
    /// The hop with the largest share.
    pub worst: Option<Subject>,
}

impl Parts {
    /// Adds up the time window.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let mut parts: BTreeMap<_, _> = if is_whole(model) { whole(model) } else { window(model) };
        let is_hop = |subject: &Subject| matches!(subject, Subject::Hop(..));
        let total: u128 =
            parts.iter().filter(|(subject, _)| is_hop(subject)).map(|(_, part)| part.figures.total_ns).sum();
        for (_, part) in parts.iter_mut().filter(|(subject, _)| is_hop(subject)) {
            part.share = Some(units::part(part.figures.total_ns, total));
        }
        // Of equal ones the first in the pipeline: it is where to look first.
        let hops = parts.iter().rev().filter(|(subject, _)| is_hop(subject));
        let worst =
            hops.max_by_key(|(_, part)| part.figures.total_ns).filter(|(_, part)| part.figures.total_ns > 0);
        Self { worst: worst.map(|(subject, _)| *subject), parts }
    }

    /// Everything that there was, in the order of subjects.
    pub fn all(&self) -> impl Iterator<Item = (Subject, &Part)> {
        self.parts.iter().map(|(subject, part)| (*subject, part))
    }

    /// What a kind of duration comes to; `None` when there was none.
    #[must_use]
    pub fn get(&self, subject: Subject) -> Option<&Part> {
        self.parts.get(&subject)
    }
}

/// Whether the screen shows the whole session, up to now.
pub(super) fn is_whole(model: &Model) -> bool {
    model.window_s() == WHOLE && model.time == Time::Live
}

fn whole(model: &Model) -> BTreeMap<Subject, Part> {
    let stats = model.data.account.stats();
    let seconds = model.data.now_ns().saturating_sub(model.data.attached_ns()) as f64 / 1e9;
    let part = |figures: Figures| Part { figures, rate: per(figures.count, seconds), share: None };
    let sums = [
        (Subject::EndToEnd, stats.e2e.figures()),
        (Subject::QueueWait, stats.queue_wait.figures()),
        (Subject::Transform, stats.transform.figures()),
        (Subject::SinkWrite, stats.sink_write.figures()),
    ];
    let sums = sums.into_iter().filter_map(|(subject, figures)| Some((subject, part(figures?))));
    let hops = stats.hops().into_iter().map(|hop| (Subject::Hop(hop.from, hop.to), part(hop.figures)));
    sums.chain(hops).collect()
}

fn window(model: &Model) -> BTreeMap<Subject, Part> {
    let windows = &model.data.account.stats().windows;
    let part = |subject: Subject| {
        let column = columns(model, subject, 1).pop()?;
        let seconds = seconds(model, &column);
        let figures = column.figures()?;
        Some((subject, Part { figures, rate: per(figures.count, seconds), share: None }))
    };
    windows.subjects().filter_map(part).collect()
}

/// A kind of duration over the time window, in so many columns at most.
#[must_use]
pub fn columns(model: &Model, subject: Subject, most: usize) -> Vec<Column> {
    let (from, to) = model.span_ns();
    model.data.account.stats().windows.columns(subject, from, to, most)
}

/// How long a column was, s: as far as the session had begun, and up to now.
#[must_use]
pub fn seconds(model: &Model, column: &Column) -> f64 {
    let (from, to) = (column.from_ns.max(model.data.attached_ns()), column.to_ns.min(model.until_ns()));
    to.saturating_sub(from) as f64 / 1e9
}

fn per(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
