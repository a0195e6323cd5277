//! Placeholder of the kernel program: shows that the toolchain builds what the real one needs.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "core has no compare-and-swap for BPF: the target says it has none")]

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

use aya_ebpf::{
    macros::{map, uprobe},
    maps::Array,
    programs::ProbeContext,
};
use aya_log_ebpf::debug;
use profiler_common::StageCode;

#[map]
static CELLS: Array<u64> = Array::with_max_entries(2, 0);

/// Exercises compare-and-swap and fetching arithmetic, which need the v3 instruction set.
#[uprobe]
pub fn stain_placeholder(ctx: ProbeContext) -> u32 {
    let (Some(wide), Some(narrow)) = (CELLS.get_ptr_mut(0), CELLS.get_ptr_mut(1)) else { return 0 };
    let narrow: *mut u32 = narrow.cast();
    // SAFETY: the map's cells are aligned to eight bytes and live as long as the program.
    let (swapped, count, again) = unsafe {
        const SEQ: AtomicOrdering = AtomicOrdering::SeqCst;
        let before = atomic_xadd::<u64, u64, SEQ>(wide, 1);
        let (_, swapped) = atomic_cxchg::<u64, SEQ, SEQ>(wide, before, 7);
        let count = atomic_xadd::<u32, u32, SEQ>(narrow, 1);
        (swapped, count, atomic_cxchg::<u32, SEQ, SEQ>(narrow, count, 1).1)
    };
    if !swapped && again {
        debug!(&ctx, "{} {}", StageCode::SOURCE.0, count);
    }
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
