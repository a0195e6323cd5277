//! The conservation laws, checked on the ledger that a user sees.
//!
//! Owns: `sampled = admitted + refused` and `admitted + branched = ended + lost + in flight`, and that the ledger agrees with the
//! traces.

use crate::report::{Ledger, Report};

impl Ledger {
    /// Sampled records that did not become traces, for any reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused_budget + self.refused_full + self.refused_busy + self.refused_paused
    }

    /// Traces lost, for any reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Traces lost for one reason.
    #[must_use]
    pub fn lost_by(&self, reason: &str) -> u64 {
        self.lost.get(reason).copied().unwrap_or(0)
    }
}

/// Each sentence is one way in which the report's numbers do not add up.
#[must_use]
pub fn check(report: &Report) -> Vec<String> {
    let ledger = &report.ledger;
    let named: u64 = ledger.outcomes.values().sum();
    let ended = ledger.written + ledger.filtered + ledger.superseded + ledger.expired + ledger.split + named;
    let begun = ledger.admitted + ledger.branched;
    let mut wrong = Vec::new();
    let mut law = |what: &str, left: u64, right: u64| {
        if left != right {
            wrong.push(format!("{what}: {left} != {right}"));
        }
    };
    law("sampled = admitted + refused", ledger.sampled, ledger.admitted + ledger.refused());
    law("admitted + branched = ended + lost + in flight", begun, ended + ledger.lost() + ledger.in_flight);
    for (outcome, counted) in [
        ("written", ledger.written),
        ("filtered", ledger.filtered),
        ("superseded", ledger.superseded),
        ("expired", ledger.expired),
        ("split", ledger.split),
        ("target_exit", ledger.lost_by("target_exit")),
        ("thread_exit", ledger.lost_by("thread_exit")),
        ("source_unseen", ledger.lost_by("source_unseen")),
    ] {
        law(&format!("traces reported as {outcome} = ledger"), report.count(outcome), counted);
    }
    for (name, counted) in &ledger.outcomes {
        law(&format!("traces reported as {name} = ledger"), report.count(name), *counted);
    }
    law(
        "traces = admitted + branched - in flight - corrupt",
        report.traces.len() as u64,
        begun.saturating_sub(ledger.in_flight + ledger.lost_by("corrupt")),
    );
    wrong
}

/// Whether an agent's last word on a destination was this. Options may be behind its name.
#[must_use]
pub fn says(stderr: &str, name: &str, what: &str) -> bool {
    let rest = |line: &'_ str| line.strip_prefix("export: ")?.strip_prefix(name).map(str::to_owned);
    let mut told = stderr.lines().filter_map(rest).filter(|rest| rest.starts_with([':', '?']));
    told.next_back().is_some_and(|rest| rest.ends_with(&format!(": {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts() {
        let good = Ledger {
            sampled: 10,
            admitted: 5,
            refused_budget: 2,
            refused_full: 3,
            lost: [("corrupt".to_owned(), 2)].into(),
            in_flight: 3,
            ..Ledger::default()
        };
        let wrong = |ledger: Ledger| check(&Report { ledger, ..Report::default() }).len();
        assert_eq!(wrong(good.clone()), 0);
        assert_eq!(wrong(Ledger { sampled: 11, ..good.clone() }), 1);
        assert_eq!(wrong(Ledger { in_flight: 2, ..good.clone() }), 2);
        assert_eq!(wrong(Ledger { written: 1, in_flight: 2, ..good.clone() }), 2);
        assert_eq!(wrong(Ledger { branched: 2, in_flight: 5, ..good.clone() }), 0);
        assert_eq!(wrong(Ledger { branched: 2, split: 1, in_flight: 4, ..good }), 2);
    }
}
