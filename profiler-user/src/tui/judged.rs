//! The verdict on the time window: the evidence that the screen has, put before the judge that reports ask, too.
//!
//! Refuses: any reasoning of its own. On the whole session it is the verdict of the report, word for word.

use super::figures::is_whole;
use super::model::Model;
use crate::feed::{Tick, stage_hits};
use crate::verdict::{Evidence, Verdict, judge};

/// Judges the time window; its course is followed from the beginning of the session on. `None` while nothing takes any time.
#[must_use]
pub fn verdict(model: &Model) -> Option<Verdict> {
    let account = &model.data.account;
    let stages = model.data.info().map_or(0, |info| info.stages.len());
    let hits = |tick: &Tick| stage_hits(stages, account.sites(), &tick.probes);
    let stats = account.stats();
    if is_whole(model) {
        let tick = account.tick();
        let hits = tick.map(|tick| hits(tick)).unwrap_or_default();
        let hits_ns = tick.map_or(0, |tick| tick.measured.duration_ns);
        return judge(&Evidence { stats, span_ns: None, hits: &hits, hits_ns, past_from_ns: None });
    }
    let span = model.span_ns();
    let ends = model.data.ticks.span(span.0, span.1);
    let grown = |(before, after): (&Tick, &Tick)| {
        let (old, new) = (hits(before), hits(after));
        let grown = new.iter().zip(old).map(|(new, old)| new.saturating_sub(old)).collect::<Vec<_>>();
        (grown, after.mono_ns.saturating_sub(before.mono_ns))
    };
    let (hits, hits_ns) = ends.map(grown).unwrap_or_default();
    let past_from_ns = Some(model.data.attached_ns());
    judge(&Evidence { stats, span_ns: Some(span), hits: &hits, hits_ns, past_from_ns })
}
