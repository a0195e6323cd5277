//! The target's use of the machine: the kernel's accounts all the time, perf events in short windows.

use std::time::{Duration, Instant};

use super::accounts::{context_switches, cpu_time_ns};
use super::events::{Events, Readings};

/// How long events stay on the target, and how long until they come again: a fortieth of the time.
const WINDOW: Duration = Duration::from_millis(250);
const PERIOD: Duration = Duration::from_secs(10);

/// How often context switches are read at most, and how many times as long as the last reading took at least: each thread has
/// a file of its own.
const SWITCHES_PERIOD: Duration = Duration::from_millis(250);
const SWITCHES_SHARE: u32 = 500;

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

    /// CPU cycles of the whole time, as the windows let expect: those that they counted, scaled by CPU time. `None` without a counter, or when
    /// the target did not run in any window.
    #[must_use]
    pub fn cycles(&self) -> Option<u64> {
        self.scaled(self.windows.cycles?)
    }

    /// The same for instructions.
    #[must_use]
    pub fn instructions(&self) -> Option<u64> {
        self.scaled(self.windows.instructions?)
    }

    fn scaled(&self, counted: u64) -> Option<u64> {
        let ran_ns = self.windows.task_clock_ns.filter(|ns| *ns > 0)?;
        let whole = u128::from(counted) * u128::from(self.cpu_ns) / u128::from(ran_ns);
        Some(u64::try_from(whole).unwrap_or(u64::MAX))
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
    next_switches_ns: u64,
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
            next_switches_ns: now_ns,
        }
    }

    /// Reads the accounts, so that they are known of a process that has ended, and opens and closes windows when it is time.
    /// `now_ns` is the monotonic clock.
    pub fn tick(&mut self, now_ns: u64) {
        self.read_cpu_time();
        if now_ns >= self.next_switches_ns {
            let started = Instant::now();
            self.read_switches();
            let pause = SWITCHES_PERIOD.max(started.elapsed() * SWITCHES_SHARE);
            self.next_switches_ns = now_ns + pause.as_nanos() as u64;
        }
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
        self.read_cpu_time();
        self.read_switches();
        self.last
    }

    /// What it had used when last asked by [`TargetMeter::tick`].
    #[must_use]
    pub const fn used(&self) -> TargetUse {
        self.last
    }

    fn read_cpu_time(&mut self) {
        if let Some(cpu_ns) = cpu_time_ns(self.pid) {
            // Never back: of a process that is just ending only a part may be told.
            self.last.cpu_ns = self.last.cpu_ns.max(cpu_ns.saturating_sub(self.first_cpu_ns));
        }
    }

    fn read_switches(&mut self) {
        if let Some(switches) = context_switches(self.pid) {
            // Threads that ended took their count with them: the sum never goes back.
            self.last.context_switches =
                self.last.context_switches.max(switches.saturating_sub(self.first_switches));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Readings, TargetMeter, TargetUse};

    #[test]
    fn what_windows_count_is_scaled_to_the_whole_time() {
        let windows = Readings {
            task_clock_ns: Some(1_000),
            cycles: Some(3_000),
            instructions: Some(u64::MAX),
            ..Readings::default()
        };
        let used = TargetUse { cpu_ns: 40_000, windows, ..TargetUse::default() };
        assert_eq!((used.cycles(), used.instructions()), (Some(120_000), Some(u64::MAX)));
        let idle = Readings { task_clock_ns: Some(0), ..windows };
        assert_eq!(TargetUse { windows: idle, ..used }.cycles(), None);
        assert_eq!(TargetUse { windows: Readings { cycles: None, ..windows }, ..used }.cycles(), None);
    }

    #[test]
    fn knows_after_the_end_what_was_last_used() {
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; read line";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", busy]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut meter = TargetMeter { first_cpu_ns: 0, first_switches: 0, ..TargetMeter::new(child.id(), 0) };
        let mut one = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut one).unwrap();
        meter.tick(0);
        child.wait().unwrap();
        let used = meter.read(1);
        assert!(used.cpu_ns > 0, "{used:?}");
        assert!(used.context_switches > 0, "{used:?}");
    }
}
