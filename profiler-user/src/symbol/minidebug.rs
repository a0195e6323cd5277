//! MiniDebugInfo: the function symbols that some distributions leave in a stripped file, as an ELF file of its own, compressed by xz, in
//! section `.gnu_debugdata`.
//!
//! Owns: getting that file out. Refuses: more memory than [`MAX_UNPACKED`] and [`MAX_DICTIONARY`], whatever the section claims; a
//! section that does not unpack is as good as none.

use std::io::Read as _;

use lzma_rust2::XzReader;

use super::bytes::FileBytes;
use super::elf::Elf;

/// Bytes of the file within at most. It has symbols only: real ones have some hundred kilobytes.
const MAX_UNPACKED: u64 = 64 << 20;
/// KiB that the decoder may take for its dictionary: what `xz -9` needs.
const MAX_DICTIONARY: u32 = 66 << 10;

/// The file within a file, if it has one.
pub(super) fn unpack(elf: &Elf<'_>) -> Option<FileBytes> {
    let packed = elf.content(elf.section(".gnu_debugdata")?)?;
    let mut unpacked = Vec::new();
    let reader = XzReader::new_mem_limit(packed.as_slice(), false, MAX_DICTIONARY);
    reader.take(MAX_UNPACKED + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() as u64 <= MAX_UNPACKED).then(|| unpacked.into())
}
