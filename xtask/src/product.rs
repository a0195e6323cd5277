//! Builds the agent with the kernel program in it, and runs it for demo and benchmarks.
//!
//! Owns the order set-up, kernel program, agent. Refuses to build the kernel program in another way than the agent's build script.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use xtask::{bpf, cargo};

use crate::{
    run::{loud, step},
    setup::{self, Set},
};

/// How optimised the agent is.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Release,
    Debug,
}

/// Sets up what is missing and builds; returns the path of `stain`.
pub(crate) fn build(root: &Path, profile: Profile) -> Result<PathBuf> {
    setup::ensure(root, Set::Build)?;
    kernel_program(root)?;
    let (folder, flags): (_, &[&str]) = match profile {
        Profile::Release => ("release", &["--release"]),
        Profile::Debug => ("debug", &[]),
    };
    step("agent", &format!("cargo build ({folder})"), || {
        loud(
            cargo::workspace(root)
                .args(["build", "--package", "profiler-user", "--bin", "stain"])
                .args(flags),
        )
    })?;
    Ok(bpf::target_folder(root).join(folder).join("stain"))
}

/// Builds the kernel program, in the open; the agent's build script then finds it fresh.
pub(crate) fn kernel_program(root: &Path) -> Result<()> {
    step("kernel", "build the kernel program", || bpf::build(root, env::consts::ARCH)).map(drop)
}

/// Builds, then becomes `stain demo`, so that signals reach it and its exit code is ours.
pub(crate) fn demo(root: &Path, args: &[String]) -> Result<()> {
    let stain = build(root, Profile::Release)?;
    let error = Command::new(&stain).arg("demo").args(args).exec();
    bail!("cannot run {}: {error}", stain.display());
}

/// Builds, then runs the benchmark program on the release agent.
pub(crate) fn bench(root: &Path, args: &[String]) -> Result<()> {
    setup::ensure(root, Set::Bench)?;
    let stain = build(root, Profile::Release)?;
    let mut bench = cargo::workspace(root);
    bench.args(["run", "--release", "--package", "stain-bench", "--bin", "bench", "--"]).args(args);
    loud(bench.env("STAIN_BIN", stain))
}
