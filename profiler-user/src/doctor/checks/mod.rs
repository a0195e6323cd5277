//! From facts to checks: pure.

mod cost;
mod kernel;
mod rights;
#[cfg(test)]
mod tests;

use super::{Check, Facts, Status};

/// All checks: first what attaching hangs on, then what makes it cheaper or richer, then what only people ask about.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    [
        kernel::architecture,
        kernel::version,
        rights::capabilities,
        rights::load,
        kernel::ring_buffer,
        kernel::raw_tracepoints,
        kernel::uprobe_multi,
        kernel::membarrier,
        rights::other_processes,
        cost::prices,
        cost::five_byte_nop,
        cost::perf_events,
        cost::hardware_counters,
        kernel::btf,
        rights::perf_event_paranoid,
        rights::unprivileged_bpf,
        rights::lockdown,
        rights::ptrace_scope,
        rights::memlock,
    ]
    .iter()
    .map(|check| check(facts))
    .collect()
}

/// A check of something that cannot be found out without more rights.
fn unknown(id: &'static str, name: &'static str) -> Check {
    Check::new(id, name, Status::Warn, "cannot be found out without the capabilities above")
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
