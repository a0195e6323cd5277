//! The ramp of a heat map: from faint to full in steps, each told apart without colour too.

use ratatui::style::{Color, Modifier, Style};

use super::{Depth, Look};

/// Steps above nothing.
pub(super) const STEPS: usize = 8;

const SHADES: [char; STEPS] = ['·', '░', '░', '▒', '▒', '▓', '▓', '█'];
const LETTERS: [char; STEPS] = ['.', ':', '-', '=', '+', '*', '#', '@'];

/// From a dark violet over red to a light yellow: lightness rises evenly, so that it reads without a sense of colour.
const TRUE: [(u8, u8, u8); STEPS] = [
    (66, 42, 104),
    (104, 40, 120),
    (146, 44, 110),
    (184, 54, 88),
    (216, 76, 62),
    (238, 112, 40),
    (248, 160, 34),
    (250, 214, 82),
];
const INDEXED: [u8; STEPS] = [54, 90, 126, 161, 203, 208, 214, 221];
const ANSI: [Color; STEPS] = [
    Color::Blue,
    Color::Blue,
    Color::Magenta,
    Color::Magenta,
    Color::Red,
    Color::Red,
    Color::Yellow,
    Color::LightYellow,
];

/// See [`super::Theme::heat`].
pub(super) fn cell(look: Look, part: f64) -> (char, Style) {
    if part.is_nan() || part <= 0.0 {
        return (' ', Style::new());
    }
    let step = ((part.min(1.0) * STEPS as f64).ceil() as usize).clamp(1, STEPS) - 1;
    let glyph = if look.ascii { LETTERS[step] } else { SHADES[step] };
    let style = match look.depth {
        Depth::Plain if step + 2 > STEPS => Style::new().add_modifier(Modifier::BOLD),
        Depth::Plain => Style::new(),
        Depth::Ansi => Style::new().fg(ANSI[step]),
        Depth::Indexed => solid(look, Color::Indexed(INDEXED[step])),
        Depth::True => solid(look, Color::Rgb(TRUE[step].0, TRUE[step].1, TRUE[step].2)),
    };
    let solid = !look.ascii && look.depth >= Depth::Indexed;
    (if solid { '█' } else { glyph }, style)
}

/// Colour fills the cell where the sign itself does not.
fn solid(look: Look, color: Color) -> Style {
    if look.ascii { Style::new().fg(Color::Reset).bg(Color::Reset).fg(color) } else { Style::new().fg(color) }
}

#[cfg(test)]
mod tests {
    use super::{Depth, Look, STEPS, cell};

    #[test]
    fn what_is_there_is_seen() {
        let look = Look { depth: Depth::Plain, ascii: true };
        let text = |parts: &[f64]| parts.iter().map(|part| cell(look, *part).0).collect::<String>();
        assert_eq!(text(&[0.0, f64::NAN, 0.000_001, 0.125, 0.126, 0.5, 0.99, 1.0, 9.0]), "  ..:=@@@");
        let look = Look { depth: Depth::True, ascii: false };
        let steps: Vec<_> = (1..=STEPS).map(|step| cell(look, step as f64 / STEPS as f64)).collect();
        assert!(steps.windows(2).all(|two| two[0].1 != two[1].1));
    }
}
