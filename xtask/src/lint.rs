//! The checks that need no run: formatting, clippy for both sides, tidiness.
//!
//! Owns how each side is linted. The two sides need two runs: in one, the shared crate's feature `user` would pull std into the
//! kernel program. Refuses to be silent about a check that could not be made.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use xtask::{bpf, cargo, probe, toolchain::Toolchain};

use crate::{
    run::{loud, step},
    setup::{self, Set},
    tidy,
};

const KERNEL_MANIFEST: &str = "profiler-ebpf/Cargo.toml";

/// Runs every check; each is run even if one before it failed.
pub(crate) fn run(root: &Path) -> Result<()> {
    setup::ensure(root, Set::Build)?;
    let checks: [(&str, Result<()>); 4] = [
        ("formatting", format(root)),
        ("clippy of the workspace", workspace(root)),
        ("clippy of the kernel program", kernel(root)),
        ("tidiness", step("tidy", "file lengths, trailing blanks", || tidy::check(root))),
    ];
    let mut failed = Vec::new();
    for (check, result) in checks {
        if let Err(error) = result {
            eprintln!("error: {check}: {error:#}");
            failed.push(check);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Checks the formatting of both workspaces, where rustfmt is installed.
pub(crate) fn format(root: &Path) -> Result<()> {
    let rustfmt = Command::new("rustfmt").arg("--version").output();
    if !rustfmt.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "{:>10}  rustfmt is not installed: formatting NOT checked (rustup component add rustfmt)",
            "format"
        );
        return Ok(());
    }
    step("format", "cargo fmt --check", || {
        loud(cargo::workspace(root).args(["fmt", "--all", "--check"])).context("run `cargo fmt --all`")?;
        loud(cargo::workspace(root).args(["fmt", "--manifest-path", KERNEL_MANIFEST, "--check"]))
            .context("run `cargo fmt --manifest-path profiler-ebpf/Cargo.toml`")
    })
}

fn workspace(root: &Path) -> Result<()> {
    step("clippy", "the workspace", || {
        loud(cargo::workspace(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })
}

/// A nightly toolchain lints for the kernel's target. A system compiler has no clippy of its own version: the host's lints the
/// program as if for the host, which sees the same source.
fn kernel(root: &Path) -> Result<()> {
    let facts = probe::facts();
    let toolchain = facts.choose()?;
    let mut command = match toolchain {
        Toolchain::Nightly { .. } => {
            let mut command = bpf::cargo_for(toolchain, root, env::consts::ARCH, "clippy");
            command.args(["--target", probe::TARGET]);
            command
        }
        Toolchain::System { .. } => {
            let mut command = cargo::clean(Command::new("cargo"));
            command.arg("clippy").current_dir(root.join("profiler-ebpf"));
            command.arg("--target-dir").arg(bpf::target_folder(root).join("bpf-lint"));
            let registers = format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH);
            command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", registers);
            command
        }
    };
    command.args(["--release", "--", "-D", "warnings"]);
    step("clippy", "the kernel program", || loud(&mut command))
}
