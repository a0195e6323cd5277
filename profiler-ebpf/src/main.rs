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
mod count;
mod end;
mod frame;
mod free_list;
mod hit;
mod key;
mod lifecycle;
mod maps;
mod predicate;
mod stamp;
mod unseen;

use aya_ebpf::macros::{raw_tracepoint, uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RawTracePointContext, RetProbeContext};

/// An instruction with a probe was reached.
#[uprobe]
pub fn stain_entry(ctx: ProbeContext) -> u32 {
    hit::hit(&ctx);
    0
}

/// A function with a return trampoline returned. The same as above: what the site means is in its probe.
#[uretprobe]
pub fn stain_return(ctx: RetProbeContext) -> u32 {
    hit::hit(&ProbeContext { regs: ctx.regs });
    0
}

/// Run by the agent, never attached: ends the trace with the handle in the first argument by the outcome in the second.
#[raw_tracepoint]
pub fn stain_end(ctx: RawTracePointContext) -> i32 {
    end::by_agent(ctx.arg(0), ctx.arg(1));
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
