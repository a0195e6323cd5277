//! What the profiling costs: the target's own figures, the agent's, and probe hits times their calibrated price.

use crate::plan::Class;

/// How often a probe was hit, and what that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeHits {
    /// Probe id.
    pub probe: u32,
    /// What the user knows the site by.
    pub site: String,
    /// What the kernel does with its instruction.
    pub class: Class,
    /// Hits since attaching.
    pub hits: u64,
    /// Price of one hit, ns.
    pub ns_each: u64,
}

/// One probe's part of the cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeCost {
    /// What was counted.
    pub hits: ProbeHits,
    /// Hits times price, ns.
    pub ns: u64,
}

/// What was measured over a session. `None` where the machine has no such counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How long the session was, ns.
    pub duration_ns: u64,
    /// CPU time of the target, all threads, its traps included, ns.
    pub target_cpu_ns: Option<u64>,
    /// Context switches of the target.
    pub target_context_switches: Option<u64>,
    /// CPU cycles of the target, estimated from windows (see the meter).
    pub target_cycles: Option<u64>,
    /// Instructions of the target, estimated likewise.
    pub target_instructions: Option<u64>,
    /// CPU time of the agent, ns.
    pub agent_cpu_ns: u64,
    /// Largest resident memory of the agent, bytes.
    pub agent_max_rss_bytes: u64,
}

/// What a session cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// What was measured.
    pub measured: Measured,
    /// What the probes took, the dearest first.
    pub probes: Vec<ProbeCost>,
    /// What all probes took, ns.
    pub probe_ns_total: u64,
    /// The probes' part of the target's CPU time, 0..=1.
    pub share_of_target_cpu: Option<f64>,
}

impl Cost {
    /// Works out a session's cost. Never overflows: a sum that does not fit is shown as the largest that does.
    #[must_use]
    pub fn new(measured: Measured, hits: Vec<ProbeHits>) -> Self {
        let cost_of = |hits: ProbeHits| ProbeCost { ns: hits.hits.saturating_mul(hits.ns_each), hits };
        let mut probes: Vec<ProbeCost> = hits.into_iter().map(cost_of).collect();
        probes.sort_by_key(|probe| (std::cmp::Reverse(probe.ns), probe.hits.probe));
        let probe_ns_total = probes.iter().fold(0u64, |sum, probe| sum.saturating_add(probe.ns));
        let share = |cpu: u64| (probe_ns_total as f64 / cpu as f64).min(1.0);
        let share_of_target_cpu = measured.target_cpu_ns.filter(|cpu| *cpu > 0).map(share);
        Self { measured, probes, probe_ns_total, share_of_target_cpu }
    }

    /// Hits of all probes.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.probes.iter().fold(0u64, |sum, probe| sum.saturating_add(probe.hits.hits))
    }
}

/// The word that reports and files use for a class.
#[must_use]
pub const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Emulated => "emulated",
        Class::OptimisedNop => "optimised nop",
        Class::Stepped => "stepped",
        Class::Trampoline => "trampoline",
        Class::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Cost, Measured, ProbeHits};

    fn hits(probe: u32, hits: u64, ns_each: u64) -> ProbeHits {
        ProbeHits { probe, site: format!("site {probe}"), class: Class::Emulated, hits, ns_each }
    }

    #[test]
    fn hits_times_price_is_the_probes_share() {
        let measured = Measured { target_cpu_ns: Some(1_000_000), ..Measured::default() };
        let cost = Cost::new(measured, vec![hits(0, 10, 500), hits(1, 100, 450), hits(2, 0, 9_000)]);
        assert_eq!((cost.probe_ns_total, cost.hits(), cost.share_of_target_cpu), (50_000, 110, Some(0.05)));
        assert_eq!(
            cost.probes.iter().map(|probe| (probe.hits.probe, probe.ns)).collect::<Vec<_>>(),
            [(1, 45_000), (0, 5_000), (2, 0)]
        );
    }

    #[test]
    fn extremes_stay_numbers() {
        let cost = Cost::new(Measured::default(), vec![hits(0, u64::MAX, 500), hits(1, 7, u64::MAX)]);
        assert_eq!((cost.probe_ns_total, cost.share_of_target_cpu), (u64::MAX, None));
        let idle = Measured { target_cpu_ns: Some(0), ..Measured::default() };
        assert_eq!(Cost::new(idle, vec![hits(0, 1, 1)]).share_of_target_cpu, None);
        let less = Measured { target_cpu_ns: Some(1), ..Measured::default() };
        assert_eq!(Cost::new(less, vec![hits(0, 1, 9)]).share_of_target_cpu, Some(1.0));
    }
}
