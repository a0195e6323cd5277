//! The places that carry probes, or did, as the Probes view lists them.
//!
//! A place has a site for each level, and for each stage switched, that it was probed at: one of them is awake at a time, and their counts are those of one place.

use std::collections::HashMap;

use profiler_common::ProbeCount;

use super::lists::{finder, stage_label};
use super::model::Model;
use crate::feed::{SiteInfo, Tick, place};

/// A place.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its first site.
    pub site: &'a SiteInfo,
    /// The ids of all its sites.
    pub probes: Vec<u32>,
}

impl Place<'_> {
    /// What happened there so far.
    #[must_use]
    pub fn count(&self, tick: &Tick) -> ProbeCount {
        let counts = self.probes.iter().filter_map(|probe| tick.probes.get(*probe as usize));
        counts.fold(ProbeCount::default(), |sum, one| ProbeCount {
            hits: sum.hits.saturating_add(one.hits),
            stamps: sum.stamps.saturating_add(one.stamps),
            unreadable: sum.unreadable.saturating_add(one.unreadable),
        })
    }

    /// Whether what the user searches for is in its name, its file, or its stage.
    #[must_use]
    pub fn matches(&self, model: &Model) -> bool {
        let has = finder(model);
        has(&self.site.label) || has(&self.site.file) || has(&stage_label(model, self.site.stage))
    }
}

/// All of them, stage by stage.
#[must_use]
pub fn places(model: &Model) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for site in model.data.account.sites() {
        let place = *known.entry(place(site)).or_insert(places.len());
        match places.get_mut(place) {
            Some(place) => place.probes.push(site.probe),
            None => places.push(Place { site, probes: vec![site.probe] }),
        }
    }
    places.sort_by_key(|place| (place.site.stage, place.site.probe));
    places
}

/// What each is known by, in the same order.
#[must_use]
pub fn ids(places: &[Place<'_>]) -> Vec<u32> {
    places.iter().map(|place| place.site.probe).collect()
}
