//! Tasks: who does the work of a hop, and who takes longer for it than the others do.

use crate::sink::units;
use crate::tui::lists::{self, TaskRow};
use crate::tui::message::Zone;
use crate::tui::model::{Model, TaskSort, WHOLE};
use crate::tui::paint::{Pen, first_row};
use crate::tui::theme::Ink;

use super::health::per_second;
use super::table::{Column, Layout, choose, number, text};

const COLUMNS: [Column; 11] = [
    text("work", 0, 0),
    number("task", 9, 0),
    number("pid", 8, 90),
    number("thread", 8, 110),
    number("records", 9, 0),
    number("rate", 8, 100),
    number("P50", 8, 0),
    number("P95", 8, 0),
    number("P99", 8, 80),
    number("max", 8, 120),
    number("peers", 7, 0),
];

/// Draws the list.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let rows = lists::tasks(model);
    about(model, &rows, pen);
    let layout = Layout::new(&COLUMNS, pen.width());
    let column = match model.tasks.0 {
        TaskSort::Peers => 10,
        TaskSort::Busy => 0,
        TaskSort::Records => 4,
        TaskSort::P95 => 7,
    };
    layout.headings(pen, 1, Some((column, pen.glyphs().sorted[usize::from(!model.tasks.1)])));
    if rows.is_empty() {
        pen.wrapped(1, 3, empty(model), Ink::Dim);
        return;
    }
    let chosen = model.cursors.task.place(&lists::task_ids(&rows));
    let mut body = pen.below(2);
    let room = usize::from(body.height());
    let first = first_row(chosen, rows.len(), room);
    let mut work = None;
    for (y, (place, row)) in (0..).zip(rows.iter().enumerate().skip(first).take(room)) {
        draw_row(model, row, work != Some(row.id.0), &layout, &mut body, y);
        work = Some(row.id.0);
        let width = body.width();
        body.zone(0, y, width, Zone::Row(place));
        if place == chosen {
            choose(&mut body, y);
        }
    }
}

fn about(model: &Model, rows: &[TaskRow], pen: &mut Pen<'_>) {
    let outliers = rows.iter().filter(|row| row.stands_out).count() as u64;
    let (text, ink) = match outliers {
        0 => ("No task stands out".to_owned(), Ink::Strong),
        count => (super::counted(count, "task stands out", "tasks stand out"), Ink::Warn),
    };
    let x = pen.text(1, 0, &text, ink);
    let span = if model.window_s() == WHOLE { "whole session" } else { "the last one to two minutes" };
    let forgotten = match model.data.account.stats().tasks.forgotten {
        0 => String::new(),
        count => format!("; {} were forgotten", units::count(count)),
    };
    let x = pen.text(x, 0, &format!(" of {}, {span}{forgotten}", units::count(rows.len() as u64)), Ink::Dim);
    if !model.search.is_empty() {
        pen.text(x + 1, 0, &format!(" {} ", model.search), Ink::Found);
    }
}

fn empty(model: &Model) -> &'static str {
    if model.data.account.stats().traces() == 0 {
        "No trace has ended yet; Health says why."
    } else {
        "No hop began and ended on one task lately: what records do between two tasks is nobody's work."
    }
}

fn draw_row(model: &Model, row: &TaskRow, is_first: bool, layout: &Layout<'_>, pen: &mut Pen<'_>, y: u16) {
    let TaskRow { id: (hop, task), tid, figures, versus, stands_out } = row;
    let label = lists::hop_label(model, *hop, pen.glyphs().arrow);
    let found = !model.search.is_empty() && lists::task_matches(model, row);
    let ink = match (found, is_first) {
        (true, _) => Ink::Found,
        (_, true) => Ink::Of(lists::cause(model, *hop)),
        _ => Ink::Dim,
    };
    layout.cell(pen, y, 0, &label, ink);
    layout.cell(pen, y, 1, &task.task_id.to_string(), Ink::Text);
    layout.cell(pen, y, 2, &task.pid.to_string(), Ink::Dim);
    layout.cell(pen, y, 3, &tid.to_string(), Ink::Dim);
    layout.cell(pen, y, 4, &units::count(figures.count), Ink::Text);
    // Of sampled records, over the time that they are of.
    let of_session = model.until_ns().saturating_sub(model.data.attached_ns()) as f64 / 1e9;
    let seconds = if model.window_s() == WHOLE { of_session } else { of_session.min(RECENT_S) };
    if seconds > 0.0 {
        layout.cell(pen, y, 5, &per_second(figures.count as f64 / seconds), Ink::Text);
    }
    for (column, ns) in [(6, figures.p50_ns), (7, figures.p95_ns), (8, figures.p99_ns), (9, figures.max_ns)] {
        layout.cell(pen, y, column, &pen.duration(ns), Ink::Text);
    }
    let (text, ink) = match versus {
        None => (pen.glyphs().none.to_string(), Ink::Dim),
        Some(versus) if *stands_out => (format!("{versus:.1}x !"), Ink::Bad),
        Some(versus) => (format!("{versus:.1}x"), Ink::Text),
    };
    layout.cell(pen, y, 10, &text, ink);
}

/// The time that recent figures are of, s: one to two minutes; on average this.
const RECENT_S: f64 = 90.0;
