//! The target's use of the machine: the kernel's accounts all the time, perf events in short windows.

use std::time::Duration;

use super::accounts::{context_switches, cpu_time_ns};
use super::events::{Events, Readings};

/// How long events stay on the target, and how long until they come again: a fortieth of the time.
const WINDOW: Duration = Duration::from_millis(250);
const PERIOD: Duration = Duration::from_secs(10);

/// Threads that one window watches at most: each takes descriptors and time to set up.
const MAX_THREADS: usize = 64;

/// What a target has used since it was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetUse {
    /// CPU time, ns.
    pub cpu_ns: u64,
    /// Context switches.
    pub context_switches: u64,
    /// What the windows saw.
    pub windows: Readings,
    /// How long the windows were, ns.
    pub window_ns: u64,
}

impl TargetUse {
    /// The sum of two processes.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            context_switches: self.context_switches + other.context_switches,
            windows: self.windows.plus(other.windows),
            window_ns: self.window_ns + other.window_ns,
        }
    }
}

/// Meters one process.
#[derive(Debug)]
pub struct TargetMeter {
    pid: u32,
    first_cpu_ns: u64,
    first_switches: u64,
    last: TargetUse,
    window: Option<(Events, u64)>,
    next_ns: u64,
}

impl TargetMeter {
    /// Starts with what the process has used so far as zero. The first window opens at the first [tick](Self::tick).
    #[must_use]
    pub fn new(pid: u32, now_ns: u64) -> Self {
        Self {
            pid,
            first_cpu_ns: cpu_time_ns(pid).unwrap_or(0),
            first_switches: context_switches(pid).unwrap_or(0),
            last: TargetUse::default(),
            window: None,
            next_ns: now_ns,
        }
    }

    /// Opens and closes windows when it is time. `now_ns` is the monotonic clock.
    pub fn tick(&mut self, now_ns: u64) {
        match &self.window {
            Some((_, since)) if now_ns.saturating_sub(*since) >= WINDOW.as_nanos() as u64 => {
                self.close(now_ns);
            }
            None if now_ns >= self.next_ns => self.open(now_ns),
            _ => {}
        }
    }

    fn open(&mut self, now_ns: u64) {
        self.next_ns = now_ns + PERIOD.as_nanos() as u64;
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let tids = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(MAX_THREADS);
        let events = Events::on_threads(tids);
        self.window = (!events.is_empty()).then_some((events, now_ns));
    }

    fn close(&mut self, now_ns: u64) {
        if let Some((mut events, since)) = self.window.take() {
            self.last.windows = self.last.windows.plus(events.read());
            self.last.window_ns += now_ns.saturating_sub(since);
        }
    }

    /// What it has used; after its end, what it had used when last asked.
    pub fn read(&mut self, now_ns: u64) -> TargetUse {
        self.close(now_ns);
        if let Some(cpu_ns) = cpu_time_ns(self.pid) {
            self.last.cpu_ns = cpu_ns.saturating_sub(self.first_cpu_ns);
        }
        if let Some(switches) = context_switches(self.pid) {
            // Threads that ended took their count with them: the sum never goes back.
            self.last.context_switches =
                self.last.context_switches.max(switches.saturating_sub(self.first_switches));
        }
        self.last
    }
}
