//! Which compiler builds the kernel program, decided from facts alone.
//!
//! Owns the choice and the sentence said when there is none. Refuses to look at the machine: `probe` gathers the facts.

use std::{fmt, path::PathBuf};

/// A compiler that can build for `bpfel-unknown-none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// A nightly toolchain of rustup with the component rust-src: `core` is built along.
    Nightly {
        /// Its name, as rustup lists it.
        name: String,
    },
    /// A distribution's compiler with a prebuilt `core` for the target.
    System {
        /// The compiler.
        rustc: PathBuf,
    },
}

/// A compiler and the LLVM that its bitcode needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// How to call it.
    pub toolchain: Toolchain,
    /// Major version of its LLVM.
    pub llvm: u32,
}

/// An installed bpf-linker that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    /// Its version, `0.13.0`.
    pub version: String,
    /// Major version of its LLVM, where that can be told; a release binary does not say.
    pub llvm: Option<u32>,
}

/// What the machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Compilers able to build the program, the preferred first.
    pub compilers: Vec<Compiler>,
    /// The linker on the path, if it runs.
    pub linker: Option<Linker>,
}

/// What keeps the kernel program from being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No compiler for the target.
    Compiler,
    /// No linker.
    Linker {
        /// Major version of the LLVM it has to be built with, at least.
        llvm: u32,
    },
    /// The linker cannot read what the compilers write.
    LinkerTooOld {
        /// LLVM of the linker.
        linker: u32,
        /// LLVM of the preferred compiler.
        compiler: u32,
    },
}

impl Facts {
    /// The first compiler whose bitcode the linker can read. LLVM reads the bitcode of older releases, never of newer ones.
    ///
    /// # Errors
    /// What is missing.
    pub fn choose(&self) -> Result<&Toolchain, Missing> {
        let Some(first) = self.compilers.first() else { return Err(Missing::Compiler) };
        let Some(linker) = &self.linker else { return Err(Missing::Linker { llvm: first.llvm }) };
        let Some(linker_llvm) = linker.llvm else { return Ok(&first.toolchain) };
        let fits = self.compilers.iter().find(|compiler| compiler.llvm <= linker_llvm);
        fits.map(|compiler| &compiler.toolchain)
            .ok_or(Missing::LinkerTooOld { linker: linker_llvm, compiler: first.llvm })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "no compiler for bpfel-unknown-none (neither a nightly toolchain with rust-src nor a system rustc with a \
                 prebuilt core)"
            ),
            Self::Linker { llvm } => write!(f, "no bpf-linker that runs (LLVM {llvm} or later is needed)"),
            Self::LinkerTooOld { linker, compiler } => {
                write!(f, "bpf-linker has LLVM {linker}, but the compiler writes bitcode of LLVM {compiler}")
            }
        }?;
        write!(f, ": run `cargo xtask setup`")
    }
}

impl std::error::Error for Missing {}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nightly { name } => write!(f, "{name} with build-std"),
            Self::System { rustc } => write!(f, "{}", rustc.display()),
        }
    }
}

/// The major version in the `LLVM version:` line of `rustc -vV`.
#[must_use]
pub fn llvm_major(rustc_verbose_version: &str) -> Option<u32> {
    let version = rustc_verbose_version.lines().find_map(|line| line.strip_prefix("LLVM version:"))?;
    version.trim().split('.').next()?.parse().ok()
}

/// The LLVM feature that cargo's record of installed programs (`.crates2.json`) has for bpf-linker.
#[must_use]
pub fn recorded_llvm(crates2: &str) -> Option<u32> {
    let (_, entry) = crates2.split_once("\"bpf-linker ")?;
    let (entry, _) = entry.split_once('}')?;
    let (_, features) = entry.split_once("\"features\":[")?;
    let (features, _) = features.split_once(']')?;
    features.split(',').find_map(|feature| feature.trim_matches('"').strip_prefix("llvm-")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly(llvm: u32) -> Compiler {
        Compiler { toolchain: Toolchain::Nightly { name: "nightly".into() }, llvm }
    }

    fn system(llvm: u32) -> Compiler {
        Compiler { toolchain: Toolchain::System { rustc: "/usr/bin/rustc".into() }, llvm }
    }

    fn linker(llvm: Option<u32>) -> Option<Linker> {
        Some(Linker { version: "0.13.0".into(), llvm })
    }

    #[test]
    fn chooses_the_first_compiler_that_the_linker_can_read() {
        let cases = [
            (vec![], None, Err(Missing::Compiler)),
            (vec![], linker(Some(22)), Err(Missing::Compiler)),
            (vec![system(22)], None, Err(Missing::Linker { llvm: 22 })),
            (vec![system(22)], linker(Some(22)), Ok(system(22))),
            (vec![system(22)], linker(Some(21)), Err(Missing::LinkerTooOld { linker: 21, compiler: 22 })),
            (vec![nightly(22), system(22)], linker(Some(22)), Ok(nightly(22))),
            (vec![nightly(23), system(22)], linker(Some(22)), Ok(system(22))),
            (vec![nightly(23), system(22)], linker(None), Ok(nightly(23))),
        ];
        for (compilers, linker, expected) in cases {
            let facts = Facts { compilers, linker };
            let expected = expected.as_ref().map(|compiler| &compiler.toolchain);
            assert_eq!(facts.choose(), expected.map_err(Clone::clone), "{facts:?}");
        }
    }

    #[test]
    fn every_lack_names_the_remedy() {
        for lack in [
            Missing::Compiler,
            Missing::Linker { llvm: 22 },
            Missing::LinkerTooOld { linker: 1, compiler: 2 },
        ] {
            assert!(lack.to_string().ends_with("run `cargo xtask setup`"), "{lack}");
        }
    }

    #[test]
    fn reads_the_llvm_of_a_compiler() {
        assert_eq!(llvm_major("rustc 1.96.0\nhost: x\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\nLLVM version: unknown\n"), None);
        assert_eq!(llvm_major(""), None);
    }

    #[test]
    fn reads_the_llvm_of_an_installed_linker() {
        let record = r#"{"installs":{"ripgrep 14.0.0 (x)":{"features":["llvm-9"]},"bpf-linker 0.13.0 (x)":{"bins":["bpf-linker"],"features":["llvm-22"],"profile":"release"}}}"#;
        assert_eq!(recorded_llvm(record), Some(22));
        assert_eq!(recorded_llvm(r#"{"installs":{"bpf-linker 0.13.0 (x)":{"features":[]}}}"#), None);
        assert_eq!(recorded_llvm("{}"), None);
    }
}
