//! The verdict on the time window: the evidence that the screen has, put before the judge that reports ask, too.
//!
//! Refuses: any reasoning of its own. On the whole session it is the verdict of the report, word for word.

use super::figures::{Part, Parts, is_whole};
use super::model::Model;
use crate::feed::{Tick, stage_hits};
use crate::stats::{HopFigures, Subject};
use crate::verdict::{Evidence, Verdict, judge_hops};

/// Judges the time window, of which `parts` are the figures; its course is followed from the beginning of the session on. `None` while nothing takes any time.
#[must_use]
pub fn verdict(model: &Model, parts: &Parts) -> Option<Verdict> {
    let account = &model.data.account;
    let infos = model.data.info().map_or(&[][..], |info| &info.stages);
    let fills = model.data.info().map_or(&[][..], |info| &info.fills);
    let stages = infos.len();
    let hop = |(subject, part): (Subject, &Part)| {
        let Subject::Hop(from, to) = subject else { return None };
        let (from_code, to_code) = (infos.get(from)?.code, infos.get(to)?.code);
        Some(HopFigures { from, to, from_code, to_code, figures: part.figures })
    };
    let hops: Vec<HopFigures> = parts.all().filter_map(hop).collect();
    let hits = |tick: &Tick| stage_hits(stages, account.sites(), &tick.probes);
    let stats = account.stats();
    if model.is_remote {
        // Nobody here knows how many records passed unsampled, and so how busy those who work are.
        let span_ns = Some(model.span_ns()).filter(|_| !is_whole(model));
        let past_from_ns = span_ns.map(|_| model.data.attached_ns());
        return judge_hops(&Evidence { stats, span_ns, hits: &[], fills, hits_ns: 0, past_from_ns }, &hops);
    }
    if is_whole(model) {
        let tick = account.tick();
        let hits = tick.map(|tick| hits(tick)).unwrap_or_default();
        let hits_ns = tick.map_or(0, |tick| tick.measured.duration_ns);
        let evidence = Evidence { stats, span_ns: None, hits: &hits, fills, hits_ns, past_from_ns: None };
        return judge_hops(&evidence, &hops);
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
    judge_hops(&Evidence { stats, span_ns: Some(span), hits: &hits, fills, hits_ns, past_from_ns }, &hops)
}
