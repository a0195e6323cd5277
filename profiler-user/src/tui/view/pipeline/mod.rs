//! Pipeline: what the time window says in a sentence, the stages as they flow, and every hop with its figures.

mod rows;
mod strip;
mod verdict;

use crate::tui::figures::Parts;
use crate::tui::lists;
use crate::tui::model::Model;
use crate::tui::paint::Pen;
use crate::tui::theme::Ink;

/// Rows of the table that are more important than a diagram.
const TABLE: u16 = 11;

/// Draws it.
pub(super) fn draw(model: &Model, pen: &mut Pen<'_>) {
    let steps = lists::flow(model);
    if steps.is_empty() {
        empty(model, pen);
        return;
    }
    let parts = Parts::new(model);
    let subjects = lists::subjects_of(model, &steps);
    let chosen = model.cursors.subject.get(&subjects);
    let mut y = verdict::draw(model, &parts, pen);
    let room = pen.height().saturating_sub(y + TABLE);
    if room >= 2 {
        let width = pen.width().saturating_sub(2);
        let strip = strip::Strip { model, steps: &steps, subjects: &subjects, parts: &parts, chosen };
        let drawn = strip.draw(&mut pen.part(1, y + 1, width, room.min(pen.height() / 3)));
        y += drawn + 1;
    }
    let table = rows::Rows { model, steps: &steps, subjects: &subjects, parts: &parts, chosen };
    table.draw(&mut pen.below(y + 1));
}

/// Why nothing is there, and the stages that are waited for.
fn empty(model: &Model, pen: &mut Pen<'_>) {
    let totals = model.data.account.totals();
    let why = crate::sink::report::why(&totals.session(), pen.theme().is_ascii());
    let mut y = 0;
    if let (Some((title, reason)), true) = (why, model.data.ticks.last().is_some()) {
        y += pen.wrapped(1, y, title, Ink::Strong);
        y += pen.wrapped(1, y, &reason, Ink::Warn) + 1;
    } else {
        y += pen.wrapped(
            1,
            y,
            "Attaching: reading symbols, planning the sites, setting the probes.",
            Ink::Dim,
        ) + 1;
    }
    let stages = model.data.info().map_or(&[][..], |info| &info.stages);
    let hits = totals.session().stages;
    for (index, stage) in stages.iter().enumerate() {
        let hits = hits.get(index).map_or(0, |row| row.hits);
        let label = lists::stage_label(model, index);
        pen.left(2, y, 32, &label, if stage.probed { Ink::Text } else { Ink::Dim });
        let told = if stage.probed {
            format!("{} hits", crate::sink::units::count(hits))
        } else {
            "below the level".to_owned()
        };
        pen.right(34, y, 20, &told, Ink::Dim);
        y += 1;
    }
}
