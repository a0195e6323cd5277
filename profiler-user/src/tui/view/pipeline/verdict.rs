//! The verdict on the time window: what is to blame, and in words where the time goes, why, and since when.

use crate::trace::Cause;
use crate::tui::figures::Parts;
use crate::tui::model::Model;
use crate::tui::paint::{Pen, wrap};
use crate::tui::theme::Ink;
use crate::tui::{judged, lists};
use crate::verdict::words::{Speech, asides, elsewhere, headline};
use crate::verdict::{Hop, Verdict};

/// Rows that the first sentence takes at most.
const ROWS: usize = 4;

/// Rows that each of the others takes at most: with the names of a hop it is longer than a narrow screen is wide.
const ASIDE_ROWS: usize = 2;

/// A screen of so many rows has room for what else is odd.
const TALL: u16 = 28;

/// Draws it; gives the number of rows.
pub(super) fn draw(model: &Model, parts: &Parts, pen: &mut Pen<'_>) -> u16 {
    let Some(verdict) = judged::verdict(model, parts) else {
        let text = format!("No record came through in the {}.", super::super::window(model));
        pen.sign(1, 0, pen.glyphs().none, Ink::Dim);
        pen.text(3, 0, &text, Ink::Strong);
        return 1;
    };
    let arrow = pen.glyphs().arrow;
    let label = |hop: Hop| lists::hop_label(model, hop, arrow);
    let speech = Speech { hop: &label, ascii: pen.theme().is_ascii() };
    let class = class(&verdict);
    let sentence = format!("{class}: {}.", headline(&verdict, &speech));
    let ink = Ink::Of(verdict.class);
    pen.sign(1, 0, pen.glyphs().mark, ink);
    let mut y = paragraph(&sentence, 0, ROWS, Ink::Strong, pen);
    // The class in its colour, over the same letters of the sentence.
    pen.text(3, 0, class, ink);
    let is_tall = pen.height() >= TALL;
    // Of a small screen one row: without it, what the probes do would be taken for what the target does.
    if let Some(caution) = super::super::health::distorted(model) {
        y += paragraph(&caution, y, if is_tall { ROWS } else { 1 }, Ink::Warn, pen);
    }
    if is_tall {
        let elsewhere = elsewhere(&verdict).filter(|_| model.is_remote).map(str::to_owned);
        for aside in elsewhere.into_iter().chain(asides(&verdict, &speech)) {
            y += paragraph(&aside, y, ASIDE_ROWS, Ink::Text, pen);
        }
    }
    y
}

/// Draws some text in so many rows at most; gives their number.
fn paragraph(text: &str, y: u16, most: usize, ink: Ink, pen: &mut Pen<'_>) -> u16 {
    let lines = wrap(text, pen.width().saturating_sub(4));
    for (line, row) in lines.iter().take(most).zip(y..) {
        let end = pen.text(3, row, line, ink);
        if lines.len() > most && usize::from(row - y) + 1 == most {
            let more = if pen.theme().is_ascii() { ".." } else { "…" };
            pen.text(end, row, more, ink);
        }
    }
    u16::try_from(lines.len().min(most)).unwrap_or(u16::MAX)
}

/// What is to blame, as the first word of the sentence.
const fn class(verdict: &Verdict) -> &'static str {
    match verdict.class {
        Cause::Source => "Source",
        Cause::Queue => "Queue",
        Cause::Transform => "Transform",
        Cause::SinkWrite => "Sink write",
        Cause::Other => "Between stages",
    }
}
