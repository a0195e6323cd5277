//! What the session is asked for and what it answers; and what is given out: a trace to the clipboard or a file.

use super::{Action, Effect, Model, lists};
use crate::control::{Answer, Request};
use crate::sink::jsonl;
use crate::spec::Level;
use crate::tui::model::Weight;
use crate::tui::sites;

/// Asks the session. One question at a time: the next one waits for the answer.
pub(super) fn ask(model: &mut Model, request: Request) -> Effect {
    if model.playback.is_some() {
        tell(model, "this is a recording: nothing can be changed");
        return Effect::None;
    }
    if model.data.account.ended().is_some() {
        tell(model, "the session is over: nothing can be changed any more");
        return Effect::None;
    }
    if let Some(asked) = &model.asked {
        let text = format!("`{asked}` has not been answered yet");
        tell(model, &text);
        return Effect::None;
    }
    model.asked = Some(request);
    Effect::Ask(request)
}

/// Pauses, or resumes: the other of what the kernel program has.
pub(super) fn pause(model: &mut Model) -> Effect {
    let paused = model.data.ticks.last().is_some_and(|tick| tick.settings.paused);
    ask(model, if paused { Request::Resume } else { Request::Pause })
}

/// The next level, after the one that is probed, or that was refused.
pub(super) fn level(model: &mut Model) -> Effect {
    let probed = model.data.account.probing_at(u64::MAX).and_then(|probing| probing.level);
    let last = model.refused_level.or(probed);
    let place = Level::ALL.iter().position(|level| Some(*level) == last).unwrap_or(0);
    let next = Level::ALL.get(place + 1).or(Level::ALL.first()).copied().unwrap_or_default();
    ask(model, Request::Level(next))
}

/// The stage of the chosen site: off, or on again.
pub(super) fn switch(model: &mut Model) -> Effect {
    let places = sites::places(model);
    let chosen = model.cursors.probe.place(&sites::ids(&places));
    let Some(stage) = places.get(chosen).map(|place| place.site.stage) else {
        tell(model, "there is no stage here");
        return Effect::None;
    };
    let off = model.data.account.probing_at(u64::MAX).is_some_and(|probing| probing.is_off(stage));
    ask(model, Request::Stage(stage, off))
}

/// The session has answered. What was changed it also tells as an event, which is shown.
pub(super) fn answered(model: &mut Model, answer: &Answer) {
    let asked = model.asked.take();
    if let Some(Request::Level(level)) = asked {
        model.refused_level = (!answer.ok).then_some(level);
    }
    if let (false, Some(error)) = (answer.ok, &answer.error) {
        // What is said of a stage names it.
        let what = asked.filter(|asked| !matches!(asked, Request::Stage(..)));
        let what = what.map_or_else(String::new, |asked| format!("{asked}: "));
        let at = model.data.clock(model.data.now_ns());
        model.data.log.push(at, Weight::Error, format!("{what}{error}"));
    } else if let Some(change) = answer.changed.filter(|change| change.from == change.to) {
        let text = change.told(|stage| model.data.stage_label(stage));
        tell(model, &text);
    }
}

/// What became of a copy or a file.
pub(super) fn done(model: &mut Model, result: Result<String, String>) {
    let at = model.data.clock(model.data.now_ns());
    match result {
        Ok(text) => model.data.log.push(at, Weight::Info, text),
        Err(text) => model.data.log.push(at, Weight::Error, text),
    }
}

/// Tells the user something.
pub(super) fn tell(model: &mut Model, text: &str) {
    let at = model.data.clock(model.data.now_ns());
    model.data.log.answer(at, text);
}

/// Gives the chosen trace out.
pub(super) fn export(model: &mut Model, action: Action) -> Effect {
    let Some(trace) = lists::trace(model) else {
        tell(model, "there is no trace here");
        return Effect::None;
    };
    let text = match jsonl::trace_line(&trace, &model.data.names()) {
        Ok(text) => text,
        Err(error) => {
            tell(model, &format!("the trace cannot be written as JSON: {error}"));
            return Effect::None;
        }
    };
    let branch = if trace.branch.is_root() { String::new() } else { format!("-{}", trace.branch) };
    match action {
        Action::Save => Effect::Save { name: format!("trace-{}{branch}.json", trace.id), text },
        _ => Effect::Copy { text, what: format!("trace {}{branch}", trace.id) },
    }
}
