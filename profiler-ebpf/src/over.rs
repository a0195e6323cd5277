//! Whether a scope is over although nothing closed it, by the stack of its thread.
//!
//! No jump in any of it: each jump in a loop doubles what the verifier walks.

use profiler_common::ScopeFrame;

use crate::frame::Frame;

/// 1 if the number is not 0.
#[inline(always)]
pub const fn not_zero(number: u64) -> u64 {
    (number | number.wrapping_neg()) >> 63
}

/// 1 if an address is lower than another. User addresses have 56 bits at most.
#[inline(always)]
pub const fn is_lower(one: u64, other: u64) -> u64 {
    one.wrapping_sub(other) >> 63
}

/// 1 if a return address is that of the kernel's return trampoline, with this code there: a breakpoint, or, where the trampoline is a system call, the
/// instructions `push %rax; push %rcx; push %r11; mov $335, %rax` (`arch/x86/kernel/uprobes.c` of Linux 6.11 and later). It has the start of a page to itself, which
/// cannot be read (0) before the first return in the process has come through it.
#[inline(always)]
const fn is_trampoline(address: u64, code: u64) -> u64 {
    const BREAKPOINT: u64 = 0xcc;
    const SYSTEM_CALL: u64 = 0x4fc0_c748_5341_5150;
    let is_its_code = 1 ^ not_zero(code & 0xff ^ BREAKPOINT) & not_zero(code ^ SYSTEM_CALL) & not_zero(code);
    not_zero(address) & (1 ^ not_zero(address & 0xfff)) & is_its_code
}

/// What a hit is to the scopes of its thread: an opening that is a call, or one that another stage closes, or neither.
pub const OPENS_CALL: u64 = 1;
/// See [`OPENS_CALL`].
pub const OPENS_LONG: u64 = 2;

/// What [`over`] says of a scope that a stage opened and that was left; 1 of a call that is over.
pub const LONG_LEFT: u64 = 2;

/// Whether a scope is over although nothing closed it; 0 if not. A call is when the stack is no longer as deep as it, or its return address is gone. Of a scope
/// that a stage opened the stack only says that the thread has left where that was.
#[inline(always)]
pub fn over(scope: *const ScopeFrame, here: u64, opening: u64) -> u64 {
    // SAFETY: a map value that this thread alone touches.
    let (call, flags, stack_pointer, return_address) =
        unsafe { ((*scope).call, (*scope).flags, (*scope).stack_pointer, (*scope).return_address) };
    let (is_call, flags) = (not_zero(u64::from(call)), u64::from(flags));
    let has = |flag: u32| flags >> flag.trailing_zeros() & 1;
    let (is_deeper, is_here) = (is_lower(stack_pointer, here), not_zero(stack_pointer ^ here) ^ 1);
    // A function that is entered where another one was entered before has taken its place, unless that one jumped here.
    let replaced = not_zero(opening) & is_here & (has(ScopeFrame::TAIL) ^ 1);
    let word = Frame::word(stack_pointer);
    let is_replaced = has(ScopeFrame::BY_TRAMPOLINE) & is_trampoline(word, Frame::word(word));
    let overwritten = not_zero(word ^ return_address) & (is_replaced ^ 1);
    // One that is opened where another one was is the next; any other function may be called from there while a scope lasts.
    let left = (is_deeper | is_here & opening >> 1) & (has(ScopeFrame::HIDDEN) ^ 1);
    is_call & (is_deeper | replaced | overwritten) | ((is_call ^ 1) & left) << 1
}
