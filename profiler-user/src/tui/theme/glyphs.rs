//! Signs in two character sets. Each is one column wide in both, so that a screen keeps its shape.

/// The signs of one character set.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    /// From one thing to the next.
    pub arrow: char,
    /// Work on the way from one stage to the next, and its end.
    pub line: char,
    /// Waiting on that way.
    pub queue: char,
    /// The head of an arrow.
    pub head: char,
    /// A branch that leaves, and others follow.
    pub branch: char,
    /// The last branch that leaves.
    pub last: char,
    /// Past branches that follow further down.
    pub rail: char,
    /// Back to the same stage.
    pub again: char,
    /// What is chosen.
    pub cursor: char,
    /// What is marked: the bottleneck.
    pub mark: char,
    /// What was cut off.
    pub ellipsis: char,
    /// Between the parts of a sentence.
    pub dot: char,
    /// No value.
    pub none: char,
    /// Two counts that should be equal and are not.
    pub not_equal: char,
    /// By.
    pub times: char,
    /// Ascending, descending.
    pub sorted: [char; 2],
    /// A session that runs, one whose time stands still, one that is over.
    pub state: [char; 3],
    /// Shares of one cell, from nothing to a whole.
    pub eighths: &'static [char],
    /// Heights in one cell, from nothing to a whole.
    pub heights: &'static [char],
    /// Where a bar that is too short to be seen starts.
    pub tick: char,
    /// Horizontal, vertical, and the corners: top left, top right, bottom left, bottom right.
    pub frame: [char; 6],
    /// A part that is missing.
    pub gap: char,
    /// Good and bad.
    pub verdict: [char; 2],
}

pub(super) const UNICODE: Glyphs = Glyphs {
    arrow: '→',
    line: '─',
    queue: '═',
    head: '▶',
    branch: '├',
    last: '└',
    rail: '│',
    again: '↻',
    cursor: '▸',
    mark: '◆',
    ellipsis: '…',
    dot: '·',
    none: '–',
    not_equal: '≠',
    times: '×',
    sorted: ['▲', '▼'],
    state: ['●', '■', '○'],
    eighths: &[' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    heights: &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    tick: '▏',
    frame: ['─', '│', '╭', '╮', '╰', '╯'],
    gap: '┄',
    verdict: ['✓', '✗'],
};

pub(super) const ASCII: Glyphs = Glyphs {
    arrow: '>',
    line: '-',
    queue: '=',
    head: '>',
    branch: '+',
    last: '`',
    rail: '|',
    again: '@',
    cursor: '>',
    mark: '*',
    ellipsis: '~',
    dot: '|',
    none: '-',
    not_equal: '#',
    times: 'x',
    sorted: ['^', 'v'],
    state: ['*', '#', 'o'],
    eighths: &[' ', '#'],
    heights: &[' ', '.', ':', '-', '=', '+', '*', '#'],
    tick: '|',
    frame: ['-', '|', '+', '+', '+', '+'],
    gap: '.',
    verdict: ['+', 'X'],
};

impl Glyphs {
    /// Every sign of the set.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = char> {
        let Self {
            arrow,
            line,
            queue,
            head,
            branch,
            last,
            rail,
            again,
            cursor,
            mark,
            ellipsis,
            dot,
            none,
            not_equal,
            times,
            sorted,
            state,
            eighths,
            heights,
            tick,
            frame,
            gap,
            verdict,
        } = *self;
        let single = [
            arrow, line, queue, head, branch, last, rail, again, cursor, mark, ellipsis, dot, none,
            not_equal, times, tick, gap,
        ];
        let several = sorted.into_iter().chain(state).chain(frame).chain(verdict);
        single.into_iter().chain(several).chain(eighths.iter().copied()).chain(heights.iter().copied())
    }

    /// A bar from `from` to `to`, shares of a line that is `width` cells wide; of an eighth of a cell at least, so that there is
    /// something to see.
    #[must_use]
    pub fn bar(&self, from: f64, to: f64, width: usize) -> String {
        let steps = self.eighths.len().saturating_sub(1).max(1);
        let cells = (width * steps) as f64;
        let at = |share: f64| (share.clamp(0.0, 1.0) * cells).round() as usize;
        let start = at(from).min((width * steps).saturating_sub(1)) / steps;
        let end = at(to);
        let mut bar = " ".repeat(start);
        let mut left = end.saturating_sub(start * steps);
        if left == 0 && width > 0 {
            bar.push(self.tick);
        }
        while left > 0 {
            let step = left.min(steps);
            bar.extend(self.eighths.get(step));
            left -= step;
        }
        bar
    }

    /// How high a column is that shows this part (0..=1) of the highest; never nothing above 0.
    #[must_use]
    pub fn height(&self, part: f64) -> char {
        let steps = self.heights.len().saturating_sub(1);
        let step = if part > 0.0 { ((part.min(1.0) * steps as f64).ceil() as usize).max(1) } else { 0 };
        self.heights.get(step.min(steps)).copied().unwrap_or(' ')
    }
}

#[cfg(test)]
mod tests {
    use super::{ASCII, UNICODE};

    #[test]
    fn bars() {
        for (from, to, unicode, ascii) in [
            (0.0, 0.0, "▏", "|"),
            (0.0, 1.0, "████", "####"),
            (0.0, 0.5, "██", "##"),
            (0.0, 0.28, "█▏", "#"),
            (0.5, 1.0, "  ██", "  ##"),
            (1.0, 1.0, "   █", "   #"),
            (0.4, 0.4, " ▋", "  |"),
        ] {
            assert_eq!(
                (UNICODE.bar(from, to, 4).as_str(), ASCII.bar(from, to, 4).as_str()),
                (unicode, ascii)
            );
        }
        assert_eq!(UNICODE.bar(0.0, 0.5, 0), "");
    }

    #[test]
    fn heights() {
        let text = |parts: &[f64]| parts.iter().map(|part| UNICODE.height(*part)).collect::<String>();
        assert_eq!(text(&[0.0, 0.001, 0.5, 0.99, 1.0, 7.0]), " ▁▄███");
    }
}
