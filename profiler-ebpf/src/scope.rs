//! Scopes: which record a thread works on.
//!
//! A stack for each thread, touched by that thread alone. A scope that is a call ends with it, however the call is left: where the stack pointer shows that its
//! function's frame is gone, so is the scope, and what follows on the thread is never taken for a part of it.

use aya_ebpf::bindings::BPF_NOEXIST;
use profiler_common::limits::MAX_SCOPES;
use profiler_common::{Counter, Outcome, ProbeSpec, ScopeFrame, ScopeStack, ThreadKey};

use crate::atomic;
use crate::count::{count, count_more};
use crate::end;
use crate::frame::Frame;
use crate::in_flight::{Journey, add_to};
use crate::maps::{CONFIG, NO_SCOPES, OPEN, PROBES, SCOPES, SCOPES_OPEN};
use crate::over::{LONG_LEFT, OPENS_CALL, OPENS_LONG, is_lower, not_zero, over};

/// Adds to the number of scopes of journeys that are open on any thread, wrapping.
#[inline(always)]
fn add_scopes(change: u64) {
    if let Some(open) = OPEN.get_ptr_mut(SCOPES_OPEN) {
        // SAFETY: an element of an array map, 8-byte aligned.
        unsafe { atomic::fetch_add(open, change) };
    }
}

/// Whether no thread has a scope of a journey open.
#[inline(always)]
pub fn none_open() -> bool {
    // SAFETY: an element of an array map. The scopes that matter to a thread it has opened itself.
    OPEN.get_ptr(SCOPES_OPEN).is_none_or(|open| unsafe { open.read_volatile() } == 0)
}

/// A thread ends, with all its scopes.
#[inline(always)]
pub fn forget_thread(thread: ThreadKey) {
    let Some(stack) = SCOPES.get_ptr_mut(thread) else { return };
    let open = open_scopes(stack);
    for index in 0..MAX_SCOPES as u32 {
        // SAFETY: a map value that this thread alone touches.
        let (handle, call) = unsafe { ((*at(stack, index)).handle, (*at(stack, index)).call) };
        if index < open && handle != 0 {
            add_scopes(u64::MAX);
            let_go(handle, u64::from(call == 0));
        }
    }
    let _ = SCOPES.remove(thread);
}

/// Stack pointer at the entry of the probed function, as seen from this hit.
#[inline(always)]
fn depth(cookie: u64, frame: &Frame) -> Option<u64> {
    PROBES.get(cookie as u32).map(|spec| frame.entry_stack_pointer(spec))
}

#[inline(always)]
fn stack(cookie: u64, frame: &Frame) -> Option<*mut ScopeStack> {
    SCOPES.get_ptr_mut(ThreadKey { process: (cookie >> 32) as u32, tid: frame.tid })
}

/// The frame at `index`. The mask is for the verifier.
#[inline(always)]
fn at(stack: *mut ScopeStack, index: u32) -> *mut ScopeFrame {
    // SAFETY: inside of the map value: the mask keeps the index below the array's length.
    unsafe { (&raw mut (*stack).frame).cast::<ScopeFrame>().add(index as usize & (MAX_SCOPES - 1)) }
}

#[inline(always)]
fn open_scopes(stack: *mut ScopeStack) -> u32 {
    // SAFETY: a map value that this thread alone touches.
    let depth = unsafe { (*stack).depth };
    if depth > MAX_SCOPES as u32 { MAX_SCOPES as u32 } else { depth }
}

/// Takes away the scopes that are over.
#[inline(never)]
fn settle(stack: *mut ScopeStack, here: u64, opening: u64) -> u64 {
    let Some(config) = CONFIG.get(0) else { return 0 };
    forget_overflow(stack, here);
    let open = open_scopes(stack);
    let (mut first, mut what) = (open, 0);
    for index in 0..MAX_SCOPES as u32 {
        if index >= open {
            break;
        }
        what = over(at(stack, index), here, opening);
        if what != 0 {
            first = index ^ config.zero;
            break;
        }
    }
    if what == 0 {
        return 0;
    }
    if what ^ u64::from(config.zero) == LONG_LEFT {
        first = leave_long(stack, first) as u32 ^ config.zero;
    }
    // Read anew: what the loop has made known of it is of no use, and would be walked for each of its turns.
    // SAFETY: a map value that this thread alone touches.
    let open = unsafe { (&raw const (*stack).depth).read_volatile() };
    if first < open { cut(stack, first) } else { 0 }
}

/// The scope at `index`, which a stage opened, was left, or its record has gone on elsewhere: which, is not known. With nothing around it, or nothing certain, it
/// is to be taken away; else it stays, hidden, until it is closed or a call around it ends, and of what is around it none is known to have stayed empty. From where on
/// scopes are to be taken away.
#[inline(never)]
fn leave_long(stack: *mut ScopeStack, index: u32) -> u64 {
    // SAFETY: a map value that this thread alone touches, here and below.
    let is_certain = index != 0 && unsafe { (*at(stack, index - 1)).flags } & ScopeFrame::HIDDEN == 0;
    if !is_certain {
        return u64::from(index);
    }
    doubt_all(stack);
    let scope = at(stack, index);
    // SAFETY: as above.
    let handle = unsafe {
        (*scope).flags |= ScopeFrame::HIDDEN;
        (*scope).handle
    };
    count_more(Counter::ScopesLeft, not_zero(handle));
    u64::from(index + 1)
}

/// The call of the outermost scope that found no room is over.
#[inline(always)]
fn forget_overflow(stack: *mut ScopeStack, here: u64) {
    // SAFETY: a map value that this thread alone touches.
    unsafe {
        if (*stack).overflow != 0 && (*stack).overflow <= here {
            (*stack).overflow = 0;
        }
    }
}

/// Takes the scopes from the one at `from` on away. If one of them went over into another function it has come to its end in the regular way (of several the
/// outermost); the others were left.
#[inline(never)]
fn cut(stack: *mut ScopeStack, from: u32) -> u64 {
    let Some(config) = CONFIG.get(0) else { return 0 };
    let open = open_scopes(stack);
    let (mut regular, mut left, mut traced) = (u64::from(open), 0, 0);
    for index in 0..MAX_SCOPES as u32 {
        if index >= open {
            break;
        }
        if index < from {
            continue;
        }
        // SAFETY: a map value that this thread alone touches.
        let (handle, flags) = unsafe { ((*at(stack, index)).handle, u64::from((*at(stack, index)).flags)) };
        // SAFETY: as above.
        let is_long = not_zero(u64::from(unsafe { (*at(stack, index)).call })) ^ 1;
        let (is_traced, is_tail) = (not_zero(handle), flags >> ScopeFrame::TAIL.trailing_zeros() & 1);
        // A hidden one was counted when it was hidden.
        let is_news = flags >> ScopeFrame::HIDDEN.trailing_zeros() & 1 ^ 1;
        let is_first = is_tail & (not_zero(regular ^ u64::from(open)) ^ 1);
        regular ^= (regular ^ u64::from(index ^ config.zero)) & is_first.wrapping_neg();
        left += is_traced & (is_tail ^ 1) & is_news;
        traced += is_traced;
        let_go(handle & is_first.wrapping_sub(1), is_long);
    }
    set_depth(stack, from);
    add_scopes(0u64.wrapping_sub(traced));
    count_more(Counter::ScopesLeft, left);
    if regular < u64::from(open) { close_at(stack, regular as u32) } else { 0 }
}

/// The scope at `index`, which is taken away by now, has come to its end in the regular way: says what that means for its journey, unless the journey has another
/// scope around it.
#[inline(never)]
fn close_at(stack: *mut ScopeStack, index: u32) -> u64 {
    // SAFETY: a map value that this thread alone touches, here and below.
    let scope = unsafe { at(stack, index).read() };
    let mut is_outermost = scope.handle != 0;
    for outer in 0..MAX_SCOPES as u32 {
        if outer >= index {
            break;
        }
        // SAFETY: as above.
        if unsafe { (*at(stack, outer)).handle } == scope.handle {
            is_outermost = false;
        }
    }
    // SAFETY: as above.
    if is_outermost && index >= unsafe { (*stack).doubted } {
        decide(&scope);
    }
    let_go(scope.handle, 0)
}

/// A scope of the journey is no more. If nothing else leads to it, the agent finds it so. `unsure` is 1 if a stage had opened it, and none closed it.
#[inline(never)]
fn let_go(handle: u64, unsure: u64) -> u64 {
    if handle != 0
        && let Some(journey) = Journey::of(handle)
    {
        add_to!(journey, scope_unsure, unsure as u32);
        journey.let_go_quietly();
    }
    0
}

/// The outermost scope of a journey has closed: it goes on if the record was handed on, else it has become others, or nothing.
#[inline(always)]
fn decide(scope: &ScopeFrame) -> u64 {
    let Some(journey) = Journey::of(scope.handle) else { return 0 };
    // SAFETY: fields of a map value, changed by the record's own stages.
    let (outputs, children) = unsafe { ((*journey.header).outputs, (*journey.header).children) };
    if outputs != scope.outputs {
        return 0;
    }
    // SAFETY: as above.
    let is_unsure = unsafe { (&raw const (*journey.header).scope_unsure).read_volatile() } != 0;
    if scope.flags & ScopeFrame::KEEPS_EMPTY != 0 || is_unsure || !journey.is_sure() {
        return 0;
    }
    if children != scope.children {
        return end::by_handle(scope.handle, Outcome::Split.code());
    }
    end::by_handle(scope.handle, Outcome::Filtered.code())
}

/// The handle of the journey of the thread's innermost scope; 0 for none.
#[inline(never)]
pub fn current(cookie: u64, frame: &Frame) -> u64 {
    let (Some(stack), Some(here)) = (stack(cookie, frame), depth(cookie, frame)) else { return 0 };
    settle(stack, here, 0);
    let open = open_scopes(stack);
    // SAFETY: a map value that this thread alone touches.
    if open == 0 || unsafe { (*stack).overflow } != 0 {
        return 0;
    }
    // SAFETY: as above.
    let (handle, flags) = unsafe { ((*at(stack, open - 1)).handle, (*at(stack, open - 1)).flags) };
    if handle == 0 || flags & ScopeFrame::HIDDEN != 0 {
        return 0;
    }
    match Journey::of(handle) {
        Some(journey) if journey.is_sure() => handle,
        _ => 0,
    }
}

/// A call that could be a scope begins: those that were in its place, or deeper in the stack, are over.
#[inline(always)]
pub fn enter(cookie: u64, frame: &Frame) {
    if let (Some(stack), Some(here)) = (stack(cookie, frame), depth(cookie, frame)) {
        settle(stack, here, OPENS_CALL);
    }
}

/// Opens a scope of a journey; without one (handle 0), hides the scopes that are open.
#[inline(never)]
pub fn open(cookie: u64, handle: u64, frame: &Frame) -> u64 {
    let (Some(here), Some(spec)) = (depth(cookie, frame), PROBES.get(cookie as u32)) else { return 0 };
    if let Some(stack) = stack(cookie, frame) {
        let is_call = spec.flags & ProbeSpec::SCOPE_IS_CALL != 0;
        settle(stack, here, if is_call { OPENS_CALL } else { OPENS_LONG });
        return push(stack, cookie, handle, here);
    }
    if handle == 0 {
        return 0;
    }
    let Some(none) = NO_SCOPES.get(0) else { return 0 };
    let thread = ThreadKey { process: (cookie >> 32) as u32, tid: frame.tid };
    let _ = SCOPES.insert(thread, none, u64::from(BPF_NOEXIST));
    let Some(stack) = SCOPES.get_ptr_mut(thread) else {
        count(Counter::ScopesFull);
        return 0;
    };
    push(stack, cookie, handle, here)
}

/// Puts a scope on top of those of a thread.
#[inline(never)]
fn push(stack: *mut ScopeStack, cookie: u64, handle: u64, here: u64) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    let open = open_scopes(stack);
    if handle == 0 && open == 0 {
        return 0;
    }
    // SAFETY: a map value that this thread alone touches, here and below.
    unsafe {
        if open >= MAX_SCOPES as u32 || (*stack).overflow != 0 {
            count(Counter::ScopesFull);
            // The outermost of those without room: as long as it may be open, nothing is certain.
            if (*stack).overflow == 0 {
                let is_call = spec.flags & ProbeSpec::SCOPE_IS_CALL != 0;
                (*stack).overflow = if is_call { here } else { ScopeStack::FOR_LONG };
            }
            return 0;
        }
    }
    let (outputs, children) = Journey::of(handle).map_or((0, 0), |journey| {
        journey.hold();
        // SAFETY: fields of a map value, changed by the record's own stages.
        unsafe { ((*journey.header).outputs, (*journey.header).children) }
    });
    let flags = if spec.flags & ProbeSpec::KEEPS_EMPTY != 0 { ScopeFrame::KEEPS_EMPTY } else { 0 }
        | if spec.flags & ProbeSpec::BY_TRAMPOLINE != 0 { ScopeFrame::BY_TRAMPOLINE } else { 0 };
    let place = at(stack, open);
    // SAFETY: as above.
    unsafe {
        // Of this one nothing is doubted yet.
        let is_deeper = is_lower(u64::from(open), u64::from((*stack).doubted));
        (*stack).doubted ^= ((*stack).doubted ^ open) & is_deeper.wrapping_neg() as u32;
        (*place).handle = handle;
        (*place).stack_pointer = here;
        (*place).return_address = Frame::word(here);
        (*place).outputs = outputs;
        (*place).children = children;
        (*place).call = if spec.flags & ProbeSpec::SCOPE_IS_CALL != 0 { spec.call } else { 0 };
        (*place).flags = flags;
        (*stack).depth = open + 1;
    }
    add_scopes(u64::from(handle != 0));
    0
}

/// Where the scope of this very call is; `MAX_SCOPES` if it has none.
#[inline(always)]
fn of_call(stack: *mut ScopeStack, call: u32, stack_pointer: u64) -> u32 {
    let zero = CONFIG.get(0).map_or(0, |config| config.zero);
    let open = open_scopes(stack);
    let mut found = MAX_SCOPES as u32;
    for index in 0..MAX_SCOPES as u32 {
        if index >= open {
            break;
        }
        let scope = at(stack, index);
        // SAFETY: a map value that this thread alone touches.
        if unsafe { (*scope).call == call && (*scope).stack_pointer == stack_pointer } {
            found = index ^ zero;
        }
    }
    found
}

/// The call that is a scope returns.
#[inline(never)]
pub fn leave(cookie: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    let (Some(stack), Some(here)) = (stack(cookie, frame), depth(cookie, frame)) else { return 0 };
    forget_overflow(stack, here);
    let index = of_call(stack, spec.call, here);
    if index >= MAX_SCOPES as u32 {
        return 0;
    }
    close_from(stack, index)
}

/// The scope at `index` closes; those inside of it, if there are any, were left.
#[inline(never)]
fn close_from(stack: *mut ScopeStack, index: u32) -> u64 {
    if open_scopes(stack) > index + 1 {
        cut(stack, index + 1);
    }
    set_depth(stack, index);
    // SAFETY: a map value that this thread alone touches.
    let is_traced = unsafe { (*at(stack, index)).handle } != 0;
    add_scopes(if is_traced { u64::MAX } else { 0 });
    close_at(stack, index)
}

/// So many scopes are left. One that found no room is forgotten where there is some again.
#[inline(always)]
fn set_depth(stack: *mut ScopeStack, depth: u32) {
    // SAFETY: a map value that this thread alone touches.
    unsafe {
        (*stack).depth = depth;
        let is_for_long = not_zero((*stack).overflow ^ ScopeStack::FOR_LONG) ^ 1;
        let is_over = is_for_long & is_lower(u64::from(depth), MAX_SCOPES as u64);
        (*stack).overflow &= is_over.wrapping_sub(1);
    }
}

/// A record that may have been handed on could not be told: of the scopes that are open on the thread none is known to have stayed empty.
#[inline(never)]
pub fn doubt(cookie: u64, frame: &Frame) -> u64 {
    if let Some(stack) = stack(cookie, frame) {
        doubt_all(stack);
    }
    0
}

#[inline(always)]
fn doubt_all(stack: *mut ScopeStack) {
    // SAFETY: a map value that this thread alone touches.
    unsafe { (*stack).doubted = open_scopes(stack) };
}

/// The call that is a scope goes over into another function.
#[inline(never)]
pub fn tail(cookie: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    let (Some(stack), Some(here)) = (stack(cookie, frame), depth(cookie, frame)) else { return 0 };
    let index = of_call(stack, spec.call, here);
    if index < MAX_SCOPES as u32 {
        cut(stack, index + 1);
        // SAFETY: a map value that this thread alone touches.
        unsafe { (*at(stack, index)).flags |= ScopeFrame::TAIL };
    }
    0
}

/// A stage closes the scope that another stage opened for its record. A record that is not traced, or is over, closes no more than its own scope, the innermost.
#[inline(never)]
pub fn close(cookie: u64, handle: u64, frame: &Frame) -> u64 {
    let (Some(stack), Some(config)) = (stack(cookie, frame), CONFIG.get(0)) else { return 0 };
    let open = open_scopes(stack);
    let mut found = MAX_SCOPES as u32;
    for index in 0..MAX_SCOPES as u32 {
        if index >= open || handle == 0 {
            break;
        }
        let scope = at(stack, index);
        // SAFETY: a map value that this thread alone touches.
        if unsafe { (*scope).call == 0 && (*scope).handle == handle } {
            found = index ^ config.zero;
        }
    }
    if handle == 0 && ends_untraced(stack) != 0 {
        found = (open - 1) ^ config.zero;
    }
    if found < MAX_SCOPES as u32 { close_from(stack, found) } else { 0 }
}

/// 1 if the innermost scope is one that a stage opened for a record that is not traced, or is over by now. Not if it may be another record's that is closed, whose
/// scope found no room.
#[inline(never)]
fn ends_untraced(stack: *mut ScopeStack) -> u64 {
    let open = open_scopes(stack);
    // SAFETY: a map value that this thread alone touches, here and below.
    if open == 0 || unsafe { (*stack).overflow } == ScopeStack::FOR_LONG {
        return 0;
    }
    // SAFETY: as above.
    let (call, handle) = unsafe { ((*at(stack, open - 1)).call, (*at(stack, open - 1)).handle) };
    u64::from(call == 0 && (handle == 0 || Journey::of(handle).is_none()))
}

/// A stage closes a scope, and it cannot be told whether, or which: every scope that it may be about is hidden, and of none is it said that it stayed empty.
#[inline(never)]
pub fn close_unknown(cookie: u64, frame: &Frame) -> u64 {
    let Some(stack) = stack(cookie, frame) else { return 0 };
    doubt_all(stack);
    let open = open_scopes(stack);
    for index in 0..MAX_SCOPES as u32 {
        if index >= open {
            break;
        }
        let scope = at(stack, index);
        // SAFETY: a map value that this thread alone touches.
        unsafe {
            let is_long = not_zero(u64::from((*scope).call)).wrapping_sub(1) as u32;
            (*scope).flags |= ScopeFrame::HIDDEN & is_long;
        }
    }
    0
}
