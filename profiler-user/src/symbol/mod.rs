//! Names to places and back: the functions of the files that a process maps.
//!
//! Owns: ELF symbol tables, separate and built-in debug files, demangling, and the one conversion between file offsets, ELF
//! addresses and process addresses.

pub mod address;
pub mod bytes;
pub mod debugfile;
pub mod demangle;
mod elf;
pub mod error;
mod explain;
mod glob;
pub mod list;
pub mod lookup;
mod minidebug;
pub mod module;
mod names;
mod nearest;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use address::{ElfAddress, FileOffset, ProcessAddress, Segment, Span};
pub use bytes::{FileBytes, FileIdentity};
pub use debugfile::DebugRoots;
pub use error::SymbolError;
pub use lookup::{Candidate, Lookup, Match, Miss, find};

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

/// A file that holds code, and what is known of it. Its tables are read once; nothing here is a live view of a process.
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
    /// Where its names come from.
    pub sources: Sources,
    /// The file, open: code is read from it when asked for ([`Module::code`]), nothing of it is kept in memory.
    pub bytes: FileBytes,
}

impl Sources {
    /// Whether the names of all functions are known, not only those of exported ones.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.symtab || self.debug_file.is_some() || self.mini_debug
    }
}

/// Where a module's names come from, and what else its tables say. Explains why a name is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// It has its full symbol table.
    pub symtab: bool,
    /// It has a table of exported and imported symbols.
    pub dynsym: bool,
    /// The separate debug file that gave the names which the file itself does not have.
    pub debug_file: Option<PathBuf>,
    /// A compressed debug file within the file gave those names (MiniDebugInfo).
    pub mini_debug: bool,
    /// Names of indirect functions (STT_GNU_IFUNC): only a resolver has an address in the file.
    pub indirect: Vec<String>,
    /// The name by which the dynamic linker knows the file.
    pub soname: Option<String>,
}
