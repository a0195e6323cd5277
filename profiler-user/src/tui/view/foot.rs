//! The foot: what was told last, whether the accounts can be trusted, and the keys; or the line that the user types.

use crate::sink::units;
use crate::tui::keys::hints;
use crate::tui::message::Zone;
use crate::tui::model::{Model, Overlay, Prompt, Weight};
use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

/// Draws both rows.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let (trust, ink) = trust(model, pen);
    let from = pen.width().saturating_sub(columns(&trust) + 1);
    pen.text(from, 0, &trust, ink);
    status(model, &mut pen.part(1, 0, from.saturating_sub(3), 1));
    match &model.overlay {
        Overlay::Prompt(prompt) => line(prompt, pen),
        _ => keys(model, pen),
    }
}

fn status(model: &Model, pen: &mut Pen<'_>) {
    if let Some(request) = &model.asked {
        pen.text(0, 0, &format!("asked for: {request}"), Ink::Accent);
        return;
    }
    let Some(message) = model.data.log.status() else { return };
    let ink = match message.weight {
        Weight::Info => Ink::Dim,
        Weight::Warning => Ink::Warn,
        Weight::Error => Ink::Bad,
    };
    let unseen = model.data.log.unseen();
    // The one that is shown counts as read.
    let hidden = unseen.saturating_sub(usize::from(message.weight > Weight::Info));
    let more = if hidden > 0 { format!("({hidden} to read: !) ") } else { String::new() };
    pen.text(0, 0, &format!("{more}{}", message.text), ink);
}

/// Whether every sampled record is accounted for, and whether the screen shows all.
fn trust(model: &Model, pen: &Pen<'_>) -> (String, Ink) {
    let [good, bad] = pen.glyphs().verdict;
    let Some(tick) = model.data.tick_at(model.until_ns()) else { return (String::new(), Ink::Dim) };
    if tick.ledger.check().is_err() && model.data.account.ended().is_some() {
        return (format!("{bad} the ledger does not balance"), Ink::Bad);
    }
    let lost = tick.ledger.lost_total();
    if lost > 0 {
        return (format!("{bad} {} lost", units::count(lost)), Ink::Bad);
    }
    let missed = model.data.account.missing();
    if missed > 0 {
        return (format!("{bad} {} not shown", super::counted(missed, "trace", "traces")), Ink::Bad);
    }
    if model.is_remote {
        // What was lost before it came is each agent's to tell; its losses are told as warnings.
        return (String::new(), Ink::Dim);
    }
    (format!("{good} {} sampled, none lost", units::count(tick.ledger.sampled)), Ink::Good)
}

fn keys(model: &Model, pen: &mut Pen<'_>) {
    let mut x = 1;
    for binding in hints(model.situation()).filter(|row| model.offers(row)) {
        let Some(key) = binding.keys.first() else { continue };
        let width = columns(key) + 1 + columns(binding.hint);
        if x + width >= pen.width() {
            break;
        }
        let from = x;
        x = pen.text(x, 1, key, Ink::Accent);
        x = pen.text(x + 1, 1, binding.hint, Ink::Dim);
        pen.zone(from, 1, x - from, Zone::Action(binding.action));
        x += 2;
    }
}

fn line(prompt: &Prompt, pen: &mut Pen<'_>) {
    let x = pen.text(1, 1, &format!("{}: ", prompt.question.label()), Ink::Accent);
    let end = pen.text(x, 1, &prompt.text, Ink::Strong);
    pen.text(end, 1, " ", Ink::Selected);
    pen.text(end + 2, 1, prompt.question.advice(), Ink::Dim);
    if let Some(error) = &prompt.error {
        let width = pen.width();
        pen.left(0, 0, width, &" ".repeat(usize::from(width)), Ink::Text);
        pen.text(1, 0, error, Ink::Bad);
    }
}
