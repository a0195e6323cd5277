//! The target programs, compiled when a test first asks for one.
//!
//! Owns: the compiler commands. A binary is kept under `target/stain-targets`, named by a hash of its sources and command, so
//! that a changed source is never confused with an old binary. Refuses: cargo's profiles, whose settings (strip, debug) must not
//! change what is traced.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// One pipeline in one way of building it. All have the same stages, options and record layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// C without `endbr64`: entries are mostly `push`.
    C,
    /// C with `-fcf-protection=full`: every entry is an `endbr64`.
    CProtected,
    /// C, stripped of all symbols.
    CStripped,
    /// C++ with `-fcf-protection=full`.
    Cpp,
    /// Rust, legacy symbol mangling.
    Rust,
    /// Rust, v0 symbol mangling.
    RustV0,
}

impl Flavour {
    /// The flavours that have symbols.
    pub const NAMED: [Self; 5] = [Self::C, Self::CProtected, Self::Cpp, Self::Rust, Self::RustV0];

    /// The flavours that a journeys program is tried in: one a language.
    pub const LANGUAGES: [Self; 3] = [Self::CProtected, Self::Cpp, Self::Rust];

    /// The pipeline's path; compiles it if need be.
    pub fn binary(self) -> Result<PathBuf> {
        self.program("pipeline", &["harness"])
    }

    /// The path of the program whose records change, split, merge and vanish; compiles it if need be.
    pub fn journeys(self) -> Result<PathBuf> {
        self.program("journeys", &["flow", "flow_threads", "harness"])
    }

    /// The path of the program that does what a script says; compiles it if need be. In C only.
    pub fn script(self) -> Result<PathBuf> {
        self.program("script", &["flow", "flow_threads", "harness"])
    }

    /// The path of the program whose records' names cannot be read now and then; compiles it if need be. In C only.
    pub fn veiled(self) -> Result<PathBuf> {
        self.program("veiled", &["flow", "flow_threads", "harness"])
    }

    /// A program of this flavour's language, linked with parts of `common`.
    fn program(self, name: &str, parts: &[&str]) -> Result<PathBuf> {
        let (folder, suffix) = self.language();
        let folder = sources().join(folder);
        let mut inputs = headers();
        for file in std::fs::read_dir(&folder)? {
            inputs.push(file?.path());
        }
        let mut command = self.command();
        command.arg(folder.join(format!("{name}.{suffix}")));
        for part in parts {
            let object = object(part)?;
            if suffix == "rs" {
                let mut argument = OsString::from("link-arg=");
                argument.push(&object);
                command.arg("-C").arg(argument);
            } else {
                command.arg(&object);
            }
            inputs.push(object);
        }
        if suffix != "rs" {
            command.arg("-pthread");
        }
        inputs.sort();
        build(command, &format!("{name}-{self:?}"), &inputs)
    }

    /// The folder of its sources, and how their names end.
    fn language(self) -> (&'static str, &'static str) {
        match self {
            Self::C | Self::CProtected | Self::CStripped => ("c", "c"),
            Self::Cpp => ("cpp", "cpp"),
            Self::Rust | Self::RustV0 => ("rust", "rs"),
        }
    }

    fn command(self) -> Command {
        let (program, arguments) = match self {
            Self::C => (tool("CC", "cc"), "-std=gnu11 -O2 -fcf-protection=none"),
            Self::CProtected => (tool("CC", "cc"), "-std=gnu11 -O2 -fcf-protection=full"),
            Self::CStripped => (tool("CC", "cc"), "-std=gnu11 -O2 -s"),
            Self::Cpp => (tool("CXX", "c++"), "-std=c++17 -O2 -fcf-protection=full"),
            Self::Rust => (tool("RUSTC", "rustc"), "--edition=2024 -Copt-level=2 -Ccodegen-units=1"),
            Self::RustV0 => (
                tool("RUSTC", "rustc"),
                "--edition=2024 -Copt-level=2 -Ccodegen-units=1 -Csymbol-mangling-version=v0",
            ),
        };
        let mut command = Command::new(program);
        command
            .args(arguments.split(' ').filter(|a| !cfg!(target_arch = "aarch64") || !a.contains("cf-prot")));
        command
    }
}

/// What the benchmarks probe, with or without an `endbr64` at each entry; compiles it if need be.
pub fn bench_target(protected: bool) -> Result<PathBuf> {
    let flavour = if protected { Flavour::CProtected } else { Flavour::C };
    let source = sources().join("bench/bench.c");
    let mut command = flavour.command();
    command.arg(&source).arg("-pthread");
    build(command, if protected { "bench-protected" } else { "bench" }, &[source])
}

/// The program of `targets/family`: it forks, becomes other programs, and lets records flow, when told.
pub fn family() -> Result<PathBuf> {
    let source = sources().join("family/family.c");
    let mut command = Command::new(tool("CC", "cc"));
    command.args(["-std=gnu11", "-O2"]).arg(&source);
    build(command, "family", &[source])
}

/// A program that loads its sink when told to, and the library with the sink; compiles them if need be.
pub fn late_target() -> Result<(PathBuf, PathBuf)> {
    let build_one = |file: &str, flags: &[&str], name: &str| {
        let source = sources().join("dlopen").join(file);
        let mut command = Flavour::C.command();
        command.args(flags).arg(&source).arg("-ldl");
        build(command, name, &[source])
    };
    Ok((build_one("late.c", &[], "late")?, build_one("sink.c", &["-shared", "-fPIC"], "libsink.so")?))
}

/// The program of `targets/overload`, whose function names mean several functions each.
pub fn overload() -> Result<PathBuf> {
    let source = sources().join("overload/overload.cpp");
    let mut command = Command::new(tool("CXX", "c++"));
    command.args(["-std=c++17", "-O2"]).arg(&source);
    build(command, "overload", &[source])
}

/// Records that lose their key to others: see `tests/targets/keys/keys.c`.
pub fn keys_target() -> Result<PathBuf> {
    let source = sources().join("keys/keys.c");
    let mut command = Flavour::C.command();
    command.arg(&source);
    build(command, "keys", &[source])
}

/// Many threads at once, each with a record of its own: see `tests/targets/crowd/crowd.c`.
pub fn crowd_target() -> Result<PathBuf> {
    let source = sources().join("crowd/crowd.c");
    let mut command = Flavour::C.command();
    command.arg(&source).arg("-pthread");
    build(command, "crowd", &[source])
}

/// Calls within calls, as deep as it is told, in a file through which exceptions may pass or not: see `tests/targets/deep/deep.c`.
pub fn deep_target(unwinds: bool) -> Result<PathBuf> {
    let source = sources().join("deep/deep.c");
    let mut command = if unwinds { Flavour::Cpp } else { Flavour::C }.command();
    if unwinds {
        command.args(["-x", "c++"]);
    }
    command.arg(&source);
    build(command, if unwinds { "deep-unwinds" } else { "deep" }, &[source])
}

/// Stages that are called when told to, in a file through which exceptions may pass or not: see `tests/targets/told/told.c`.
pub fn told_target(unwinds: bool) -> Result<PathBuf> {
    let source = sources().join("told/told.c");
    let mut command = if unwinds { Flavour::Cpp } else { Flavour::C }.command();
    if unwinds {
        command.args(["-x", "c++"]);
    }
    command.arg(&source);
    build(command, if unwinds { "told-unwinds" } else { "told" }, &[source])
}

/// A part of `common`, compiled once for all flavours.
fn object(part: &str) -> Result<PathBuf> {
    let source = sources().join("common").join(part).with_extension("c");
    let mut command = Command::new(tool("CC", "cc"));
    command.args(["-std=gnu11", "-O2", "-pthread", "-c"]).arg(&source);
    let mut inputs = headers();
    inputs.push(source);
    build(command, &format!("{part}.o"), &inputs)
}

/// Runs `command` with `-o` for an output named by `name` and a hash of the command and of all `inputs`, unless it is there.
fn build(mut command: Command, name: &str, inputs: &[PathBuf]) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    for input in inputs {
        std::fs::read(input).with_context(|| format!("cannot read {}", input.display()))?.hash(&mut hasher);
    }
    let folder = output_folder()?;
    let (stem, dot_suffix) =
        name.split_once('.').map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
    let output = folder.join(format!("{stem}-{:016x}{dot_suffix}", hasher.finish()));
    if output.exists() {
        return Ok(output);
    }
    // Built beside and moved: another test may be doing the same, and either result will do.
    let scratch = tempfile::Builder::new().prefix("building-").tempdir_in(&folder)?;
    let fresh = scratch.path().join(format!("pipeline{dot_suffix}"));
    let result = command
        .arg("-o")
        .arg(&fresh)
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(result.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&result.stderr));
    std::fs::rename(&fresh, &output)?;
    Ok(output)
}

fn tool(variable: &str, default: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| default.into())
}

fn headers() -> Vec<PathBuf> {
    ["harness.h", "flow.h"].map(|header| sources().join("common").join(header)).into()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("targets")
}

/// `target/stain-targets`, beside the profile folder that the running test lies in.
pub(crate) fn output_folder() -> Result<PathBuf> {
    let running = std::env::current_exe()?;
    // Tests lie in target/PROFILE/deps, other programs in target/PROFILE.
    let profile = running.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    let target = profile.and_then(Path::parent).context("the test does not lie in target/PROFILE/deps")?;
    let folder = target.join("stain-targets");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
