//! Builds the kernel program.
//!
//! Owns flags, target folder and the path of the object. The folder is the same for every profile of the agent, and apart from
//! cargo's own: a build script that waited for its caller's lock would wait for ever. Refuses to choose a compiler (`toolchain`).

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cargo,
    probe::{self, TARGET},
    toolchain::Toolchain,
};

/// Names an object to embed as it is, instead of building one.
pub const OVERRIDE: &str = "STAIN_BPF_OBJECT";

/// What, below the workspace folder, the object is made of: when one changes, it is stale.
pub const SOURCES: [&str; 5] = [
    "profiler-ebpf/src",
    "profiler-ebpf/Cargo.toml",
    "profiler-ebpf/Cargo.lock",
    "profiler-common/src",
    "profiler-common/Cargo.toml",
];

/// The folder cargo builds the workspace in.
#[must_use]
pub fn target_folder(root: &Path) -> PathBuf {
    root.join(
        env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "target".into()),
    )
}

/// Where the object of a build lies.
#[must_use]
pub fn object_path(root: &Path) -> PathBuf {
    target_folder(root).join("bpf").join(TARGET).join("release/stain")
}

/// Builds the kernel program of the workspace at `root` for hosts of `arch` (as in `CARGO_CFG_TARGET_ARCH`), and returns the path
/// of the object. Cheap when nothing has changed. Honours [`OVERRIDE`].
///
/// # Errors
/// A missing toolchain, or what the compiler says.
pub fn build(root: &Path, arch: &str) -> Result<PathBuf> {
    if let Some(object) = env::var_os(OVERRIDE).filter(|object| !object.is_empty()) {
        let object = root.join(object);
        if !object.is_file() {
            bail!("{OVERRIDE} names {}, which is no file", object.display());
        }
        return Ok(object);
    }
    let facts = probe::facts();
    let mut command = cargo_for(facts.choose()?, root, arch, "build");
    command.args(["--release", "--target", TARGET]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().context("cargo does not start")?;
    if !status.success() {
        bail!("the kernel program does not build ({status}): see the compiler's messages");
    }
    let object = object_path(root);
    if !object.is_file() {
        bail!("the build of the kernel program left no {}", object.display());
    }
    Ok(object)
}

/// A cargo subcommand on the kernel program with the given compiler, its flags and its own target folder.
#[must_use]
pub fn cargo_for(toolchain: &Toolchain, root: &Path, arch: &str, subcommand: &str) -> Command {
    let mut command = match toolchain {
        Toolchain::Nightly { name } => {
            let mut command = cargo::clean(Command::new("rustup"));
            command.args(["run", name, "cargo", subcommand, "-Z", "build-std=core"]);
            command
        }
        Toolchain::System { rustc } => {
            let mut command = cargo::command();
            // The target is not among the stable ones: without this the release compiler refuses what the program needs.
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").arg(subcommand);
            command
        }
    };
    command.current_dir(root.join("profiler-ebpf"));
    command.arg("--target-dir").arg(target_folder(root).join("bpf"));
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(arch).join(OsStr::new("\x1f")));
    command
}

/// `v3` of the instruction set (Linux 5.12) has atomic operations that return the old value, and compare-and-swap. BTF gives the
/// verifier's log its source lines.
fn flags(arch: &str) -> [std::ffi::OsString; 4] {
    [
        format!("--cfg=bpf_target_arch=\"{arch}\"").into(),
        "-Ctarget-cpu=v3".into(),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
    ]
}
