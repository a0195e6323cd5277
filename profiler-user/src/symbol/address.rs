//! The three address spaces, a type for each, and the only place that converts between them.

/// Bytes from the start of a file: what the kernel wants for a uprobe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// An address as a file's symbol table and disassembly give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElfAddress(pub u64);

/// An address in a running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessAddress(pub u64);

/// A loadable segment of a file (PT_LOAD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts in the file.
    pub offset: FileOffset,
    /// Where it starts in the file's own addresses.
    pub address: ElfAddress,
    /// Bytes of it that are in the file.
    pub size: u64,
    /// Whether it holds code.
    pub executable: bool,
}
