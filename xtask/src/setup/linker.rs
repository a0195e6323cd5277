//! Builds and installs bpf-linker on the LLVM of the distribution.
//!
//! Owns the version and the packages its build needs. Refuses LLVMs that this version does not know.

use std::{ops::RangeInclusive, path::Path};

use anyhow::{Result, bail};
use xtask::cargo;

use crate::run::quiet;

pub(super) const CRATE: &str = "bpf-linker";
pub(super) const VERSION: &str = "0.13.0";

/// The LLVMs that this version has a feature for.
const LLVMS: RangeInclusive<u32> = 21..=23;

/// The Debian packages its build needs.
pub(super) fn packages(llvm: u32) -> Vec<String> {
    package_names(&llvm.to_string())
}

/// The same, for an LLVM of which only a placeholder is known.
pub(super) fn package_names(llvm: &str) -> Vec<String> {
    vec![
        format!("llvm-{llvm}-dev"),
        format!("libpolly-{llvm}-dev"),
        "zlib1g-dev".into(),
        "libzstd-dev".into(),
    ]
}

/// Installs it into cargo's home, over an older one.
pub(super) fn install(root: &Path, llvm: u32) -> Result<()> {
    if !LLVMS.contains(&llvm) {
        let (first, last) = (LLVMS.start(), LLVMS.end());
        bail!(
            "the compiler has LLVM {llvm}, but {CRATE} {VERSION} knows {first} to {last}: install nightly with rust-src"
        );
    }
    let mut command = cargo::command();
    command.args(["install", CRATE, "--version", VERSION, "--locked", "--force", "--no-default-features"]);
    command.args(["--features", &format!("llvm-{llvm}")]);
    command.env("LLVM_PREFIX", format!("/usr/lib/llvm-{llvm}")).current_dir(root);
    quiet(&mut command)
}

#[cfg(test)]
mod tests {
    use super::packages;

    #[test]
    fn packages_are_of_the_compilers_llvm() {
        assert_eq!(packages(22).join(" "), "llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev");
    }
}
