//! Threads and processes that come and go.

use profiler_common::{Key, NoticeKind, Outcome, ProbeSpec, ThreadKey};

use crate::frame::ids;
use crate::maps::{CONFIG, PROCESSES};
use crate::{end, in_flight, scope, sequence};

/// The running thread; `None` when it is in a pid namespace that is not the agent's.
#[inline(always)]
fn current() -> Option<(u32, u32)> {
    ids(CONFIG.get(0)?)
}

#[inline(always)]
fn process_number(tgid: u32) -> Option<u32> {
    // SAFETY: an element of the hash map; the agent removes it only after the process has ended.
    PROCESSES.get_ptr(tgid).map(|number| unsafe { *number })
}

/// A thread ends: its sequence must not go on in a later thread with the same id, nor its trace.
#[inline(always)]
pub fn thread_exit() {
    let Some((tgid, tid)) = current() else { return };
    let Some(process) = process_number(tgid) else { return };
    sequence::forget(process, tid);
    scope::forget_thread(ThreadKey { process, tid });
    // Closed, the accounts are being read: what is in flight then is told as such.
    let Some(config) = CONFIG.get(0).filter(|config| config.closed == 0) else { return };
    let key = Key { process, space: ProbeSpec::SPACE_THREAD, value: u64::from(tid) };
    if let Some(journey) = in_flight::find(config, key) {
        end::end(&journey, Outcome::ThreadExit.code(), None);
    }
}

/// A process image was replaced: that of a target, whose records are gone with it, or one that may be a target from now on.
#[inline(always)]
pub fn exec() {
    let Some((tgid, _)) = current() else { return };
    let wants_new = CONFIG.get(0).is_some_and(|config| config.watch_new != 0);
    if wants_new || process_number(tgid).is_some() {
        end::notify(NoticeKind::Exec, u64::from(tgid));
    }
}

/// A target forked: the child may be a target too.
#[inline(always)]
pub fn fork() {
    let Some((tgid, _)) = current() else { return };
    if process_number(tgid).is_some() {
        end::notify(NoticeKind::Fork, u64::from(tgid));
    }
}
