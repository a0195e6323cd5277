//! The raw tables of an ELF file: header, segments, sections, notes.
//!
//! Owns: bounded, checked access to them. Each table is read by itself, so that a file of hundreds of megabytes costs what its
//! tables cost. Refuses: trusting any number in the file; a table that the file cannot hold is absent.

use std::path::Path;

use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::{LittleEndian as LE, pod, pod::Pod};

use super::Arch;
use super::address::{ElfAddress, FileOffset, Segment};
use super::bytes::FileBytes;
use super::error::SymbolError;

type Section = SectionHeader64<LE>;

/// Entries of a header table at most; real files have dozens.
const MAX_HEADERS: u64 = 1 << 16;

/// A table of plain values, read from the file into aligned memory.
pub(super) struct Table {
    words: Vec<u64>,
    count: usize,
}

impl Table {
    /// Reads `count` values of type `T`.
    pub(super) fn read<T: Pod>(bytes: &FileBytes, offset: u64, count: u64) -> Option<Self> {
        let size = count.checked_mul(size_of::<T>() as u64)?;
        let fits = offset.checked_add(size).is_some_and(|end| end <= bytes.len());
        if !fits || size > super::bytes::MAX_READ {
            return None;
        }
        let mut words = vec![0u64; usize::try_from(size.div_ceil(8)).ok()?];
        let buffer = pod::bytes_of_slice_mut(&mut words).get_mut(..usize::try_from(size).ok()?)?;
        bytes.fill(offset, buffer)?;
        Some(Self { words, count: usize::try_from(count).ok()? })
    }

    /// The values; empty where `T` is not the type that was read.
    pub(super) fn values<T: Pod>(&self) -> &[T] {
        pod::slice_from_bytes(pod::bytes_of_slice(&self.words), self.count).map_or(&[], |(values, _)| values)
    }
}

/// The raw view of a file.
pub(super) struct Elf<'a> {
    pub(super) bytes: &'a FileBytes,
    pub(super) arch: Arch,
    pub(super) segments: Vec<Segment>,
    programs: Vec<ProgramHeader64<LE>>,
    sections: Vec<Section>,
    names: Vec<u8>,
}

impl<'a> Elf<'a> {
    /// Reads the headers.
    pub(super) fn read(bytes: &'a FileBytes, path: &Path) -> Result<Self, SymbolError> {
        let damaged = |what| SymbolError::Damaged { path: path.to_owned(), what };
        check_ident(bytes, path)?;
        let table = Table::read::<FileHeader64<LE>>(bytes, 0, 1).ok_or(damaged("its header is cut off"))?;
        let header = table.values::<FileHeader64<LE>>().first().ok_or(damaged("its header is cut off"))?;
        let arch = arch_of(header, path)?;
        let programs = program_headers(bytes, header).ok_or(damaged("its program headers lie outside"))?;
        let sections = section_headers(bytes, header).unwrap_or_default();
        let names = name_table(bytes, header, &sections).unwrap_or_default();
        let segments = programs.iter().filter(|p| p.p_type.get(LE) == elf::PT_LOAD).map(segment).collect();
        Ok(Self { bytes, arch, segments, programs, sections, names })
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| self.name(section) == name.as_bytes())
    }

    /// Whether any section's name satisfies the test.
    pub(super) fn any_section(&self, test: impl Fn(&[u8]) -> bool) -> bool {
        self.sections.iter().any(|section| test(self.name(section)))
    }

    /// The first section of this type that has bytes in the file.
    pub(super) fn section_of_type(&self, kind: elf::SectionType) -> Option<&Section> {
        self.sections.iter().find(|section| section.sh_type.get(LE) == kind)
    }

    /// The section that `section` refers to.
    pub(super) fn linked(&self, section: &Section) -> Option<&Section> {
        self.sections.get(usize::try_from(section.sh_link.get(LE)).ok()?)
    }

    /// A section's bytes; `None` where it has none in the file.
    pub(super) fn content(&self, section: &Section) -> Option<Vec<u8>> {
        content(self.bytes, section)
    }

    /// A section read as a table of `T`.
    pub(super) fn table<T: Pod>(&self, section: &Section) -> Option<Table> {
        let count = section.sh_size.get(LE) / size_of::<T>() as u64;
        (section.sh_type.get(LE) != elf::SHT_NOBITS)
            .then(|| Table::read::<T>(self.bytes, section.sh_offset.get(LE), count))
            .flatten()
    }

    /// What the first note of this owner and type says.
    pub(super) fn note(&self, owner: &[u8], kind: u32) -> Option<Vec<u8>> {
        let sections = self.sections.iter().filter(|s| s.sh_type.get(LE) == elf::SHT_NOTE);
        let sections = sections.map(|s| (s.sh_offset.get(LE), s.sh_size.get(LE)));
        let programs = self.programs.iter().filter(|p| p.p_type.get(LE) == elf::PT_NOTE);
        let programs = programs.map(|p| (p.p_offset.get(LE), p.p_filesz.get(LE)));
        sections.chain(programs).find_map(|(offset, size)| {
            let bytes = self.bytes.read(offset, size.min(1 << 16))?;
            find_note(&bytes, owner, kind).map(<[u8]>::to_vec)
        })
    }

    /// The name by which the dynamic linker knows the file (DT_SONAME).
    pub(super) fn soname(&self) -> Option<String> {
        let section = self.section_of_type(elf::SHT_DYNAMIC)?;
        let table = self.table::<elf::Dyn64<LE>>(section)?;
        let entry = table
            .values::<elf::Dyn64<LE>>()
            .iter()
            .find(|e| e.d_tag.get(LE) == elf::DT_SONAME)?
            .d_val
            .get(LE);
        let strings = self.content(self.linked(section)?)?;
        let name = string(&strings, entry)?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }

    fn name(&self, section: &Section) -> &[u8] {
        string(&self.names, u64::from(section.sh_name.get(LE))).unwrap_or_default()
    }
}

/// The zero-terminated string at an offset of a string table.
pub(super) fn string(table: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = table.get(usize::try_from(offset).ok()?..)?;
    memchr(rest).and_then(|end| rest.get(..end))
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

fn check_ident(bytes: &FileBytes, path: &Path) -> Result<(), SymbolError> {
    let ident = bytes.read(0, 16).filter(|ident| ident.starts_with(&elf::ELFMAG));
    let Some(ident) = ident else {
        return Err(SymbolError::NotElf { path: path.to_owned() });
    };
    let found = match (ident.get(4), ident.get(5)) {
        (Some(1), _) => "a 32-bit machine",
        (_, Some(2)) => "a big-endian machine",
        (Some(2), Some(1)) => return Ok(()),
        _ => "an unknown class of machine",
    };
    Err(SymbolError::UnsupportedArch { path: path.to_owned(), found: found.to_owned() })
}

fn arch_of(header: &FileHeader64<LE>, path: &Path) -> Result<Arch, SymbolError> {
    match header.e_machine.get(LE) {
        elf::EM_X86_64 => Ok(Arch::X86_64),
        elf::EM_AARCH64 => Ok(Arch::Aarch64),
        other => Err(SymbolError::UnsupportedArch {
            path: path.to_owned(),
            found: format!("another instruction set (ELF machine {})", other.0),
        }),
    }
}

fn program_headers(bytes: &FileBytes, header: &FileHeader64<LE>) -> Option<Vec<ProgramHeader64<LE>>> {
    // PN_XNUM, more than 65534 of them, is for core dumps: a program never needs it.
    let table =
        Table::read::<ProgramHeader64<LE>>(bytes, header.e_phoff.get(LE), header.e_phnum.get(LE).into())?;
    Some(table.values::<ProgramHeader64<LE>>().to_vec())
}

fn section_headers(bytes: &FileBytes, header: &FileHeader64<LE>) -> Option<Vec<Section>> {
    let offset = header.e_shoff.get(LE);
    let count = match (offset, header.e_shnum.get(LE)) {
        (0, _) => return None,
        // More sections than the header's field can say: the first section's size says how many.
        (_, 0) => Table::read::<Section>(bytes, offset, 1)?.values::<Section>().first()?.sh_size.get(LE),
        (_, count) => count.into(),
    };
    (count <= MAX_HEADERS)
        .then(|| Table::read::<Section>(bytes, offset, count).map(|t| t.values::<Section>().to_vec()))
        .flatten()
}

fn name_table(bytes: &FileBytes, header: &FileHeader64<LE>, sections: &[Section]) -> Option<Vec<u8>> {
    let index = match header.e_shstrndx.get(LE) {
        elf::SHN_XINDEX => sections.first()?.sh_link.get(LE),
        index => u32::from(index.0),
    };
    content(bytes, sections.get(usize::try_from(index).ok()?)?)
}

fn content(bytes: &FileBytes, section: &Section) -> Option<Vec<u8>> {
    (section.sh_type.get(LE) != elf::SHT_NOBITS)
        .then(|| bytes.read(section.sh_offset.get(LE), section.sh_size.get(LE)).map(|c| c.into_owned()))
        .flatten()
}

fn segment(program: &ProgramHeader64<LE>) -> Segment {
    Segment {
        offset: FileOffset(program.p_offset.get(LE)),
        address: ElfAddress(program.p_vaddr.get(LE)),
        size: program.p_filesz.get(LE),
        executable: program.p_flags.get(LE).contains(elf::PF_X),
    }
}

/// Walks notes: name size, content size, type; then name and content, each padded to four bytes.
fn find_note<'b>(mut bytes: &'b [u8], owner: &[u8], kind: u32) -> Option<&'b [u8]> {
    loop {
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (name_len, len, found) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let start = 12usize.checked_add(name_len.checked_next_multiple_of(4)?)?;
        let content = bytes.get(start..start.checked_add(len)?)?;
        let name = bytes.get(12..12usize.checked_add(name_len)?)?;
        if name.strip_suffix(&[0]).unwrap_or(name) == owner && found == kind {
            return Some(content);
        }
        bytes = bytes.get(start.checked_add(len.checked_next_multiple_of(4)?)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_behind_others_and_hostile_sizes_end_the_walk() {
        let mut notes = Vec::new();
        for (owner, kind, content) in [(&b"Go\0\0"[..], 4u32, &b"abc"[..]), (b"GNU\0", 3, b"\x01\x02")] {
            notes.extend((owner.len() as u32).to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(owner);
            notes.extend(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(find_note(&notes, b"GNU", 3), Some(&b"\x01\x02"[..]));
        assert_eq!(find_note(&notes, b"GNU", 4), None);
        assert_eq!(find_note(&[0xff; 64], b"GNU", 3), None);
        assert_eq!(find_note(&[0; 5], b"GNU", 3), None);
    }
}
