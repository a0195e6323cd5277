//! The first sentences: where the time goes, and why.

use profiler_common::Outcome;

use super::page::{Ink, Page};
use crate::sink::{Session, units};
use crate::verdict::words::{Speech, caution, explanation};
use crate::verdict::{Hop, Reason, Verdict, of_session};

/// Names the hop with the largest share of the time, its cause, and what is to blame; nothing of it without a hop. Before them, that the probes distort it,
/// where they do: it is no verdict on the target then.
pub(super) fn section(session: &Session<'_>, page: &mut Page) {
    if let Some(text) = caution(session.cost.share_of_target_cpu) {
        page.line("");
        page.wrapped("", &text, Ink::Warn);
    }
    if let Some(verdict) = of_session(session) {
        let arrow = page.glyphs().arrow;
        let label = |hop: Hop| session.hop_label(hop, arrow);
        let speech = Speech { hop: &label, ascii: page.is_ascii() };
        page.line("");
        page.wrapped("", &sentences(session, &verdict, &speech, page).join(" "), Ink::Bold);
    }
}

fn sentences(session: &Session<'_>, verdict: &Verdict, speech: &Speech<'_>, page: &Page) -> Vec<String> {
    let share = units::share(verdict.share);
    let hop = (speech.hop)(verdict.hop);
    let [p50, p99] = [verdict.figures.p50_ns, verdict.figures.p99_ns].map(|ns| page.duration(ns));
    let records = if session.stats.ended(Outcome::Written) == 0 {
        ", though no record was seen to be written"
    } else {
        ""
    };
    let first = format!("{share} of the sampled records' time is spent {}: {hop}.", spent(verdict));
    let last = format!("Half of them take no more than {p50} there, 99% no more than {p99}{records}.");
    let mut sentences = vec![first, last];
    sentences.extend(explanation(verdict, speech));
    sentences
}

const fn spent(verdict: &Verdict) -> &'static str {
    match verdict.reason {
        Reason::HeldBack(_) if verdict.busy.is_none() => "waiting for room in a queue, it seems",
        Reason::HeldBack(_) => "waiting for room in a queue",
        Reason::Filling => "waiting in a batch",
        _ => verdict.cause.spent(),
    }
}
