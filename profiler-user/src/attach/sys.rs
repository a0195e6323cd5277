//! The two `bpf(2)` commands that aya 0.14 does not offer: loading a program for `uprobe_multi`, and making such a link.
//!
//! Layouts: `union bpf_attr` in the kernel's `include/uapi/linux/bpf.h`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use aya_obj::generated::bpf_insn;

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_F_UPROBE_MULTI_RETURN: u32 = 1;

/// The part of `bpf_attr` for `BPF_PROG_LOAD` up to `expected_attach_type`.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// The part of `bpf_attr` for `BPF_LINK_CREATE` with `uprobe_multi`.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    ref_ctr_offsets: u64,
    cookies: u64,
    cnt: u32,
    multi_flags: u32,
    pid: u32,
    reserved: u32,
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is a prefix of `bpf_attr` of the given size; the pointers in it are valid for the call (each caller
    // builds them from references that outlive it).
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr() as u64
}

/// What the verifier is to write: only what it had to do.
pub(super) const LOG_STATISTICS: u32 = 4;

/// What the verifier is to write: every state that it goes through, and the statistics.
pub(super) const LOG_ALL: u32 = 1 | LOG_STATISTICS;

/// Loads a program that `uprobe_multi` links can use. `log`, when given, receives the verifier's words, as many as its level says.
///
/// # Errors
/// Those of `bpf(2)`.
pub(super) fn load_multi(
    name: &str,
    instructions: &[bpf_insn],
    license: &str,
    log: Option<(&mut [u8], u32)>,
) -> io::Result<OwnedFd> {
    let license = CString::new(license).map_err(io::Error::other)?;
    let mut prog_name = [0u8; 16];
    for (to, from) in prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    let mut attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_KPROBE,
        insn_cnt: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        insns: address(instructions),
        license: license.as_ptr() as u64,
        prog_name,
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        ..ProgLoad::default()
    };
    if let Some((log, level)) = log {
        attr.log_level = level;
        attr.log_size = u32::try_from(log.len()).map_err(io::Error::other)?;
        attr.log_buf = log.as_mut_ptr() as u64;
    }
    owned(bpf(BPF_PROG_LOAD, &mut attr)?)
}

/// One set of probes in one file, for one process.
pub(super) struct MultiLink<'a> {
    /// NUL-terminated path of the file.
    pub(super) path: &'a std::ffi::CStr,
    pub(super) offsets: &'a [u64],
    pub(super) cookies: &'a [u64],
    /// Return trampolines instead of instruction probes.
    pub(super) at_return: bool,
    pub(super) pid: u32,
}

/// Sets the probes; closing the descriptor removes them.
///
/// # Errors
/// Those of `bpf(2)`.
pub(super) fn create_link(program: BorrowedFd<'_>, link: &MultiLink<'_>) -> io::Result<OwnedFd> {
    let mut attr = LinkCreate {
        prog_fd: program.as_raw_fd().unsigned_abs(),
        attach_type: BPF_TRACE_UPROBE_MULTI,
        path: link.path.as_ptr() as u64,
        offsets: address(link.offsets),
        cookies: if link.cookies.is_empty() { 0 } else { address(link.cookies) },
        cnt: u32::try_from(link.offsets.len()).map_err(io::Error::other)?,
        multi_flags: if link.at_return { BPF_F_UPROBE_MULTI_RETURN } else { 0 },
        pid: link.pid,
        ..LinkCreate::default()
    };
    owned(bpf(BPF_LINK_CREATE, &mut attr)?)
}
