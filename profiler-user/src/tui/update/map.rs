//! The latency map: which hop it shows, and the cell that its cursor reads out.

use super::{Action, Model, Move, View};
use crate::stats::Subject;
use crate::tui::grid::Grid;
use crate::tui::lists;
use crate::tui::model::Order;

/// Shows another kind of duration.
pub(super) fn subject(model: &mut Model, action: Action) {
    let subjects = lists::subjects(model);
    match action {
        Action::NextHop => model.cursors.subject.go(Move::By(1), &subjects),
        Action::PreviousHop => model.cursors.subject.go(Move::By(-1), &subjects),
        _ => model.cursors.subject.choose(Subject::EndToEnd),
    }
}

/// Moves the cursor; the first time it appears where most of the latest are.
pub(super) fn go(model: &mut Model, right: isize, up: isize) {
    let grid = Grid::new(model);
    let (width, height) = (grid.columns.len(), grid.height());
    if width == 0 || height == 0 {
        return;
    }
    let Some((column, row)) = grid.cursor(model) else {
        let fullest = (0..height).max_by_key(|row| grid.count(width - 1, *row)).unwrap_or(0);
        model.cursors.cell = Some((0, fullest));
        return;
    };
    let column = column.saturating_add_signed(right).min(width - 1);
    model.cursors.cell = Some((width - 1 - column, row.saturating_add_signed(up).min(height - 1)));
}

/// Moves it up or down.
pub(super) fn vertical(model: &mut Model, way: Move) {
    match way {
        Move::By(by) => go(model, 0, -by),
        Move::First => go(model, 0, isize::MAX),
        Move::Last => go(model, 0, isize::MIN),
        Move::To(_) => {}
    }
}

/// Puts it on a cell, by its column from the left and its row from below.
pub(super) fn to(model: &mut Model, column: usize, row: usize) {
    let columns = Grid::new(model).columns.len();
    model.cursors.cell = Some((columns.saturating_sub(column + 1), row));
}

/// Lists the traces of the cell under the cursor; without a cursor, all of the time window.
pub(super) fn open(model: &mut Model) {
    let grid = Grid::new(model);
    model.traces.within = grid.cursor(model).and_then(|(column, row)| grid.within(column, row));
    (model.traces.order, model.traces.outcome) = (Order::Slowest, None);
    model.view = View::Traces;
}
