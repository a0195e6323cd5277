//! A file read as a module, and what can be asked of it.
//!
//! Owns: the reading order (own tables, then, where the own table was stripped, a separate debug file, then the one within), and a function's extent and code.
//! Refuses: keeping the file in memory. Code is read from the open file when asked for, and the plan asks for few functions.

use std::borrow::Cow;
use std::path::Path;

use object::elf;

use super::address::{self, ElfAddress, FileOffset};
use super::bytes::FileBytes;
use super::debugfile::DebugRoots;
use super::elf::Elf;
use super::error::SymbolError;
use super::minidebug;
use super::table::Symbols;
use super::{Function, Module, Sources};

/// Bytes of one function's code at most.
pub const MAX_CODE: u64 = 4 << 20;

impl Module {
    /// Reads the functions of a file. `path` reaches it, `name` is what its process calls it; a debug file is looked for in `roots`.
    pub fn read(bytes: FileBytes, path: &Path, name: &Path, roots: &DebugRoots) -> Result<Self, SymbolError> {
        let elf = Elf::read(&bytes, path)?;
        let build_id = build_id(&elf);
        let (symbols, mut sources) = symbols(&elf, name, build_id.as_deref(), roots);
        sources.indirect = symbols.indirect.iter().cloned().collect();
        sources.soname = elf.soname();
        // A static program that was stripped keeps no name that says it: then the tables of its handlers do.
        let handlers = symbols.seen == 0 && elf.section(".gcc_except_table").is_some();
        let is_go = is_go(&elf);
        let Elf { arch, segments, .. } = elf;
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            build_id,
            arch,
            segments,
            is_go,
            unwinds: symbols.unwinds || handlers,
            functions: symbols.into_functions(),
            sources,
            bytes,
        })
    }

    /// Opens and reads a file by its path.
    pub fn open(path: &Path, roots: &DebugRoots) -> Result<Self, SymbolError> {
        let bytes = FileBytes::open(path)
            .map_err(|source| SymbolError::Unreadable { path: path.to_owned(), source })?;
        Self::read(bytes, path, path, roots)
    }

    /// The file offset of an address of this file.
    pub fn file_offset(&self, address: ElfAddress) -> Option<FileOffset> {
        address::offset_of(&self.segments, address)
    }

    /// The address of a file offset of this file.
    pub fn elf_address(&self, offset: FileOffset) -> Option<ElfAddress> {
        address::address_of(&self.segments, offset)
    }

    /// The function whose code holds the address.
    pub fn function_at(&self, address: ElfAddress) -> Option<&Function> {
        let after = self.functions.partition_point(|function| function.address <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (address.0 - function.address.0 < self.extent(function)).then_some(function)
    }

    /// Bytes of a function's code: its size, or up to the next function where the table gives none; never beyond its segment.
    pub fn extent(&self, function: &Function) -> u64 {
        let Some(left) = address::code_segment(&self.segments, function.address)
            .and_then(|segment| segment.bytes_from(function.address))
        else {
            return 0;
        };
        let after = self.functions.partition_point(|other| other.address <= function.address);
        let next = self.functions.get(after).map_or(left, |next| next.address.0 - function.address.0);
        let size = if function.size == 0 { next } else { function.size };
        size.min(left)
    }

    /// The code of a function, no more than [`MAX_CODE`] bytes; `None` where the file does not have it (any more).
    pub fn code(&self, function: &Function) -> Option<Cow<'_, [u8]>> {
        match self.extent(function).min(MAX_CODE) {
            0 => None,
            len => self.bytes.read(self.file_offset(function.address)?.0, len),
        }
    }

    /// The code from an address on, `len` bytes of it or as many as its segment has.
    pub fn code_at(&self, address: ElfAddress, len: u64) -> Option<Cow<'_, [u8]>> {
        let segment = address::code_segment(&self.segments, address)?;
        let len = segment.bytes_from(address)?.min(len).min(MAX_CODE);
        self.bytes.read(segment.offset_of(address)?.0, len)
    }

    /// Whether the user means this file by `library`: its path, its file name, or that with fewer version numbers
    /// (`libavcodec.so.59` for `libavcodec.so.59.37.100`), or its soname.
    pub fn is_library(&self, library: &str) -> bool {
        names_file(&self.name, library) || self.sources.soname.as_deref() == Some(library)
    }
}

/// Whether `library` names the file at `path`, see [`Module::is_library`]. `false` may only mean that the soname has to be asked.
pub fn names_file(path: &Path, library: &str) -> bool {
    if library.contains('/') {
        return path == Path::new(library);
    }
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    file.strip_prefix(library)
        .is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && !library.is_empty()))
}

/// The soname of a file, at the price of its headers: nothing else of it is read.
pub fn soname(bytes: &FileBytes, path: &Path) -> Option<String> {
    Elf::read(bytes, path).ok()?.soname()
}

/// The GNU build id.
pub(super) fn build_id(elf: &Elf<'_>) -> Option<Vec<u8>> {
    elf.note(b"GNU", elf::NT_GNU_BUILD_ID.0).filter(|id| !id.is_empty())
}

/// Go's own sections, or, where the section table is gone, its build id note.
fn is_go(elf: &Elf<'_>) -> bool {
    let named = |name: &[u8]| {
        name == b".go.buildinfo" || name == b".note.go.buildid" || name.ends_with(b".gopclntab")
    };
    elf.any_section(named) || elf.note(b"Go", 4).is_some()
}

fn symbols(elf: &Elf<'_>, name: &Path, build_id: Option<&[u8]>, roots: &DebugRoots) -> (Symbols, Sources) {
    let mut symbols = Symbols::default();
    let mut sources = Sources {
        dynsym: symbols.add(elf, elf::SHT_DYNSYM, &elf.segments).is_some(),
        symtab: symbols.add(elf, elf::SHT_SYMTAB, &elf.segments).is_some(),
        ..Sources::default()
    };
    let mut add = |bytes: &FileBytes, path: &Path| {
        let debug = Elf::read(bytes, path).ok().filter(|debug| debug.arch == elf.arch)?;
        symbols.add(&debug, elf::SHT_SYMTAB, &elf.segments)
    };
    if !sources.symtab {
        sources.debug_file =
            roots.find(elf, name, build_id).and_then(|(path, bytes)| add(&bytes, &path).map(|()| path));
    }
    if !sources.symtab && sources.debug_file.is_none() {
        sources.mini_debug = minidebug::unpack(elf).and_then(|bytes| add(&bytes, name)).is_some();
    }
    (symbols, sources)
}
