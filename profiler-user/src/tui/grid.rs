//! The latency map as a grid: columns of time, rows of a logarithmic scale, both as many as there is room for.

use super::figures::columns;
use super::lists;
use super::model::{Model, Within};
use super::view::latency_room;
use crate::stats::scale::{STEPS, highest_ns, lowest_ns};
use crate::stats::window::{Column, Sum};
use crate::stats::{Figures, Subject};

/// A map of so many rows is a tall one.
const TALL: usize = 24;

/// See the module.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What the durations are of.
    pub subject: Subject,
    /// Time, the earliest first.
    pub columns: Vec<Column>,
    /// Rows, the shortest durations first: the first step of each. All are of the same height.
    rows: Vec<usize>,
    /// Steps of a row.
    each: usize,
    /// All columns together.
    pub sum: Sum,
    /// The largest count of a cell.
    pub highest: u64,
}

impl Grid {
    /// The grid of what is chosen, for the screen's size.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let (width, rows) = latency_room(model.size);
        let subjects = lists::subjects(model);
        let subject = model.cursors.subject.get(&subjects).unwrap_or(Subject::EndToEnd);
        let columns = columns(model, subject, usize::from(width));
        let mut sum = Sum::default();
        columns.iter().for_each(|column| sum.merge(&column.sum));
        let (rows, each) = rows_of(&sum, usize::from(rows));
        let mut grid = Self { subject, columns, rows, each, sum, highest: 0 };
        let cells =
            (0..grid.columns.len()).flat_map(|column| (0..grid.rows.len()).map(move |row| (column, row)));
        grid.highest = cells.map(|(column, row)| grid.count(column, row)).max().unwrap_or(0);
        grid
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// Durations in a cell.
    #[must_use]
    pub fn count(&self, column: usize, row: usize) -> u64 {
        self.columns.get(column).map_or(0, |column| self.of_row(&column.sum, row))
    }

    /// Durations in a row, of all columns.
    #[must_use]
    pub fn in_row(&self, row: usize) -> u64 {
        self.of_row(&self.sum, row)
    }

    fn of_row(&self, sum: &Sum, row: usize) -> u64 {
        let Some(first) = self.rows.get(row) else { return 0 };
        let steps = sum.steps().get(*first..(first + self.each).min(STEPS)).unwrap_or_default();
        steps.iter().map(|count| u64::from(*count)).sum()
    }

    /// The shortest and the longest duration of a row, ns.
    #[must_use]
    pub fn durations(&self, row: usize) -> (u64, u64) {
        let first = self.rows.get(row).copied().unwrap_or(0);
        (lowest_ns(first), highest_ns((first + self.each - 1).min(STEPS - 1)))
    }

    /// The row of a duration.
    #[must_use]
    pub fn row_of(&self, ns: u64) -> Option<usize> {
        (0..self.height()).find(|row| {
            let (low, high) = self.durations(*row);
            (low..=high).contains(&ns)
        })
    }

    /// All of it.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        self.sum.figures()
    }

    /// What a cell stands for.
    #[must_use]
    pub fn within(&self, column: usize, row: usize) -> Option<Within> {
        let column = self.columns.get(column)?;
        let (low_ns, high_ns) = self.durations(row);
        Some(Within { subject: self.subject, from_ns: column.from_ns, to_ns: column.to_ns, low_ns, high_ns })
    }

    /// The cell under the cursor: column from the left, row from below.
    #[must_use]
    pub fn cursor(&self, model: &Model) -> Option<(usize, usize)> {
        let (back, row) = model.cursors.cell?;
        let column = self.columns.len().checked_sub(1)?.saturating_sub(back);
        Some((column, row.min(self.height().checked_sub(1)?)))
    }
}

/// Rows that span what occurs, and fill the room: what they have more is half above, half below.
fn rows_of(sum: &Sum, room: usize) -> (Vec<usize>, usize) {
    let occurs = |step: &usize| sum.steps().get(*step).is_some_and(|count| *count > 0);
    let Some((first, last)) = (0..STEPS).find(occurs).zip((0..STEPS).rev().find(occurs)) else {
        return (Vec::new(), 1);
    };
    let room = room.max(1);
    // On a tall screen rows of a sixteenth of an octave would hold hardly anything each.
    let fewest = if room >= TALL { 2 } else { 1 };
    let each = (last - first + 1).div_ceil(room).max(fewest);
    let spare = (room * each).saturating_sub(last - first + 1);
    let first = first.saturating_sub(spare / 2).min(STEPS.saturating_sub(room * each));
    ((0..room).map(|row| first + row * each).filter(|step| *step < STEPS).collect(), each)
}

#[cfg(test)]
mod tests {
    use super::{STEPS, Sum, rows_of};

    #[test]
    fn rows_span_what_occurs_and_fill_the_room() {
        let rows = |values: &[u64], room| {
            let mut sum = Sum::default();
            values.iter().for_each(|ns| sum.add(*ns));
            rows_of(&sum, room)
        };
        assert_eq!(rows(&[], 5), (vec![], 1));
        assert_eq!(rows(&[10, 12], 3), (vec![10, 11, 12], 1));
        assert_eq!(rows(&[10, 12], 7), (vec![8, 9, 10, 11, 12, 13, 14], 1));
        assert_eq!(rows(&[10, 20], 4), (vec![10, 13, 16, 19], 3));
        assert_eq!(rows(&[0], 3), (vec![0, 1, 2], 1));
        let (all, each) = rows(&[0, u64::MAX], 10);
        assert!(all.len() <= 10 && each == STEPS.div_ceil(10) && all[0] == 0, "{all:?} {each}");
    }
}
