//! What the kernel program keeps of processes and their threads in tables of its own: sequences, open calls, scopes, batches.
//!
//! Owns: finding what is whose, and taking it out. Refuses: knowing who is gone.

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use profiler_common::slot::{CallKey, SavedArgs};
use profiler_common::{Batch, Key, ScopeStack, SequenceKey, ThreadKey};

use super::error::AttachError;
use super::kernel::take;
use super::object::chain;

/// Elements of one table that are looked at, at most: none has more, and a walk may begin again when another element goes meanwhile.
const MAX_WALK: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Belongings {
    sequences: HashMap<MapData, SequenceKey, u64>,
    calls: HashMap<MapData, CallKey, SavedArgs>,
    scopes: HashMap<MapData, ThreadKey, ScopeStack>,
    batches: HashMap<MapData, Key, Batch>,
    taken: HashMap<MapData, u32, u64>,
}

impl Belongings {
    /// The tables of a loaded object.
    ///
    /// # Errors
    /// When it lacks one.
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, AttachError> {
        Ok(Self {
            sequences: take(ebpf, "SEQUENCES")?,
            calls: take(ebpf, "CALLS")?,
            scopes: take(ebpf, "SCOPES")?,
            batches: take(ebpf, "BATCHES")?,
            taken: take(ebpf, "TAKEN")?,
        })
    }

    /// Forgets the arguments that were saved for the returns of these calls. None of them is being saved just now.
    ///
    /// # Errors
    /// When the kernel refuses the look.
    pub(super) fn forget_calls(&mut self, is_meant: impl Fn(u32) -> bool) -> Result<(), AttachError> {
        let failed = |error: &MapError| AttachError::Load(chain(error));
        let keys: Result<Vec<CallKey>, MapError> = self.calls.keys().take(MAX_WALK).collect();
        for key in keys.map_err(|error| failed(&error))?.iter().filter(|key| is_meant(key.call)) {
            match self.calls.remove(key) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(())
    }

    /// Forgets which threads' hits a new set of sites took.
    pub(super) fn forget_change(&mut self) {
        for thread in found(&self.taken, |_| true) {
            let _ = self.taken.remove(&thread);
        }
    }

    /// Forgets the sequences and the batches of a process that is gone. Batches in a space that is shared are of all processes, and stay.
    pub(super) fn forget_process(&mut self, process: u32) {
        for key in found(&self.sequences, |key| key.process == process) {
            let _ = self.sequences.remove(&key);
        }
        for key in found(&self.batches, |key| key.process == process) {
            let _ = self.batches.remove(&key);
        }
    }

    /// The threads of a process of which scopes are known.
    pub(super) fn threads_with_scopes(&self, process: u32) -> Vec<ThreadKey> {
        found(&self.scopes, |thread| thread.process == process)
    }
}

/// The keys of a table that are meant. One that has gone meanwhile is nothing to be found.
fn found<K: aya::Pod, V: aya::Pod>(table: &HashMap<MapData, K, V>, is_meant: impl Fn(&K) -> bool) -> Vec<K> {
    table.keys().take(MAX_WALK).flatten().filter(is_meant).collect()
}
