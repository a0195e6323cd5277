//! One trace, stamp by stamp: when, how long since the one before, where, and as a bar on the journey's own scale.

mod about;

use crate::sink::units;
use crate::stats::Prices;
use crate::stats::overhead::corrected_ns;
use crate::trace::{Cause, Hop, Stamp, Trace};
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::{Model, Opened};
use crate::tui::paint::{Pen, first_row};
use crate::tui::theme::Ink;

use super::table::{Column, Layout, choose, number, text};

const STAGE: usize = 0;
const AT: usize = 1;
const TOOK: usize = 2;
const THREAD: usize = 3;
const CPU: usize = 4;
const BAR: usize = 5;

/// Draws it.
pub(super) fn draw(model: &Model, opened: &Opened, pen: &mut Pen<'_>) {
    let trace = &*opened.trace;
    let mut inside = pen.framed(&about::title(model, trace, pen), Ink::Dim);
    let top = about::head(model, trace, &mut inside);
    let bottom = about::foot(model, opened, &mut inside, top);
    let rows = inside.height().saturating_sub(top + bottom);
    let width = inside.width();
    stamps(model, opened, &mut inside.part(0, top, width, rows));
}

fn columns(model: &Model, trace: &Trace, width: u16) -> [Column; 6] {
    let widest =
        trace.stamps.iter().map(|stamp| lists::stage_label(model, stamp.stage).chars().count()).max();
    let room = usize::from(width).saturating_sub(60).clamp(14, 48);
    let stage = u16::try_from(widest.unwrap_or(0).clamp(10, room)).unwrap_or(14);
    [
        text("stage", stage, 0),
        number("at", 8, 0),
        number("took", 9, 0),
        number("thread", 7, 0),
        number("cpu", 3, 0),
        text("", 0, 0),
    ]
}

fn stamps(model: &Model, opened: &Opened, pen: &mut Pen<'_>) {
    let trace = &*opened.trace;
    let columns = columns(model, trace, pen.width());
    let layout = Layout::new(&columns, pen.width());
    layout.headings(pen, 0, None);
    let mut rows = pen.below(1);
    let room = usize::from(rows.height());
    let chosen = opened.stamp.min(trace.stamps.len().saturating_sub(1));
    let first = first_row(chosen, trace.stamps.len(), room);
    let hops: Vec<Hop<'_>> = trace.hops().collect();
    let times = times(model, trace);
    for (y, (place, stamp)) in (0..).zip(trace.stamps.iter().enumerate().skip(first).take(room)) {
        let hop = place.checked_sub(1).and_then(|before| hops.get(before));
        let (at, took) = times.get(place).copied().unwrap_or_default();
        let whole = times.last().map_or(0, |(at, _)| *at);
        row(model, (stamp, hop), (at, took, whole), &layout, &mut rows, y);
        if place < trace.shared {
            let width = rows.width();
            rows.lay(0, y, width, Ink::Dim);
        }
        let width = rows.width();
        rows.zone(0, y, width, Zone::Row(place));
        if place == chosen {
            let (bar, _) = layout.place(BAR).unwrap_or((width, 0));
            choose(&mut rows.part(0, y, bar.saturating_sub(1), 1), 0);
        }
    }
}

/// Of every stamp: the time since the first one, and since the one before, ns; as measured, or less what the probes took.
fn times(model: &Model, trace: &Trace) -> Vec<(u64, u64)> {
    let prices = Prices::of_sites(model.data.account.sites());
    let took = trace.hops().map(|hop| if model.corrected { corrected_ns(&hop, &prices) } else { hop.ns });
    let mut at = 0;
    let mut times = vec![(0, 0)];
    times.extend(took.map(|took| {
        at += took;
        (at, took)
    }));
    times
}

fn row(
    model: &Model,
    (stamp, hop): (&Stamp, Option<&Hop<'_>>),
    (at, took, whole): (u64, u64, u64),
    layout: &Layout<'_>,
    pen: &mut Pen<'_>,
    y: u16,
) {
    let label = lists::stage_label(model, stamp.stage);
    layout.cell(pen, y, STAGE, &label, Ink::Text);
    layout.cell(pen, y, AT, &pen.duration(at), Ink::Dim);
    let before = hop.map(|hop| hop.from);
    let moved = |of: fn(&Stamp) -> u32| before.is_none_or(|before| of(before) != of(stamp));
    let ink = |moved| if moved { Ink::Text } else { Ink::Dim };
    layout.cell(pen, y, THREAD, &stamp.tid.to_string(), ink(moved(|stamp| stamp.tid)));
    layout.cell(pen, y, CPU, &stamp.cpu.to_string(), ink(moved(|stamp| stamp.cpu)));
    let Some(hop) = hop else { return };
    let (sign, ink) = if hop.has_gap { ("?", Ink::Warn) } else { ("+", Ink::Strong) };
    layout.cell(pen, y, TOOK, &format!("{sign}{}", pen.duration(took)), ink);
    bar(hop, (at, took, whole), layout, pen, y);
}

fn bar(hop: &Hop<'_>, (at, took, whole): (u64, u64, u64), layout: &Layout<'_>, pen: &mut Pen<'_>, y: u16) {
    let Some((x, width)) = layout.place(BAR) else { return };
    let share = |ns: u64| units::part(u128::from(ns), u128::from(whole));
    let mut bar = pen.glyphs().bar(share(at.saturating_sub(took)), share(at), usize::from(width));
    if hop.has_gap {
        let gap = pen.glyphs().gap;
        bar = bar.chars().map(|c| if c == ' ' { c } else { gap }).collect();
    }
    pen.left(x, y, width, &bar, Ink::Of(Cause::of(hop.from.code, hop.to.code)));
}

/// How long the chosen stamp's hop took, and which part of the journey that is.
fn hop_took(model: &Model, trace: &Trace, place: usize) -> (u64, String) {
    let times = times(model, trace);
    let took = times.get(place).map_or(0, |(_, took)| *took);
    let whole = times.last().map_or(0, |(at, _)| *at);
    (took, units::share(units::part(took.into(), whole.into())))
}
