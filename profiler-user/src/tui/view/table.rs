//! Columns of a table: which of them a screen has room for, and where they stand.

use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its heading.
    pub(super) title: &'static str,
    /// How wide it is, the space before it not counted; 0: takes what is left.
    pub(super) width: u16,
    /// How it stands in it.
    pub(super) stands: Stands,
    /// Shown on screens of this width and more.
    pub(super) from: u16,
}

/// How a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// Text: to the left, cut at its end.
    Left,
    /// Numbers: to the right.
    Right,
    /// Paths: to the left, cut at the front, for the end tells more.
    Path,
}

/// A column of numbers.
pub(super) const fn number(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, stands: Stands::Right, from }
}

/// A column of text.
pub(super) const fn text(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, stands: Stands::Left, from }
}

/// A column of paths.
pub(super) const fn path(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, stands: Stands::Path, from }
}

/// Where the columns of a table stand.
pub(super) struct Layout<'a> {
    columns: &'a [Column],
    /// By column: where it begins, and how wide it is; `None` where there is no room for it.
    places: Vec<Option<(u16, u16)>>,
}

impl<'a> Layout<'a> {
    /// For a screen of this width.
    pub(super) fn new(columns: &'a [Column], width: u16) -> Self {
        let is_shown = |column: &&Column| width >= column.from;
        let fixed: u16 = columns.iter().filter(is_shown).map(|column| column.width + 1).sum();
        let rest = width.saturating_sub(fixed + 1);
        let mut x = 0;
        let place = |column: &Column| {
            is_shown(&column).then(|| {
                let wide = if column.width == 0 { rest } else { column.width };
                let from = x + 1;
                x = from + wide;
                (from, wide)
            })
        };
        Self { columns, places: columns.iter().map(place).collect() }
    }

    /// The headings; `sorted`, a column with the sign of its order, stands out.
    pub(super) fn headings(&self, pen: &mut Pen<'_>, y: u16, sorted: Option<(usize, char)>) {
        for index in 0..self.columns.len() {
            let Some(title) = self.columns.get(index).map(|column| column.title) else { continue };
            match sorted {
                Some((column, sign)) if column == index => {
                    self.cell(pen, y, index, &format!("{title}{sign}"), Ink::Strong);
                }
                _ => self.cell(pen, y, index, title, Ink::Dim),
            }
        }
    }

    /// A cell, unless its column is not shown.
    pub(super) fn cell(&self, pen: &mut Pen<'_>, y: u16, index: usize, cell: &str, ink: Ink) {
        let (Some((x, width)), Some(column)) = (self.place(index), self.columns.get(index)) else { return };
        match column.stands {
            Stands::Path if columns(cell) > width => {
                let skip = usize::from(columns(cell) - width + 1);
                let end: String = cell.chars().skip(skip).collect();
                pen.left(x, y, width, &format!("{}{end}", pen.glyphs().ellipsis), ink);
            }
            Stands::Right if columns(cell) <= width => drop(pen.right(x, y, width, cell, ink)),
            _ => drop(pen.left(x, y, width, cell, ink)),
        }
    }

    /// Where a column stands, and how wide it is.
    pub(super) fn place(&self, index: usize) -> Option<(u16, u16)> {
        self.places.get(index).copied().flatten()
    }
}

/// Marks a row as the chosen one.
pub(super) fn choose(pen: &mut Pen<'_>, y: u16) {
    let (cursor, width) = (pen.glyphs().cursor, pen.width());
    pen.sign(0, y, cursor, Ink::Accent);
    pen.lay(0, y, width, Ink::Selected);
}
