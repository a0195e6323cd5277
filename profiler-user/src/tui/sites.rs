//! The places that carry probes, or did, as the Probes view lists them.

use super::lists::{finder, stage_label};
use super::model::Model;
use crate::feed::{self, Place};

/// All of them, stage by stage.
#[must_use]
pub fn places(model: &Model) -> Vec<Place<'_>> {
    let mut places = feed::places(model.data.account.sites());
    places.sort_by_key(|place| (place.site.stage, place.site.probe));
    places
}

/// What each is known by, in the same order.
#[must_use]
pub fn ids(places: &[Place<'_>]) -> Vec<u32> {
    places.iter().map(|place| place.site.probe).collect()
}

/// Whether what the user searches for is in a place's name, its file, or its stage.
#[must_use]
pub fn matches(model: &Model, place: &Place<'_>) -> bool {
    let has = finder(model);
    has(&place.site.label) || has(&place.site.file) || has(&stage_label(model, place.site.stage))
}
