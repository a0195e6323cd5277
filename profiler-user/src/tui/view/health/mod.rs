//! Health: where every sampled record went, what the profiling costs, and what stands in the way.

mod accounts;
mod costs;

pub(super) use costs::distorted;

use crate::sink::{report, units};
use crate::tui::model::{Model, Ticks};
use crate::tui::paint::{Pen, wrap};
use crate::tui::theme::Ink;

/// A line of either part.
pub(super) enum Row {
    /// A heading.
    Title(&'static str),
    /// A count since the beginning, and how fast it grows.
    Count { label: String, total: u64, rate: f64, course: Vec<Option<f64>>, ink: Ink },
    /// A measured value in words, with its course.
    Value { label: &'static str, text: String, course: Vec<Option<f64>>, ink: Ink },
    /// A sentence.
    Text(String, Ink),
    /// Space.
    Blank,
}

/// Screens of this width and more show both parts side by side.
const TWO: u16 = 150;

/// Columns of a label.
const LABEL: u16 = 24;

/// Draws both parts, below each other or side by side.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let (width, height) = (pen.width(), pen.height());
    if width >= TWO {
        let half = width / 2;
        lines(&all(model, &[0], half - 2), model.health_scroll, &mut pen.part(1, 0, half - 2, height));
        lines(&all(model, &[1], half - 2), model.health_scroll, &mut pen.part(half + 1, 0, half - 2, height));
    } else {
        lines(&all(model, &[0, 1], width - 2), model.health_scroll, &mut pen.part(1, 0, width - 2, height));
    }
}

/// Rows, for scrolling.
pub(in crate::tui) fn rows(model: &Model) -> u16 {
    let width = model.size.0;
    let parts: &[&[usize]] = if width >= TWO { &[&[0], &[1]] } else { &[&[0, 1]] };
    let each = if width >= TWO { width / 2 - 2 } else { width.saturating_sub(2) };
    let rows = parts.iter().map(|parts| all(model, parts, each).len()).max().unwrap_or(0);
    u16::try_from(rows).unwrap_or(u16::MAX)
}

fn all(model: &Model, parts: &[usize], width: u16) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in parts {
        if *part == 0 {
            rows.extend(reason(model));
            rows.extend(accounts::rows(model));
        } else {
            rows.extend(costs::rows(model));
        }
    }
    rows.into_iter().flat_map(|row| broken(row, width)).collect()
}

/// Why there is no written trace, when there is none.
fn reason(model: &Model) -> Vec<Row> {
    if model.data.ticks.last().is_none() {
        return vec![Row::Text("Nothing is known yet: the session is about to start.".to_owned(), Ink::Dim)];
    }
    let totals = model.data.account.totals();
    let Some((title, reason)) = report::why(&totals.session(), false) else { return Vec::new() };
    vec![Row::Title(title), Row::Text(reason, Ink::Warn), Row::Blank]
}

/// A long sentence takes several rows.
fn broken(row: Row, width: u16) -> Vec<Row> {
    match row {
        Row::Text(text, ink) => wrap(&text, width).into_iter().map(|line| Row::Text(line, ink)).collect(),
        other => vec![other],
    }
}

fn lines(rows: &[Row], scroll: u16, pen: &mut Pen<'_>) {
    let most = rows.len().saturating_sub(usize::from(pen.height()));
    let skip = usize::from(scroll).min(most);
    for (row, y) in rows.iter().skip(skip).zip(0..pen.height()) {
        line(row, y, pen);
    }
}

fn line(row: &Row, y: u16, pen: &mut Pen<'_>) {
    match row {
        Row::Title(title) => drop(pen.text(0, y, title, Ink::Strong)),
        Row::Text(text, ink) => drop(pen.text(0, y, text, *ink)),
        Row::Blank => {}
        Row::Count { label, total, rate, course, ink } => {
            pen.left(1, y, LABEL, label, if *ink == Ink::Text { Ink::Dim } else { *ink });
            let full = units::count(*total);
            let text = if full.len() > 14 { units::short_count(*total) } else { full };
            pen.right(LABEL + 1, y, 14, &text, *ink);
            let grown = if *rate > 0.0 { per_second(*rate) } else { String::new() };
            pen.right(LABEL + 15, y, 13, &grown, Ink::Text);
            spark(course, LABEL + 30, y, pen);
        }
        Row::Value { label, text, course, ink } => {
            pen.left(1, y, LABEL, label, Ink::Dim);
            pen.left(LABEL + 1, y, pen.width().saturating_sub(LABEL + 1), text, *ink);
            if !course.is_empty() {
                spark(course, LABEL + 30, y, pen);
            }
        }
    }
}

/// A rate to three digits: `21.6 k/s`.
pub(super) fn per_second(rate: f64) -> String {
    let text = match rate {
        r if r < 9.95 => format!("{r:.2}"),
        r if r < 99.5 => format!("{r:.1}"),
        r => units::short_count(r.round() as u64),
    };
    format!("{text}/s")
}

fn spark(course: &[Option<f64>], x: u16, y: u16, pen: &mut Pen<'_>) {
    let room = usize::from(pen.width().saturating_sub(x));
    let course = course.get(course.len().saturating_sub(room)..).unwrap_or_default();
    let highest = course.iter().flatten().copied().fold(0.0, f64::max);
    let sign = |value: &Option<f64>| value.map_or(' ', |value| pen.glyphs().height(value / highest));
    let text: String = course.iter().map(sign).collect();
    pen.text(x, y, &text, Ink::Accent);
}

/// Columns of a course.
const COURSE: usize = 24;

/// The course of a count over the time window, a second.
fn course(model: &Model, count: impl Fn(&crate::feed::Tick) -> u64) -> (f64, Vec<Option<f64>>) {
    let (from, to) = model.span_ns();
    let ticks: &Ticks = &model.data.ticks;
    // A part is no shorter than a tick, or every other one would be empty.
    let seconds = usize::try_from(model.window_ns() / 1_000_000_000).unwrap_or(COURSE);
    let whole = ticks.rates(from, to, 1, &count).first().copied().flatten();
    (whole.unwrap_or(0.0), ticks.rates(from, to, seconds.min(COURSE), &count))
}
