//! Probes: the settings as the kernel program has them, and every site with its hits and its cost.

use crate::feed::{Place, Probing, Settings, Tick};
use crate::plan::Class;
use crate::sink::units;
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::{Model, Time};
use crate::tui::paint::{Pen, first_row};
use crate::tui::sites;
use crate::tui::theme::Ink;

use super::health::per_second;
use super::table::{Column, Layout, choose, number, path, text};

const COLUMNS: [Column; 10] = [
    text("stage", 18, 0),
    path("site", 0, 0),
    text("file", 18, 120),
    text("class", 8, 0),
    number("hits", 13, 110),
    number("hits/s", 9, 0),
    number("each", 8, 0),
    number("of a core", 9, 0),
    number("stamps", 9, 90),
    number("unreadable", 10, 100),
];

/// Draws settings and sites.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let (from, to) = model.span_ns();
    let Some((before, after)) = model.data.ticks.span(from, to) else {
        pen.text(1, 0, "Nothing is probed yet.", Ink::Dim);
        return;
    };
    let probing = model.data.account.probing_at(model.until_ns()).unwrap_or_default();
    settings(model, after.settings, &probing, pen);
    let sites = sites::places(model);
    let table = Rows { model, probing, ends: (before, after), layout: Layout::new(&COLUMNS, pen.width()) };
    table.layout.headings(pen, 2, None);
    let chosen = model.cursors.probe.place(&sites::ids(&sites));
    let mut rows = pen.below(3);
    let room = usize::from(rows.height());
    let first = first_row(chosen, sites.len(), room);
    let mut stage = None;
    for (y, (place, at)) in (0..).zip(sites.iter().enumerate().skip(first).take(room)) {
        row(&table, at, stage != Some(at.site.stage), &mut rows, y);
        stage = Some(at.site.stage);
        let width = rows.width();
        rows.zone(0, y, width, Zone::Row(place));
        if place == chosen {
            choose(&mut rows, y);
        }
    }
}

fn settings(model: &Model, settings: Settings, probing: &Probing, pen: &mut Pen<'_>) {
    let Settings { rate, budget, paused } = settings;
    let rate = match rate {
        0 => "no record".to_owned(),
        rate => format!("one record in {}", units::count(rate)),
    };
    let budget = match budget {
        0 => "no bound".to_owned(),
        budget => format!("{} traces/s at most", units::count(budget.into())),
    };
    let mut x = pen.text(1, 0, "rate ", Ink::Dim);
    x = pen.text(x, 0, &rate, Ink::Strong);
    x = pen.text(x + 3, 0, "budget ", Ink::Dim);
    x = pen.text(x, 0, &budget, Ink::Strong);
    let (state, ink) = if paused { ("PAUSED", Ink::Warn) } else { ("sampling", Ink::Good) };
    x = pen.text(x + 3, 0, state, ink);
    if let Some(level) = probing.level {
        x = pen.text(x + 3, 0, "level ", Ink::Dim);
        pen.text(x, 0, &level.to_string(), Ink::Strong);
    }
    let note = match &model.asked {
        Some(_) => "asked for, not confirmed yet",
        None if model.time != Time::Live => "as the kernel program had them",
        None => "as the kernel program has them",
    };
    // In a row of its own: a narrow screen has no room for it beside them.
    pen.text(1, 1, note, Ink::Dim);
}

/// What every row is made from.
struct Rows<'a> {
    model: &'a Model,
    probing: Probing,
    /// How it stood at both ends of the time window.
    ends: (&'a Tick, &'a Tick),
    layout: Layout<'a>,
}

fn row(rows: &Rows<'_>, place: &Place<'_>, is_first: bool, pen: &mut Pen<'_>, y: u16) {
    let Rows { model, probing, ends: (before, after), layout } = rows;
    let site = place.site;
    let (old, new) = (place.count(&before.probes), place.count(&after.probes));
    let seconds = after.mono_ns.saturating_sub(before.mono_ns) as f64 / 1e9;
    let rate = if seconds > 0.0 { new.hits.saturating_sub(old.hits) as f64 / seconds } else { 0.0 };
    let found = !model.search.is_empty() && sites::matches(model, place);
    let stage = lists::stage_label(model, site.stage);
    layout.cell(pen, y, 0, &stage, if is_first { Ink::Text } else { Ink::Dim });
    layout.cell(pen, y, 1, &site.label, if found { Ink::Found } else { Ink::Text });
    layout.cell(pen, y, 2, &site.file, Ink::Dim);
    let is_off = probing.is_off(site.stage);
    let (state, ink) = if is_off {
        ("OFF", Ink::Warn)
    } else {
        (class(site.class), if site.class == Class::Stepped { Ink::Warn } else { Ink::Dim })
    };
    layout.cell(pen, y, 3, state, ink);
    let quiet = if new.hits == 0 { Ink::Warn } else { Ink::Text };
    layout.cell(pen, y, 4, &units::count(new.hits), quiet);
    let none = pen.glyphs().none.to_string();
    layout.cell(pen, y, 5, &if is_off { none.clone() } else { per_second(rate) }, quiet);
    layout.cell(
        pen,
        y,
        6,
        &pen.duration(site.ns_each),
        if site.class == Class::Stepped { Ink::Warn } else { Ink::Dim },
    );
    // What its hits of a second take of a core.
    let cost = units::share(rate * site.ns_each as f64 / 1e9);
    layout.cell(pen, y, 7, if is_off { &none } else { &cost }, Ink::Text);
    layout.cell(pen, y, 8, &units::count(new.stamps), Ink::Text);
    let unreadable =
        if new.unreadable == 0 { pen.glyphs().none.to_string() } else { units::count(new.unreadable) };
    layout.cell(pen, y, 9, &unreadable, if new.unreadable > 0 { Ink::Warn } else { Ink::Dim });
}

/// A class in a word, for a narrow column.
const fn class(class: Class) -> &'static str {
    match class {
        Class::Emulated => "emulated",
        Class::OptimisedNop => "nop",
        Class::Stepped => "stepped",
        Class::Trampoline => "return",
        Class::Refused => "refused",
    }
}
