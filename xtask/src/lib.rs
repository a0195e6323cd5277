//! The build of the kernel program: which compiler, which flags, where the object lands.
//!
//! Owns the one way the BPF object is built, shared by `cargo xtask` and by the build script of `profiler-user`, so that a plain
//! `cargo build` does the same. Refuses to install anything: that is `cargo xtask setup`.

pub mod bpf;
pub mod cargo;
pub mod probe;
pub mod toolchain;

use std::path::PathBuf;

/// The folder of the workspace, given the manifest folder of one of its members.
#[must_use]
pub fn workspace_root(member: &str) -> PathBuf {
    let member = PathBuf::from(member);
    member.parent().map_or_else(|| member.clone(), PathBuf::from)
}
