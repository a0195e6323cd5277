//! Traces: the slowest of the time window, or the latest.

use crate::sink::units;
use crate::trace::Trace;
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::{Model, Order, TraceSort, Within, age_ns};
use crate::tui::paint::{Pen, first_row};
use crate::tui::theme::Ink;

use super::table::{Column, Layout, choose, number, text};

const COLUMNS: [Column; 10] = [
    text("ended", 8, 0),
    number("took", 8, 0),
    text("outcome", 11, 0),
    text("most of it in", 0, 0),
    number("share", 5, 70),
    number("stamps", 6, 90),
    text("branch", 8, 130),
    number("pid", 7, 110),
    text("key", 18, 150),
    text("id", 20, 100),
];

/// Draws the list.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let traces = lists::traces(model);
    about(model, traces.len(), pen);
    let layout = Layout::new(&COLUMNS, pen.width());
    let (column, natural) = match model.traces.sort {
        TraceSort::Ended => (0, 1),
        TraceSort::Took => (1, 1),
        TraceSort::Outcome => (2, 0),
        TraceSort::Stamps => (5, 1),
    };
    let order = if model.traces.reverse { 1 - natural } else { natural };
    layout.headings(pen, 1, Some((column, pen.glyphs().sorted[order])));
    if traces.is_empty() {
        pen.text(1, 3, empty(model), Ink::Dim);
        return;
    }
    let chosen = model.cursors.trace.place(&lists::ids(&traces));
    let mut rows = pen.below(2);
    let room = usize::from(rows.height());
    let first = first_row(chosen, traces.len(), room);
    for (y, (place, trace)) in (0..).zip(traces.iter().enumerate().skip(first).take(room)) {
        row(model, trace, &layout, &mut rows, y);
        let width = rows.width();
        rows.zone(0, y, width, Zone::Row(place));
        if place == chosen {
            choose(&mut rows, y);
        }
    }
}

fn about(model: &Model, count: usize, pen: &mut Pen<'_>) {
    let which = match model.traces.order {
        Order::Slowest => "The slowest",
        Order::Latest => "The latest",
    };
    let x = pen.text(1, 0, which, Ink::Strong);
    let outcome = match model.traces.outcome {
        Some(outcome) => format!(", {} only", outcome.name(lists::outcomes(model))),
        None => String::new(),
    };
    let which = match model.traces.within {
        Some(within) => format!(" of a cell of the latency map (esc: all), {}", cell(model, within, pen)),
        None => format!(", {}", super::window(model)),
    };
    let x = pen.text(x, 0, &format!("{which}{outcome}: {}", units::count(count as u64)), Ink::Dim);
    if !model.search.is_empty() {
        pen.text(x + 2, 0, &format!(" {} ", model.search), Ink::Found);
    }
}

fn cell(model: &Model, within: Within, pen: &Pen<'_>) -> String {
    let label = lists::subject_label(model, within.subject, pen.glyphs().arrow);
    format!("{label}, {} to {}", pen.duration(within.low_ns), pen.duration(within.high_ns))
}

fn empty(model: &Model) -> &'static str {
    if model.data.account.stats().traces() == 0 {
        "No trace has ended yet; Health says why."
    } else if model.traces.within.is_some() {
        "No trace of this cell is kept whole (esc shows all): an empty cell, or records of which only the times are kept."
    } else {
        "None in this time window: make it longer (-), or show all outcomes (o)."
    }
}

fn row(model: &Model, trace: &Trace, layout: &Layout<'_>, pen: &mut Pen<'_>, y: u16) {
    let ended = super::time_of_day(model, model.data.clock(trace.end_ns).wall_ns);
    let found = !model.search.is_empty() && lists::matches(model, trace);
    layout.cell(pen, y, 0, &ended, if found { Ink::Found } else { Ink::Dim });
    layout.cell(pen, y, 1, &pen.duration(age_ns(trace)), Ink::Strong);
    let outcome = trace.outcome.name(lists::outcomes(model));
    layout.cell(pen, y, 2, outcome, super::outcome_ink(trace.outcome));
    if let Some(hop) = trace.hops().max_by_key(|hop| hop.ns) {
        let cause = crate::trace::Cause::of(hop.from.code, hop.to.code);
        let label = lists::hop_label(model, (hop.from.stage, hop.to.stage), pen.glyphs().arrow);
        layout.cell(pen, y, 3, &label, Ink::Of(cause));
        let share = units::share(units::part(hop.ns.into(), age_ns(trace).into()));
        layout.cell(pen, y, 4, &share, Ink::Text);
    }
    let stamps =
        if trace.has_gaps() { format!("{}!", trace.stamps.len()) } else { trace.stamps.len().to_string() };
    layout.cell(pen, y, 5, &stamps, if trace.has_gaps() { Ink::Warn } else { Ink::Text });
    let branch = if trace.branch.is_root() { String::new() } else { trace.branch.to_string() };
    layout.cell(pen, y, 6, &branch, Ink::Text);
    layout.cell(pen, y, 7, &trace.pid.to_string(), Ink::Dim);
    layout.cell(pen, y, 8, &format!("{:#x}", trace.key), Ink::Dim);
    layout.cell(pen, y, 9, &trace.id.to_string(), Ink::Dim);
}
