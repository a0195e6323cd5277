//! One sentence: where the time goes.

use profiler_common::Outcome;

use super::page::{Ink, Page};
use crate::sink::{Session, units};
use crate::stats::HopFigures;
use crate::trace::Cause;

/// Names the hop with the largest share of the time, and its cause. Nothing without a hop.
pub(super) fn section(session: &Session<'_>, page: &mut Page) {
    let hops = session.stats.hops();
    // Of equal ones the first in the pipeline: it is where to look first.
    let worst = hops.iter().rev().max_by_key(|hop| hop.figures.total_ns);
    if let Some(worst) = worst.filter(|hop| hop.figures.total_ns > 0) {
        let whole = hops.iter().map(|hop| hop.figures.total_ns).sum();
        let sentence = sentence(session, worst, whole, page);
        page.line("");
        page.wrapped("", &sentence, Ink::Bold);
    }
}

fn sentence(session: &Session<'_>, worst: &HopFigures, whole: u128, page: &Page) -> String {
    let share = units::share(units::part(worst.figures.total_ns, whole));
    let hop = super::hops::label(session, worst, page.glyphs().arrow, usize::MAX);
    let [p50, p99] = [worst.figures.p50_ns, worst.figures.p99_ns].map(|ns| page.duration(ns));
    let records = if session.stats.ended(Outcome::Written) == 0 {
        ", though no record was seen to be written"
    } else {
        ""
    };
    let cause = match worst.cause() {
        Cause::Source => "at the source",
        Cause::Queue => "waiting in a queue",
        Cause::Transform => "in a transform",
        Cause::SinkWrite => "in the sink write",
        Cause::Other => "between two stages",
    };
    format!(
        "{share} of the sampled records' time is spent {cause}: {hop}. Half of them take no more than {p50} there, 99% no more than {p99}{records}."
    )
}
