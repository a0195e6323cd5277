//! The kernel side of stain: entry points only. What a hit does is in `hit`, the rest beside it.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "see `atomic`: the BPF target's core offers no other way to these instructions"
)]

mod admit;
mod atomic;
mod attributes;
mod batch;
mod branch;
mod change;
mod count;
mod end;
mod frame;
mod free_list;
mod hit;
mod in_flight;
mod journey;
mod key;
mod lifecycle;
mod maps;
mod marks;
mod over;
mod predicate;
mod refused;
mod scope;
mod sequence;
mod stamp;
mod unseen;

use aya_ebpf::macros::{raw_tracepoint, uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RawTracePointContext, RetProbeContext};
use profiler_common::ThreadKey;

// Three programs for three kinds of sites: each is verified by itself, and a plain site does not pay for what the others do. Each comes twice: for an
// instruction that was reached, and for a function with a return trampoline that returned.

/// A plain site.
#[uprobe]
pub fn stain_entry(ctx: ProbeContext) -> u32 {
    hit::plain(&ctx);
    0
}

/// A plain site at a return.
#[uretprobe]
pub fn stain_return(ctx: RetProbeContext) -> u32 {
    hit::plain(&ProbeContext { regs: ctx.regs });
    0
}

/// A site with more to it: see [`hit::journey`].
#[uprobe]
pub fn stain_journey(ctx: ProbeContext) -> u32 {
    hit::journey(&ctx);
    0
}

/// The same at a return.
#[uretprobe]
pub fn stain_journey_r(ctx: RetProbeContext) -> u32 {
    hit::journey(&ProbeContext { regs: ctx.regs });
    0
}

/// A site of a whole batch.
#[uprobe]
pub fn stain_batch(ctx: ProbeContext) -> u32 {
    hit::batch(&ctx);
    0
}

/// The same at a return.
#[uretprobe]
pub fn stain_batch_r(ctx: RetProbeContext) -> u32 {
    hit::batch(&ProbeContext { regs: ctx.regs });
    0
}

/// Run by the agent, never attached: ends the trace with the handle in the first argument by the outcome in the second.
#[raw_tracepoint]
pub fn stain_end(ctx: RawTracePointContext) -> i32 {
    end::by_handle(ctx.arg(0), ctx.arg::<u64>(1) as u32);
    0
}

/// Run by the agent, never attached: forgets the scopes of the thread in the second argument, of the process in the first, which is gone.
#[raw_tracepoint]
pub fn stain_forget(ctx: RawTracePointContext) -> i32 {
    let (process, tid) = (ctx.arg::<u64>(0) as u32, ctx.arg::<u64>(1) as u32);
    scope::forget_thread(ThreadKey { process, tid });
    0
}

/// A thread ends.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn stain_exit(_ctx: RawTracePointContext) -> i32 {
    lifecycle::thread_exit();
    0
}

/// A process image was replaced.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn stain_exec(_ctx: RawTracePointContext) -> i32 {
    lifecycle::exec();
    0
}

/// A process or thread was made.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn stain_fork(_ctx: RawTracePointContext) -> i32 {
    lifecycle::fork();
    0
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the program has no reachable panic; the verifier would refuse it if it had.
    unsafe { core::hint::unreachable_unchecked() }
}

// Helpers that only GPL-compatible programs may call (`bpf_probe_read_user`, `bpf_ktime_get_ns`) are used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
