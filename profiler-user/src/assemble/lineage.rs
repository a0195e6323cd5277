//! What a branch shares with the journey that it came out of.
//!
//! The kernel program copies nothing: a branch names its parent and how many entries that one had. So the agent keeps what it has read of a parent until all
//! its branches are read. Bounded by the slots: a parent is kept only while a branch of it lies in one.

use std::collections::HashMap;
use std::sync::Arc;

use profiler_common::{Entry, Extra, Outcome, SlotHeader};

use super::own::Journey;
use super::{Corrupt, Slot, Tables};

/// A journey that others branched off, as its slot was read.
#[derive(Debug)]
pub struct Ancestor {
    header: SlotHeader,
    entries: Vec<Entry>,
    extras: Vec<Extra>,
    parent: Option<Arc<Ancestor>>,
}

impl Ancestor {
    /// Keeps a slot.
    #[must_use]
    pub fn of(slot: &Slot<'_>) -> Arc<Self> {
        Arc::new(Self {
            header: *slot.header,
            entries: slot.entries.to_vec(),
            extras: slot.extras.to_vec(),
            parent: slot.parent.cloned(),
        })
    }

    /// As it was when it had `entries` entries and had not ended.
    fn slot<'a>(&'a self, header: &'a SlotHeader) -> Slot<'a> {
        Slot { header, entries: &self.entries, extras: &self.extras, parent: self.parent.as_ref() }
    }
}

/// Puts what the journey shares with its ancestors before its own stamps. How many stamps that are.
pub(super) fn inherit(slot: &Slot<'_>, tables: &Tables<'_>, own: &mut Journey) -> Result<usize, Corrupt> {
    if slot.header.parent == 0 {
        return Ok(0);
    }
    let parent = slot.parent.ok_or(Corrupt::NoParent)?;
    // As it stood when the branch was made: without its end, and with the entries that it had been asked for, some of which may have found no room.
    let header = SlotHeader {
        entries: slot.header.shared.min(parent.header.entries),
        flags: parent.header.flags & !SlotHeader::HAS_TERMINAL,
        end_ns: u64::MAX,
        ..parent.header
    };
    let before = parent.slot(&header);
    let mut from = Journey::of(&before, tables, Outcome::Split)?;
    inherit(&before, tables, &mut from)?;
    let shared = from.stamps.len();
    own.torn_stamps += from.torn_stamps;
    own.entries_dropped += from.entries_dropped;
    own.extras.moved_by(shared);
    own.extras.inherit(from.extras, shared);
    own.stamps.splice(..0, from.stamps);
    Ok(shared)
}

/// The parents of which branches are still to be read.
#[derive(Debug, Default)]
pub struct Lineage {
    parents: HashMap<u64, Parent>,
}

#[derive(Debug, Default)]
struct Parent {
    /// Once it has ended and was read, with the number of its branches.
    ended: Option<(Arc<Ancestor>, u32)>,
    /// Branches read so far.
    read: u32,
}

impl Lineage {
    /// What was kept of the journey with this handle.
    #[must_use]
    pub fn get(&self, handle: u64) -> Option<&Arc<Ancestor>> {
        self.parents.get(&handle)?.ended.as_ref().map(|(ancestor, _)| ancestor)
    }

    /// A slot was read: keeps it if branches of it are still to come, and forgets its parent if it was the last one of that.
    pub fn read(&mut self, slot: &Slot<'_>) {
        let SlotHeader { handle, parent, branches, .. } = *slot.header;
        if branches > 0 {
            self.parents.entry(handle).or_default().ended = Some((Ancestor::of(slot), branches));
            self.forget_if_done(handle);
        }
        if parent != 0 {
            self.parents.entry(parent).or_default().read += 1;
            self.forget_if_done(parent);
        }
    }

    /// How many parents are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    fn forget_if_done(&mut self, handle: u64) {
        let is_done = |parent: &Parent| parent.ended.as_ref().is_some_and(|(_, all)| parent.read >= *all);
        if self.parents.get(&handle).is_some_and(is_done) {
            self.parents.remove(&handle);
        }
    }
}
