//! Looks at the machine: which compilers and which linker are there.
//!
//! Owns the reading of facts, in a few tens of milliseconds. Refuses to decide anything: `toolchain` does.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::toolchain::{Compiler, Facts, Linker, Toolchain, llvm_major, recorded_llvm};

/// The target the kernel program is built for. Hosts of the other byte order have no supported uprobes.
pub const TARGET: &str = "bpfel-unknown-none";

const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const SYSTEM_RUSTLIB: &str = "/usr/lib/rustlib";

/// What this machine has to build the kernel program with.
#[must_use]
pub fn facts() -> Facts {
    let compilers = nightlies().into_iter().chain(system()).collect();
    Facts { compilers, linker: linker() }
}

/// The distribution's compiler, where it has a prebuilt `core` for the target.
#[must_use]
pub fn system() -> Option<Compiler> {
    let library = Path::new(SYSTEM_RUSTLIB).join(TARGET).join("lib");
    let has_core = list(&library).iter().any(|name| name.starts_with("libcore-"));
    if !has_core {
        return None;
    }
    let llvm = llvm_major(&output(Command::new(SYSTEM_RUSTC).arg("-vV"))?)?;
    Some(Compiler { toolchain: Toolchain::System { rustc: SYSTEM_RUSTC.into() }, llvm })
}

/// Where a program lies on `PATH`, or in the folders of programs that only root has on it.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// `CARGO_HOME`, or where it lies by default.
#[must_use]
pub fn cargo_home() -> PathBuf {
    home("CARGO_HOME", ".cargo")
}

fn nightlies() -> Vec<Compiler> {
    let toolchains = home("RUSTUP_HOME", ".rustup").join("toolchains");
    let mut names = list(&toolchains);
    names.retain(|name| name.starts_with("nightly"));
    names.sort();
    names.into_iter().filter_map(|name| nightly(&toolchains, name)).collect()
}

fn nightly(toolchains: &Path, name: String) -> Option<Compiler> {
    let root = toolchains.join(&name);
    if !root.join("lib/rustlib/src/rust/library/core").is_dir() {
        return None;
    }
    let llvm = llvm_major(&output(Command::new(root.join("bin/rustc")).arg("-vV"))?)?;
    Some(Compiler { toolchain: Toolchain::Nightly { name }, llvm })
}

/// Runs the linker: one whose LLVM library was removed does not start, and does not count.
fn linker() -> Option<Linker> {
    let path = find_program("bpf-linker")?;
    let version = output(Command::new(&path).arg("--version"))?.split_whitespace().nth(1)?.to_owned();
    let by_cargo = path.starts_with(cargo_home());
    let record = by_cargo.then(|| fs::read_to_string(cargo_home().join(".crates2.json")).ok()).flatten();
    Some(Linker { version, llvm: record.as_deref().and_then(recorded_llvm) })
}

fn home(variable: &str, folder: &str) -> PathBuf {
    let named = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(folder))
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What a command prints, if it succeeds. Without the library path that cargo sets for build scripts: it names another compiler's.
fn output(command: &mut Command) -> Option<String> {
    let output = command.env_remove("LD_LIBRARY_PATH").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
