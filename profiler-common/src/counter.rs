//! The kernel side's counters: one number a cause, never a log line alone.

/// Index into the per-CPU counter array. All count records or hits since attaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Counter {
    /// Records that the rate chose: at a source, or, by their key where no source is probed, at the first stage that they came to.
    Sampled = 0,
    /// Sampled records that became traces.
    Admitted = 1,
    /// Sampled records that the budget of their second refused.
    RefusedBudget = 2,
    /// Sampled records refused because all trace slots were taken.
    RefusedFull = 3,
    /// Sampled records refused because their key was just being ended on another CPU.
    RefusedBusy = 4,
    /// Sampled records refused because the agent paused sampling.
    RefusedPaused = 5,
    /// Traces ended, by outcome: this plus the outcome's code minus one, for the outcomes that every spec has.
    Written = 6,
    /// See [`Counter::Written`].
    Filtered = 7,
    /// See [`Counter::Written`].
    Superseded = 8,
    /// See [`Counter::Written`].
    Expired = 9,
    /// See [`Counter::Written`].
    TargetExit = 10,
    /// See [`Counter::Written`].
    ThreadExit = 11,
    /// See [`Counter::Written`].
    SourceUnseen = 12,
    /// See [`Counter::Written`].
    Split = 13,
    /// Records that came to a source: the base of the sampling rate.
    Records = 14,
    /// Records not even sequenced, because the table of source tasks was full.
    TasksFull = 15,
    /// Stamps not kept because their trace was at its maximum of entries.
    EntriesFull = 16,
    /// Notices that found no room in the ring; the agent finds these traces in their slots.
    NoticeFull = 17,
    /// Returns whose entry was not seen, or forgotten because too many calls were open.
    EntryUnseen = 18,
    /// Outputs of sampled records that became journeys of their own.
    Branched = 19,
    /// Outputs of sampled records that did not: their parent had its bound of branches, or lay as deep as branches go.
    BranchesFull = 20,
    /// Outputs of sampled records that did not: all trace slots were taken, or their key was just being ended on another CPU.
    BranchesRefused = 21,
    /// Keys not bound because their trace had its bound of them.
    KeysFull = 22,
    /// Keys not bound because the table was full, or the key just being ended on another CPU.
    KeysRefused = 23,
    /// Scopes not opened because the thread had its bound of them, or there were too many threads with one.
    ScopesFull = 24,
    /// Scopes found left without their close: by an exception, a longjmp, or a call that never returned.
    ScopesLeft = 25,
    /// Records put into a batch that was not known, because the table of batches was full.
    BatchesFull = 26,
    /// Sampled records put into a batch that had its bound of sampled members.
    MembersFull = 27,
    /// Attributes not kept because their trace had its bound of them.
    AttributesFull = 28,
    /// Attributes whose memory could not be read.
    AttributesUnreadable = 29,
    /// Traces ended, by outcome, for those that the spec names: this plus the outcome's number.
    Named = 30,
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: u32 = Self::Named as u32 + crate::limits::MAX_NAMED_OUTCOMES as u32;

    /// The counter of traces that ended in `outcome`.
    #[must_use]
    pub const fn of_outcome(outcome: crate::Outcome) -> u32 {
        Self::of_outcome_code(outcome.code())
    }

    /// The same for an outcome's code.
    #[must_use]
    #[inline(always)]
    pub const fn of_outcome_code(code: u32) -> u32 {
        let fixed = crate::Outcome::FIXED.len() as u32;
        if code <= fixed { Self::Written as u32 + code - 1 } else { Self::Named as u32 + code - fixed - 1 }
    }
}

/// What happened at one probe, on one CPU. All are counts of hits since attaching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ProbeCount {
    /// Times the probe was hit, in any way.
    pub hits: u64,
    /// Hits whose key could not be read.
    pub unreadable: u64,
    /// Hits that stamped, began or ended a trace.
    pub stamps: u64,
}

const _: () = assert!(size_of::<ProbeCount>() == 24);
const _: () = assert!(Counter::of_outcome(crate::Outcome::SourceUnseen) == Counter::SourceUnseen as u32);
const _: () = assert!(Counter::of_outcome(crate::Outcome::Split) == Counter::Split as u32);
const _: () = assert!(Counter::of_outcome(crate::Outcome::Named(0)) == Counter::Named as u32);
