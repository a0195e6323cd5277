//! Installs what building, testing and benchmarking need, where it can; says what to install, where it cannot.
//!
//! Owns what each set needs and in which order it is got. Refuses to touch what is already there: the second run looks and leaves.

mod debian;
mod linker;
mod receivers;
pub(crate) mod services;

use std::{path::Path, str::FromStr, time::Instant};

use anyhow::{Error, Result, bail};
use xtask::{
    probe::{self, find_program},
    toolchain::{Facts, Missing, llvm_major},
};

use crate::run::step;
use debian::Debian;

/// What the machine is wanted for; each set holds the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    Build,
    Test,
    Bench,
}

/// A program that a set needs, and the Debian package that has it.
struct Program {
    name: &'static str,
    package: &'static str,
    set: Set,
}

const PROGRAMS: [Program; 10] = [
    Program { name: "cc", package: "build-essential", set: Set::Build },
    Program { name: "c++", package: "build-essential", set: Set::Build },
    Program { name: "make", package: "build-essential", set: Set::Build },
    Program { name: "nginx", package: "nginx-core", set: Set::Test },
    Program { name: "wrk", package: "wrk", set: Set::Test },
    Program { name: "ffmpeg", package: "ffmpeg", set: Set::Test },
    Program { name: "babeltrace2", package: "babeltrace2", set: Set::Test },
    Program { name: "tmux", package: "tmux", set: Set::Test },
    Program { name: "chromium", package: "chromium", set: Set::Test },
    Program { name: "bpftrace", package: "bpftrace", set: Set::Bench },
];

impl FromStr for Set {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "build" => Ok(Self::Build),
            "test" => Ok(Self::Test),
            "bench" => Ok(Self::Bench),
            _ => bail!("no set named {name}: one of build, test, bench"),
        }
    }
}

/// The chore `setup`: everything of the set must be there at the end.
pub(crate) fn run(root: &Path, set: Set) -> Result<()> {
    let start = Instant::now();
    let debian = Debian::detect();
    programs(debian.as_ref(), set, true)?;
    receivers_of(root, set);
    let changed = toolchain(root, debian.as_ref())?;
    let what = if changed { "done" } else { "all in place" };
    eprintln!("{:>10}  {what} ({:.1} s)", "setup", start.elapsed().as_secs_f64());
    Ok(())
}

/// Set-up on the way to another chore: silent if there is nothing to do. A program that only tests or benchmarks call may be
/// missing where it cannot be installed: they say themselves what they skip.
pub(crate) fn ensure(root: &Path, set: Set) -> Result<()> {
    let debian = Debian::detect();
    programs(debian.as_ref(), set, false)?;
    receivers_of(root, set);
    toolchain(root, debian.as_ref()).map(drop)
}

/// Only tests export to them.
fn receivers_of(root: &Path, set: Set) {
    if set >= Set::Test {
        receivers::ensure(root);
    }
}

fn programs(debian: Option<&Debian>, set: Set, all_required: bool) -> Result<()> {
    let lacking = lacking(set, |name| find_program(name).is_some());
    if lacking.is_empty() {
        return Ok(());
    }
    let packages = packages(&lacking);
    let names = packages.join(" ");
    if let Some(debian) = debian {
        return step("setup", &format!("apt-get install {names}"), || debian.install(&packages));
    }
    let advice = format!("install them (on Debian, as root: apt-get install {names})");
    let lacking: Vec<_> = lacking.iter().map(|program| program.name).collect();
    if all_required || lacking.contains(&"cc") {
        bail!("missing programs: {}: {advice}", lacking.join(", "));
    }
    eprintln!("warning: missing programs: {}: what needs them is skipped; {advice}", lacking.join(", "));
    Ok(())
}

fn lacking(set: Set, present: impl Fn(&str) -> bool) -> Vec<&'static Program> {
    PROGRAMS.iter().filter(|program| program.set <= set && !present(program.name)).collect()
}

fn packages(programs: &[&Program]) -> Vec<String> {
    let mut packages: Vec<_> = programs.iter().map(|program| program.package.to_owned()).collect();
    packages.dedup();
    packages
}

/// Sees to a compiler and a linker for the kernel program; tells whether something had to be installed.
fn toolchain(root: &Path, debian: Option<&Debian>) -> Result<bool> {
    let mut changed = false;
    // A compiler, then a linker for it: each lack is mended once.
    for _ in 0..2 {
        let facts = probe::facts();
        let Err(missing) = facts.choose().map(drop) else { return Ok(changed) };
        let Some(debian) = debian else { bail!(advice(&missing)) };
        changed = true;
        mend(root, debian, &facts, &missing)?;
    }
    match probe::facts().choose() {
        Ok(_) => Ok(changed),
        Err(missing) => bail!("installed, but still: {}", advice(&missing)),
    }
}

fn mend(root: &Path, debian: &Debian, facts: &Facts, missing: &Missing) -> Result<()> {
    if *missing == Missing::Compiler {
        return step("setup", "apt-get install a Rust compiler with `core` for BPF", || {
            debian.install_compiler()
        });
    }
    // The distribution has the LLVM of its own compiler, hardly ever that of a nightly one.
    let compiler = probe::system().or_else(|| facts.compilers.first().cloned());
    let Some(compiler) = compiler else { bail!(advice(missing)) };
    let packages = linker::packages(compiler.llvm);
    step("setup", &format!("apt-get install {}", packages.join(" ")), || debian.install(&packages))?;
    let what = format!("cargo install {} for LLVM {} (about a minute)", linker::CRATE, compiler.llvm);
    step("setup", &what, || linker::install(root, compiler.llvm))
}

/// What to type where nothing can be installed from here.
fn advice(missing: &Missing) -> String {
    let lack = missing.to_string();
    let lack = lack.strip_suffix(": run `cargo xtask setup`").unwrap_or(&lack);
    let llvm = match missing {
        Missing::Compiler => own_llvm(),
        Missing::Linker { llvm } | Missing::LinkerTooOld { compiler: llvm, .. } => Some(*llvm),
    };
    let (llvm, where_n) = match llvm {
        Some(llvm) => (llvm.to_string(), ""),
        None => {
            ("N".to_owned(), "\n\nwith N the major version that `/usr/bin/rustc -vV` then gives for LLVM")
        }
    };
    format!(
        "{lack}, and only root on Debian or Ubuntu can have it installed from here. Type either\n\
         \n  rustup toolchain install nightly --component rust-src\
         \n  cargo binstall bpf-linker     (or a release of https://github.com/aya-rs/bpf-linker on your PATH)\n\
         \nor, on Debian 12,\n\
         \n  sudo apt-get install build-essential {} {}\
         \n  LLVM_PREFIX=/usr/lib/llvm-{llvm} cargo install {} --version {} --locked --no-default-features --features llvm-{llvm}\
         {where_n}",
        debian::COMPILER.join(" "),
        linker::package_names(&llvm).join(" "),
        linker::CRATE,
        linker::VERSION,
    )
}

fn own_llvm() -> Option<u32> {
    let output = std::process::Command::new("/usr/bin/rustc").arg("-vV").output().ok()?;
    llvm_major(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_the_ones_before_them() {
        let cases: [(Set, &[&str], &str); 5] = [
            (Set::Build, &["cc", "c++", "make"], ""),
            (Set::Build, &[], "build-essential"),
            (Set::Test, &["cc", "c++", "make", "wrk"], "nginx-core ffmpeg babeltrace2 tmux chromium"),
            (Set::Test, &[], "build-essential nginx-core wrk ffmpeg babeltrace2 tmux chromium"),
            (
                Set::Bench,
                &["cc", "c++", "make", "nginx", "wrk", "ffmpeg", "babeltrace2", "tmux", "chromium"],
                "bpftrace",
            ),
        ];
        for (set, present, expected) in cases {
            let lacking = lacking(set, |name| present.contains(&name));
            assert_eq!(packages(&lacking).join(" "), expected, "{set:?} with {present:?}");
        }
    }

    #[test]
    fn sets_have_names() {
        for (name, set) in [("build", Set::Build), ("test", Set::Test), ("bench", Set::Bench)] {
            assert_eq!(name.parse::<Set>().unwrap(), set);
        }
        assert!("tests".parse::<Set>().is_err());
    }

    #[test]
    fn advice_names_both_ways() {
        for missing in [Missing::Compiler, Missing::Linker { llvm: 22 }] {
            let advice = advice(&missing);
            for word in ["rust-src", "bpf-linker", "libstd-rust-web-dev-bpf", "--features llvm-"] {
                assert!(advice.contains(word), "{word} in {advice}");
            }
            assert!(!advice.contains("xtask setup"), "{advice}");
        }
    }
}
