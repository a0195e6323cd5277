//! The three address spaces, a type for each, and the only place that converts between them.
//!
//! Owns: file offset <-> ELF address (by the loadable segments), process address <-> file offset (by a mapping).
//! Refuses: guessing. An address that no segment's or mapping's bytes hold has no counterpart: `None`.

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

impl Segment {
    /// The file offset of an address in this segment's file bytes.
    pub fn offset_of(&self, address: ElfAddress) -> Option<FileOffset> {
        let into = address.0.checked_sub(self.address.0).filter(|into| *into < self.size)?;
        self.offset.0.checked_add(into).map(FileOffset)
    }

    /// The address of a file offset in this segment's file bytes.
    pub fn address_of(&self, offset: FileOffset) -> Option<ElfAddress> {
        let into = offset.0.checked_sub(self.offset.0).filter(|into| *into < self.size)?;
        self.address.0.checked_add(into).map(ElfAddress)
    }

    /// Bytes of the segment from this address to its end in the file.
    pub fn bytes_from(&self, address: ElfAddress) -> Option<u64> {
        let into = address.0.checked_sub(self.address.0)?;
        self.size.checked_sub(into).filter(|left| *left > 0)
    }
}

/// The file offset of an ELF address. Where segments overlap, one that holds code is taken first: probes go into code.
pub fn offset_of(segments: &[Segment], address: ElfAddress) -> Option<FileOffset> {
    code_first(segments).find_map(|segment| segment.offset_of(address))
}

/// The ELF address of a file offset. Where segments overlap, one that holds code is taken first.
pub fn address_of(segments: &[Segment], offset: FileOffset) -> Option<ElfAddress> {
    code_first(segments).find_map(|segment| segment.address_of(offset))
}

/// The segment with code whose file bytes hold the address.
pub fn code_segment(segments: &[Segment], address: ElfAddress) -> Option<&Segment> {
    segments.iter().find(|segment| segment.executable && segment.offset_of(address).is_some())
}

fn code_first(segments: &[Segment]) -> impl Iterator<Item = &Segment> {
    let data = segments.iter().filter(|segment| !segment.executable);
    segments.iter().filter(|segment| segment.executable).chain(data)
}

/// A stretch of a process's memory that shows a stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// First address.
    pub start: ProcessAddress,
    /// The address after the last.
    pub end: ProcessAddress,
    /// What the first address shows.
    pub offset: FileOffset,
}

impl Span {
    /// The file offset that an address shows.
    pub fn offset_of(&self, address: ProcessAddress) -> Option<FileOffset> {
        let into = address.0.checked_sub(self.start.0).filter(|_| address < self.end)?;
        self.offset.0.checked_add(into).map(FileOffset)
    }

    /// Where a file offset is seen in the process.
    pub fn address_of(&self, offset: FileOffset) -> Option<ProcessAddress> {
        let into = offset.0.checked_sub(self.offset.0)?;
        self.start.0.checked_add(into).map(ProcessAddress).filter(|address| *address < self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Segments as linkers lay them: ascending, apart, each with a load bias of its own.
    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        prop::collection::vec((0u64..0x4000, 1u64..0x8000, 0u64..4, any::<bool>()), 1..6).prop_map(|parts| {
            let (mut offset, mut address) = (0, 0x40_0000);
            parts
                .into_iter()
                .map(|(gap, size, pages, executable)| {
                    let segment = Segment {
                        offset: FileOffset(offset + gap),
                        address: ElfAddress(address + gap + pages * 0x1000),
                        size,
                        executable,
                    };
                    (offset, address) = (segment.offset.0 + size, segment.address.0 + size);
                    segment
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn file_offset_to_address_and_back(segments in segments(), pick in any::<prop::sample::Index>(), into in any::<u64>()) {
            let segment = segments[pick.index(segments.len())];
            let offset = FileOffset(segment.offset.0 + into % segment.size);
            let address = address_of(&segments, offset).unwrap();
            prop_assert_eq!(offset_of(&segments, address), Some(offset));
            prop_assert_eq!(address.0 - segment.address.0, offset.0 - segment.offset.0);
        }

        #[test]
        fn process_address_to_offset_and_back(start in any::<u64>(), size in 1u64..1 << 40, offset in any::<u64>(), into in any::<u64>()) {
            let span = Span { start: ProcessAddress(start), end: ProcessAddress(start.saturating_add(size)), offset: FileOffset(offset) };
            let address = ProcessAddress(start.saturating_add(into % size));
            if let Some(there) = span.offset_of(address) {
                prop_assert_eq!(span.address_of(there), Some(address));
            }
        }

        #[test]
        fn hostile_numbers_never_panic(o in any::<u64>(), a in any::<u64>(), s in any::<u64>(), x in any::<u64>()) {
            let segments = [Segment { offset: FileOffset(o), address: ElfAddress(a), size: s, executable: true }];
            let _ = (offset_of(&segments, ElfAddress(x)), address_of(&segments, FileOffset(x)), segments[0].bytes_from(ElfAddress(x)));
            let span = Span { start: ProcessAddress(o), end: ProcessAddress(a), offset: FileOffset(s) };
            let _ = (span.offset_of(ProcessAddress(x)), span.address_of(FileOffset(x)));
        }
    }

    #[test]
    fn what_lies_outside_has_no_counterpart() {
        let text =
            Segment { offset: FileOffset(0x1000), address: ElfAddress(0x2000), size: 0x10, executable: true };
        assert_eq!(text.offset_of(ElfAddress(0x1fff)), None);
        assert_eq!(text.offset_of(ElfAddress(0x200f)), Some(FileOffset(0x100f)));
        assert_eq!(text.offset_of(ElfAddress(0x2010)), None);
        assert_eq!(text.bytes_from(ElfAddress(0x200f)), Some(1));
        assert_eq!(text.bytes_from(ElfAddress(0x2010)), None);
    }
}
