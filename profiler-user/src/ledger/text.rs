//! The ledger's laws as text, with their numbers.

use super::Ledger;

/// One law: a total, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Law {
    /// What is accounted for, one or two counts.
    pub total: Vec<(&'static str, u64)>,
    /// What it is made of. Causes that never came up are left out, save those that always belong to the sentence.
    pub parts: Vec<(String, u64)>,
    /// Whether both sides are equal.
    pub holds: bool,
}

impl Ledger {
    /// The two conservation laws: of sampling and of admission. `named` are the names of the spec's own outcomes, by number.
    #[must_use]
    pub fn laws(&self, named: &[String]) -> [Law; 2] {
        let refused = [
            ("refused by budget", self.refused_budget),
            ("refused, slots full", self.refused_full),
            ("refused, key busy", self.refused_busy),
            ("refused, paused", self.refused_paused),
        ];
        let always = |name: &str| matches!(name, "refused by budget" | "written" | "filtered" | "superseded");
        let shown = |parts: &[(&str, u64)]| -> Vec<(String, u64)> {
            let shown = parts.iter().filter(|(name, count)| *count > 0 || always(name));
            shown.map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let mut sampling = vec![("admitted".to_owned(), self.admitted)];
        sampling.extend(shown(&refused));
        let ends = [
            ("written", self.written),
            ("filtered", self.filtered),
            ("superseded", self.superseded),
            ("expired", self.expired),
            ("split", self.split),
        ];
        let mut admission = shown(&ends);
        let own = self.named(named).filter(|(_, count)| *count > 0);
        admission.extend(own.map(|(name, count)| (name.to_owned(), count)));
        let lost = self.lost().filter(|(_, count)| *count > 0);
        admission.extend(lost.map(|(reason, count)| (format!("lost ({})", reason.name()), count)));
        admission.push(("in flight".to_owned(), self.in_flight));
        let mut begun = vec![("admitted", self.admitted)];
        begun.extend((self.branched > 0).then_some(("branched", self.branched)));
        [Law::new(vec![("sampled", self.sampled)], sampling), Law::new(begun, admission)]
    }
}

impl Law {
    fn new(total: Vec<(&'static str, u64)>, parts: Vec<(String, u64)>) -> Self {
        let holds = super::sum(parts.iter().map(|(_, count)| *count))
            == super::sum(total.iter().map(|(_, count)| *count));
        Self { total, parts, holds }
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, count)) in self.total.iter().enumerate() {
            write!(f, "{}{count} {name}", if index == 0 { "" } else { " + " })?;
        }
        f.write_str(if self.holds { " =" } else { " ≠" })?;
        for (index, (name, count)) in self.parts.iter().enumerate() {
            write!(f, "{} {count} {name}", if index == 0 { "" } else { " +" })?;
        }
        Ok(())
    }
}

/// Both laws, a line each.
impl std::fmt::Display for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [sampling, admission] = self.laws(&[]);
        write!(f, "{sampling}\n{admission}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ledger, tests::session};

    #[test]
    fn the_laws_read_as_sums() {
        let (kernel, agent) = session();
        assert_eq!(
            Ledger::new(&kernel, &agent).to_string(),
            "1240 sampled = 1006 admitted + 200 refused by budget + 30 refused, slots full + 3 refused, key busy \
             + 1 refused, paused\n\
             1006 admitted + 3 branched = 898 written + 50 filtered + 19 superseded + 5 expired + 3 split + 6 unnamed + 7 lost (target_exit) \
             + 4 lost (thread_exit) + 1 lost (corrupt) + 16 in flight"
        );
        assert_eq!(
            Ledger::default().to_string(),
            "0 sampled = 0 admitted + 0 refused by budget\n\
             0 admitted = 0 written + 0 filtered + 0 superseded + 0 in flight"
        );
    }

    #[test]
    fn a_broken_law_shows() {
        let ledger = Ledger { sampled: 5, admitted: 4, written: 4, ..Ledger::default() };
        let [sampling, admission] = ledger.laws(&[]);
        assert_eq!((sampling.holds, admission.holds), (false, true));
        assert!(sampling.to_string().starts_with("5 sampled ≠ 4 admitted"));
    }
}
