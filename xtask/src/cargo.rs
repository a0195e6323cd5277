//! Cargo run from inside cargo, with the outer one's settings taken away.
//!
//! Owns the list of variables that must not leak from a build script or from `cargo run` into another cargo. Refuses to touch what
//! the user says about network, registries and cargo's home.

use std::{env, path::Path, process::Command};

/// Cargo as called by this process's own cargo, in an environment as if called from a shell.
#[must_use]
pub fn command() -> Command {
    clean(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// Cargo for the workspace itself: the user's settings count, and only what `cargo run` says about `xtask` is taken away.
#[must_use]
pub fn workspace(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let about_xtask = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| about_xtask.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(&name);
        }
    }
    command.current_dir(root);
    command
}

/// A program in an environment as if called from a shell.
#[must_use]
pub fn clean(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether a variable belongs to the outer build: it would change what the inner one builds, or where.
fn leaks(name: &str) -> bool {
    const OTHERS: [&str; 17] = [
        "CLIPPY_ARGS",
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
    ];
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    let of_cargo = name == "CARGO" || name.starts_with("CARGO_");
    (of_cargo && !KEPT.iter().any(|kept| name.starts_with(kept))) || OTHERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::leaks;

    #[test]
    fn only_the_outer_build_is_taken_away() {
        let leaking = [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_FEATURE_USER",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_DIR",
            "LD_LIBRARY_PATH",
            "OUT_DIR",
            "RUSTC",
            "RUSTUP_TOOLCHAIN",
        ];
        let kept = [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
            "CARGO_REGISTRY_DEFAULT",
            "CARGO_TERM_COLOR",
            "CARGO_MAKEFLAGS",
            "RUSTUP_HOME",
        ];
        for name in leaking {
            assert!(leaks(name), "{name}");
        }
        for name in kept {
            assert!(!leaks(name), "{name}");
        }
    }
}
