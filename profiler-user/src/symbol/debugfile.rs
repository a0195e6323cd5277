//! Separate debug files: the symbol tables that a distribution stripped from its programs.
//!
//! Owns: where they lie (build-id folder, .gnu_debuglink) and the proof that one belongs to a file (build id, CRC).
//! Refuses: any file without that proof; asking servers.

use std::path::{Path, PathBuf};

use super::bytes::FileBytes;
use super::elf::Elf;

/// What finds the debug file of a module.
#[derive(Clone, Debug)]
pub struct DebugRoots {
    /// Roots of file systems, the target's own first.
    pub roots: Vec<PathBuf>,
}

impl Default for DebugRoots {
    fn default() -> Self {
        Self { roots: vec![PathBuf::from("/")] }
    }
}

impl DebugRoots {
    /// Looks in nothing: files without separate debug files.
    pub fn none() -> Self {
        Self { roots: Vec::new() }
    }

    /// The debug file of `elf`, which its process knows as `name`: its path and its bytes.
    pub(super) fn find(
        &self,
        elf: &Elf<'_>,
        name: &Path,
        build_id: Option<&[u8]>,
    ) -> Option<(PathBuf, FileBytes)> {
        let by_id = build_id.and_then(build_id_path);
        let link = debuglink(elf);
        self.roots.iter().find_map(|root| {
            let by_id = by_id.iter().find_map(|path| {
                let path = root.join(path);
                let bytes = FileBytes::open(&path).ok()?;
                same_build_id(&bytes, &path, build_id).then_some((path, bytes))
            });
            by_id.or_else(|| self.by_link(root, link.as_ref()?, name, build_id))
        })
    }

    fn by_link(
        &self,
        root: &Path,
        link: &(PathBuf, u32),
        name: &Path,
        build_id: Option<&[u8]>,
    ) -> Option<(PathBuf, FileBytes)> {
        let (file, crc) = link;
        let folder = name.parent()?;
        let folder = folder.strip_prefix("/").unwrap_or(folder);
        let places = [
            root.join(folder).join(file),
            root.join(folder).join(".debug").join(file),
            root.join("usr/lib/debug").join(folder).join(file),
        ];
        places.into_iter().find_map(|path| {
            let bytes = FileBytes::open(&path).ok()?;
            // A build id says more than a checksum and is cheaper to compare; a file that has another one is never taken.
            let proven = same_build_id(&bytes, &path, build_id)
                || (no_conflict(&bytes, &path, build_id) && crc32(&bytes) == Some(*crc));
            proven.then_some((path, bytes))
        })
    }
}

/// `usr/lib/debug/.build-id/ab/cdef.debug`, relative to a root.
fn build_id_path(id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(PathBuf::from(format!("usr/lib/debug/.build-id/{first:02x}/{rest}.debug")))
}

/// The file name and checksum of section .gnu_debuglink. A name with a folder in it is not followed.
fn debuglink(elf: &Elf<'_>) -> Option<(PathBuf, u32)> {
    let content = elf.content(elf.section(".gnu_debuglink")?)?;
    let end = content.iter().position(|byte| *byte == 0)?;
    let name = std::str::from_utf8(content.get(..end)?).ok()?;
    let crc_at = (end + 1).next_multiple_of(4);
    let crc = u32::from_le_bytes(content.get(crc_at..crc_at + 4)?.try_into().ok()?);
    (!name.is_empty() && !name.contains('/') && name != "..").then(|| (PathBuf::from(name), crc))
}

fn same_build_id(bytes: &FileBytes, path: &Path, wanted: Option<&[u8]>) -> bool {
    wanted.is_some() && build_id_of(bytes, path).as_deref() == wanted
}

fn no_conflict(bytes: &FileBytes, path: &Path, wanted: Option<&[u8]>) -> bool {
    wanted.is_none() || build_id_of(bytes, path).is_none()
}

fn build_id_of(bytes: &FileBytes, path: &Path) -> Option<Vec<u8>> {
    super::module::build_id(&Elf::read(bytes, path).ok()?)
}

/// The checksum of .gnu_debuglink (CRC-32 as in zip) of a whole file.
fn crc32(bytes: &FileBytes) -> Option<u32> {
    const CHUNK: u64 = 1 << 16;
    let mut crc = !0u32;
    let mut at = 0;
    while at < bytes.len() {
        let chunk = bytes.read(at, CHUNK.min(bytes.len() - at))?;
        for byte in chunk.iter() {
            let index = usize::from((crc as u8) ^ byte);
            crc = (crc >> 8) ^ CRC_TABLE.get(index).copied().unwrap_or_default();
        }
        at += chunk.len() as u64;
    }
    Some(!crc)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_zip() {
        assert_eq!(crc32(&FileBytes::from(&b"123456789"[..])), Some(0xcbf4_3926));
        assert_eq!(crc32(&FileBytes::from(&b""[..])), Some(0));
    }

    #[test]
    fn build_ids_have_their_folder() {
        let path = build_id_path(&[0xab, 0xcd, 0x01]).unwrap();
        assert_eq!(path, Path::new("usr/lib/debug/.build-id/ab/cd01.debug"));
        assert_eq!(build_id_path(&[0xab]), None);
        assert_eq!(build_id_path(&[]), None);
    }
}
