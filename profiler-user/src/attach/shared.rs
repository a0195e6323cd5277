//! The memory that agent and kernel program share: slots, entries, and the ring of free slots.
//!
//! Nobody else in the agent touches it. Every access is volatile or atomic, since the kernel program writes at any time.

use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use profiler_common::slot::FreeCursors;
use profiler_common::{Config, Entry, Extra, Handle, SlotHeader, SlotState};

use super::error::AttachError;

/// A value that may be copied out of shared memory bit by bit.
trait Plain: Copy {}
impl Plain for SlotHeader {}
impl Plain for Entry {}
impl Plain for Extra {}
impl Plain for u32 {}

/// The shared arrays.
#[derive(Debug)]
pub struct Shared {
    headers: MmapRaw,
    entries: MmapRaw,
    extras: MmapRaw,
    free: MmapRaw,
    cursors: MmapRaw,
    slots: u32,
    max_entries: u32,
    max_extras: u32,
}

/// What lies in a slot beside its header.
#[derive(Clone, Debug, Default)]
pub struct SlotContent {
    /// All its entries, in use or not; the last place is the terminal stamp's.
    pub entries: Vec<Entry>,
    /// All its extras, in use or not.
    pub extras: Vec<Extra>,
}

/// Descriptors of the shared maps.
pub(super) struct SharedFds<'a> {
    pub(super) headers: BorrowedFd<'a>,
    pub(super) entries: BorrowedFd<'a>,
    pub(super) extras: BorrowedFd<'a>,
    pub(super) free: BorrowedFd<'a>,
    pub(super) cursors: BorrowedFd<'a>,
}

impl Shared {
    /// Maps the arrays and puts every slot on the free list.
    ///
    /// # Errors
    /// When the kernel refuses the mapping.
    pub(super) fn new(fds: &SharedFds<'_>, config: &Config) -> Result<Self, AttachError> {
        let Config { slots, max_entries, max_extras, .. } = *config;
        let all_entries = slots as usize * max_entries as usize;
        let all_extras = (slots as usize * max_extras as usize).max(1);
        let shared = Self {
            headers: map(fds.headers, slots as usize * size_of::<SlotHeader>())?,
            entries: map(fds.entries, all_entries * size_of::<Entry>())?,
            extras: map(fds.extras, all_extras * size_of::<Extra>())?,
            free: map(fds.free, slots as usize * size_of::<u64>())?,
            cursors: map(fds.cursors, size_of::<FreeCursors>())?,
            slots,
            max_entries,
            max_extras,
        };
        (0..slots).for_each(|slot| shared.give(slot));
        Ok(shared)
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The state of a slot, and the handle, start and process of the trace in it.
    #[must_use]
    pub fn header(&self, slot: u32) -> Option<SlotHeader> {
        (slot < self.slots).then(|| self.read(&self.headers, slot as usize))
    }

    /// The latest stamp on the way of the trace with this header.
    #[must_use]
    pub fn latest(&self, header: &SlotHeader) -> Option<Entry> {
        let kept = header.entries.min(self.max_entries.saturating_sub(1)).checked_sub(1)?;
        let slot = Handle(header.handle).slot();
        (slot < self.slots)
            .then(|| self.read(&self.entries, slot as usize * self.max_entries as usize + kept as usize))
    }

    /// A slot with its entries. Complete only after a grace period since it was seen finished.
    #[must_use]
    pub fn view(&self, slot: u32, into: &mut SlotContent) -> Option<SlotHeader> {
        let header = self.header(slot)?;
        self.read_all(&self.entries, slot, self.max_entries, &mut into.entries);
        // Few traces have any, and they are large.
        let extras = if header.extras == 0 { 0 } else { self.max_extras };
        self.read_all(&self.extras, slot, extras, &mut into.extras);
        Some(header)
    }

    /// Reads the `each` values that belong to a slot.
    fn read_all<T: Plain>(&self, from: &MmapRaw, slot: u32, each: u32, into: &mut Vec<T>) {
        into.clear();
        let first = slot as usize * each as usize;
        into.extend((first..first + each as usize).map(|index| self.read::<T>(from, index)));
    }

    /// Puts a finished or returned slot back on the free list. A grace period must have passed since it was seen in that state.
    pub fn release(&self, handle: Handle) {
        let slot = handle.slot();
        let Some(header) = self.header(slot) else { return };
        let state = SlotState::from_code(header.state);
        if header.handle != handle.0 || !matches!(state, Some(SlotState::Finished | SlotState::Returned)) {
            return;
        }
        // SAFETY: `header` above has checked the bounds; `state` is the first field of a `#[repr(C)]` layout, and in these states
        // only the agent writes it.
        unsafe {
            let header = self.headers.as_mut_ptr().cast::<SlotHeader>().add(slot as usize);
            (&raw mut (*header).state).write_volatile(SlotState::Free as u32);
        }
        self.give(slot);
    }

    /// Appends to the ring of free slots. Only called by the agent's one harvesting thread.
    fn give(&self, slot: u32) {
        let cursors = self.cursors.as_mut_ptr().cast::<FreeCursors>();
        // SAFETY: the mapping holds one `FreeCursors`; its fields are aligned words that both sides access atomically.
        let tail = unsafe { AtomicU64::from_ptr(&raw mut (*cursors).tail) };
        let at = tail.load(Ordering::Relaxed);
        let index = (at % u64::from(self.slots)) as usize;
        // SAFETY: `index` is below the number of elements. The place is outside `head..tail`: there are no more slots than places.
        unsafe { AtomicU64::from_ptr(self.free.as_mut_ptr().cast::<u64>().add(index)) }
            .store(u64::from(slot), Ordering::Relaxed);
        tail.store(at + 1, Ordering::Release);
    }

    fn read<T: Plain>(&self, from: &MmapRaw, index: usize) -> T {
        debug_assert!((index + 1) * size_of::<T>() <= from.len());
        // SAFETY: callers stay below the number of elements that the mapping was made for; `T` is `Plain`.
        unsafe { from.as_ptr().cast::<T>().add(index).read_volatile() }
    }
}

pub(super) fn map(fd: BorrowedFd<'_>, bytes: usize) -> Result<MmapRaw, AttachError> {
    let page = rustix::param::page_size();
    MmapOptions::new()
        .len(bytes.next_multiple_of(page))
        .map_raw(fd.as_raw_fd())
        .map_err(|error| AttachError::system("mapping a BPF map", error))
}
