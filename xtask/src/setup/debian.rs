//! Installs Debian packages.
//!
//! Owns the calls of apt and the guard that keeps freshly installed servers from starting. Refuses to remove a package, and to work
//! without root.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::run::quiet;

/// A compiler and its `core` for BPF, as Debian 12 has them.
pub(super) const COMPILER: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// Where Debian's service tool asks whether it may start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Where a policy of the machine's own waits meanwhile.
const POLICY_ASIDE: &str = "/usr/sbin/policy-rc.d.before-stain";
const MARK: &str = "# written by `cargo xtask setup`, for the time of an installation";

/// A Debian or Ubuntu on which we are root.
pub(super) struct Debian(());

impl Debian {
    /// None on other systems and for other users.
    pub(super) fn detect() -> Option<Self> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        (is_debian(&release) && effective_user(&status) == Some(0)).then_some(Self(()))
    }

    /// Installs packages, with fresh lists if the ones at hand do not have them or are out of date.
    pub(super) fn install(&self, packages: &[String]) -> Result<()> {
        let mut updated = false;
        if !unknown(packages)?.is_empty() {
            update()?;
            updated = true;
            let unknown = unknown(packages)?;
            if !unknown.is_empty() {
                bail!("this release has no package {}", unknown.join(", "));
            }
        }
        let _guard = Guard::set()?;
        match install(packages) {
            // Lists that are a few days old name versions that the mirror no longer has.
            Err(_) if !updated => update().and_then(|()| install(packages)),
            result => result,
        }
    }

    /// Installs a compiler with a prebuilt `core` for the kernel's target.
    pub(super) fn install_compiler(&self) -> Result<()> {
        self.install(&COMPILER.map(str::to_owned)).context(
            "no compiler for the kernel program from here: `rustup toolchain install nightly --component rust-src` and \
             bpf-linker (https://github.com/aya-rs/bpf-linker) do instead",
        )
    }
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-y", "-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn update() -> Result<()> {
    quiet(apt().arg("update"))
}

fn install(packages: &[String]) -> Result<()> {
    quiet(apt().args(["--no-install-recommends", "--no-remove", "install"]).args(packages))
}

/// Those of `packages` that the lists at hand have no version of.
fn unknown(packages: &[String]) -> Result<Vec<String>> {
    let output = Command::new("apt-cache").arg("policy").args(packages).env("LC_ALL", "C").output();
    let output = output.context("apt-cache does not start")?;
    let known = known(&String::from_utf8_lossy(&output.stdout));
    Ok(packages.iter().filter(|package| !known.contains(package)).cloned().collect())
}

/// The packages that have a candidate in the output of `apt-cache policy`.
fn known(policy: &str) -> Vec<String> {
    let mut package = "";
    let mut known = Vec::new();
    for line in policy.lines() {
        if let Some(candidate) = line.trim().strip_prefix("Candidate: ") {
            if candidate != "(none)" {
                known.push(package.to_owned());
            }
        } else if !line.starts_with(' ') {
            package = line.trim_end_matches(':');
        }
    }
    known
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| {
        let Some((key, value)) = line.split_once('=') else { return false };
        let mut words = value.trim_matches('"').split_whitespace();
        matches!(key, "ID" | "ID_LIKE") && words.any(|word| word == "debian" || word == "ubuntu")
    })
}

fn effective_user(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// While it lives, installed servers do not start. One left behind by a killed run is taken over.
struct Guard {
    is_ours: bool,
}

impl Guard {
    fn set() -> Result<Self> {
        let policy = fs::read_to_string(POLICY).unwrap_or_default();
        let is_left_behind = policy.contains(MARK);
        if policy.contains("exit 101") && !is_left_behind {
            return Ok(Self { is_ours: false });
        }
        if Path::new(POLICY).exists() && !is_left_behind {
            fs::rename(POLICY, POLICY_ASIDE).with_context(|| format!("cannot set {POLICY} aside"))?;
        }
        fs::write(POLICY, format!("#!/bin/sh\n{MARK}\nexit 101\n"))
            .with_context(|| format!("cannot write {POLICY}"))?;
        fs::set_permissions(Path::new(POLICY), fs::Permissions::from_mode(0o755))?;
        Ok(Self { is_ours: true })
    }

    fn lift() -> std::io::Result<()> {
        if Path::new(POLICY_ASIDE).exists() {
            fs::rename(POLICY_ASIDE, POLICY)
        } else {
            fs::remove_file(POLICY)
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = Self::lift()
        {
            eprintln!("warning: {POLICY} is left behind ({error}): remove it, or services will not start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{effective_user, is_debian, known};

    #[test]
    fn knows_debian_and_its_descendants() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\n"));
        assert!(is_debian("ID=mint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nID_LIKE=\"rhel\"\nHOME_URL=debian\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn reads_the_effective_user() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_user("Uid:\t1000\n"), None);
        assert_eq!(effective_user(""), None);
    }

    #[test]
    fn a_package_is_known_by_its_candidate() {
        let policy = "wrk:\n  Installed: (none)\n  Candidate: 4.1.0-3\n  Version table:\n     4.1.0-3 500\n\
                      ghost:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(known(policy), ["wrk"]);
        assert!(known("").is_empty());
    }
}
