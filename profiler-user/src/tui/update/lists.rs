//! Going through lists: what is chosen in the view that is shown.

use std::sync::Arc;

use super::{Action, Model, Move, Opened, Overlay, View, map};
use crate::trace::Trace;
use crate::tui::lists;
use crate::tui::sites;
use crate::tui::view::{body_rows, scroll_rows};

/// How far a key goes.
pub(super) fn way(model: &Model, action: Action) -> Move {
    let page = isize::try_from(body_rows(model.size.1)).unwrap_or(10).saturating_sub(4).max(1);
    match action {
        Action::Up => Move::By(-1),
        Action::PageUp => Move::By(-page),
        Action::PageDown => Move::By(page),
        Action::First => Move::First,
        Action::Last => Move::Last,
        _ => Move::By(1),
    }
}

/// Goes there, in whatever is on top.
pub(super) fn go(model: &mut Model, to: Move) {
    let rows = scroll_rows(model);
    match &mut model.overlay {
        Overlay::Help(scroll) | Overlay::Messages(scroll) => *scroll = scrolled(*scroll, to, rows),
        Overlay::Trace(opened) => {
            let stamps: Vec<usize> = (0..opened.trace.stamps.len()).collect();
            opened.stamp = moved(opened.stamp, to, stamps.len());
        }
        Overlay::None | Overlay::Prompt(_) => in_view(model, to, rows),
    }
}

fn in_view(model: &mut Model, to: Move, rows: u16) {
    match model.view {
        View::Traces => {
            let ids = lists::ids(&lists::traces(model));
            model.cursors.trace.go(to, &ids);
        }
        View::Probes => {
            let ids = sites::ids(&sites::places(model));
            model.cursors.probe.go(to, &ids);
        }
        View::Health => model.health_scroll = scrolled(model.health_scroll, to, rows),
        View::Pipeline => {
            let subjects = lists::subjects(model);
            model.cursors.subject.go(to, &subjects);
        }
        View::Latency => map::vertical(model, to),
        View::Tasks => {
            let ids = lists::task_ids(&lists::tasks(model));
            model.cursors.task.go(to, &ids);
        }
    }
}

/// Opens another journey of the same trace.
pub(super) fn sibling(model: &mut Model, by: isize) {
    let Overlay::Trace(opened) = &model.overlay else { return };
    let all = lists::siblings(model, &opened.trace);
    let here = all.iter().position(|trace| trace.branch == opened.trace.branch).unwrap_or(0);
    let next = here.saturating_add_signed(by);
    if let Some(trace) = all.get(next).filter(|_| next != here) {
        model.overlay = Overlay::Trace(Opened { trace: Arc::clone(trace), stamp: 0 });
    }
}

/// Scrolls a text of so many rows more than the screen has.
fn scrolled(scroll: u16, to: Move, most: u16) -> u16 {
    u16::try_from(moved(usize::from(scroll), to, usize::from(most) + 1)).unwrap_or(most)
}

fn moved(place: usize, to: Move, count: usize) -> usize {
    let last = count.saturating_sub(1);
    match to {
        Move::By(by) => place.saturating_add_signed(by).min(last),
        Move::First => 0,
        Move::Last => last,
        Move::To(place) => place.min(last),
    }
}

/// The place of the chosen row of the list that is on top.
pub(super) fn place(model: &Model) -> Option<usize> {
    match (&model.overlay, model.view) {
        (Overlay::Trace(opened), _) => Some(opened.stamp),
        (_, View::Traces) => Some(model.cursors.trace.place(&lists::ids(&lists::traces(model)))),
        (_, View::Tasks) => Some(model.cursors.task.place(&lists::task_ids(&lists::tasks(model)))),
        (_, View::Pipeline) => Some(model.cursors.subject.place(&lists::subjects(model))),
        _ => None,
    }
}

/// The chosen trace: the one that is open, or the one in the list.
pub(super) fn trace(model: &Model) -> Option<Arc<Trace>> {
    if let Overlay::Trace(opened) = &model.overlay {
        return Some(Arc::clone(&opened.trace));
    }
    let traces = lists::traces(model);
    let place = model.cursors.trace.place(&lists::ids(&traces));
    traces.get(place).map(|trace| Arc::clone(trace))
}

/// Goes to the next place, forward or backward, where what is searched for is found; round at the ends.
pub(super) fn find(model: &mut Model, by: isize) {
    if model.search.is_empty() {
        return;
    }
    let found = found(model);
    let here = current(model);
    let count = found.len();
    let next = (1..=count).map(|step| {
        let step = if by < 0 { count - step % count } else { step };
        (here + step) % count.max(1)
    });
    match next.into_iter().find(|place| found.get(*place) == Some(&true)) {
        Some(place) => go(model, Move::To(place)),
        None => super::session::tell(model, &format!("{} is not found in this list", model.search.clone())),
    }
}

/// Row by row, whether what is searched for is in it.
fn found(model: &Model) -> Vec<bool> {
    match model.view {
        View::Traces => lists::traces(model).iter().map(|trace| lists::matches(model, trace)).collect(),
        View::Tasks => lists::tasks(model).iter().map(|row| lists::task_matches(model, row)).collect(),
        View::Probes => sites::places(model).iter().map(|place| sites::matches(model, place)).collect(),
        View::Pipeline | View::Latency => {
            let subjects = lists::subjects(model);
            subjects.iter().map(|subject| lists::subject_matches(model, *subject)).collect()
        }
        _ => Vec::new(),
    }
}

fn current(model: &Model) -> usize {
    match model.view {
        View::Probes => {
            let ids = sites::ids(&sites::places(model));
            model.cursors.probe.place(&ids)
        }
        _ => place(model).unwrap_or(0),
    }
}

/// Shows the traces of the next outcome that occurred; after the last one, all.
pub(super) fn next_outcome(model: &mut Model) {
    let seen = lists::seen_outcomes(model);
    let place = model.traces.outcome.and_then(|outcome| seen.iter().position(|other| *other == outcome));
    model.traces.outcome = seen.get(place.map_or(0, |place| place + 1)).copied();
}
