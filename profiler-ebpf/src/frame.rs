//! The stopped thread: its registers, by the numbers that instructions use, and who it is.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_get_ns_current_pid_tgid;
#[cfg(bpf_target_arch = "x86_64")]
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use aya_ebpf::programs::ProbeContext;
use profiler_common::limits::SAVED_ARGS;
use profiler_common::{Config, ProbeSpec};

/// Registers that a recipe can name. Few, since they lie on a stack of 512 bytes; on aarch64 they are x0..x14 and, last, the
/// stack pointer. A power of two, so that a mask keeps an index inside for the verifier to see.
pub const REGISTERS: usize = 16;

/// Places for saved arguments: [`SAVED_ARGS`] rounded up to a power of two.
pub const SAVED: usize = SAVED_ARGS.next_power_of_two();

/// What a recipe can be evaluated against.
pub struct Frame {
    /// Registers by hardware number. Copied, since the verifier allows no variable offset into the context.
    pub registers: [u64; REGISTERS],
    /// Entry arguments of the call that is returning, when the site uses them.
    pub saved: [u64; SAVED],
    pub tgid: u32,
    pub tid: u32,
}

impl Frame {
    /// The thread that hit a probe, written to a place of the caller's: so that nothing of it is zeroed or copied on the way.
    #[inline(always)]
    pub fn of<'a>(ctx: &ProbeContext, config: &Config, place: &'a mut MaybeUninit<Self>) -> &'a mut Self {
        // A target in a namespace within the agent's own: any number that is the thread's alone will do.
        let (tgid, tid) = ids(config).unwrap_or_else(kernel_ids);
        let frame = place.as_mut_ptr();
        // SAFETY: inside of `place`, as are all fields written below.
        zero(unsafe { &raw mut (*frame).saved });
        // SAFETY: as above. All fields are integers; `read` only writes.
        unsafe {
            (*frame).tgid = tgid;
            (*frame).tid = tid;
            (*frame).read(ctx);
            &mut *frame
        }
    }

    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    fn read(&mut self, ctx: &ProbeContext) {
        // SAFETY: the context of a uprobe program is the thread's `pt_regs`.
        let regs = unsafe { &*ctx.regs };
        let r = &mut self.registers;
        r[0] = regs.rax;
        r[1] = regs.rcx;
        r[2] = regs.rdx;
        r[3] = regs.rbx;
        r[4] = regs.rsp;
        r[5] = regs.rbp;
        r[6] = regs.rsi;
        r[7] = regs.rdi;
        r[8] = regs.r8;
        r[9] = regs.r9;
        r[10] = regs.r10;
        r[11] = regs.r11;
        r[12] = regs.r12;
        r[13] = regs.r13;
        r[14] = regs.r14;
        r[15] = regs.r15;
    }

    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    fn read(&mut self, ctx: &ProbeContext) {
        // SAFETY: the context of a uprobe program is the thread's `user_pt_regs`.
        let regs = unsafe { &*ctx.regs };
        self.registers[..15].copy_from_slice(&regs.regs[..15]);
        self.registers[15] = regs.sp;
    }

    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn stack_pointer(&self) -> u64 {
        self.registers[4]
    }

    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn stack_pointer(&self) -> u64 {
        self.registers[15]
    }

    /// The stack pointer at the entry of the function in which the site of `spec` lies.
    #[inline(always)]
    pub fn entry_stack_pointer(&self, spec: &ProbeSpec) -> u64 {
        self.stack_pointer().wrapping_add(spec.frame_adjust as i64 as u64)
    }

    /// The word at an address: at the stack pointer of a function's entry, its return address. 0 where it cannot be read.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn word(stack_pointer: u64) -> u64 {
        let mut address = 0u64;
        // SAFETY: writes 8 bytes to an 8-byte variable; the helper checks the user address.
        // It writes zeros where it fails.
        unsafe { bpf_probe_read_user((&raw mut address).cast(), 8, stack_pointer as *const _) };
        address
    }

    /// On this machine the return address lies in a register.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn word(_stack_pointer: u64) -> u64 {
        0
    }

    /// The integer argument registers of the platform's C calling convention.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn arguments(&self) -> [u64; SAVED_ARGS] {
        let r = &self.registers;
        [r[7], r[6], r[2], r[1], r[8], r[9]]
    }

    /// The integer argument registers of the platform's C calling convention.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn arguments(&self) -> [u64; SAVED_ARGS] {
        let r = &self.registers;
        [r[0], r[1], r[2], r[3], r[4], r[5]]
    }
}

/// The register of this number in a recipe, read without a [`Frame`]; `None` for one that carries no argument.
#[inline(always)]
pub fn argument(ctx: &ProbeContext, base: u8) -> Option<u64> {
    let [a, b, c, d, e, f] = arguments(ctx);
    let numbers = ARGUMENT_NUMBERS;
    Some(match base {
        number if number == numbers[0] => a,
        number if number == numbers[1] => b,
        number if number == numbers[2] => c,
        number if number == numbers[3] => d,
        number if number == numbers[4] => e,
        number if number == numbers[5] => f,
        _ => return None,
    })
}

/// Hardware numbers of the integer argument registers of the platform's C calling convention.
#[cfg(bpf_target_arch = "x86_64")]
const ARGUMENT_NUMBERS: [u8; SAVED_ARGS] = [7, 6, 2, 1, 8, 9];
#[cfg(bpf_target_arch = "aarch64")]
const ARGUMENT_NUMBERS: [u8; SAVED_ARGS] = [0, 1, 2, 3, 4, 5];

/// All of them, volatile: else the compiler reads one, at an offset that varies, which the verifier does not allow in the context.
#[inline(always)]
fn arguments(ctx: &ProbeContext) -> [u64; SAVED_ARGS] {
    let regs = ctx.regs;
    // SAFETY: the context of a uprobe program is the thread's `pt_regs`.
    #[cfg(bpf_target_arch = "x86_64")]
    unsafe {
        [
            (&raw const (*regs).rdi).read_volatile(),
            (&raw const (*regs).rsi).read_volatile(),
            (&raw const (*regs).rdx).read_volatile(),
            (&raw const (*regs).rcx).read_volatile(),
            (&raw const (*regs).r8).read_volatile(),
            (&raw const (*regs).r9).read_volatile(),
        ]
    }
    // SAFETY: the context of a uprobe program is the thread's `user_pt_regs`.
    #[cfg(bpf_target_arch = "aarch64")]
    unsafe {
        [
            (&raw const (*regs).regs[0]).read_volatile(),
            (&raw const (*regs).regs[1]).read_volatile(),
            (&raw const (*regs).regs[2]).read_volatile(),
            (&raw const (*regs).regs[3]).read_volatile(),
            (&raw const (*regs).regs[4]).read_volatile(),
            (&raw const (*regs).regs[5]).read_volatile(),
        ]
    }
}

/// Process and thread id of the running thread as the agent's pid namespace has them; `None` when the thread is in another one.
#[inline(always)]
pub fn ids(config: &Config) -> Option<(u32, u32)> {
    if config.pid_ns_inode == 0 {
        return Some(kernel_ids());
    }
    let (device, inode) = (u64::from(config.pid_ns_device), u64::from(config.pid_ns_inode));
    let mut info = MaybeUninit::<bpf_pidns_info>::uninit();
    // SAFETY: the helper writes the whole structure, whose size is given, whatever it returns.
    let info = unsafe {
        let size = size_of::<bpf_pidns_info>() as u32;
        (bpf_get_ns_current_pid_tgid(device, inode, info.as_mut_ptr(), size) == 0).then(|| info.assume_init())
    };
    info.map(|info| (info.tgid, info.pid))
}

/// Process and thread id of the running thread as the initial pid namespace has them: one call for both.
#[inline(always)]
pub fn kernel_ids() -> (u32, u32) {
    let both = bpf_get_current_pid_tgid();
    ((both >> 32) as u32, both as u32)
}

/// Writes zeros word by word. What the compiler makes of `[0; N]` is a call that does it byte by byte, as dear as all the rest of
/// an unsampled hit.
#[inline(always)]
pub fn zero<const N: usize>(words: *mut [u64; N]) {
    for index in 0..N {
        // SAFETY: inside of the array, which callers own. Volatile, so that the stores stay stores.
        unsafe { words.cast::<u64>().add(index).write_volatile(0) };
    }
}
