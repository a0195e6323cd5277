//! Why there is no trace, or no written one: the first cause on the way from the source to the sink.

use profiler_common::{Outcome, StageCode};

use super::page::{Ink, Page};
use crate::sink::{Session, StageRow, units};

/// An explanation when no written trace is there; nothing otherwise.
pub(super) fn section(session: &Session<'_>, page: &mut Page) {
    if let Some((title, reason)) = why(session, page.is_ascii()) {
        page.title(title);
        page.wrapped("  ", &reason, Ink::Warn);
    }
}

/// Why there is no written trace, under a title; `None` when there is one. With `ascii`, durations are.
#[must_use]
pub fn why(session: &Session<'_>, ascii: bool) -> Option<(&'static str, String)> {
    match (session.stats.traces(), session.stats.ended(Outcome::Written)) {
        (0, _) => Some(("No trace", no_trace(session, ascii))),
        (_, 0) => Some(("No written record", none_written(session))),
        _ => None,
    }
}

/// The first cause in the order in which a record would meet them.
fn no_trace(session: &Session<'_>, ascii: bool) -> String {
    let ledger = session.ledger;
    if ledger.admitted > 0 {
        return format!(
            "{} admitted, none has ended yet: {} in flight at the end. Let it run longer, or lower trace_ttl to see how far they came.",
            records(ledger.admitted, "record was", "records were"),
            units::count(ledger.in_flight)
        );
    }
    if ledger.sampled > 0 {
        return refused(session);
    }
    if ledger.records > 0 {
        return rate_not_reached(session);
    }
    no_record(session, ascii)
}

fn no_record(session: &Session<'_>, ascii: bool) -> String {
    let ledger = session.ledger;
    let (hits, unreadable) = sum_of(session, StageCode::SOURCE, |row| (row.hits, row.unreadable));
    let source = names_of(session, StageCode::SOURCE);
    if hits == 0 {
        return format!(
            "No record came to the source: {source} was hit 0 times in {}. Is the target at work, and is this the function that it calls?",
            units::duration(session.duration_ns, ascii)
        );
    }
    if unreadable > 0 {
        return format!(
            "{source} was hit {}, but its key could not be read {}: check the key expression.",
            times(hits),
            times(unreadable)
        );
    }
    if ledger.tasks_full > 0 {
        return format!(
            "{} came from more source tasks than can be counted: use sequence = \"process\".",
            records(ledger.tasks_full, "record", "records")
        );
    }
    if ledger.entry_unseen > 0 {
        return format!(
            "{source} was hit {}, only at the end of calls that began before attaching. Let it run longer.",
            times(hits)
        );
    }
    format!("{source} was hit {}, but no record was counted there.", times(hits))
}

fn rate_not_reached(session: &Session<'_>) -> String {
    let seen = records(session.ledger.records, "record", "records");
    let rate = units::count(session.rate);
    if session.rate == 0 {
        return format!("{seen} seen, rate is 0: no record is ever sampled. Set --rate.");
    }
    if session.ledger.records < session.rate {
        return format!(
            "{seen} seen, rate is 1 in {rate}: the first sample comes at record {rate}. Let it run longer or lower --rate."
        );
    }
    format!(
        "{seen} seen, rate is 1 in {rate}: no single source task has come to {rate} yet. Lower --rate, or count all tasks of a process together with sequence = \"process\"."
    )
}

fn refused(session: &Session<'_>) -> String {
    let ledger = session.ledger;
    let causes = [
        (ledger.refused_budget, "by the budget", "raise max_traces_per_second (--budget)"),
        (
            ledger.refused_full,
            "because all trace slots were taken",
            "raise max_open_traces or lower trace_ttl",
        ),
        (ledger.refused_busy, "because their key was just being ended", "let it run longer"),
        (ledger.refused_paused, "because sampling was paused", "resume it"),
    ];
    let sampled = records(ledger.sampled, "record was", "records were");
    let Some((count, cause, remedy)) =
        causes.into_iter().max_by_key(|(count, ..)| *count).filter(|(count, ..)| *count > 0)
    else {
        return format!("{sampled} sampled, but none was admitted.");
    };
    if count == ledger.sampled {
        return format!("{sampled} sampled, all refused {cause}: {remedy}.");
    }
    format!("{sampled} sampled, all refused, {} of them {cause}: {remedy}.", units::count(count))
}

/// Traces ended, but none at the sink.
fn none_written(session: &Session<'_>) -> String {
    let (hits, unreadable) = sum_of(session, StageCode::SINK, |row| (row.hits, row.unreadable));
    let sink = names_of(session, StageCode::SINK);
    let traces = records(session.stats.traces(), "trace", "traces");
    if !session.stages.iter().any(|row| row.code == StageCode::SINK) {
        return format!("{traces} ended, none written: the spec has no W! stage.");
    }
    if hits == 0 {
        return format!(
            "{traces} ended, none written: {sink} was hit 0 times. Is this the function that the sink calls?"
        );
    }
    if unreadable > 0 {
        return format!(
            "{traces} ended, none written: {sink} could not read its key {} of {}.",
            times(unreadable),
            units::count(hits)
        );
    }
    format!(
        "{traces} ended, none written: {sink} was hit {}, but never with the key of a sampled record. Do S0 and W! name the same value?",
        times(hits)
    )
}

fn sum_of(session: &Session<'_>, code: StageCode, counts: fn(&StageRow) -> (u64, u64)) -> (u64, u64) {
    let rows = session.stages.iter().filter(|row| row.code == code).map(counts);
    rows.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
}

fn names_of(session: &Session<'_>, code: StageCode) -> String {
    let names: Vec<&str> =
        session.stages.iter().filter(|row| row.code == code).map(|row| row.name.as_str()).collect();
    format!("{code} ({})", names.join(", "))
}

fn records(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", units::count(count), if count == 1 { one } else { many })
}

fn times(count: u64) -> String {
    records(count, "time", "times")
}
