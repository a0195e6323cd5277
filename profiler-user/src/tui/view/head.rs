//! The head: what is looked at, how it stands, which moment the screen shows; and the names of the views.

use crate::recording::Pace;
use crate::sink::units;
use crate::tui::message::Zone;
use crate::tui::model::{Model, Playback, Time, View};
use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

/// Draws both rows.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let (state, ink) = state(model, pen);
    let from = pen.width().saturating_sub(columns(&state) + 1);
    pen.text(from, 0, &state, ink);
    let mut left = pen.part(0, 0, from.saturating_sub(2), 1);
    let mut x = left.text(1, 0, "stain", Ink::Accent);
    x = left.text(x + 2, 0, &target(model), Ink::Strong);
    let settings = settings(model, &left);
    left.text(x + 2, 0, &settings, Ink::Dim);
    tabs(model, pen);
}

fn target(model: &Model) -> String {
    let account = &model.data.account;
    let target = if account.target().is_empty() { "..." } else { account.target() };
    let now = model.data.tick_at(model.until_ns());
    let processes = now.map_or(account.pids(), |tick| &tick.processes[..]);
    match processes {
        [] => target.to_owned(),
        [pid] => format!("{target} (pid {pid})"),
        several => format!("{target} ({} processes)", several.len()),
    }
}

/// What is sampled, as the kernel program has it.
fn settings(model: &Model, pen: &Pen<'_>) -> String {
    if model.is_remote {
        return "as its agents sample".to_owned();
    }
    let Some(tick) = model.data.tick_at(model.until_ns()) else { return String::new() };
    let settings = tick.settings;
    if settings.paused {
        return "PAUSED".to_owned();
    }
    let rate = match settings.rate {
        0 => "no record".to_owned(),
        1 => "every record".to_owned(),
        rate => format!("1 in {}", units::count(rate)),
    };
    match settings.budget {
        0 => rate,
        budget => format!("{rate} {} {}/s at most", pen.glyphs().dot, units::count(budget.into())),
    }
}

fn state(model: &Model, pen: &Pen<'_>) -> (String, Ink) {
    let [runs, still, over] = pen.glyphs().state;
    let ended = model.data.account.ended();
    let since =
        |ns: u64| pen.duration(ns.saturating_sub(model.data.attached_ns()) / 1_000_000_000 * 1_000_000_000);
    if let (Some(playback), Time::Live) = (model.playback, model.time) {
        return replay(model, playback, pen);
    }
    match (model.time, ended) {
        (Time::Still { at_ns }, _) => {
            let ago = model.data.now_ns().saturating_sub(at_ns);
            (format!("{still} still, {} ago", super::clock(ago)), Ink::Warn)
        }
        (Time::Live, Some(ended)) => (format!("{over} over: {}", ended.why), Ink::Warn),
        (Time::Live, None) if model.data.tick_at(u64::MAX).is_none() => {
            (format!("{over} starting"), Ink::Dim)
        }
        (Time::Live, None) => (format!("{runs} live {}", since(model.data.now_ns())), Ink::Good),
    }
}

fn replay(model: &Model, playback: Playback, pen: &Pen<'_>) -> (String, Ink) {
    let [runs, still, over] = pen.glyphs().state;
    let since = |ns: u64| super::clock(ns.saturating_sub(model.data.began().mono_ns));
    let last_ns = playback.survey.map_or(u64::MAX, |survey| survey.last_ns);
    let whole = playback.survey.map_or(String::new(), |_| format!(" of {}", since(last_ns)));
    let at = format!("{}{whole}", since(playback.clock_ns.min(last_ns)));
    match playback.pace {
        _ if playback.is_over => (format!("{over} replayed {at}"), Ink::Warn),
        Pace::Paused => (format!("{still} paused {at}"), Ink::Warn),
        Pace::Times(times) => (format!("{runs} replay {}{times} {at}", pen.glyphs().times), Ink::Good),
    }
}

fn tabs(model: &Model, pen: &mut Pen<'_>) {
    let mut x = 1;
    for (number, view) in (1..).zip(View::ALL) {
        let chosen = view == model.view;
        let label = format!(" {number} {} ", view.title());
        let from = x;
        x = pen.text(x, 1, &label, if chosen { Ink::Selected } else { Ink::Text });
        if !chosen {
            pen.text(from, 1, &format!(" {number} "), Ink::Dim);
        }
        pen.zone(from, 1, x - from, Zone::View(view));
    }
    let text = super::window(model);
    if x + 2 + columns(&text) < pen.width() {
        pen.right(x, 1, pen.width() - x - 1, &text, Ink::Dim);
    }
}
