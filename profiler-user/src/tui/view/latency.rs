//! Latency: one kind of duration over time as a heat map, and beside it, on the same scale, its distribution with percentiles.

use crate::sink::units;
use crate::tui::grid::Grid;
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::Model;
use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

use super::body_rows;

/// Columns of the scale on the left.
const SCALE: u16 = 9;

/// Rows above the map: what it shows, and its figures.
const ABOVE: u16 = 2;

/// Rows below it: the time, and what the cursor reads.
const BELOW: u16 = 2;

/// Columns of the distribution on the right.
const fn beside(width: u16) -> u16 {
    let third = width / 3;
    if third < 26 {
        26
    } else if third > 56 {
        56
    } else {
        third
    }
}

/// Columns and rows that the map has on a screen of this size.
#[must_use]
pub(super) const fn room((width, height): (u16, u16)) -> (u16, u16) {
    let columns = width.saturating_sub(SCALE + beside(width) + 1);
    let rows = body_rows(height).saturating_sub(ABOVE + BELOW);
    (columns, rows)
}

/// Draws it.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let grid = Grid::new(model);
    about(model, &grid, pen);
    if grid.height() == 0 {
        pen.text(1, 3, &format!("Nothing of this kind in the {}.", super::window(model)), Ink::Dim);
        return;
    }
    let (width, rows) = room(model.size);
    scale(&grid, &mut pen.part(0, ABOVE, SCALE, rows));
    map(model, &grid, &mut pen.part(SCALE, ABOVE, width, rows));
    let wide = beside(pen.width());
    distribution(&grid, &mut pen.part(SCALE + width + 1, ABOVE, wide, rows));
    time(model, &grid, &mut pen.part(SCALE, ABOVE + rows, width, 1));
    read_out(model, &grid, &mut pen.below(ABOVE + rows + 1));
}

fn about(model: &Model, grid: &Grid, pen: &mut Pen<'_>) {
    let subjects = lists::subjects(model);
    let place = subjects.iter().position(|subject| *subject == grid.subject).unwrap_or(0);
    let label = lists::subject_label(model, grid.subject, pen.glyphs().arrow);
    let x = pen.text(1, 0, &label, Ink::Strong);
    pen.text(
        x + 2,
        0,
        &format!("{} of {} (< >), {}", place + 1, subjects.len(), super::window(model)),
        Ink::Dim,
    );
    let Some(figures) = grid.figures() else { return };
    let mut x = pen.text(1, 1, &super::counted(figures.count, "record", "records"), Ink::Text) + 2;
    for (name, ns) in [
        ("mean", figures.mean_ns),
        ("P50", figures.p50_ns),
        ("P95", figures.p95_ns),
        ("P99", figures.p99_ns),
        ("max", figures.max_ns),
    ] {
        x = pen.text(x, 1, name, Ink::Dim);
        x = pen.text(x + 1, 1, &pen.duration(ns), Ink::Text) + 2;
    }
}

/// How many rows lie between two labels of the scale.
const fn stride(rows: usize) -> usize {
    if rows <= 10 {
        2
    } else if rows <= 24 {
        3
    } else {
        4
    }
}

fn scale(grid: &Grid, pen: &mut Pen<'_>) {
    for row in (0..grid.height()).step_by(stride(grid.height())) {
        let y = from_top(grid, row);
        let (low, _) = grid.durations(row);
        pen.right(0, y, SCALE - 1, &pen.duration(low), Ink::Dim);
    }
}

/// The row on the screen: long durations are above.
fn from_top(grid: &Grid, row: usize) -> u16 {
    u16::try_from(grid.height().saturating_sub(row + 1)).unwrap_or(u16::MAX)
}

/// Where a column of time begins on the screen, from the left; that of the one after the last is where the map ends.
fn from_left(grid: &Grid, column: usize, width: u16) -> u16 {
    let columns = grid.columns.len().max(1);
    u16::try_from(usize::from(width) * column / columns).unwrap_or(u16::MAX)
}

fn map(model: &Model, grid: &Grid, pen: &mut Pen<'_>) {
    let width = pen.width();
    let cursor = grid.cursor(model);
    for column in 0..grid.columns.len() {
        let (x, end) = (from_left(grid, column, width), from_left(grid, column + 1, width));
        for row in 0..grid.height() {
            let y = from_top(grid, row);
            let count = grid.count(column, row);
            // The root lets few stand out against many.
            let part = units::part(count.into(), grid.highest.into()).sqrt();
            let (sign, style) = pen.theme().heat(part);
            for at in x..end {
                if count > 0 {
                    pen.cell(at, y, sign, style);
                }
                if cursor == Some((column, row)) {
                    let sign = if count > 0 { sign } else { pen.glyphs().frame[0] };
                    pen.sign(at, y, sign, Ink::Selected);
                }
            }
            pen.zone(x, y, end - x, Zone::Cell { column, row });
        }
    }
}

fn distribution(grid: &Grid, pen: &mut Pen<'_>) {
    let counts: Vec<u64> = (0..grid.height()).map(|row| grid.in_row(row)).collect();
    let highest = counts.iter().copied().max().unwrap_or(0);
    let marks = marks(grid);
    let bar_width = pen.width().saturating_sub(16);
    for (row, count) in counts.iter().enumerate() {
        let y = from_top(grid, row);
        let here: Vec<&str> = marks.iter().filter(|(at, _)| *at == row).map(|(_, name)| *name).collect();
        let here = if here.is_empty() { String::new() } else { format!("P{}", here.join("/")) };
        if *count > 0 {
            let bar =
                pen.glyphs().bar(0.0, units::part((*count).into(), highest.into()), usize::from(bar_width));
            let x = pen.left(0, y, bar_width.min(columns(&bar)), &bar, Ink::Accent);
            pen.text(x + 1, y, &units::short_count(*count), Ink::Dim);
        }
        if !here.is_empty() {
            let x = pen.width().saturating_sub(columns(&here));
            pen.text(x, y, &here, Ink::Warn);
        }
    }
}

/// Rows of the percentiles.
fn marks(grid: &Grid) -> Vec<(usize, &'static str)> {
    let Some(figures) = grid.figures() else { return Vec::new() };
    [(figures.p50_ns, "50"), (figures.p95_ns, "95"), (figures.p99_ns, "99")]
        .into_iter()
        .filter_map(|(ns, name)| Some((grid.row_of(ns)?, name)))
        .collect()
}

fn time(model: &Model, grid: &Grid, pen: &mut Pen<'_>) {
    let (Some(first), Some(last)) = (grid.columns.first(), grid.columns.last()) else { return };
    let day = |ns: u64| super::time_of_day(model, model.data.clock(ns).wall_ns);
    let width = pen.width();
    pen.text(0, 0, &day(first.from_ns), Ink::Dim);
    pen.right(0, 0, width, &day(last.to_ns.min(model.until_ns())), Ink::Dim);
}

fn read_out(model: &Model, grid: &Grid, pen: &mut Pen<'_>) {
    let Some((column, row)) = grid.cursor(model) else {
        let mut x = pen.text(1, 0, "few ", Ink::Dim);
        for (sign, style) in pen.theme().heat_steps().collect::<Vec<_>>() {
            pen.cell(x, 0, sign, style);
            x += 1;
        }
        pen.text(
            x,
            0,
            &format!(" {} in a cell; arrows read a cell out", units::count(grid.highest)),
            Ink::Dim,
        );
        return;
    };
    let Some(of) = grid.columns.get(column) else { return };
    let (low, high) = grid.durations(row);
    let count = grid.count(column, row);
    let share = units::share(units::part(count.into(), of.sum.count().into()));
    let from = super::time_of_day(model, model.data.clock(of.from_ns).wall_ns);
    let seconds = super::span(of.to_ns.saturating_sub(of.from_ns) / 1_000_000_000);
    let text = format!(
        "{from}, {seconds}: {} of {} records ({share}) took {} to {}{}",
        units::count(count),
        units::count(of.sum.count()),
        pen.duration(low),
        pen.duration(high),
        if count > 0 { "; enter lists them" } else { "" }
    );
    pen.text(1, 0, &text, Ink::Text);
}
