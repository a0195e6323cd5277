//! The accounts: records at the sources, how sampled ones were admitted or refused, how admitted ones ended.

use crate::feed::Tick;
use crate::ledger::Ledger;
use crate::tui::lists;
use crate::tui::model::Model;
use crate::tui::theme::Ink;
use profiler_common::LostReason;

use super::{Row, course};

/// All rows; none before the first tick.
pub(super) fn rows(model: &Model) -> Vec<Row> {
    let Some(tick) = model.data.tick_at(model.until_ns()) else { return Vec::new() };
    let mut rows = vec![Row::Title("Records")];
    rows.extend(admission(model, tick));
    rows.extend([Row::Blank, Row::Title("Traces")]);
    rows.extend(ends(model, tick));
    rows.extend(notes(model, tick));
    rows.push(balance(model, tick));
    rows
}

fn count(model: &Model, label: &str, ink: Ink, of: impl Fn(&Ledger) -> u64 + Copy) -> Row {
    let total = model.data.tick_at(model.until_ns()).map_or(0, |tick| of(&tick.ledger));
    let (rate, course) = course(model, |tick| of(&tick.ledger));
    Row::Count { label: label.to_owned(), total, rate, course, ink: if total == 0 { Ink::Dim } else { ink } }
}

fn admission(model: &Model, tick: &Tick) -> Vec<Row> {
    let mut rows = vec![
        count(model, "seen at the sources", Ink::Text, |ledger| ledger.records),
        count(model, "sampled", Ink::Text, |ledger| ledger.sampled),
        count(model, "admitted", Ink::Text, |ledger| ledger.admitted),
        count(model, "refused by the budget", Ink::Text, |ledger| ledger.refused_budget),
    ];
    let ledger = &tick.ledger;
    if ledger.refused_full > 0 {
        rows.push(count(model, "refused, slots full", Ink::Warn, |ledger| ledger.refused_full));
    }
    if ledger.refused_busy > 0 {
        rows.push(count(model, "refused, key busy", Ink::Text, |ledger| ledger.refused_busy));
    }
    if ledger.refused_paused > 0 {
        rows.push(count(model, "refused, paused", Ink::Text, |ledger| ledger.refused_paused));
    }
    rows
}

fn ends(model: &Model, tick: &Tick) -> Vec<Row> {
    let ledger = &tick.ledger;
    let mut rows = Vec::new();
    if ledger.branched > 0 {
        rows.push(count(model, "branched off", Ink::Text, |ledger| ledger.branched));
    }
    rows.push(count(model, "written", Ink::Text, |ledger| ledger.written));
    rows.push(count(model, "filtered", Ink::Text, |ledger| ledger.filtered));
    if ledger.split > 0 {
        rows.push(count(model, "split", Ink::Text, |ledger| ledger.split));
    }
    for (number, name) in lists::outcomes(model).iter().enumerate() {
        rows.push(count(model, name, Ink::Text, move |ledger| {
            ledger.named.get(number).copied().unwrap_or(0)
        }));
    }
    rows.push(count(model, "superseded", Ink::Warn, |ledger| ledger.superseded));
    if ledger.expired > 0 {
        rows.push(count(model, "expired", Ink::Warn, |ledger| ledger.expired));
    }
    for (index, reason) in LostReason::ALL.into_iter().enumerate() {
        let lost = move |ledger: &Ledger| ledger.lost.get(index).copied().unwrap_or(0);
        if lost(ledger) > 0 {
            rows.push(count(model, &format!("lost ({})", reason.name()), Ink::Bad, lost));
        }
    }
    let flight = in_flight(ledger);
    rows.push(Row::Count {
        label: "in flight".to_owned(),
        total: flight,
        rate: 0.0,
        course: Vec::new(),
        ink: Ink::Text,
    });
    rows
}

/// Admitted or branched off, and without an end so far. At the end of a session they are counted, before that it follows from the law.
fn in_flight(ledger: &Ledger) -> u64 {
    let begun = ledger.admitted.saturating_add(ledger.branched);
    begun.saturating_sub(ledger.reported()).max(ledger.in_flight)
}

/// The laws are checked where every count is of the same moment: at the end. Until then one count may be of a later moment than another.
fn balance(model: &Model, tick: &Tick) -> Row {
    if model.data.account.ended().is_none() {
        return Row::Blank;
    }
    match tick.ledger.check() {
        Ok(()) => Row::Text("Every sampled record is accounted for.".to_owned(), Ink::Good),
        Err(imbalance) => Row::Text(format!("NOT BALANCED: {imbalance}."), Ink::Bad),
    }
}

fn notes(model: &Model, tick: &Tick) -> Vec<Row> {
    let ledger = &tick.ledger;
    let stats = model.data.account.stats();
    let bounds = &ledger.journeys;
    let notes = [
        (ledger.key_unreadable, "hits with a key that could not be read", Ink::Warn),
        (ledger.tasks_full, "records not counted: the table of source tasks was full", Ink::Bad),
        (ledger.entries_full, "stamps not kept: raise max_entries_per_trace", Ink::Warn),
        (ledger.entry_unseen, "returns of calls whose entry was not seen", Ink::Warn),
        (stats.flags.torn_stamps, "stamps were found incomplete", Ink::Bad),
        (stats.flags.late_stamps, "stamps came after their trace had ended", Ink::Warn),
        (stats.hops_overflowed, "hops were of one kind too many to be told apart", Ink::Warn),
        (
            bounds.branches_full.saturating_add(bounds.branches_refused),
            "outputs became no journeys of their own",
            Ink::Warn,
        ),
        (
            bounds.keys_full.saturating_add(bounds.keys_refused),
            "keys could not be bound to their trace",
            Ink::Warn,
        ),
        (bounds.scopes_full, "calls were nested deeper than is followed", Ink::Warn),
        (
            bounds.batches_full.saturating_add(bounds.members_full),
            "records were put into batches that are not followed",
            Ink::Warn,
        ),
        (
            bounds.attributes_full.saturating_add(bounds.attributes_unreadable),
            "attributes were not kept",
            Ink::Warn,
        ),
        (
            model.data.account.missing(),
            "traces are not shown here: the screen was too slow for them",
            Ink::Bad,
        ),
    ];
    let told = notes.into_iter().filter(|(count, ..)| *count > 0);
    told.map(|(count, text, ink)| Row::Text(format!("! {} {text}", crate::sink::units::count(count)), ink))
        .collect()
}
