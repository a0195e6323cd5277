//! The settings of the kernel program, each changed as one word.
//!
//! A write through the map's system call copies all settings byte by byte: a hit in the middle of it could sample by a rate that is half the old
//! and half the new one. Here every field is one aligned word, stored as one.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::MmapRaw;
use profiler_common::{Config, Edition};

use super::error::AttachError;
use super::shared::map;

/// See the module.
#[derive(Debug)]
pub(super) struct LiveSettings(MmapRaw);

impl LiveSettings {
    /// Maps the settings.
    ///
    /// # Errors
    /// When the kernel refuses the mapping.
    pub(super) fn new(fd: BorrowedFd<'_>) -> Result<Self, AttachError> {
        map(fd, size_of::<Config>()).map(Self)
    }

    fn config(&self) -> *mut Config {
        self.0.as_mut_ptr().cast()
    }

    pub(super) fn set_rate(&self, rate: u64) {
        // SAFETY: the mapping holds one `Config`; its fields are aligned words, that the kernel program only reads.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.config()).rate) }.store(rate, Ordering::Release);
    }

    pub(super) fn set_budget(&self, budget: u32) {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.config()).budget) }.store(budget, Ordering::Release);
    }

    pub(super) fn set_paused(&self, paused: bool) {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.config()).paused) }
            .store(u32::from(paused), Ordering::Release);
    }

    pub(super) fn set_edition(&self, edition: Edition) {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.config()).edition.0) }
            .store(edition.0, Ordering::Release);
    }

    pub(super) fn set_closed(&self, closed: bool) {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.config()).closed) }
            .store(u32::from(closed), Ordering::Release);
    }
}
