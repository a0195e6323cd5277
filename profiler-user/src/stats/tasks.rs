//! Durations by who did the work: of every hop that began and ended in the same task.
//!
//! Owns: bounded memory however many tasks come and go: those that were not seen for the longest are forgotten first, and counted. Refuses: names. A
//! task is what the spec says it is, a thread most of the time.

use std::collections::HashMap;

use super::Figures;
use super::window::Sum;
use crate::trace::Trace;

/// Tasks, by hop, that are told apart. Each takes 8 KiB.
pub const MAX_TASKS: usize = 1024;

/// How long a generation of the recent figures is, ns: they are of the last one to two minutes.
const GENERATION_NS: u64 = 60_000_000_000;

/// Who did the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// Its process.
    pub pid: u32,
    /// Its id: the thread's unless the spec says otherwise.
    pub task_id: i64,
}

/// A hop of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    hop: (usize, usize),
    task: Task,
}

#[derive(Clone, Debug, Default)]
struct Work {
    whole: Sum,
    /// Of the generation that fills, and of the one before.
    recent: [Sum; 2],
    generation: u64,
    last_ns: u64,
    tid: u32,
}

/// What is known of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskFigures {
    /// Who.
    pub task: Task,
    /// The thread that it was last seen on.
    pub tid: u32,
    /// Of the whole session.
    pub whole: Figures,
    /// Of the last one to two minutes; `None` when it was not seen in them.
    pub recent: Option<Figures>,
    /// When it was last seen, monotonic ns.
    pub last_ns: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    work: HashMap<Place, Work>,
    now_ns: u64,
    /// Tasks, by hop, that were forgotten.
    pub forgotten: u64,
}

impl Tasks {
    /// Adds a trace.
    pub fn add(&mut self, trace: &Trace) {
        self.now_ns = self.now_ns.max(trace.end_ns);
        for hop in trace.own_hops().filter(|hop| !hop.has_gap) {
            let (from, to) = (hop.from, hop.to);
            if (from.pid, from.task_id) == (to.pid, to.task_id) {
                let task = Task { pid: to.pid, task_id: to.task_id };
                self.add_work(Place { hop: (from.stage, to.stage), task }, to.tid, hop.ns);
            }
        }
    }

    fn add_work(&mut self, place: Place, tid: u32, ns: u64) {
        if self.work.len() >= MAX_TASKS && !self.work.contains_key(&place) {
            self.forget_one();
        }
        let (now_ns, generation) = (self.now_ns, self.now_ns / GENERATION_NS);
        let work = self.work.entry(place).or_default();
        work.turn(generation);
        (work.last_ns, work.tid) = (now_ns, tid);
        work.whole.add(ns);
        work.recent[0].add(ns);
    }

    fn forget_one(&mut self) {
        let oldest =
            self.work.iter().min_by_key(|(place, work)| (work.last_ns, **place)).map(|(place, _)| *place);
        if let Some(oldest) = oldest {
            self.work.remove(&oldest);
            self.forgotten += 1;
        }
    }

    /// The end of the last trace, monotonic ns.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The tasks that did the work of a hop, in the order of their ids.
    #[must_use]
    pub fn of(&self, hop: (usize, usize)) -> Vec<TaskFigures> {
        let generation = self.now_ns / GENERATION_NS;
        let figures = |(place, work): (&Place, &Work)| {
            Some(TaskFigures {
                task: place.task,
                tid: work.tid,
                whole: work.whole.figures()?,
                recent: work.recent(generation),
                last_ns: work.last_ns,
            })
        };
        let mut tasks: Vec<_> =
            self.work.iter().filter(|(place, _)| place.hop == hop).filter_map(figures).collect();
        tasks.sort_unstable_by_key(|figures| figures.task);
        tasks
    }

    /// The hops that are some task's work, in the order of the spec's stages.
    #[must_use]
    pub fn hops(&self) -> Vec<(usize, usize)> {
        let mut hops: Vec<_> = self.work.keys().map(|place| place.hop).collect();
        hops.sort_unstable();
        hops.dedup();
        hops
    }
}

impl Work {
    /// Begins a new generation when it is time.
    fn turn(&mut self, generation: u64) {
        if generation == self.generation {
            return;
        }
        let last = std::mem::take(&mut self.recent[0]);
        self.recent[1] = if generation == self.generation + 1 { last } else { Sum::default() };
        self.generation = generation;
    }

    fn recent(&self, generation: u64) -> Option<Figures> {
        let mut sum = Sum::default();
        let [current, before] = &self.recent;
        if generation == self.generation {
            sum.merge(before);
        }
        if generation <= self.generation + 1 {
            sum.merge(current);
        }
        sum.figures()
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERATION_NS, MAX_TASKS, Task, Tasks};
    use crate::trace::Trace;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    /// A transform of `ns` by this task, which ends at `end`.
    fn work(task_id: i64, end: u64, ns: u64) -> Trace {
        let mut trace = trace(&format!("S0@{} T+@{} T-@{end}", end - ns - 5, end - ns), Outcome::Filtered);
        trace.stamps[1..].iter_mut().for_each(|stamp| (stamp.task_id, stamp.tid) = (task_id, 7));
        trace
    }

    #[test]
    fn only_work_of_one_task_counts() {
        let mut tasks = Tasks::default();
        tasks.add(&work(12, 1000, 300));
        tasks.add(&work(12, 2000, 500));
        tasks.add(&work(11, 3000, 10));
        assert_eq!(tasks.hops(), [(1, 2)]);
        let found = tasks.of((1, 2));
        let seen: Vec<_> =
            found.iter().map(|f| (f.task.task_id, f.tid, f.whole.count, f.whole.max_ns)).collect();
        assert_eq!(seen, [(11, 7, 1, 10), (12, 7, 2, 500)]);
        assert_eq!(found[1].recent, Some(found[1].whole));
    }

    #[test]
    fn recent_figures_are_of_the_last_minutes() {
        let mut tasks = Tasks::default();
        let recent = |tasks: &Tasks| tasks.of((1, 2))[0].recent.map(|figures| figures.count);
        tasks.add(&work(1, GENERATION_NS + 100, 10));
        tasks.add(&work(1, 2 * GENERATION_NS + 100, 10));
        assert_eq!(recent(&tasks), Some(2));
        tasks.add(&work(1, 3 * GENERATION_NS + 100, 10));
        assert_eq!(recent(&tasks), Some(2));
        // Time passes for those that do nothing, too.
        tasks.add(&work(2, 4 * GENERATION_NS + 100, 10));
        assert_eq!(recent(&tasks), Some(1));
        tasks.add(&work(2, 5 * GENERATION_NS + 100, 10));
        assert_eq!((recent(&tasks), tasks.of((1, 2))[0].whole.count), (None, 3));
    }

    #[test]
    fn short_lived_tasks_come_and_go_and_those_at_work_stay() {
        let mut tasks = Tasks::default();
        for index in 0..3 * MAX_TASKS as u64 {
            tasks.add(&work(1, 1_000_000 + index, 10));
            tasks.add(&work(100 + index as i64, 1_000_000 + index, 10));
        }
        assert_eq!(tasks.of((1, 2)).len(), MAX_TASKS);
        assert_eq!(tasks.forgotten, 2 * MAX_TASKS as u64 + 1);
        let first = tasks.of((1, 2))[0];
        assert_eq!((first.task, first.whole.count), (Task { pid: 4242, task_id: 1 }, 3 * MAX_TASKS as u64));
    }
}
