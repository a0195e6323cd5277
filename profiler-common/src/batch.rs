//! Batches: many records that go one way together.

use crate::limits::MAX_MEMBERS;

/// One batch that is being filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Batch {
    /// Its serial number: no two batches of a session have the same.
    pub serial: u64,
    /// Records put into it, sampled or not.
    pub size: u32,
    /// Sampled members asked for; those past the bound are not in `member`.
    pub members: u32,
    /// Handles of the sampled members.
    pub member: [u64; MAX_MEMBERS as usize],
}

impl Default for Batch {
    fn default() -> Self {
        Self { serial: 0, size: 0, members: 0, member: [0; MAX_MEMBERS as usize] }
    }
}

const _: () = assert!(size_of::<Batch>() == 16 + 8 * MAX_MEMBERS as usize);
