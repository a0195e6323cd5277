//! Least privilege: of root's powers the agent keeps only those that it uses.

use crate::attach::{Backend, best_backend};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};

/// BPF programs, maps and probes; looking into processes of other users and at the files that they map.
fn needed(backend: Option<Backend>) -> CapabilitySet {
    // Kernels differ in which capability a uprobe by a perf event wants: since 6.16, and in maintained older ones, it is CAP_SYS_ADMIN.
    let by_perf = backend.or_else(|| best_backend().ok()) == Some(Backend::Perf);
    let for_probes = if by_perf { CapabilitySet::SYS_ADMIN } else { CapabilitySet::empty() };
    for_probes
        | CapabilitySet::BPF
        | CapabilitySet::PERFMON
        | CapabilitySet::SYS_PTRACE
        | CapabilitySet::DAC_READ_SEARCH
        | CapabilitySet::CHECKPOINT_RESTORE
}

/// Gives up what is not needed to set probes by `backend` (the best one when `None`), for this thread and those that it starts. Before any other is started. Best effort: who has little gives up
/// little, and a kernel that refuses leaves us with what we had.
pub(super) fn narrow(backend: Option<Backend>) {
    let Ok(have) = capabilities(None) else { return };
    if !have.effective.contains(CapabilitySet::BPF | CapabilitySet::PERFMON) {
        // What little there is may be all that works: CAP_SYS_ADMIN alone serves on older kernels.
        return;
    }
    let keep = needed(backend);
    let sets = CapabilitySets {
        effective: have.effective & keep,
        permitted: have.permitted & keep,
        inheritable: CapabilitySet::empty(),
    };
    if let Err(error) = set_no_new_privs(true).and_then(|()| set_capabilities(None, sets)) {
        log::warn!("privileges not narrowed: {error}");
    }
}
