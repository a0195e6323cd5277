//! Builds the kernel program and lays it beside the agent, as `$OUT_DIR/stain.bpf.o`.
//!
//! The very code of `cargo xtask build`: a plain `cargo build`, `test` or `clippy` embeds the same object.

use std::{env, error::Error, fs, path::Path};

use xtask::bpf;

fn main() -> Result<(), Box<dyn Error>> {
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
