//! What the numbers were taken on.
//!
//! Owns: the facts printed above them. Refuses: judging, but for saying that the machine is busy.

use std::fmt;
use std::fs;

/// See the fields.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    kernel: String,
    cpus: usize,
    model: String,
    /// The processor says that a hypervisor runs it.
    is_virtual: bool,
    memory_gib: f64,
    /// Processes that ran in the last minute, on average.
    load: f64,
}

impl Machine {
    /// Asks `/proc`.
    pub(crate) fn detect() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name: &str| cpuinfo.lines().find_map(|line| line.strip_prefix(name)?.split_once(": "));
        let memory = read("/proc/meminfo");
        let memory_kib: f64 = word(&memory, 1).unwrap_or(0.0);
        Self {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpus: cpus(),
            model: field("model name").map_or("unknown processor", |(_, model)| model).to_owned(),
            is_virtual: field("flags").is_some_and(|(_, flags)| flags.contains(" hypervisor")),
            memory_gib: memory_kib / f64::from(1 << 20),
            load: word(&read("/proc/loadavg"), 0).unwrap_or(0.0),
        }
    }
}

/// CPUs of the machine.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn word(text: &str, index: usize) -> Option<f64> {
    text.split_whitespace().nth(index)?.parse().ok()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpus, model, is_virtual, memory_gib, load } = self;
        let kind = if *is_virtual { "virtual" } else { "real" };
        writeln!(f, "machine: {kind}, {cpus} CPUs ({model}), {memory_gib:.0} GiB, Linux {kernel}")?;
        if *load > 0.5 {
            writeln!(f, "note: the machine is busy (load {load:.1}): the numbers below are not its best")?;
        }
        Ok(())
    }
}
