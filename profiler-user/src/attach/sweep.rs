//! Takes breakpoints out of processes that only inherited them.
//!
//! A fork copies the target's memory, breakpoints included. The child is no target: its hits have no effect, but each costs it a trap. The
//! kernel removes a breakpoint from every process that no probe is meant for whenever a probe of that place is taken off, whichever it is.
//! So a probe that does nothing is set in the target once more, and taken off.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::bare::bare_probes;
use super::error::AttachError;
use crate::plan::Site;
use crate::symbol::FileOffset;

/// Where a target's probes are.
#[derive(Clone, Debug)]
pub struct Sweep {
    pid: u32,
    places: Vec<(PathBuf, Vec<FileOffset>)>,
}

impl Sweep {
    pub(super) fn new(pid: u32, sites: &[Site]) -> Self {
        let mut places: BTreeMap<PathBuf, BTreeSet<u64>> = BTreeMap::new();
        for site in sites {
            places.entry(site.path.clone()).or_default().insert(site.offset.0);
        }
        let places =
            places.into_iter().map(|(path, offsets)| (path, offsets.into_iter().map(FileOffset).collect()));
        Self { pid, places: places.collect() }
    }

    /// Does it. Takes some tens of milliseconds where there are many probes.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn run(&self) -> Result<(), AttachError> {
        self.places
            .iter()
            .try_for_each(|(path, offsets)| bare_probes(self.pid, path, offsets, false).map(drop))
    }
}
