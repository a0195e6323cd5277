//! What the product ships beside its binary, and what a distribution ships beside us.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A spec of the folder `specs`.
#[must_use]
pub fn spec(name: &str) -> PathBuf {
    specs().join(name)
}

/// The folder of the specs.
#[must_use]
pub fn specs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("specs")
}

/// A copy of an installed program, byte by byte, so that a spec that names it by its path means this test's processes and
/// no others of the machine.
pub fn copy(program: &str, folder: &Path) -> Result<PathBuf> {
    let name = Path::new(program).file_name().context("no program")?;
    let copy = folder.join(name);
    std::fs::copy(program, &copy).with_context(|| format!("cannot copy {program}"))?;
    Ok(copy)
}
