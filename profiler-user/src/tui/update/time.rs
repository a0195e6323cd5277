//! Time: standing still, going back and forth, and how much of it is shown.

use super::{Action, Model, Time};
use crate::tui::model::WINDOWS_S;

/// A key that has to do with time.
pub(super) fn act(model: &mut Model, action: Action) {
    let step = model.window_ns() / 4;
    match action {
        Action::Freeze => match model.time {
            Time::Live => still(model, model.data.now_ns()),
            Time::Still { .. } => live(model),
        },
        Action::Older => still(model, model.until_ns().saturating_sub(step)),
        Action::Newer => {
            let at = model.until_ns().saturating_add(step);
            if at >= model.data.now_ns() { live(model) } else { still(model, at) }
        }
        Action::Longer => model.window = (model.window + 1).min(WINDOWS_S.len() - 1),
        _ => model.window = model.window.saturating_sub(1),
    }
}

/// Goes on with the present.
pub(super) fn live(model: &mut Model) {
    model.time = Time::Live;
}

/// Stands still at a moment, no earlier than the session.
fn still(model: &mut Model, at_ns: u64) {
    let first = model.data.began().mono_ns;
    model.time = Time::Still { at_ns: at_ns.clamp(first.min(model.data.now_ns()), model.data.now_ns()) };
}
