//! 1-to-N: outputs of a record become journeys of their own.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::limits::{MAX_BRANCH_DEPTH, MAX_BRANCHES};
use profiler_common::{Counter, SlotHeader};

use crate::admit::{self, Beginning};
use crate::count::count;
use crate::frame::Frame;
use crate::hit::Hit;
use crate::in_flight::{self, Journey, add_to};
use crate::journey::BEGUN;
use crate::{refused, stamp};

/// A record with the key `value` comes out of the record of the journey `parent` (0: of one that is not traced). The handle of its journey, if it has one.
#[inline(never)]
pub fn make(cookie: u64, value: u64, parent: u64, frame: &Frame) -> u64 {
    let Some(hit) = Hit::of(cookie, frame) else { return 0 };
    // As at a source, whether the record is traced or not.
    in_flight::unbind(hit.config, hit.key(value));
    refused::forget(&hit, hit.key(value));
    if parent == 0 {
        return 0;
    }
    let Some(parent) = Journey::of(parent) else { return 0 };
    let ordinal = add_to!(parent, children, 1).wrapping_add(1);
    // SAFETY: a field of a map value that does not change while the trace is in flight.
    let path = unsafe { (*parent.header).branch };
    let is_deepest = path >> (8 * (MAX_BRANCH_DEPTH - 1)) != 0;
    if ordinal > hit.config.max_branches || ordinal > MAX_BRANCHES || is_deepest {
        count(Counter::BranchesFull);
        return 0;
    }
    grow(cookie, value, parent.handle.0, path << 8 | u64::from(ordinal), frame)
}

/// Makes the journey with this path, an output of `parent`.
#[inline(never)]
fn grow(cookie: u64, value: u64, parent: u64, path: u64, frame: &Frame) -> u64 {
    let Some(hit) = Hit::of(cookie, frame) else { return 0 };
    let Some(parent) = Journey::of(parent) else { return 0 };
    let key = hit.key(value);
    // Before the branch can be found: whoever reads the parent after its end must know how many will ask for its stamps.
    add_to!(parent, branches, 1);
    // SAFETY: fields of a map value that do not change while the trace is in flight.
    let (sequence, trace_id, start_ns) =
        unsafe { ((*parent.header).sequence, (*parent.header).trace_id, (*parent.header).start_ns) };
    let beginning = Beginning {
        key,
        task: hit.task_or_unknown(),
        sequence,
        trace_id,
        now_ns: start_ns,
        flags: flags(&parent),
    };
    let Some(child) = admit::take_slot(&hit, &beginning) else { return refuse(&parent) };
    // SAFETY: the child's slot is this program's alone; the parent's count is read as it is at this moment.
    unsafe {
        let entries = (&raw const (*parent.header).entries).read_volatile();
        // Those that found no room, too: the branch lacks them like its parent.
        (*child.header).shared = entries;
        (*child.header).parent = parent.handle.0;
        (*child.header).branch = path;
    }
    // SAFETY: the helper has no preconditions.
    stamp::write(&hit, child.handle, 0, beginning.task, unsafe { bpf_ktime_get_ns() });
    // A parent that has ended meanwhile may have been read already, without this branch: then there is none.
    if !parent.is_alive() {
        admit::give_back(&child);
        return refuse(&parent);
    }
    if !admit::open(hit.config, &child, key) {
        return refuse(&parent);
    }
    count(Counter::Branched);
    hit.count.stamp();
    child.handle.0 | BEGUN
}

/// What the branch has of its parent's flags.
#[inline(always)]
fn flags(parent: &Journey) -> u32 {
    // SAFETY: a field of a map value; its bits are set only by the record's own stages.
    unsafe { (*parent.header).flags & SlotHeader::PARTIAL }
}

#[inline(always)]
fn refuse(parent: &Journey) -> u64 {
    add_to!(parent, branches, u32::MAX);
    count(Counter::BranchesRefused);
    0
}
