//! How the screen looks: what each kind of text is drawn in, and the signs it is drawn with.
//!
//! Owns: colours and glyphs for every terminal, from true colour down to none, from Unicode down to ASCII. Refuses: asking the terminal
//! what it is: that is given. Nothing on the screen is told by colour alone, so that a terminal without any shows the same.

mod glyphs;
mod ramp;

use ratatui::style::{Color, Modifier, Style};

pub use glyphs::Glyphs;

use crate::trace::Cause;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, dim and reverse video only (`NO_COLOR`).
    Plain,
    /// The sixteen of the terminal's own palette.
    Ansi,
    /// The 256 of xterm's palette.
    Indexed,
    /// 24 bits.
    True,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its colours.
    pub depth: Depth,
    /// Use ASCII characters only.
    pub ascii: bool,
}

/// What a text is, and so how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// What is read most.
    Text,
    /// Labels, units, what is there to be overlooked.
    Dim,
    /// What a part of the screen is called, and what must be seen first.
    Strong,
    /// What the user works with: keys, the chosen view, cursors.
    Accent,
    /// The chosen row.
    Selected,
    /// A part of a text that the user searches for.
    Found,
    /// All is well.
    Good,
    /// To be looked at.
    Warn,
    /// Loss, and laws that do not hold.
    Bad,
    /// Time that went into this.
    Of(Cause),
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    look: Look,
}

impl Theme {
    /// For a terminal that can show this.
    #[must_use]
    pub const fn new(look: Look) -> Self {
        Self { look }
    }

    /// Whether only ASCII may be drawn.
    #[must_use]
    pub const fn is_ascii(self) -> bool {
        self.look.ascii
    }

    /// The signs.
    #[must_use]
    pub const fn glyphs(self) -> &'static Glyphs {
        if self.look.ascii { &glyphs::ASCII } else { &glyphs::UNICODE }
    }

    /// How an ink is drawn.
    #[must_use]
    pub fn style(self, ink: Ink) -> Style {
        if self.look.depth == Depth::Plain { plain(ink) } else { self.colored(ink) }
    }

    fn colored(self, ink: Ink) -> Style {
        let hue = |index: usize| Style::new().fg(self.hue(index));
        match ink {
            Ink::Text => Style::new(),
            Ink::Dim => hue(GREY),
            Ink::Strong => Style::new().add_modifier(Modifier::BOLD),
            Ink::Accent => hue(CYAN).add_modifier(Modifier::BOLD),
            // Both colours are given, so that it can be read on any ground; and what lies below keeps no colour of its own.
            Ink::Selected => Style::new().fg(Color::Black).bg(self.hue(CYAN)).remove_modifier(Modifier::DIM),
            Ink::Found => Style::new().fg(Color::Black).bg(self.hue(YELLOW)),
            Ink::Good => hue(GREEN),
            Ink::Warn => hue(YELLOW),
            Ink::Bad => hue(RED).add_modifier(Modifier::BOLD),
            Ink::Of(cause) => hue(match cause {
                Cause::Source => BLUE,
                Cause::Queue => YELLOW,
                Cause::Transform => MAGENTA,
                Cause::SinkWrite => TEAL,
                Cause::Other => GREY,
            }),
        }
    }

    fn hue(self, index: usize) -> Color {
        let (ansi, indexed, (r, g, b)) = HUES.get(index).copied().unwrap_or(HUES[GREY]);
        match self.look.depth {
            Depth::Plain => Color::Reset,
            Depth::Ansi => ansi,
            Depth::Indexed => Color::Indexed(indexed),
            Depth::True => Color::Rgb(r, g, b),
        }
    }

    /// How a cell of a heat map is drawn that holds this part (0..=1) of what the fullest one holds. Never invisible above 0.
    #[must_use]
    pub fn heat(self, part: f64) -> (char, Style) {
        ramp::cell(self.look, part)
    }

    /// The steps of [`Theme::heat`] from the faintest to the fullest, for a legend.
    pub fn heat_steps(self) -> impl Iterator<Item = (char, Style)> {
        (1..=ramp::STEPS).map(move |step| ramp::cell(self.look, step as f64 / ramp::STEPS as f64))
    }
}

const GREY: usize = 0;
const BLUE: usize = 1;
const YELLOW: usize = 2;
const MAGENTA: usize = 3;
const TEAL: usize = 4;
const GREEN: usize = 5;
const RED: usize = 6;
const CYAN: usize = 7;

/// In each depth. Of middling lightness, to be read on black and on white.
type Hue = (Color, u8, (u8, u8, u8));
const HUES: [Hue; 8] = [
    (Color::DarkGray, 245, (134, 138, 145)),
    (Color::Blue, 69, (84, 138, 247)),
    (Color::Yellow, 172, (214, 143, 20)),
    (Color::Magenta, 134, (176, 100, 222)),
    (Color::Cyan, 37, (22, 163, 160)),
    (Color::Green, 71, (72, 168, 88)),
    (Color::Red, 167, (226, 74, 74)),
    (Color::Cyan, 38, (30, 168, 204)),
];

fn plain(ink: Ink) -> Style {
    match ink {
        Ink::Text | Ink::Good | Ink::Of(_) => Style::new(),
        Ink::Dim => Style::new().add_modifier(Modifier::DIM),
        Ink::Strong | Ink::Accent | Ink::Warn => Style::new().add_modifier(Modifier::BOLD),
        Ink::Selected | Ink::Bad => Style::new().add_modifier(Modifier::REVERSED),
        Ink::Found => Style::new().add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::{Depth, Ink, Look, Theme};
    use crate::trace::Cause;
    use ratatui::style::Color;

    const INKS: [Ink; 11] = [
        Ink::Text,
        Ink::Dim,
        Ink::Strong,
        Ink::Accent,
        Ink::Selected,
        Ink::Found,
        Ink::Good,
        Ink::Warn,
        Ink::Bad,
        Ink::Of(Cause::Queue),
        Ink::Of(Cause::Other),
    ];

    #[test]
    fn each_terminal_gets_colours_that_it_has() {
        let allowed = |depth, color| match color {
            Color::Reset => true,
            Color::Rgb(..) => depth == Depth::True,
            Color::Indexed(_) => depth == Depth::Indexed,
            // The palette's black is the one colour of the sixteen that all depths use.
            Color::Black => depth > Depth::Plain,
            _ => depth == Depth::Ansi,
        };
        for depth in [Depth::Plain, Depth::Ansi, Depth::Indexed, Depth::True] {
            let theme = Theme::new(Look { depth, ascii: false });
            let heat = (0..=10).map(|step| theme.heat(f64::from(step) / 10.0).1);
            for style in INKS.map(|ink| theme.style(ink)).into_iter().chain(heat) {
                for color in [style.fg, style.bg].into_iter().flatten() {
                    assert!(allowed(depth, color), "{depth:?} {color:?}");
                }
            }
        }
    }

    #[test]
    fn ascii_is_ascii() {
        let theme = Theme::new(Look { depth: Depth::True, ascii: true });
        assert!(theme.heat_steps().all(|(glyph, _)| glyph.is_ascii()));
        assert!(theme.glyphs().all().all(|glyph| glyph.is_ascii()), "{:?}", theme.glyphs());
    }
}
