//! What lies over a view: help, messages, a line that is typed.

use super::{Action, Effect, Model, Overlay, session};
use crate::tui::model::{Prompt, Question};

/// Opens it, or closes it if it is open.
pub(super) fn toggle(model: &mut Model, action: Action) {
    model.overlay = match (action, &model.overlay) {
        (Action::Help, Overlay::Help(_)) | (Action::Messages, Overlay::Messages(_)) => Overlay::None,
        (Action::Help, _) => Overlay::Help(0),
        _ => {
            model.data.log.look();
            Overlay::Messages(0)
        }
    };
}

/// Asks for a line.
pub(super) fn ask(model: &mut Model, question: Question) {
    let text = if question == Question::Search { model.search.clone() } else { String::new() };
    model.overlay = Overlay::Prompt(Prompt::new(question, text));
}

/// The line is finished.
pub(super) fn enter(model: &mut Model) -> Effect {
    let Overlay::Prompt(prompt) = &mut model.overlay else { return Effect::None };
    match prompt.request() {
        Ok(Some(request)) => {
            model.overlay = Overlay::None;
            session::ask(model, request)
        }
        Ok(None) => {
            model.search = prompt.text.trim().to_owned();
            model.overlay = Overlay::None;
            // The chosen row is looked at, too: one before it the search begins.
            super::lists::find(model, 1);
            Effect::None
        }
        Err(error) => {
            prompt.error = Some(error);
            Effect::None
        }
    }
}
