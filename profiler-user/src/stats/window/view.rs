//! Questions about a stretch of time: its figures, its course in columns, its heat map.

use super::slot::{Slot, Sum};
use super::{SECOND_NS, Subject, Windows};
use crate::stats::Figures;
use crate::stats::scale::{STEPS, highest_ns, lowest_ns};

/// Columns that anybody can look at.
const MOST_COLUMNS: usize = 4096;

/// A part of the time that was asked for.
#[derive(Clone, Debug)]
pub struct Column {
    /// Where it begins, monotonic ns.
    pub from_ns: u64,
    /// Where it ends, monotonic ns.
    pub to_ns: u64,
    /// The durations of the journeys that ended in it.
    pub sum: Sum,
}

impl Column {
    /// What it comes to; `None` when nothing ended in it.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        self.sum.figures()
    }

    /// Journeys a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.to_ns.saturating_sub(self.from_ns) as f64 / SECOND_NS as f64;
        if seconds > 0.0 { self.sum.count() as f64 / seconds } else { 0.0 }
    }
}

/// Durations over time, on the logarithmic scale.
#[derive(Clone, Debug)]
pub struct Heat {
    /// The columns of time.
    pub columns: Vec<Column>,
    /// The rows, the shortest durations first: the first and the last step of each, both included.
    pub rows: Vec<(usize, usize)>,
    /// The largest count of any cell.
    pub highest: u64,
}

impl Heat {
    /// How many journeys are in a cell.
    #[must_use]
    pub fn count(&self, column: usize, row: usize) -> u64 {
        let (Some(column), Some((first, last))) = (self.columns.get(column), self.rows.get(row)) else {
            return 0;
        };
        let steps = column.sum.steps().get(*first..=*last).unwrap_or_default();
        steps.iter().map(|count| u64::from(*count)).sum()
    }

    /// The shortest and the longest duration of a row, ns.
    #[must_use]
    pub fn durations(&self, row: usize) -> Option<(u64, u64)> {
        self.rows.get(row).map(|(first, last)| (lowest_ns(*first), highest_ns(*last)))
    }
}

/// What went into a part of the time: cheaper than a [`Column`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Journeys.
    pub count: u64,
    /// Their durations added up, ns.
    pub total_ns: u128,
}

impl Load {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: &Self) -> Self {
        Self { count: self.count + other.count, total_ns: self.total_ns + other.total_ns }
    }

    /// The mean duration, ns; 0 of nothing.
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        let mean = self.total_ns.checked_div(u128::from(self.count)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// Parts of the time: where the first begins, how long each is, ns, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Where the first begins, monotonic ns.
    pub from_ns: u64,
    /// How long each is, ns.
    pub each_ns: u64,
    /// How many there are.
    pub count: usize,
}

impl Windows {
    /// The parts that [`Windows::columns`] and [`Windows::loads`] divide a stretch into: the same for every subject.
    #[must_use]
    pub fn parts(&self, from_ns: u64, to_ns: u64, most: usize) -> Parts {
        let stretch = self.stretch(from_ns, to_ns);
        let (origin, each) = stretch.division(most.clamp(1, MOST_COLUMNS) as u64);
        let ns = |slots: u64| (slots << stretch.shift).saturating_mul(SECOND_NS);
        let count = usize::try_from((stretch.last - origin) / each + 1).unwrap_or(MOST_COLUMNS);
        Parts { from_ns: ns(origin), each_ns: ns(each), count }
    }

    /// As [`Windows::columns`], but only what went into each.
    #[must_use]
    pub fn loads(&self, subject: Subject, from_ns: u64, to_ns: u64, most: usize) -> Vec<Load> {
        let mut loads = vec![Load::default(); self.parts(from_ns, to_ns, most).count];
        self.each_part(subject, from_ns, to_ns, most, |place, part| {
            if let Some(load) = loads.get_mut(place) {
                let (count, total_ns) = part.load();
                load.count += count;
                load.total_ns += total_ns;
            }
        });
        loads
    }

    /// The figures of a stretch of monotonic time, from `from_ns` until before `to_ns`, widened to whole seconds, and beyond the last five minutes to
    /// whole slots (see [`Windows::slot_ns`]).
    #[must_use]
    pub fn figures(&self, subject: Subject, from_ns: u64, to_ns: u64) -> Option<Figures> {
        self.sum(subject, from_ns, to_ns).figures()
    }

    /// The durations of such a stretch.
    #[must_use]
    pub fn sum(&self, subject: Subject, from_ns: u64, to_ns: u64) -> Sum {
        let stretch = self.stretch(from_ns, to_ns);
        let mut sum = Sum::default();
        self.each_slot(subject, &stretch, |index, slot| {
            if (stretch.first..=stretch.last).contains(&index) {
                slot.add_to(&mut sum);
            }
        });
        sum
    }

    /// A stretch of monotonic time in columns of the same width, `most` at most. No column is narrower than what is known: a second in the last five
    /// minutes, [`Windows::slot_ns`] before. The first column may begin earlier and the last end later than asked for.
    #[must_use]
    pub fn columns(&self, subject: Subject, from_ns: u64, to_ns: u64, most: usize) -> Vec<Column> {
        let Parts { from_ns: first_ns, each_ns, count } = self.parts(from_ns, to_ns, most);
        let start_ns = |number: usize| first_ns.saturating_add(each_ns.saturating_mul(number as u64));
        let column =
            |number| Column { from_ns: start_ns(number), to_ns: start_ns(number + 1), sum: Sum::default() };
        let mut columns: Vec<Column> = (0..count).map(column).collect();
        self.each_part(subject, from_ns, to_ns, most, |place, part| {
            if let Some(column) = columns.get_mut(place) {
                part.add_to(&mut column.sum);
            }
        });
        columns
    }

    /// Every slot that lies in a part, with that part's place.
    fn each_part(
        &self,
        subject: Subject,
        from_ns: u64,
        to_ns: u64,
        most: usize,
        mut with: impl FnMut(usize, &Part<'_>),
    ) {
        let stretch = self.stretch(from_ns, to_ns);
        let (origin, each) = stretch.division(most.clamp(1, MOST_COLUMNS) as u64);
        self.each_slot(subject, &stretch, |index, part| {
            let place = index.checked_sub(origin).and_then(|slot| usize::try_from(slot / each).ok());
            place.into_iter().for_each(|place| with(place, &part));
        });
    }

    fn stretch(&self, from_ns: u64, to_ns: u64) -> Stretch {
        let (from, to) = (from_ns / SECOND_NS, to_ns.div_ceil(SECOND_NS));
        let is_recent = from >= self.recent_from();
        let shift = if is_recent { 0 } else { self.shift };
        Stretch { is_recent, shift, first: from >> shift, last: (to.max(from + 1) - 1) >> shift }
    }

    fn each_slot(&self, subject: Subject, stretch: &Stretch, mut with: impl FnMut(u64, Part<'_>)) {
        let Some(lane) = self.lane(subject) else { return };
        let over: &mut dyn Iterator<Item = &Slot> =
            if stretch.is_recent { &mut lane.recent.iter() } else { &mut lane.past.iter() };
        over.for_each(|slot| with(slot.index, Part::Over(slot)));
        with(self.second >> stretch.shift, Part::Open(&lane.open));
    }

    /// A heat map of a stretch of monotonic time, with so many columns and rows at most. The rows span what occurs.
    #[must_use]
    pub fn heat(&self, subject: Subject, from_ns: u64, to_ns: u64, columns: usize, rows: usize) -> Heat {
        let columns = self.columns(subject, from_ns, to_ns, columns);
        let occurs =
            |step: &usize| columns.iter().any(|column| column.sum.steps().get(*step).is_some_and(|c| *c > 0));
        let bounds = (0..STEPS).find(occurs).zip((0..STEPS).rev().find(occurs));
        let rows = bounds.map_or_else(Vec::new, |(first, last)| split(first, last, rows.max(1)));
        let mut heat = Heat { columns, rows, highest: 0 };
        let cells =
            (0..heat.columns.len()).flat_map(|column| (0..heat.rows.len()).map(move |row| (column, row)));
        heat.highest = cells.map(|(column, row)| heat.count(column, row)).max().unwrap_or(0);
        heat
    }
}

/// Slots by their indices, both included.
struct Stretch {
    is_recent: bool,
    shift: u32,
    first: u64,
    last: u64,
}

impl Stretch {
    /// The first slot of the first column, and the slots of a column. Columns are aligned to their own width, so that they do not flicker while time
    /// goes on: at either end one may stick out.
    fn division(&self, most: u64) -> (u64, u64) {
        let slots = self.last - self.first + 1;
        if most == 1 {
            return (self.first, slots);
        }
        let mut each = slots.div_ceil(most);
        // Twice the width is always enough.
        while self.last / each - self.first / each >= most {
            each += 1;
        }
        (self.first - self.first % each, each)
    }
}

/// Durations of one slot.
enum Part<'a> {
    Over(&'a Slot),
    Open(&'a Sum),
}

impl Part<'_> {
    fn load(&self) -> (u64, u128) {
        match self {
            Self::Over(slot) => (slot.count, slot.total_ns),
            Self::Open(open) => (open.count(), open.total_ns()),
        }
    }

    fn add_to(&self, sum: &mut Sum) {
        match self {
            Self::Over(slot) => sum.add_slot(slot),
            Self::Open(open) => sum.merge(open),
        }
    }
}

/// Steps from `first` to `last` in rows of the same height, `most` at most.
fn split(first: usize, last: usize, most: usize) -> Vec<(usize, usize)> {
    let each = (last - first + 1).div_ceil(most);
    (first..=last).step_by(each).map(|from| (from, (from + each - 1).min(STEPS - 1))).collect()
}
