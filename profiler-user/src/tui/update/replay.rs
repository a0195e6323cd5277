//! Playing a recording: pace, steps, and going to another moment.

use super::{Action, Effect, Model, Time};
use crate::recording::Pace;
use crate::tui::model::Data;

/// The paces that keys go through.
const PACES: [u32; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, Pace::FASTEST];

/// A key that has to do with playing; nothing without a recording.
pub(super) fn act(model: &mut Model, action: Action) -> Effect {
    let Some(playback) = model.playback else { return Effect::None };
    // Whoever looked at the past wants to see what is played.
    model.time = Time::Live;
    let times = match playback.pace {
        Pace::Times(times) => times,
        Pace::Paused => model.last_pace,
    };
    model.last_pace = times;
    match action {
        Action::Freeze if playback.pace == Pace::Paused => Effect::Play(Pace::Times(times)),
        Action::Freeze => Effect::Play(Pace::Paused),
        Action::Faster => play(PACES.into_iter().find(|pace| *pace > times)),
        Action::Slower => play(PACES.into_iter().rev().find(|pace| *pace < times)),
        Action::Step => Effect::Step,
        Action::SeekBack | Action::SeekForward => seek(model, action),
        _ => Effect::None,
    }
}

fn play(pace: Option<u32>) -> Effect {
    pace.map_or(Effect::None, |pace| Effect::Play(Pace::Times(pace)))
}

/// By a tenth of the recording; by a minute, while it is not known how long it is.
fn seek(model: &Model, action: Action) -> Effect {
    let Some(playback) = model.playback else { return Effect::None };
    let whole = |survey: crate::recording::Survey| survey.last_ns.saturating_sub(survey.first_ns);
    let step = playback.survey.map_or(60_000_000_000, |survey| whole(survey) / 10);
    let to = match action {
        Action::SeekBack => playback.clock_ns.saturating_sub(step).max(model.data.began().mono_ns),
        _ => playback.clock_ns.saturating_add(step),
    };
    Effect::Seek(playback.survey.map_or(to, |survey| to.min(survey.last_ns)))
}

/// Everything comes anew; what the user has chosen stays.
pub(super) fn rewound(model: &mut Model) {
    model.data = Data::default();
    model.time = Time::Live;
}
