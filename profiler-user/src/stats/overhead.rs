//! What the probes themselves take of a hop: the calibrated price of a hit, half before its time stamp and half after it.
//!
//! The method, and its limits. A probe's trap begins before its time stamp is taken and ends after it. So a hop has in it the end of its first stamp's trap and the
//! beginning of its last one's: half the price of each, and where both are of one class exactly one price, wherever in the trap the clock is read. Not
//! subtracted, since it is not known of a single record: hits of other records that the same thread takes in between, hits that only save arguments for a
//! return, and what a stamp takes beyond the hit of a record that is not sampled, which is what was calibrated. So a corrected time is still rather too long than
//! too short. Where the price is of another machine's moment (a busy one, another clock rate), so is the correction: it is never more than the hop.

use crate::feed::SiteInfo;
use crate::trace::{Hop, Trace};

use super::Cost;

/// What a hit of each site costs, by probe id, ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<u64>);

impl Prices {
    /// Of a stream's sites, which are in the order of their ids.
    #[must_use]
    pub fn of_sites(sites: &[SiteInfo]) -> Self {
        Self(sites.iter().map(|site| site.ns_each).collect())
    }

    /// Of the sites that a session's cost lists.
    #[must_use]
    pub fn of_cost(cost: &Cost) -> Self {
        let mut prices = vec![0; cost.probes.len()];
        for probe in &cost.probes {
            if let Some(price) = prices.get_mut(probe.hits.probe as usize) {
                *price = probe.hits.ns_each;
            }
        }
        Self(prices)
    }

    fn of(&self, probe: u32) -> u64 {
        self.0.get(probe as usize).copied().unwrap_or(0)
    }

    /// What probes take of the way between two sites, ns.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> u64 {
        self.of(from).saturating_add(self.of(to)) / 2
    }
}

/// What probes took of a hop, ns: never more than all of it.
#[must_use]
pub fn overhead_ns(hop: &Hop<'_>, prices: &Prices) -> u64 {
    prices.between(hop.from.probe, hop.to.probe).min(hop.ns)
}

/// How long a hop would have taken without probes, ns.
#[must_use]
pub fn corrected_ns(hop: &Hop<'_>, prices: &Prices) -> u64 {
    hop.ns - overhead_ns(hop, prices)
}

/// How long the whole journey would have taken without probes, ns: its hops added up.
#[must_use]
pub fn corrected_whole_ns(trace: &Trace, prices: &Prices) -> u64 {
    trace.hops().fold(0, |sum, hop| sum.saturating_add(corrected_ns(&hop, prices)))
}

/// Pairs of sites of one hop that are told apart. Most hops have one.
const MAX_PAIRS: usize = 16;

/// How often a hop went from which site to which.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(Vec<((u32, u32), u64)>);

impl Pairs {
    pub(super) fn add(&mut self, from: u32, to: u32) {
        if let Some((_, count)) = self.0.iter_mut().find(|(pair, _)| *pair == (from, to)) {
            *count += 1;
        } else if self.0.len() < MAX_PAIRS {
            self.0.push(((from, to), 1));
        }
    }

    /// What probes take of the hop on average, ns.
    pub(super) fn mean_ns(&self, prices: &Prices) -> u64 {
        let (mut count, mut total) = (0u128, 0u128);
        for ((from, to), times) in &self.0 {
            count += u128::from(*times);
            total += u128::from(*times) * u128::from(prices.between(*from, *to));
        }
        u64::try_from((total + count / 2).checked_div(count).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pairs, Prices, corrected_ns, corrected_whole_ns, overhead_ns};
    use crate::feed::testing::site;
    use crate::plan::Class;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    #[test]
    fn half_of_each_price_lies_in_the_hop() {
        let sites = [
            site(0, 0, Class::Emulated, 500),
            site(1, 1, Class::Stepped, 9_000),
            site(2, 2, Class::Emulated, 500),
        ];
        let prices = Prices::of_sites(&sites);
        let trace = trace("S0@1000 Q+@6000 W!@6100", Outcome::Written);
        let hops: Vec<_> =
            trace.hops().map(|hop| (overhead_ns(&hop, &prices), corrected_ns(&hop, &prices))).collect();
        // The second is shorter than what its probes should have taken: then they took all of it.
        assert_eq!(hops, [(4750, 250), (100, 0)]);
        assert_eq!(corrected_whole_ns(&trace, &prices), 250);
        assert_eq!(Prices::default().between(0, 1), 0);
        assert_eq!(Prices::of_sites(&[site(0, 0, Class::Emulated, u64::MAX)]).between(0, 0), u64::MAX / 2);
    }

    #[test]
    fn a_hop_of_several_sites_has_the_mean() {
        let sites = [site(0, 0, Class::Emulated, 500), site(1, 1, Class::Stepped, 9_000)];
        let mut pairs = Pairs::default();
        (0..3).for_each(|_| pairs.add(0, 0));
        pairs.add(0, 1);
        assert_eq!(pairs.mean_ns(&Prices::of_sites(&sites)), (3 * 500 + 4750) / 4 + 1);
        assert_eq!(Pairs::default().mean_ns(&Prices::default()), 0);
        (0..100).for_each(|probe| pairs.add(probe, probe));
        assert_eq!(pairs.0.len(), super::MAX_PAIRS);
    }
}
