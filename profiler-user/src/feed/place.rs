//! Places that carry probes, or did: a place has a site for each level, and for each set of stages switched, that it was probed at.
//!
//! Owns: what makes sites one place. One of them is awake at a time, and their counts are those of one place.

use std::collections::HashMap;

use profiler_common::ProbeCount;

use super::SiteInfo;
use crate::plan::Class;

/// A place.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its first site.
    pub site: &'a SiteInfo,
    /// The ids of all its sites.
    pub probes: Vec<u32>,
}

impl Place<'_> {
    /// What happened there so far; `counts` by probe id.
    #[must_use]
    pub fn count(&self, counts: &[ProbeCount]) -> ProbeCount {
        let counts = self.probes.iter().filter_map(|probe| counts.get(*probe as usize));
        counts.fold(ProbeCount::default(), |sum, one| ProbeCount {
            hits: sum.hits.saturating_add(one.hits),
            stamps: sum.stamps.saturating_add(one.stamps),
            unreadable: sum.unreadable.saturating_add(one.unreadable),
        })
    }
}

/// What makes two sites one place: the stage, the file, what it is called, the class, and whether it only saves arguments.
pub(super) fn same(site: &SiteInfo) -> (usize, &str, &str, Class, bool) {
    (site.stage, site.file.as_str(), site.label.as_str(), site.class, site.saves)
}

/// The places of sites, in the order of their first ones.
#[must_use]
pub fn places(sites: &[SiteInfo]) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for site in sites {
        let place = *known.entry(same(site)).or_insert(places.len());
        match places.get_mut(place) {
            Some(place) => place.probes.push(site.probe),
            None => places.push(Place { site, probes: vec![site.probe] }),
        }
    }
    places
}
