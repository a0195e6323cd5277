//! Stage points: where in a program a stage happens, as users write it.
//!
//! Owns: the point and its one spelling (`Display`). Refuses: knowing which functions there are, which is `symbol`'s.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use parse::MAX_POINT_BYTES;

/// A stage point: where in a program a stage happens. Parsed from and shown as `libfoo.so.1:write_done%return`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// File name, or absolute path, of the library (or executable) that holds it; any mapped file when `None`.
    pub library: Option<String>,
    /// The place in that file.
    pub place: Place,
    /// At the function's return instead of its entry.
    pub at_return: bool,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A function: mangled name, demangled path, or glob; and bytes past its first instruction.
    Function {
        /// What the name must match.
        pattern: String,
        /// Bytes past the function's start; 0 leaves the choice of the instruction to the plan.
        offset: u64,
    },
    /// An address as the file's own symbol table and disassembly give it.
    Address(u64),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(library) = &self.library {
            write!(f, "{library}:")?;
        }
        match &self.place {
            Place::Function { pattern, offset: 0 } => f.write_str(pattern)?,
            Place::Function { pattern, offset } => write!(f, "{pattern}+{offset:#x}")?,
            Place::Address(address) => write!(f, "{address:#x}")?,
        }
        if self.at_return { f.write_str("%return") } else { Ok(()) }
    }
}
