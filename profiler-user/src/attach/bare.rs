//! Probes that do nothing: the floor that benchmarks and calibration compare with.
//!
//! Owns: a program of two instructions on the same kind of link as the real one. Refuses: kernels without such links.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya_obj::generated::bpf_insn;

use super::error::AttachError;
use super::links::probe_error;
use super::sys::{self, MultiLink};
use crate::symbol::FileOffset;

/// `mov r0, 0` and `exit`: operations alone, every other field is 0.
const NOTHING: [u8; 2] = [0xb7, 0x95];

/// Probes without effect. Dropping them takes them off.
#[derive(Debug)]
pub struct BareProbes {
    _link: OwnedFd,
}

/// Sets probes that do nothing at `offsets` of a file, in one process: at the instructions, or `at_return` of the functions that
/// start there. What they cost is what the kernel takes for itself.
///
/// # Errors
/// As for [`super::Kernel::attach`]; also when the kernel has no `uprobe_multi` links.
pub fn bare_probes(
    pid: u32,
    path: &Path,
    offsets: &[FileOffset],
    at_return: bool,
) -> Result<BareProbes, AttachError> {
    let failed = |error: io::Error| probe_error(path, pid, offsets.len(), &error);
    let program = load_nothing("stain_bare").map_err(failed)?;
    let c_path =
        CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(io::Error::other(error)))?;
    let offsets: Vec<u64> = offsets.iter().map(|offset| offset.0).collect();
    let link = MultiLink { path: &c_path, offsets: &offsets, cookies: &[], at_return, pid };
    // The link keeps the program.
    sys::create_link(program.as_fd(), &link).map(|link| BareProbes { _link: link }).map_err(failed)
}

/// Loads the program for `uprobe_multi`.
pub(super) fn load_nothing(name: &str) -> io::Result<OwnedFd> {
    sys::load_multi(name, &NOTHING.map(instruction), "GPL", None)
}

fn instruction(code: u8) -> bpf_insn {
    let mut raw = [0u8; size_of::<bpf_insn>()];
    raw[0] = code;
    // SAFETY: `bpf_insn` is eight bytes of integers and bit fields, for which every bit pattern is a value.
    unsafe { std::mem::transmute(raw) }
}
