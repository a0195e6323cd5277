//! Lines of text within a width: titles, columns, wrapped sentences, bars, colours.

use super::Style;
use crate::sink::units;

/// Columns that the table of hops needs.
pub(super) const NARROWEST: usize = 72;

/// Columns past which lines are no easier to read.
pub(super) const WIDEST: usize = 160;

/// Stands for a space at which no line is broken.
pub(super) const GLUE: char = '\u{a0}';

/// What a text is printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
    Bar,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "1;31",
            Self::Bar => "36",
        }
    }
}

/// A column by its width, the space before it included for numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// Left-justified, cut at its front where it does not fit: of a path the end tells more.
    Path(usize),
    /// Left-justified, cut where it does not fit.
    Text(usize),
    /// Right-justified.
    Number(usize),
}

impl Column {
    pub(super) const fn width(&self) -> usize {
        match *self {
            Self::Path(width) | Self::Text(width) | Self::Number(width) => width,
        }
    }
}

/// Signs of the character set.
pub(super) struct Glyphs {
    pub(super) arrow: &'static str,
    pub(super) ellipsis: char,
    pub(super) separator: &'static str,
    pub(super) none: &'static str,
    pub(super) not_equal: &'static str,
    pub(super) times: &'static str,
    /// Shares of one cell, from nothing to a whole.
    pub(super) eighths: &'static [char],
    /// Where a bar that is too short to be seen starts.
    pub(super) tick: char,
}

const UNICODE: Glyphs = Glyphs {
    arrow: "→",
    ellipsis: '…',
    separator: " · ",
    none: "–",
    not_equal: "≠",
    times: "×",
    eighths: &[' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    tick: '▏',
};

const ASCII: Glyphs = Glyphs {
    arrow: "->",
    ellipsis: '~',
    separator: " | ",
    none: "-",
    not_equal: "!=",
    times: "x",
    eighths: &[' ', '#'],
    tick: '|',
};

pub(super) struct Page {
    style: Style,
    text: String,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { style: Style { width: style.width.clamp(NARROWEST, WIDEST), ..style }, text: String::new() }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) const fn width(&self) -> usize {
        self.style.width
    }

    pub(super) const fn is_ascii(&self) -> bool {
        self.style.ascii
    }

    pub(super) const fn glyphs(&self) -> &'static Glyphs {
        if self.style.ascii { &ASCII } else { &UNICODE }
    }

    pub(super) fn duration(&self, ns: u64) -> String {
        units::duration(ns, self.style.ascii)
    }

    /// A duration that may be negative.
    pub(super) fn signed_duration(&self, ns: i64) -> String {
        let sign = if ns < 0 { "-" } else { "" };
        format!("{sign}{}", self.duration(ns.unsigned_abs()))
    }

    /// Text in an ink; the text itself where there is no colour.
    pub(super) fn ink(&self, text: &str, ink: Ink) -> String {
        if self.style.color && ink != Ink::Plain && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", ink.code())
        } else {
            text.to_owned()
        }
    }

    /// A line of finished text.
    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    pub(super) fn title(&mut self, title: &str) {
        let title = self.ink(title, Ink::Bold);
        self.line("");
        self.line(&title);
    }

    /// Cells in their columns, two spaces from the margin, all in one ink.
    pub(super) fn row(&mut self, columns: &[Column], cells: &[&str], ink: Ink) {
        let line = self.cells(columns, cells);
        let inked = self.ink(line.trim_end(), ink);
        self.line(&inked);
    }

    /// A column of labels, as wide as they need and the page allows, and columns of numbers.
    pub(super) fn table(&self, labels: &[String], numbers: &[Column]) -> Vec<Column> {
        let taken = 2 + numbers.iter().map(Column::width).sum::<usize>();
        let needed = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(16);
        let label = Column::Text(needed.min(self.width().saturating_sub(taken)));
        std::iter::once(label).chain(numbers.iter().copied()).collect()
    }

    /// The text of a row, padded to the columns' widths.
    pub(super) fn cells(&self, columns: &[Column], cells: &[&str]) -> String {
        let mut line = "  ".to_owned();
        for (column, cell) in columns.iter().zip(cells) {
            match *column {
                Column::Text(width) => line += &format!("{:<width$}", self.fit(cell, width)),
                Column::Path(width) => line += &format!("{:<width$}", self.fit_end(cell, width)),
                Column::Number(width) => line += &format!("{:>width$}", self.fit(cell, width)),
            }
        }
        line
    }

    /// The text, cut to a number of characters, and without control characters: names come from the target.
    pub(super) fn fit(&self, text: &str, width: usize) -> String {
        let fits = |c: char| !c.is_control() && (c.is_ascii() || !self.style.ascii);
        let clean =
            text.chars().map(|c| if c == GLUE { ' ' } else { c }).map(|c| if fits(c) { c } else { '?' });
        if text.chars().count() <= width {
            return clean.collect();
        }
        clean.take(width.saturating_sub(1)).chain([self.glyphs().ellipsis]).take(width).collect()
    }

    /// As [`Self::fit`], but keeping the end.
    fn fit_end(&self, text: &str, width: usize) -> String {
        let cut = text.chars().count().saturating_sub(width);
        if cut == 0 {
            return self.fit(text, width);
        }
        let mark = self.glyphs().ellipsis.to_string();
        let rest: String = text.chars().skip(cut + mark.chars().count()).collect();
        self.fit(&(mark + &rest), width)
    }

    /// Parts joined by a separator, each whole on its line if it fits there.
    pub(super) fn list(&mut self, lead: &str, parts: &[String], separator: &str, ink: Ink) {
        let glued: Vec<String> =
            parts.iter().map(|part| part.replace(' ', GLUE.encode_utf8(&mut [0; 4]))).collect();
        self.wrapped(lead, &glued.join(separator), ink);
    }

    /// A sentence over as many lines as it needs; lines after the first are indented like its text.
    pub(super) fn wrapped(&mut self, lead: &str, text: &str, ink: Ink) {
        let indent = lead.chars().count();
        let room = self.width().saturating_sub(indent).max(20);
        let mut line = String::new();
        let mut lines = Vec::new();
        for word in text.split(' ') {
            let word = self.fit(word, room);
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += &word;
        }
        lines.push(line);
        for (index, line) in lines.iter().enumerate() {
            let lead = if index == 0 { lead.to_owned() } else { " ".repeat(indent) };
            let inked = self.ink(line, ink);
            self.line(&format!("{lead}{inked}"));
        }
    }

    /// A bar of `cells` cells that is filled from `from` to `to` (0..=1). Something is always to be seen.
    pub(super) fn bar(&self, from: f64, to: f64, cells: usize) -> String {
        let eighths = self.glyphs().eighths;
        let steps = eighths.len() - 1;
        let position = |share: f64| {
            ((share.clamp(0.0, 1.0) * (cells * steps) as f64).round() as usize).min(cells * steps)
        };
        // A bar starts at a whole cell: characters that are filled from the right are missing in many fonts.
        let first = (position(from) / steps).min(cells.saturating_sub(1));
        let filled = position(to).saturating_sub(first * steps);
        let mut bar = " ".repeat(first);
        if filled == 0 || position(to) <= position(from) {
            bar.push(self.glyphs().tick);
            return bar;
        }
        bar.extend(std::iter::repeat_n(eighths.last().copied().unwrap_or('#'), filled / steps));
        bar.extend(eighths.get(filled % steps).filter(|_| filled % steps > 0));
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Ink, Page, Style};

    fn page(ascii: bool, color: bool) -> Page {
        Page::new(Style { width: 72, color, ascii })
    }

    #[test]
    fn bars() {
        for (from, to, unicode, ascii) in [
            (0.0, 1.0, "██████████", "##########"),
            (0.0, 0.5, "█████", "#####"),
            (0.0, 0.5625, "█████▋", "######"),
            (0.0, 0.0, "▏", "|"),
            (1.0, 1.0, "         ▏", "         |"),
            (0.25, 0.5, "  ███", "   ##"),
            (f64::NAN, f64::NAN, "▏", "|"),
        ] {
            let bars = [page(false, false).bar(from, to, 10), page(true, false).bar(from, to, 10)];
            assert_eq!(bars.each_ref().map(String::as_str), [unicode, ascii], "{from}..{to}");
        }
    }

    #[test]
    fn names_from_the_target_are_cut_and_cannot_drive_the_terminal() {
        let page = page(false, false);
        assert_eq!(page.fit("a\x1b[31mb\n", 9), "a?[31mb?");
        assert_eq!(page.fit("abcdef", 4), "abc…");
        assert_eq!(page.fit("abcd", 4), "abcd");
        assert_eq!(page.cells(&[Column::Text(5), Column::Number(6)], &["longer", "1"]), "  long…     1");
    }

    #[test]
    fn sentences_wrap_below_their_start() {
        let mut page = page(false, true);
        page.wrapped("- ", &"word ".repeat(16), Ink::Dim);
        let line = |lead, words: usize| format!("{lead}\x1b[2m{}\x1b[0m\n", ["word"; 16][..words].join(" "));
        assert_eq!(page.into_text(), line("- ", 14) + &line("  ", 2).replace("word\x1b", "word \x1b"));
    }
}
