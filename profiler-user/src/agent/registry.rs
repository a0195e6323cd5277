//! All sites of the session: probe ids are given once, also to processes that come later.

use std::collections::HashMap;
use std::path::PathBuf;

use profiler_common::limits::MAX_PROBES;

use crate::assemble::ProbeTable;
use crate::attach::{AttachError, Kernel, mark_leading};
use crate::plan::{Site, Trap};
use crate::spec::Spec;
use crate::symbol::FileOffset;

/// Sites that there is room for beyond those of the first processes: for later ones that run another build.
const SPARE: u32 = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Registry {
    sites: Vec<Site>,
    places: HashMap<(PathBuf, FileOffset, Trap), u32>,
    table: ProbeTable,
}

impl Registry {
    /// Room to ask the kernel for when the first process has `sites` sites at the level at which it has most.
    pub(super) fn room_for(sites: usize) -> u32 {
        let sites = u32::try_from(sites).unwrap_or(MAX_PROBES);
        // Each edition that a session is given has sites of its own.
        sites.saturating_mul(Spec::EDITIONS).saturating_add(SPARE).min(MAX_PROBES)
    }

    /// Whether there is room for these sites beside those that are known.
    fn check_room(&self, planned: &[Site], room: u32) -> Result<(), AttachError> {
        let is_new = |site: &&Site| !self.sites.iter().any(|known| is_same(known, site));
        let sites = self.sites.len() + planned.iter().filter(is_new).count();
        if sites <= room as usize { Ok(()) } else { Err(AttachError::NoRoom { sites, room }) }
    }

    /// Gives the sites of a process in an edition of the spec their probe ids: those of the same place in the same file keep theirs. They sleep in every other
    /// edition.
    ///
    /// # Errors
    /// When there is no room for a new one.
    pub(super) fn adopt(
        &mut self,
        mut planned: Vec<Site>,
        spec: &Spec,
        kernel: &mut Kernel,
    ) -> Result<Vec<Site>, AttachError> {
        let mut adopted = Vec::with_capacity(planned.len());
        for site in &mut planned {
            site.spec.sleeps = !(1 << spec.edition().0);
            site.spec.place = self.place(site);
        }
        mark_leading(&mut planned);
        self.check_room(&planned, kernel.room())?;
        for mut site in planned {
            if let Some(known) = self.sites.iter().find(|known| is_same(known, &site)) {
                site.probe = known.probe;
            } else {
                site.probe = u32::try_from(self.sites.len()).unwrap_or(MAX_PROBES);
                kernel.set_probe(&site)?;
                self.sites.push(site.clone());
                self.table = ProbeTable::new(&self.sites, &spec.stages);
            }
            adopted.push(site);
        }
        Ok(adopted)
    }

    /// The number of a site's place, from 1.
    fn place(&mut self, site: &Site) -> u32 {
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX).saturating_add(1);
        *self.places.entry((site.file.clone(), site.offset, site.trap)).or_insert(next)
    }

    /// All sites, by probe id.
    pub(super) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// What each probe stands for.
    pub(super) fn table(&self) -> &ProbeTable {
        &self.table
    }
}

/// The same place for the same purpose. Paths may differ, they lead through processes; the name in the process does not.
fn is_same(known: &Site, site: &Site) -> bool {
    known.stage == site.stage
        && known.file == site.file
        && known.offset == site.offset
        && known.trap == site.trap
        && known.spec == site.spec
        && known.predicate == site.predicate
        && known.more == site.more
        && known.symbol == site.symbol
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_all_editions_and_told_where_it_does_not_do() {
        assert_eq!((Registry::room_for(2), Registry::room_for(100)), (266, 756));
        assert_eq!(Registry::room_for(usize::MAX), MAX_PROBES);
        let registry = Registry::default();
        assert!(registry.check_room(&[], 0).is_ok());
        let error = AttachError::NoRoom { sites: 300, room: 266 }.to_string();
        assert!(
            error.starts_with("300 sites would be needed, and this session has room for 266,"),
            "{error}"
        );
    }
}
