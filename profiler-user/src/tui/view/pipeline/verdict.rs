//! The time window in a sentence: where the time goes.

use crate::sink::units;
use crate::stats::Subject;
use crate::tui::figures::Parts;
use crate::tui::lists;
use crate::tui::model::Model;
use crate::tui::paint::{Pen, wrap};
use crate::tui::theme::Ink;

/// Draws it in two rows at most; gives their number.
pub(super) fn draw(model: &Model, parts: &Parts, pen: &mut Pen<'_>) -> u16 {
    let (mark, ink, sentence) = sentence(model, parts, pen);
    let lines = wrap(&sentence, pen.width().saturating_sub(4));
    pen.sign(1, 0, mark, ink);
    for (line, y) in lines.iter().zip(0..2u16) {
        pen.text(3, y, line, Ink::Strong);
    }
    u16::try_from(lines.len().min(2)).unwrap_or(1)
}

fn sentence(model: &Model, parts: &Parts, pen: &Pen<'_>) -> (char, Ink, String) {
    let glyphs = pen.glyphs();
    let worst = parts.worst.and_then(|subject| Some((subject, parts.get(subject)?)));
    let Some((Subject::Hop(from, to), part)) = worst else {
        let text = format!("No record came through in the {}.", super::super::window(model));
        return (glyphs.none, Ink::Dim, text);
    };
    let cause = lists::cause(model, (from, to));
    let spent = cause.spent();
    let share = units::share(part.share.unwrap_or(0.0));
    let hop = lists::hop_label(model, (from, to), glyphs.arrow);
    let [p50, p99] = [part.figures.p50_ns, part.figures.p99_ns].map(|ns| pen.duration(ns));
    let text = format!(
        "{share} of the time is spent {spent}: {hop}. Half of the records take {p50} there, 99% no more than {p99}."
    );
    (glyphs.mark, Ink::Of(cause), text)
}
