//! Everything that was told, the latest first.

use crate::tui::model::{Message, Model, Weight};
use crate::tui::paint::{Pen, wrap};
use crate::tui::theme::Ink;

/// Columns of the time of day.
const TIME: u16 = 10;

/// Draws them, `scroll` rows down.
pub(super) fn draw(model: &Model, scroll: u16, pen: &mut Pen<'_>) {
    let mut inside = pen.framed("Messages, the latest first", Ink::Dim);
    if model.data.log.is_empty() {
        inside.text(1, 0, "Nothing was told so far.", Ink::Dim);
        return;
    }
    let room = inside.width().saturating_sub(TIME + 3);
    let mut y = 0;
    for message in model.data.log.latest_first().skip(usize::from(scroll)) {
        if y >= inside.height() {
            break;
        }
        inside.text(1, y, &super::time_of_day(model, message.at.wall_ns), Ink::Dim);
        let ink = match message.weight {
            Weight::Info => Ink::Text,
            Weight::Warning => Ink::Warn,
            Weight::Error => Ink::Bad,
        };
        for line in wrap(&text(message), room) {
            inside.text(TIME + 1, y, &line, ink);
            y += 1;
        }
    }
}

fn text(message: &Message) -> String {
    let lead = match message.weight {
        Weight::Info => "",
        Weight::Warning => "warning: ",
        Weight::Error => "error: ",
    };
    let times = if message.times > 1 { format!(" ({} times)", message.times) } else { String::new() };
    format!("{lead}{}{times}", message.text)
}
