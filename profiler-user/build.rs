//! Builds the kernel program and lays it beside the agent, as `$OUT_DIR/stain.bpf.o`.
//!
//! The very code of `cargo xtask build`: a plain `cargo build`, `test` or `clippy` embeds the same object.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

use xtask::bpf;

fn main() -> ExitCode {
    if env::var_os("CARGO_FEATURE_AGENT").is_none() {
        return ExitCode::SUCCESS;
    }
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Cargo shows each line apart, and a line is what the directive holds.
            error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    let root = xtask::workspace_root(&env::var("CARGO_MANIFEST_DIR")?);
    for source in bpf::SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-env-changed={}", bpf::OVERRIDE);
    let object = bpf::build(&root, &env::var("CARGO_CFG_TARGET_ARCH")?)?;
    if env::var_os(bpf::OVERRIDE).is_some() {
        println!("cargo::rerun-if-changed={}", object.display());
    }
    fs::copy(object, Path::new(&env::var("OUT_DIR")?).join("stain.bpf.o"))?;
    Ok(())
}
