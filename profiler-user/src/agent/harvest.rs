//! Gathers ended traces out of the shared slots, and ends those whose time is over.
//!
//! Owns: when a slot may be read and when it goes back. Refuses: understanding entries.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use profiler_common::{Entry, Handle, Key, NoticeKind, Outcome, SlotHeader, SlotState};

use crate::assemble::{Ancestor, Lineage, Slot};
use crate::attach::{AttachError, Grace, Kernel, SlotContent};
use crate::plan::Site;
use crate::spec::Spec;

/// How often all slots are looked at: for traces whose time is over, and those whose notice found no room.
const SCAN_EVERY: Duration = Duration::from_millis(500);

/// A coming or going that the kernel program told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// The process replaced its image.
    Exec(u32),
    /// The process, a target, has a new child.
    Fork(u32),
}

/// Slots whose traces have ended. To be [read](Harvest::read) after a grace period.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Ended traces.
    pub ended: Vec<Handle>,
    /// Slots that hold nothing to read.
    pub returned: Vec<Handle>,
    /// What happened to processes.
    pub life: Vec<Life>,
}

impl Gathered {
    /// Whether a grace period is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.returned.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Harvest {
    ttl_ns: u64,
    /// Times within which a record must reach its next stage, ns, by the probe of the last one; empty where no stage has one.
    stage_ttl_ns: HashMap<u16, u64>,
    /// Stamps from before count for no such time: what came after them may not have been seen.
    all_on_since_ns: u64,
    max_entries: u32,
    scan_every_ns: u64,
    next_scan_ns: u64,
    content: SlotContent,
    lineage: Lineage,
}

impl Harvest {
    /// Traces older than `ttl` are ended as expired; each has room for `max_entries` stamps.
    #[must_use]
    pub fn new(ttl: Duration, max_entries: u32) -> Self {
        let ttl_ns = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        let scan_every_ns = (SCAN_EVERY.as_nanos() as u64).min(ttl_ns / 4).max(1_000_000);
        Self {
            ttl_ns,
            scan_every_ns,
            next_scan_ns: 0,
            stage_ttl_ns: HashMap::new(),
            all_on_since_ns: 0,
            max_entries,
            content: SlotContent::default(),
            lineage: Lineage::default(),
        }
    }

    /// A record that was last stamped by this probe must be stamped again within `ttl`.
    pub fn set_stage_ttl(&mut self, probe: u32, ttl: Duration) {
        if let Ok(probe) = u16::try_from(probe) {
            self.stage_ttl_ns.insert(probe, u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Takes over how long traces may stay at each of these sites. Not while a stage is off: it may be the very one that records are awaited at.
    pub(super) fn set_stage_ttls(&mut self, sites: &[Site], spec: &Spec) {
        if spec.has_off() {
            return;
        }
        for site in sites {
            let stage = spec.stages.get(site.stage).filter(|stage| spec.is_probed(stage));
            if let Some(ttl) = stage.and_then(|stage| stage.ttl) {
                self.set_stage_ttl(site.probe, ttl);
            }
        }
    }

    /// The spec is `to` now, after `from`; these are all sites that there ever were.
    pub(super) fn follow_spec(&mut self, sites: &[Site], [from, to]: [&Spec; 2], now_ns: u64) {
        self.stage_ttl_ns.clear();
        self.set_stage_ttls(sites, to);
        if from.has_off() {
            self.all_on_since_ns = now_ns;
        }
    }

    /// Collects what has ended. `now_ns` is the monotonic clock.
    ///
    /// # Errors
    /// When the kernel program cannot be run to end a trace.
    pub fn gather(&mut self, kernel: &mut Kernel, now_ns: u64) -> Result<Gathered, AttachError> {
        let mut gathered = Gathered::default();
        kernel.drain_notices(|kind, value| match kind {
            NoticeKind::Finished => gathered.ended.push(Handle(value)),
            NoticeKind::Exec => gathered.life.extend(u32::try_from(value).map(Life::Exec)),
            NoticeKind::Fork => gathered.life.extend(u32::try_from(value).map(Life::Fork)),
        });
        if now_ns >= self.next_scan_ns {
            self.next_scan_ns = now_ns + self.scan_every_ns;
            self.scan(kernel, now_ns, &mut gathered)?;
        }
        Ok(gathered)
    }

    /// Looks at every slot.
    fn scan(&self, kernel: &Kernel, now_ns: u64, gathered: &mut Gathered) -> Result<(), AttachError> {
        for header in headers(kernel) {
            let handle = Handle(header.handle);
            match SlotState::from_code(header.state) {
                Some(SlotState::Finished) => gathered.ended.push(handle),
                Some(SlotState::Returned) => gathered.returned.push(handle),
                Some(SlotState::Open) => {
                    if let Some(outcome) = self.end_of(kernel, &header, now_ns) {
                        kernel.end_trace(handle, outcome)?;
                        // Gathered here and now: at the end of a session no later scan would find it.
                        gathered.ended.push(handle);
                    }
                }
                _ => {}
            }
        }
        gathered.ended.sort_unstable();
        gathered.ended.dedup();
        Ok(())
    }

    /// How a trace in flight is to end, if it is: nothing leads to it any more, or its time to live is over.
    fn end_of(&self, kernel: &Kernel, header: &SlotHeader, now_ns: u64) -> Option<Outcome> {
        let is_lost = header.live_keys == 0;
        let age_ns = now_ns.saturating_sub(header.start_ns);
        let is_over = age_ns > self.ttl_ns || self.is_stuck(kernel, header, now_ns);
        let outcome = if is_lost { Outcome::Superseded } else { Outcome::Expired };
        ((is_lost || is_over) && is_settled(kernel, header)).then_some(outcome)
    }

    /// Whether the record has been longer on its way from its latest stage than that allows.
    fn is_stuck(&self, kernel: &Kernel, header: &SlotHeader, now_ns: u64) -> bool {
        if self.stage_ttl_ns.is_empty() {
            return false;
        }
        kernel.shared().latest(header).is_some_and(|latest| self.is_overdue(header, &latest, now_ns))
    }

    /// Whether the next stage after the one of this stamp, the latest that was kept, is overdue.
    fn is_overdue(&self, header: &SlotHeader, latest: &Entry, now_ns: u64) -> bool {
        // Once stamps found no room, nobody knows where the record is. The last place is the terminal stamp's.
        let is_known = header.entries < self.max_entries
            && latest.mark == Handle(header.handle).generation() as u32
            && latest.ts_ns >= self.all_on_since_ns;
        let ttl_ns = self.stage_ttl_ns.get(&latest.probe).filter(|_| is_known);
        ttl_ns.is_some_and(|ttl_ns| now_ns.saturating_sub(latest.ts_ns) > *ttl_ns)
    }

    /// Ends all traces of a process that has ended; none of its threads can stamp any more.
    ///
    /// # Errors
    /// When the kernel program cannot be run.
    pub fn end_process(&self, kernel: &Kernel, process: u32) -> Result<(), AttachError> {
        for header in headers(kernel) {
            let open = SlotState::from_code(header.state) == Some(SlotState::Open);
            if open && header.process == process && !is_shared(&header) && is_settled(kernel, &header) {
                kernel.end_trace(Handle(header.handle), Outcome::TargetExit)?;
            }
        }
        Ok(())
    }

    /// Hands the gathered traces to `take` and their slots back to the kernel program. Only after a grace period.
    pub fn read(&mut self, kernel: &Kernel, gathered: &Gathered, mut take: impl FnMut(&Slot<'_>)) {
        for handle in &gathered.ended {
            let Some(header) = kernel.shared().view(handle.slot(), &mut self.content) else { continue };
            // A notice and a scan may both have found it: the second time the slot is no longer this trace's.
            if header.handle == handle.0 && SlotState::from_code(header.state) == Some(SlotState::Finished) {
                let parent = self.parent(kernel, header.parent);
                let SlotContent { entries, extras } = &self.content;
                let slot = Slot { header: &header, entries, extras, parent: parent.as_ref() };
                take(&slot);
                self.lineage.read(&slot);
                kernel.shared().release(*handle);
            }
        }
        gathered.returned.iter().for_each(|handle| kernel.shared().release(*handle));
    }

    /// The journey with this handle, for one that branched off it: kept from when it was read, or still in its slot, which only this hands on.
    fn parent(&self, kernel: &Kernel, handle: u64) -> Option<Arc<Ancestor>> {
        if handle == 0 {
            return None;
        }
        if let Some(kept) = self.lineage.get(handle) {
            return Some(Arc::clone(kept));
        }
        let mut content = SlotContent::default();
        let header = kernel.shared().view(Handle(handle).slot(), &mut content)?;
        if header.handle != handle {
            return None;
        }
        let parent = self.parent(kernel, header.parent);
        let SlotContent { entries, extras } = &content;
        Some(Ancestor::of(&Slot { header: &header, entries, extras, parent: parent.as_ref() }))
    }

    /// Makes the next [gather](Self::gather) look at every slot.
    pub fn scan_next(&mut self) {
        self.next_scan_ns = 0;
    }

    /// Traces in flight: meaningful once the probes are gone and everything has been read.
    #[must_use]
    pub fn open(&self, kernel: &Kernel) -> u64 {
        headers(kernel).filter(|header| SlotState::from_code(header.state) == Some(SlotState::Open)).count()
            as u64
    }
}

fn headers(kernel: &Kernel) -> impl Iterator<Item = SlotHeader> + '_ {
    (0..kernel.shared().slots()).filter_map(|slot| kernel.shared().header(slot))
}

/// Whether the record may live on in another process.
fn is_shared(header: &SlotHeader) -> bool {
    // A private key first and keys of others besides: one of these is shared, or it would not have come so far.
    header.space & Key::SHARED != 0 || header.foreign_keys != 0
}

/// Whether a header that was read as open can be believed. The first reading may have met the kernel program in the midst of filling the slot,
/// and hold a new handle beside the start of the slot's last use. `Open` is written last: a reading after one that saw it is whole.
fn is_settled(kernel: &Kernel, read: &SlotHeader) -> bool {
    let what_matters = |header: &SlotHeader| {
        let &SlotHeader { handle, start_ns, process, space, live_keys, foreign_keys, .. } = header;
        (handle, start_ns, process, space, live_keys, foreign_keys)
    };
    let again = kernel.shared().header(Handle(read.handle).slot());
    again.is_some_and(|again| what_matters(&again) == what_matters(read))
}

/// Waits for a grace period without holding up the caller's runtime.
pub async fn grace_period(grace: Grace) {
    // A join error means the runtime is going down; the wait is then done here and now.
    if tokio::task::spawn_blocking(move || grace.wait()).await.is_err() {
        grace.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: u64 = (3 << 32) + 9;

    fn harvest() -> Harvest {
        let mut harvest = Harvest::new(Duration::from_secs(30), 8);
        harvest.set_stage_ttl(5, Duration::from_nanos(100));
        harvest
    }

    fn at(probe: u16, ts_ns: u64) -> Entry {
        Entry { probe, ts_ns, mark: 9, ..Entry::default() }
    }

    #[test]
    fn a_stage_is_overdue_by_the_latest_stamp_if_that_is_known() {
        let harvest = harvest();
        let header =
            |entries| SlotHeader { handle: Handle::new(1, GENERATION).0, entries, ..SlotHeader::default() };
        for (entries, latest, now_ns, expected) in [
            (3, at(5, 1000), 1100, false),
            (3, at(5, 1000), 1101, true),
            (3, at(4, 1000), 9999, false),
            (3, Entry { mark: 8, ..at(5, 1000) }, 9999, false),
            (7, at(5, 1000), 1101, true),
            // An eighth stamp found no room: the record went on.
            (8, at(5, 1000), 9999, false),
            (3, at(5, 2000), 1000, false),
        ] {
            let is_overdue = harvest.is_overdue(&header(entries), &latest, now_ns);
            assert_eq!(is_overdue, expected, "{entries} {latest:?} {now_ns}");
        }
    }

    #[test]
    fn while_a_stage_is_off_none_is_overdue_and_stamps_from_then_stay_so() {
        let text = "[target]\npid = 1\n[[stage]]\ncode = \"S0\"\npoint = \"emit\"\nkey = \"arg0\"\nttl = \"5s\"\n\
                    [[stage]]\ncode = \"Q+\"\npoint = \"put\"\nkey = \"arg0\"\n\
                    [[stage]]\ncode = \"W!\"\npoint = \"done\"\nkey = \"arg0\"\n";
        let on = crate::spec::load(Some(("spec.toml", text)), &crate::spec::Overrides::default()).unwrap();
        let off = on.switched(1, false).unwrap();
        let mut harvest = harvest();
        let header = SlotHeader { handle: Handle::new(1, GENERATION).0, entries: 2, ..SlotHeader::default() };
        assert!(harvest.is_overdue(&header, &at(5, 1000), 5000));
        harvest.follow_spec(&[], [&on, &off], 2000);
        assert!(!harvest.is_overdue(&header, &at(5, 1000), 5000));
        harvest.follow_spec(&[], [&off, &on], 3000);
        harvest.set_stage_ttl(5, Duration::from_nanos(100));
        assert!(!harvest.is_overdue(&header, &at(5, 2999), 5000));
        assert!(harvest.is_overdue(&header, &at(5, 3000), 5000));
    }
}
