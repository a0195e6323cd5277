//! The update step: a message and the model give the next model, and what is to be done outside. Pure.
//!
//! Owns: what each key does. Refuses: clocks, files, terminals; it is tested with scripts of keys.

mod lists;
mod map;
mod overlay;
mod replay;
mod session;
#[cfg(test)]
mod tests;
mod time;

use super::keys::{Action, action};
use super::message::{Effect, Message, Zone};
use super::model::{Layer, Model, Move, Opened, Order, Overlay, Question, TaskSort, Time, TraceSort, View};
use crate::stats::Subject;
use crate::tui::lists as rows;

/// Takes a message in.
pub fn update(model: &mut Model, message: Message) -> Effect {
    match message {
        Message::Key(key) => return press(model, &key),
        Message::Press(zone) => return click(model, zone),
        Message::Wheel(notches) => lists::go(model, Move::By(notches.saturating_mul(3))),
        Message::Resize(width, height) => model.size = (width, height),
        Message::Feed(event) => model.data.add(&event),
        Message::Answer(answer) => session::answered(model, &answer),
        Message::Playback(playback) => model.playback = Some(playback),
        Message::Rewound => replay::rewound(model),
        Message::Done(result) => session::done(model, result),
    }
    Effect::None
}

/// A key: of the line that is typed, if one is; else of the table.
fn press(model: &mut Model, key: &str) -> Effect {
    model.data.log.pass();
    if let Overlay::Prompt(prompt) = &mut model.overlay {
        if prompt.key(key) {
            return Effect::None;
        }
        if key == "enter" {
            return overlay::enter(model);
        }
    }
    match action(key, model.situation()) {
        Some(action) => act(model, action),
        None => Effect::None,
    }
}

fn click(model: &mut Model, zone: Zone) -> Effect {
    match zone {
        Zone::View(view) => show(model, view),
        Zone::Action(action) => return act(model, action),
        Zone::Row(place) => {
            if lists::place(model) == Some(place) {
                return open(model);
            }
            lists::go(model, Move::To(place));
        }
        Zone::Cell { column, row } => map::to(model, column, row),
    }
    Effect::None
}

fn act(model: &mut Model, action: Action) -> Effect {
    match action {
        Action::Quit => return Effect::Quit,
        Action::Redraw => return Effect::Redraw,
        Action::Suspend => return Effect::Suspend,
        Action::Help | Action::Messages => overlay::toggle(model, action),
        Action::Close => close(model),
        Action::Show(view) => show(model, view),
        Action::NextView => show(model, turned(model.view, 1)),
        Action::PreviousView => show(model, turned(model.view, View::ALL.len() - 1)),
        Action::Freeze if model.playback.is_some() => return replay::act(model, action),
        Action::Freeze | Action::Older | Action::Newer | Action::Longer | Action::Shorter => {
            time::act(model, action);
        }
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
            lists::go(model, lists::way(model, action));
        }
        Action::Left | Action::Right => sideways(model, action),
        Action::Open => return open(model),
        Action::Search => overlay::ask(model, Question::Search),
        Action::NextFound => lists::find(model, 1),
        Action::PreviousFound => lists::find(model, -1),
        Action::Sort => sort(model),
        Action::Reverse => reverse(model),
        Action::Filter => lists::next_outcome(model),
        Action::Order => order(model),
        Action::NextHop | Action::PreviousHop | Action::EndToEnd => map::subject(model, action),
        Action::Corrected => model.corrected = !model.corrected,
        Action::Copy | Action::Save => return session::export(model, action),
        Action::Pause => return session::pause(model),
        Action::Rate => overlay::ask(model, Question::Rate),
        Action::Budget => overlay::ask(model, Question::Budget),
        Action::Switch => return session::switch(model),
        Action::Level => return session::level(model),
        Action::Faster | Action::Slower | Action::Step | Action::SeekBack | Action::SeekForward => {
            return replay::act(model, action);
        }
    }
    Effect::None
}

/// Shows a view; what lay over the old one is closed.
fn show(model: &mut Model, view: View) {
    model.view = view;
    model.overlay = Overlay::None;
}

fn turned(view: View, by: usize) -> View {
    let place = View::ALL.iter().position(|other| *other == view).unwrap_or(0);
    View::ALL.get((place + by) % View::ALL.len()).copied().unwrap_or_default()
}

/// What is on top goes first: a window, a search, a moment of the past.
fn close(model: &mut Model) {
    if model.overlay.layer() != Layer::None {
        model.overlay = Overlay::None;
    } else if model.view == View::Traces && model.traces.within.is_some() {
        model.traces.within = None;
    } else if model.view == View::Latency && model.cursors.cell.is_some() {
        model.cursors.cell = None;
    } else if !model.search.is_empty() {
        model.search.clear();
    } else {
        time::live(model);
    }
}

fn open(model: &mut Model) -> Effect {
    match model.view {
        _ if model.overlay.layer() != Layer::None => {}
        View::Pipeline => model.view = View::Latency,
        View::Latency => map::open(model),
        View::Traces => {
            if let Some(trace) = lists::trace(model) {
                model.overlay = Overlay::Trace(Opened { trace, stamp: 0 });
            }
        }
        View::Tasks => {
            let ids = rows::task_ids(&rows::tasks(model));
            if let Some(((from, to), _)) = model.cursors.task.get(&ids) {
                model.cursors.subject.choose(Subject::Hop(from, to));
                model.view = View::Latency;
            }
        }
        View::Health | View::Probes => {}
    }
    Effect::None
}

/// Between the journeys of one trace, in the map, or along the hops.
fn sideways(model: &mut Model, action: Action) {
    let by = if action == Action::Left { -1 } else { 1 };
    match (&model.overlay, model.view) {
        (Overlay::Trace(_), _) => lists::sibling(model, by),
        (Overlay::None, View::Latency) => map::go(model, by, 0),
        (Overlay::None, View::Pipeline) => lists::go(model, Move::By(by)),
        _ => {}
    }
}

fn sort(model: &mut Model) {
    if model.view == View::Traces {
        let place = TraceSort::ALL.iter().position(|sort| *sort == model.traces.sort).unwrap_or(0);
        model.traces.sort = TraceSort::ALL.get(place + 1).copied().unwrap_or_default();
    } else if model.view == View::Tasks {
        let place = TaskSort::ALL.iter().position(|sort| *sort == model.tasks.0).unwrap_or(0);
        model.tasks.0 = TaskSort::ALL.get(place + 1).copied().unwrap_or_default();
    }
}

fn reverse(model: &mut Model) {
    if model.view == View::Traces {
        model.traces.reverse = !model.traces.reverse;
    } else if model.view == View::Tasks {
        model.tasks.1 = !model.tasks.1;
    }
}

fn order(model: &mut Model) {
    (model.traces.order, model.traces.sort) = match model.traces.order {
        Order::Slowest => (Order::Latest, TraceSort::Ended),
        Order::Latest => (Order::Slowest, TraceSort::Took),
    };
    model.traces.reverse = false;
}
