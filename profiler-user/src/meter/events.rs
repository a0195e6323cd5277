//! Perf events on threads.

use perf_event::events::{Event, Hardware, Software};
use perf_event::{Builder, Counter};

/// What a set of events has counted. `None` where the machine has no such counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// CPU time, ns.
    pub task_clock_ns: Option<u64>,
    /// Context switches.
    pub context_switches: Option<u64>,
    /// CPU cycles.
    pub cycles: Option<u64>,
    /// Instructions.
    pub instructions: Option<u64>,
}

impl Readings {
    /// Sums, where both know.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (known, None) | (None, known) => known,
        };
        Self {
            task_clock_ns: add(self.task_clock_ns, other.task_clock_ns),
            context_switches: add(self.context_switches, other.context_switches),
            cycles: add(self.cycles, other.cycles),
            instructions: add(self.instructions, other.instructions),
        }
    }
}

/// Events on some threads. Dropping them takes them off.
#[derive(Debug, Default)]
pub struct Events {
    counters: Vec<(usize, Counter)>,
}

/// In the order of the fields of [`Readings`].
fn kinds() -> [Event; 4] {
    [
        Software::TASK_CLOCK.into(),
        Software::CONTEXT_SWITCHES.into(),
        Hardware::CPU_CYCLES.into(),
        Hardware::INSTRUCTIONS.into(),
    ]
}

impl Events {
    /// Puts events on this whole process: the calling thread and those that it will start.
    #[must_use]
    pub fn on_self() -> Self {
        let mut events = Self::default();
        events.add(None);
        events
    }

    /// Puts events on the given threads. Those that have ended, or that may not be watched, are left out.
    #[must_use]
    pub fn on_threads(tids: impl IntoIterator<Item = u32>) -> Self {
        let mut events = Self::default();
        tids.into_iter().filter_map(|tid| i32::try_from(tid).ok()).for_each(|tid| events.add(Some(tid)));
        events
    }

    fn add(&mut self, tid: Option<i32>) {
        for (kind, event) in kinds().into_iter().enumerate() {
            let mut builder = Builder::new().kind(event);
            builder = match tid {
                Some(tid) => builder.observe_pid(tid),
                None => builder.observe_self(),
            };
            builder.inherit(tid.is_none()).include_kernel();
            // A machine without the counter refuses here; that is what `None` in the readings says.
            if let Ok(mut counter) = builder.build()
                && counter.enable().is_ok()
            {
                self.counters.push((kind, counter));
            }
        }
    }

    /// Whether anything is being counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// What has been counted so far.
    #[must_use]
    pub fn read(&mut self) -> Readings {
        let mut sums = [None; 4];
        for (kind, counter) in &mut self.counters {
            if let (Some(sum), Ok(value)) = (sums.get_mut(*kind), counter.read()) {
                *sum = Some(sum.unwrap_or(0) + value);
            }
        }
        let [task_clock_ns, context_switches, cycles, instructions] = sums;
        Readings { task_clock_ns, context_switches, cycles, instructions }
    }
}
