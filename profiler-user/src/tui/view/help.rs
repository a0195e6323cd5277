//! The keys, made from their table.

use crate::tui::keys::{Action, Binding, Place, TABLE};
use crate::tui::model::Model;
use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

/// A line of the help: of the keys of one place, or their heading.
enum Line {
    Heading(&'static str),
    Key(&'static Binding),
    Blank,
}

/// Draws it, `scroll` rows down.
pub(super) fn draw(model: &Model, scroll: u16, pen: &mut Pen<'_>) {
    let lines = lines(model);
    let mut inside = pen.framed("Keys", Ink::Dim);
    let two = inside.width() >= 150;
    let rows = usize::from(inside.height());
    let skip = usize::from(scroll).min(lines.len().saturating_sub(rows));
    let half = inside.width() / 2;
    for (index, line) in lines.iter().skip(skip).enumerate() {
        let (column, row) = if two { (index / rows.max(1), index % rows.max(1)) } else { (0, index) };
        if column > 1 || (column > 0 && !two) {
            break;
        }
        let x = if column == 0 { 1 } else { half };
        let y = u16::try_from(row).unwrap_or(u16::MAX);
        draw_line(line, model.is_remote, &mut inside.part(x, y, if two { half - 2 } else { u16::MAX }, 1));
    }
    if !two && lines.len() > rows {
        let more = format!(" {} of {} rows ", skip + rows, lines.len());
        let x = pen.width().saturating_sub(columns(&more) + 2);
        pen.text(x, pen.height() - 1, &more, Ink::Dim);
    }
}

fn lines(model: &Model) -> Vec<Line> {
    let mut lines = Vec::new();
    let replay = model.situation().replay;
    for (place, title) in Place::ALL.into_iter().filter(|(place, _)| replay || *place != Place::Replay) {
        let mut bound = TABLE.iter().filter(|row| row.place == place && model.offers(row)).peekable();
        if bound.peek().is_none() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::Blank);
        }
        lines.push(Line::Heading(title));
        lines.extend(bound.map(Line::Key));
    }
    lines
}

fn draw_line(line: &Line, is_remote: bool, pen: &mut Pen<'_>) {
    match line {
        Line::Heading(title) => drop(pen.text(0, 0, title, Ink::Strong)),
        Line::Key(binding) => {
            pen.left(2, 0, 16, &binding.keys.join(" "), Ink::Accent);
            let is_leaving = binding.action == Action::Quit && is_remote;
            pen.text(19, 0, if is_leaving { "leave; the agents go on" } else { binding.does }, Ink::Text);
        }
        Line::Blank => {}
    }
}

/// Rows of the help, for scrolling.
pub(in crate::tui) fn rows(model: &Model) -> u16 {
    u16::try_from(lines(model).len()).unwrap_or(u16::MAX)
}
