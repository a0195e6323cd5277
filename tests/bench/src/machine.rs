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
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| cpuinfo.lines().find_map(|line| line.strip_prefix(name)?.split_once(": "));
        let memory_kib = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            text.lines().next()?.split_whitespace().nth(1)?.parse::<f64>().ok()
        });
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpus: cpus(),
            model: field("model name").map_or("unknown processor", |(_, model)| model).to_owned(),
            is_virtual: field("flags").is_some_and(|(_, flags)| flags.contains(" hypervisor")),
            memory_gib: memory_kib.unwrap_or(0.0) / f64::from(1 << 20),
            load: load(),
        }
    }
}

/// CPUs of the machine.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
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
