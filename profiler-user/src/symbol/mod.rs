//! Names to places and back: the functions of the files that a process maps.
//!
//! Owns: ELF symbol tables, separate debug files, demangling, and the one conversion between file offsets, ELF
//! addresses and process addresses.

pub mod address;

use std::path::PathBuf;

pub use address::{ElfAddress, FileOffset, ProcessAddress, Segment};

/// Instruction set of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86, 64 bit.
    X86_64,
    /// ARM, 64 bit.
    Aarch64,
}

/// A function of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name in the symbol table. Where several symbols share the address, the others are in `aliases`.
    pub symbol: String,
    /// The name as its programmer wrote it, without hash or parameter list noise where the scheme allows.
    pub demangled: String,
    /// Other symbol names of the same address.
    pub aliases: Vec<String>,
    /// Where it starts.
    pub address: ElfAddress,
    /// Bytes of code; 0 when the table does not say.
    pub size: u64,
}

/// A file that holds code, and what is known of it. Its bytes are read once; nothing here is a live view of a process.
#[derive(Clone, Debug)]
pub struct Module {
    /// The path that reaches the very file that the process maps (through `/proc/PID/root` or `/proc/PID/map_files` where needed).
    pub path: PathBuf,
    /// The path as the process itself names it.
    pub name: PathBuf,
    /// GNU build id.
    pub build_id: Option<Vec<u8>>,
    /// Instruction set.
    pub arch: Arch,
    /// The loadable segments, for address conversion.
    pub segments: Vec<Segment>,
    /// Functions sorted by address, one for each address.
    pub functions: Vec<Function>,
    /// Whether the file holds Go code: its stacks move, so that return trampolines would break it.
    pub is_go: bool,
    /// Whether exceptions or panics may unwind through its frames (C++ or Rust): a return trampoline would abort them.
    pub unwinds: bool,
    /// The whole file's bytes.
    pub bytes: std::sync::Arc<[u8]>,
}
