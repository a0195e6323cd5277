//! The stages in a line, as records flow: work on thin lines, waiting on double ones, each with its part of the time; branches below.

use std::collections::BTreeSet;

use crate::stats::Subject;
use crate::trace::Cause;
use crate::tui::figures::Parts;
use crate::tui::flow::{Kind, Step};
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::Model;
use crate::tui::paint::{Pen, columns};
use crate::tui::theme::Ink;

/// Columns of a way from one stage to the next, without the spaces around it.
const WAY: u16 = 4;

/// Columns of a stage's label at most.
const LABEL: usize = 20;

/// See the module.
pub(super) struct Strip<'a> {
    pub(super) model: &'a Model,
    pub(super) steps: &'a [Step],
    /// The list of what has a duration.
    pub(super) subjects: &'a [Subject],
    pub(super) parts: &'a Parts,
    pub(super) chosen: Option<Subject>,
}

/// Steps that stand in one line: a way from a root or a branch.
struct Chain<'a> {
    /// Columns from the left.
    x: u16,
    steps: Vec<&'a Step>,
}

impl Strip<'_> {
    /// Draws as much as there is room for; gives the rows that it takes.
    pub(super) fn draw(&self, pen: &mut Pen<'_>) -> u16 {
        let named = self.width(true) <= pen.width();
        let mut y = 0;
        for main in self.mains() {
            if y + 2 > pen.height() {
                break;
            }
            y += self.main(&main, named, &mut pen.below(y));
        }
        y
    }

    /// The ways that begin at roots.
    fn mains(&self) -> Vec<Vec<&Step>> {
        let mut mains: Vec<Vec<&Step>> = Vec::new();
        for step in self.steps.iter().filter(|step| step.depth == 0) {
            match mains.last_mut() {
                Some(main) if step.kind != Kind::Root => main.push(step),
                _ => mains.push(vec![step]),
            }
        }
        mains
    }

    /// Columns of the widest line, with names or with codes alone.
    fn width(&self, named: bool) -> u16 {
        let width = |main: &Vec<&Step>| {
            main.iter().map(|step| columns(&self.label(step.to, named)) + WAY + 2).sum::<u16>()
        };
        self.mains().iter().map(width).max().unwrap_or(0).saturating_sub(WAY + 2)
    }

    fn label(&self, stage: usize, named: bool) -> String {
        let full = lists::stage_label(self.model, stage);
        if named {
            return full.chars().take(LABEL).collect();
        }
        full.split(' ').next().unwrap_or_default().chars().take(6).collect()
    }

    /// One way in as many lines as it needs, each with its branches. Where that are more than there is room for, the one with the chosen hop, or
    /// with the bottleneck, comes first.
    fn main(&self, main: &[&Step], named: bool, pen: &mut Pen<'_>) -> u16 {
        let mut lines: Vec<&[&Step]> = Vec::new();
        let mut rest = main;
        while !rest.is_empty() {
            let (line, left) = rest.split_at(self.fitting(rest, named, pen.width()).clamp(1, rest.len()));
            lines.push(line);
            rest = left;
        }
        let first = if lines.len() * 2 > usize::from(pen.height()) {
            self.first_line(&lines, pen.height())
        } else {
            0
        };
        let mut seen = BTreeSet::new();
        let mut y = 0;
        for (index, line) in lines.iter().enumerate().skip(first) {
            if y + 2 > pen.height() {
                break;
            }
            let mut ends = self.line(line, named, index + 1 == lines.len(), &mut pen.below(y));
            // A stage that is passed twice has its branches once: nobody knows which time they left it.
            ends.retain(|(stage, _)| seen.insert(*stage));
            y += 2 + self.branches(&ends, named, &mut pen.below(y + 2));
        }
        y
    }

    fn first_line(&self, lines: &[&[&Step]], height: u16) -> usize {
        let has = |line: &[&Step], wanted: Option<Subject>| {
            line.iter().any(|step| Some(Subject::Hop(step.from, step.to)) == wanted)
        };
        let of = |wanted: Option<Subject>| lines.iter().position(|line| has(line, wanted));
        let last = lines.len().saturating_sub(usize::from(height / 2).max(1));
        of(self.chosen).or_else(|| of(self.parts.worst)).unwrap_or(0).min(last)
    }

    /// How many steps one line has room for.
    fn fitting(&self, steps: &[&Step], named: bool, width: u16) -> usize {
        let mut x = 0;
        let mut count = 0;
        for step in steps {
            x += columns(&self.label(step.to, named))
                + if count > 0 || step.kind != Kind::Root { WAY + 2 } else { 0 };
            if x > width.saturating_sub(2) {
                break;
            }
            count += 1;
        }
        count
    }

    /// Draws a line of stages, and below it each way's part of the time. Gives the stages and where they stand.
    fn line(&self, steps: &[&Step], named: bool, is_last: bool, pen: &mut Pen<'_>) -> Vec<(usize, u16)> {
        let mut ends = Vec::new();
        let mut x = 0;
        for step in steps {
            if step.kind != Kind::Root {
                x = self.way(step, x, 0, true, pen);
            }
            ends.push((step.to, x));
            x = pen.text(x, 0, &self.label(step.to, named), Ink::Strong);
        }
        if !is_last {
            pen.sign(x + 1, 0, pen.glyphs().ellipsis, Ink::Dim);
        }
        ends
    }

    /// Draws a way, with its part of the time below or behind it; gives the column after it.
    fn way(&self, step: &Step, x: u16, y: u16, below: bool, pen: &mut Pen<'_>) -> u16 {
        let glyphs = pen.glyphs();
        let subject = Subject::Hop(step.from, step.to);
        let cause = lists::cause(self.model, (step.from, step.to));
        let is_worst = self.parts.worst == Some(subject);
        let ink = if self.chosen == Some(subject) { Ink::Selected } else { Ink::Of(cause) };
        let sign = if cause == Cause::Queue { glyphs.queue } else { glyphs.line };
        let from = x + 1;
        for at in 0..WAY - 1 {
            pen.sign(from + at, y, sign, ink);
        }
        pen.sign(from + WAY - 1, y, glyphs.head, ink);
        if let Some(place) = self.subjects.iter().position(|other| *other == subject) {
            pen.zone(from, y, WAY, Zone::Row(place));
        }
        let share = self.parts.get(subject).and_then(|part| part.share);
        if let (Some(share), true) = (share, below) {
            let text = percent(share);
            let mark = if is_worst { glyphs.mark.to_string() } else { String::new() };
            pen.right(
                from,
                y + 1,
                WAY,
                &format!("{mark}{text}"),
                if is_worst { Ink::Warn } else { Ink::Dim },
            );
        }
        from + WAY + 1
    }

    /// Draws the branches that leave stages of a line; gives the rows that they take. The last stage's come first, so that no line is crossed.
    fn branches(&self, ends: &[(usize, u16)], named: bool, pen: &mut Pen<'_>) -> u16 {
        let mut chains: Vec<Chain<'_>> = Vec::new();
        for (stage, x) in ends.iter().rev() {
            chains.extend(self.leaving(*stage, *x));
        }
        let shown = chains.len().min(usize::from(pen.height()));
        for (y, chain) in (0..).zip(chains.iter().take(shown)) {
            for later in chains.iter().take(shown).skip(usize::from(y) + 1) {
                pen.sign(later.x, y, pen.glyphs().rail, Ink::Dim);
            }
            self.chain(
                chain,
                chains.get(usize::from(y) + 1).is_some_and(|next| next.x == chain.x),
                named,
                y,
                pen,
            );
        }
        u16::try_from(shown).unwrap_or(0)
    }

    /// Branches that leave a stage, where it was passed first.
    fn leaving(&self, stage: usize, x: u16) -> Vec<Chain<'_>> {
        let mut chains: Vec<Chain<'_>> = Vec::new();
        let mut open = false;
        for step in self.steps.iter().filter(|step| step.depth == 1) {
            if matches!(step.kind, Kind::Branch | Kind::Again) {
                open = step.from == stage;
                if open {
                    chains.push(Chain { x, steps: vec![step] });
                }
            } else if open && let Some(chain) = chains.last_mut() {
                chain.steps.push(step);
            }
        }
        chains
    }

    fn chain(&self, chain: &Chain<'_>, more: bool, named: bool, y: u16, pen: &mut Pen<'_>) {
        let glyphs = pen.glyphs();
        pen.sign(chain.x, y, if more { glyphs.branch } else { glyphs.last }, Ink::Dim);
        let mut x = chain.x;
        for step in &chain.steps {
            if step.kind == Kind::Again {
                pen.sign(x + 1, y, glyphs.again, Ink::Of(Cause::Other));
                x += 3;
            } else {
                x = self.way(step, x, y, false, pen);
                x = pen.text(x, y, &self.label(step.to, named), Ink::Text);
            }
            let share = self.parts.get(Subject::Hop(step.from, step.to)).and_then(|part| part.share);
            if let Some(share) = share {
                x = pen.text(x + 1, y, &percent(share), Ink::Dim);
            }
        }
    }
}

/// A part in whole per cent, for narrow places.
fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.005 { "<1%".to_owned() } else { format!("{:.0}%", share * 100.0) }
}
