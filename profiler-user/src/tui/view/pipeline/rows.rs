//! The table: from end to end, then every hop below the stage where it starts, branches moved in; the sums last.

use crate::feed::{Tick, stage_hits};
use crate::sink::units;
use crate::stats::Subject;
use crate::tui::figures::{Part, Parts, columns};
use crate::tui::flow::{Kind, Step};
use crate::tui::lists;
use crate::tui::message::Zone;
use crate::tui::model::Model;
use crate::tui::paint::{Pen, columns as width_of, first_row};
use crate::tui::theme::Ink;
use crate::tui::view::health::per_second;
use crate::tui::view::table::{Column, Layout, choose, number, text};
use crate::verdict::median;

const LABEL: usize = 0;
const RATE: usize = 1;
const MEAN: usize = 2;
const P50: usize = 3;
const P95: usize = 4;
const P99: usize = 5;
const MAX: usize = 6;
const SHARE: usize = 7;
const BAR: usize = 8;
const COURSE: usize = 9;

/// One line of the table.
enum Line {
    /// A stage at which records come in.
    Root(usize),
    /// Something that has a duration, by its place in the list of subjects.
    Subject { place: usize, subject: Subject, step: Option<Step> },
    /// Space.
    Blank,
}

/// What the table is made from.
pub(super) struct Rows<'a> {
    pub(super) model: &'a Model,
    pub(super) steps: &'a [Step],
    /// The list of what has a duration.
    pub(super) subjects: &'a [Subject],
    pub(super) parts: &'a Parts,
    pub(super) chosen: Option<Subject>,
}

impl Rows<'_> {
    /// Draws it.
    pub(super) fn draw(&self, pen: &mut Pen<'_>) {
        let Self { model, parts, chosen, .. } = *self;
        let lines = lines(self.subjects, self.steps);
        let columns = layout(model, &lines, pen.width());
        let table = Table { model, parts, layout: Layout::new(&columns, pen.width()), chosen };
        table.layout.headings(pen, 0, None);
        let Some((first, rest)) = lines.split_first() else { return };
        table.line(first, &mut pen.below(1), 0);
        let mut rows = pen.below(2);
        let place = rest
            .iter()
            .position(|line| matches!(line, Line::Subject { subject, .. } if Some(*subject) == chosen));
        let room = usize::from(rows.height());
        let skip = first_row(place.unwrap_or(0), rest.len(), room);
        for (line, y) in rest.iter().skip(skip).zip(0..rows.height()) {
            table.line(line, &mut rows, y);
        }
        if skip + room < rest.len() && room > 0 {
            let (glyphs, last) = (pen.glyphs(), pen.height().saturating_sub(1));
            pen.sign(0, last, glyphs.ellipsis, Ink::Accent);
        }
    }
}

fn lines(subjects: &[Subject], steps: &[Step]) -> Vec<Line> {
    let place = |subject: Subject| subjects.iter().position(|other| *other == subject).unwrap_or(0);
    let line = |subject: Subject, step| Line::Subject { place: place(subject), subject, step };
    let mut lines = vec![line(Subject::EndToEnd, None)];
    for step in steps {
        lines.push(match step.kind {
            Kind::Root => Line::Root(step.to),
            _ => line(Subject::Hop(step.from, step.to), Some(*step)),
        });
    }
    let sums = subjects.iter().filter(|subject| !matches!(subject, Subject::Hop(..) | Subject::EndToEnd));
    let sums: Vec<Line> = sums.map(|subject| line(*subject, None)).collect();
    if !sums.is_empty() {
        lines.push(Line::Blank);
        lines.extend(sums);
    }
    lines
}

/// The label takes what it needs, the course of time the rest.
fn layout(model: &Model, lines: &[Line], width: u16) -> [Column; 10] {
    let needed = |line: &Line| match line {
        Line::Root(stage) => usize::from(width_of(&lists::stage_label(model, *stage))),
        Line::Subject { step: Some(step), .. } => {
            step.depth * 2 + 4 + usize::from(width_of(&lists::stage_label(model, step.to)))
        }
        _ => 12,
    };
    let most = usize::from(width).saturating_sub(59).clamp(18, 44);
    let label = lines.iter().map(needed).max().unwrap_or(18).clamp(18, most);
    let bar = if width >= 150 { 20 } else { 8 };
    [
        text("", u16::try_from(label).unwrap_or(18), 0),
        number("rate", 8, 0),
        number("mean", 8, 120),
        number("P50", 8, 0),
        number("P95", 8, 0),
        number("P99", 8, 0),
        number("max", 8, 110),
        number("share", 6, 0),
        text("", bar, 95),
        text("P95 over time", 0, 0),
    ]
}

struct Table<'a> {
    model: &'a Model,
    parts: &'a Parts,
    layout: Layout<'a>,
    chosen: Option<Subject>,
}

impl Table<'_> {
    fn line(&self, line: &Line, pen: &mut Pen<'_>, y: u16) {
        match *line {
            Line::Root(stage) => self.root(stage, pen, y),
            Line::Subject { place, subject, step } => self.subject(place, subject, step, pen, y),
            Line::Blank => {}
        }
    }

    fn root(&self, stage: usize, pen: &mut Pen<'_>, y: u16) {
        let label = lists::stage_label(self.model, stage);
        self.layout.cell(pen, y, LABEL, &label, Ink::Text);
        if let Some(rate) = self.hits_a_second(stage).filter(|_| !self.model.is_remote) {
            self.layout.cell(pen, y, RATE, &per_second(rate), Ink::Dim);
            let (x, width) = self.layout.place(P50).unwrap_or((0, 0));
            pen.left(x, y, width * 3, "hits, sampled or not", Ink::Dim);
        }
    }

    /// How often a stage is passed, by all records.
    fn hits_a_second(&self, stage: usize) -> Option<f64> {
        let sites = self.model.data.account.sites();
        let hits = |tick: &Tick| stage_hits(stage + 1, sites, &tick.probes).last().copied().unwrap_or(0);
        let (from, to) = self.model.span_ns();
        self.model.data.ticks.rates(from, to, 1, hits).first().copied().flatten()
    }

    fn subject(&self, place: usize, subject: Subject, step: Option<Step>, pen: &mut Pen<'_>, y: u16) {
        let is_worst = self.parts.worst == Some(subject);
        self.label(subject, step, pen, y);
        if is_worst {
            let mark = pen.glyphs().mark;
            pen.sign(0, y, mark, Ink::Warn);
        }
        match self.parts.get(subject) {
            Some(part) => self.figures(subject, part, is_worst, pen, y),
            None => self.layout.cell(pen, y, RATE, &pen.glyphs().none.to_string(), Ink::Dim),
        }
        let width = pen.width();
        pen.zone(0, y, width, Zone::Row(place));
        if self.chosen == Some(subject) {
            let (bar, _) = self.layout.place(BAR).or_else(|| self.layout.place(COURSE)).unwrap_or((width, 0));
            choose(&mut pen.part(0, y, bar, 1), 0);
        }
    }

    /// The stage to which a hop leads, with its way there drawn.
    fn label(&self, subject: Subject, step: Option<Step>, pen: &mut Pen<'_>, y: u16) {
        let Some((x, width)) = self.layout.place(LABEL) else { return };
        let Some(step) = step else {
            let label = lists::subject_label(self.model, subject, pen.glyphs().arrow);
            pen.left(x, y, width, &label, if subject == Subject::EndToEnd { Ink::Strong } else { Ink::Dim });
            return;
        };
        let glyphs = pen.glyphs();
        let cause = lists::cause(self.model, (step.from, step.to));
        let line = if cause == crate::trace::Cause::Queue { glyphs.queue } else { glyphs.line };
        let lead = match step.kind {
            Kind::Again => [glyphs.branch, glyphs.again],
            Kind::Branch => [glyphs.branch, line],
            Kind::Root | Kind::Way => [line, line],
        };
        let indent = u16::try_from(step.depth).unwrap_or(8).min(8) * 2;
        let mut part = pen.part(x, y, width, 1);
        let mut at = indent;
        for sign in lead.into_iter().chain([glyphs.head]) {
            part.sign(at, 0, sign, Ink::Of(cause));
            at += 1;
        }
        let label = lists::stage_label(self.model, step.to);
        let found = !self.model.search.is_empty() && lists::subject_matches(self.model, subject);
        part.text(at + 1, 0, &label, if found { Ink::Found } else { Ink::Text });
    }

    fn figures(&self, subject: Subject, part: &Part, is_worst: bool, pen: &mut Pen<'_>, y: u16) {
        let figures = part.figures;
        let strong = if is_worst || subject == Subject::EndToEnd { Ink::Strong } else { Ink::Text };
        self.layout.cell(pen, y, RATE, &per_second(part.rate), Ink::Dim);
        for (column, ns, ink) in [
            (MEAN, figures.mean_ns, Ink::Text),
            (P50, figures.p50_ns, Ink::Text),
            (P95, figures.p95_ns, strong),
            (P99, figures.p99_ns, Ink::Text),
            (MAX, figures.max_ns, Ink::Dim),
        ] {
            self.layout.cell(pen, y, column, &pen.duration(ns), ink);
        }
        let cause = match subject {
            Subject::Hop(from, to) => Ink::Of(lists::cause(self.model, (from, to))),
            _ => Ink::Accent,
        };
        if let Some(share) = part.share {
            self.layout.cell(pen, y, SHARE, &units::share(share), strong);
            if let Some((x, width)) = self.layout.place(BAR) {
                let bar = pen.glyphs().bar(0.0, share, usize::from(width));
                pen.left(x, y, width, &bar, cause);
            }
        }
        self.course(subject, cause, pen, y);
    }

    /// P95 over time, on the row's own scale.
    fn course(&self, subject: Subject, ink: Ink, pen: &mut Pen<'_>, y: u16) {
        let Some((x, width)) = self.layout.place(COURSE).filter(|(_, width)| *width > 0) else { return };
        let columns = columns(self.model, subject, usize::from(width.min(60)));
        let values: Vec<u64> = columns.iter().map(|column| column.sum.quantile_ns(950)).collect();
        let full = full_height(&values);
        let text: String = values.iter().map(|ns| pen.glyphs().height(*ns as f64 / full)).collect();
        pen.left(x, y, width, &text, ink);
    }
}

/// What stands as high as can be: the highest, or twice the median, so that a steady course is a low line and what is out of the ordinary stands out.
fn full_height(values: &[u64]) -> f64 {
    let mut present: Vec<u64> = values.iter().copied().filter(|ns| *ns > 0).collect();
    let median = median(&mut present).unwrap_or(0);
    let highest = present.last().copied().unwrap_or(0);
    highest.max(median.saturating_mul(2)).max(1) as f64
}
