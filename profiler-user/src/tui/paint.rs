//! Drawing text into a part of the screen: clipped, fitted, in the theme's inks.
//!
//! Owns: what happens where a text does not fit (it ends in an ellipsis) and what a row of a table is. Refuses: to know what is drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::message::Zone;
use super::theme::{Glyphs, Ink, Theme};
use crate::sink::units;

/// Places on the screen that can be clicked on; of two at one place the later counts.
pub type Zones = Vec<(Rect, Zone)>;

/// A part of the screen to draw on. Positions are relative to it; what lies outside is not drawn.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    zones: &'a mut Zones,
    theme: Theme,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// For this part of a buffer.
    pub fn new(buffer: &'a mut Buffer, zones: &'a mut Zones, theme: Theme) -> Self {
        let area = buffer.area;
        Self { buffer, zones, theme, area }
    }

    /// Makes a place one that can be clicked on.
    pub fn zone(&mut self, x: u16, y: u16, width: u16, zone: Zone) {
        let area = self.part(x, y, width, 1).area;
        if !area.is_empty() {
            self.zones.push((area, zone));
        }
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.area.height
    }

    /// Where it lies on the screen.
    #[must_use]
    pub const fn area(&self) -> Rect {
        self.area
    }

    /// The theme.
    #[must_use]
    pub const fn theme(&self) -> Theme {
        self.theme
    }

    /// The signs.
    #[must_use]
    pub const fn glyphs(&self) -> &'static Glyphs {
        self.theme.glyphs()
    }

    /// A duration in the character set.
    #[must_use]
    pub fn duration(&self, ns: u64) -> String {
        units::duration(ns, self.theme.is_ascii())
    }

    /// A part of this part.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pen<'_> {
        let wanted =
            Rect { x: self.area.x.saturating_add(x), y: self.area.y.saturating_add(y), width, height };
        let area = if x >= self.area.width || y >= self.area.height {
            Rect { width: 0, height: 0, ..self.area }
        } else {
            wanted.intersection(self.area)
        };
        Pen { buffer: self.buffer, zones: self.zones, theme: self.theme, area }
    }

    /// This part, from a row on.
    pub fn below(&mut self, y: u16) -> Pen<'_> {
        let (width, height) = (self.width(), self.height().saturating_sub(y));
        self.part(0, y, width, height)
    }

    /// Draws a text; gives the column after it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, ink: Ink) -> u16 {
        let style = self.theme.style(ink);
        self.styled(x, y, text, style)
    }

    /// The same in a style of the caller's.
    pub fn styled(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.fitted(x, y, text, style, self.width().saturating_sub(x))
    }

    /// Draws a text into `width` columns from the left; gives the column after the last of them.
    pub fn left(&mut self, x: u16, y: u16, width: u16, text: &str, ink: Ink) -> u16 {
        let style = self.theme.style(ink);
        self.fitted(x, y, text, style, width.min(self.width().saturating_sub(x)));
        x.saturating_add(width)
    }

    /// Draws a text into `width` columns from the right; gives the column after them.
    pub fn right(&mut self, x: u16, y: u16, width: u16, text: &str, ink: Ink) -> u16 {
        let pad = width.saturating_sub(columns(text));
        self.left(x.saturating_add(pad), y, width.min(columns(text)), text, ink);
        x.saturating_add(width)
    }

    /// Draws one sign.
    pub fn sign(&mut self, x: u16, y: u16, sign: char, ink: Ink) {
        let style = self.theme.style(ink);
        self.cell(x, y, sign, style);
    }

    /// Draws one sign in a style of the caller's.
    pub fn cell(&mut self, x: u16, y: u16, sign: char, style: Style) {
        if x < self.width()
            && y < self.height()
            && let Some(cell) = self.buffer.cell_mut((self.area.x + x, self.area.y + y))
        {
            cell.set_char(sign).set_style(style);
        }
    }

    /// Lays an ink over what a row shows, from a column on.
    pub fn lay(&mut self, x: u16, y: u16, width: u16, ink: Ink) {
        let style = self.theme.style(ink);
        let area = self.part(x, y, width, 1).area;
        self.buffer.set_style(area, style);
    }

    /// Makes everything blank.
    pub fn clear(&mut self) {
        for position in self.area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// Draws a frame around everything, with a title; gives the part inside.
    pub fn framed(&mut self, title: &str, ink: Ink) -> Pen<'_> {
        let [horizontal, vertical, top_left, top_right, bottom_left, bottom_right] = self.glyphs().frame;
        let (right, bottom) = (self.width().saturating_sub(1), self.height().saturating_sub(1));
        for x in 1..right {
            self.sign(x, 0, horizontal, ink);
            self.sign(x, bottom, horizontal, ink);
        }
        for y in 1..bottom {
            self.sign(0, y, vertical, ink);
            self.sign(right, y, vertical, ink);
        }
        for (x, y, sign) in
            [(0, 0, top_left), (right, 0, top_right), (0, bottom, bottom_left), (right, bottom, bottom_right)]
        {
            self.sign(x, y, sign, ink);
        }
        let room = self.width().saturating_sub(4);
        self.left(2, 0, room.min(columns(title) + 2), &format!(" {title} "), Ink::Strong);
        let (width, height) = (self.width().saturating_sub(2), self.height().saturating_sub(2));
        self.part(1, 1, width, height)
    }

    /// Draws sentences, broken between words; gives the number of rows that they take.
    pub fn wrapped(&mut self, x: u16, y: u16, text: &str, ink: Ink) -> u16 {
        let lines = wrap(text, self.width().saturating_sub(x));
        for (line, row) in lines.iter().zip(y..) {
            self.text(x, row, line, ink);
        }
        u16::try_from(lines.len()).unwrap_or(u16::MAX)
    }

    fn fitted(&mut self, x: u16, y: u16, text: &str, style: Style, room: u16) -> u16 {
        if y >= self.height() || room == 0 || x >= self.width() {
            return x;
        }
        let (left, top) = (self.area.x + x, self.area.y + y);
        let wide = columns(text);
        if wide <= room {
            self.buffer.set_stringn(left, top, text, usize::from(room), style);
            return x + wide;
        }
        self.buffer.set_stringn(left, top, text, usize::from(room - 1), style);
        self.cell(x + room - 1, y, self.glyphs().ellipsis, style);
        x + room
    }
}

/// Columns that a text takes.
#[must_use]
pub fn columns(text: &str) -> u16 {
    if text.is_ascii() {
        return u16::try_from(text.len()).unwrap_or(u16::MAX);
    }
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// A text in lines of so many columns at most, broken at spaces; a word that is wider stays whole.
#[must_use]
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The first row shown of a list of `rows`, so that the chosen one is in sight, in the middle where that can be.
#[must_use]
pub const fn first_row(chosen: usize, rows: usize, room: usize) -> usize {
    let centered = chosen.saturating_sub(room / 2);
    let last = rows.saturating_sub(room);
    if centered < last { centered } else { last }
}

#[cfg(test)]
mod tests {
    use super::{Pen, Rect, columns, first_row, wrap};
    use crate::tui::theme::{Depth, Ink, Look, Theme};
    use ratatui::buffer::Buffer;

    fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Pen<'_>)) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::new(Look { depth: Depth::Plain, ascii: false });
        draw(&mut Pen::new(&mut buffer, &mut Vec::new(), theme));
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        let lines = drawn(10, 5, |pen| {
            assert_eq!(pen.text(0, 0, "0123456789", Ink::Text), 10);
            assert_eq!(pen.text(0, 1, "0123456789A", Ink::Text), 10);
            assert_eq!(pen.left(2, 2, 4, "abcdef", Ink::Text), 6);
            assert_eq!(pen.right(0, 3, 6, "ab", Ink::Text), 6);
            pen.right(0, 4, 3, "abcd", Ink::Text);
            pen.text(12, 0, "out", Ink::Text);
            pen.text(0, 7, "out", Ink::Text);
        });
        assert_eq!(lines, ["0123456789", "012345678…", "  abc…", "    ab", "ab…"]);
    }

    #[test]
    fn a_part_does_not_leak() {
        let lines = drawn(8, 3, |pen| {
            pen.part(2, 1, 4, 1).text(0, 0, "abcdefgh", Ink::Text);
            pen.part(2, 1, 4, 1).text(0, 1, "below", Ink::Text);
            pen.part(9, 0, 4, 1).text(0, 0, "beside", Ink::Text);
        });
        assert_eq!(lines, ["", "  abc…", ""]);
    }

    #[test]
    fn frames_have_a_title() {
        let lines = drawn(10, 3, |pen| {
            pen.framed("Help", Ink::Dim).text(0, 0, "inside the frame", Ink::Text);
        });
        assert_eq!(lines, ["╭─ Help ─╮", "│inside …│", "╰────────╯"]);
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("immeasurably long", 5), ["immeasurably", "long"]);
        assert_eq!(wrap("", 5), Vec::<String>::new());
        assert_eq!((columns("µs"), columns("日本")), (2, 4));
    }

    #[test]
    fn the_chosen_row_is_in_sight() {
        for (chosen, rows, room, first) in [
            (0, 100, 10, 0),
            (5, 100, 10, 0),
            (6, 100, 10, 1),
            (99, 100, 10, 90),
            (3, 5, 10, 0),
            (3, 5, 0, 3),
        ] {
            assert_eq!(first_row(chosen, rows, room), first, "{chosen} of {rows} in {room}");
        }
    }
}
