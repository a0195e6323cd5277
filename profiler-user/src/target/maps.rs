//! What a process maps.
//!
//! Owns: the format of `/proc/PID/maps`, and the files with code in it, each once.
//! Refuses: code without a file (JIT compilers' memory, vdso): uprobes belong to files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Proc;
use super::error::TargetError;
use super::process::without_deleted;
use crate::symbol::{FileOffset, ProcessAddress, Span};

/// One line of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where in the process, and of what in the file.
    pub span: Span,
    /// Whether it may be executed.
    pub executable: bool,
    /// Major and minor number of the file's device.
    pub device: (u32, u32),
    /// The file's inode; 0 without a file.
    pub inode: u64,
    /// The file, as the process names it; also `[vdso]` and the like.
    pub path: Option<PathBuf>,
    /// Whether the file is no longer at its path.
    pub deleted: bool,
}

/// A file with code that a process maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// As the process names it.
    pub name: PathBuf,
    /// Whether it is no longer at its path.
    pub deleted: bool,
    /// Major and minor number of its device, as the map says.
    pub device: (u32, u32),
    /// Its inode.
    pub inode: u64,
    /// Where its code is in the process; never empty.
    pub spans: Vec<Span>,
}

impl MappedFile {
    /// Where in the process an offset of the file's code is seen.
    pub fn address_of(&self, offset: FileOffset) -> Option<ProcessAddress> {
        self.spans.iter().find_map(|span| span.address_of(offset))
    }
}

impl Mapping {
    /// Parses a line: `start-end perms offset major:minor inode  path`. The path may hold spaces.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut parts = line.splitn(6, |byte| *byte == b' ');
        let mut field = || std::str::from_utf8(parts.next()?).ok();
        let (start, end) = field()?.split_once('-')?;
        let permissions = field()?;
        let offset = hex(field()?)?;
        let (major, minor) = field()?.split_once(':')?;
        let inode = field()?.parse().ok()?;
        let path = parts.next().map(<[u8]>::trim_ascii_start).filter(|path| !path.is_empty()).map(unescaped);
        let (path, deleted) = path.map_or((None, false), |path| {
            let (path, deleted) = without_deleted(path);
            (Some(path), deleted)
        });
        Some(Self {
            span: Span {
                start: ProcessAddress(hex(start)?),
                end: ProcessAddress(hex(end)?),
                offset: FileOffset(offset),
            },
            executable: permissions.as_bytes().get(2) == Some(&b'x'),
            device: (u32::try_from(hex(major)?).ok()?, u32::try_from(hex(minor)?).ok()?),
            inode,
            path,
            deleted,
        })
    }
}

/// All lines of a map. One that does not parse is left out.
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|byte| *byte == b'\n').filter_map(Mapping::parse).collect()
}

/// The files with code, each once, in the order in which they first appear.
pub fn files(mappings: &[Mapping]) -> Vec<MappedFile> {
    let mut index: BTreeMap<((u32, u32), u64), usize> = BTreeMap::new();
    let mut files: Vec<MappedFile> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.executable && mapping.inode != 0) {
        let Some(path) = &mapping.path else { continue };
        let at = *index.entry((mapping.device, mapping.inode)).or_insert(files.len());
        match files.get_mut(at) {
            Some(file) => file.spans.push(mapping.span),
            None => files.push(MappedFile {
                name: path.clone(),
                deleted: mapping.deleted,
                device: mapping.device,
                inode: mapping.inode,
                spans: vec![mapping.span],
            }),
        }
    }
    files
}

impl Proc {
    /// What a process maps now.
    pub fn mappings(&self, pid: u32) -> Result<Vec<Mapping>, TargetError> {
        let path = self.path(pid, "maps");
        std::fs::read(&path).map(|text| parse(&text)).map_err(|error| TargetError::reading(pid, &path, error))
    }

    /// The files with code that a process maps now.
    pub fn mapped_files(&self, pid: u32) -> Result<Vec<MappedFile>, TargetError> {
        Ok(files(&self.mappings(pid)?))
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The kernel writes a line break in a path as `\012`, and nothing else so.
fn unescaped(path: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            bytes.push(b'\n');
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const MAPS: &[u8] = b"\
55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /usr/sbin/my program
55d0c0001000-55d0c0005000 r-xp 00001000 fe:01 1234                       /usr/sbin/my program
55d0c0009000-55d0c000a000 r-xp 00009000 fe:01 1234                       /usr/sbin/my program
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rwxp 00000000 00:00 0
7f0000002000-7f0000003000 r-xp 00000000 fe:01 77                         /lib/libold.so.1 (deleted)
7f0000004000-7f0000005000 r-xp 00000000 00:01 88                         /memfd:jit (deleted)
7f0000006000-7f0000007000 r-xp 00002000 00:2b 1234                       /a\\012b
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
not a line
";

    #[test]
    fn files_with_code_are_found_once() {
        let mappings = parse(MAPS);
        assert_eq!(mappings.len(), 10);
        assert_eq!(mappings[3].path.as_deref(), Some(Path::new("[heap]")));
        assert_eq!(mappings[4].path, None);
        let files = files(&mappings);
        let view: Vec<_> = files
            .iter()
            .map(|f| (f.name.to_str().unwrap(), f.deleted, f.device, f.inode, f.spans.len()))
            .collect();
        assert_eq!(
            view,
            [
                ("/usr/sbin/my program", false, (0xfe, 1), 1234, 2),
                ("/lib/libold.so.1", true, (0xfe, 1), 77, 1),
                ("/memfd:jit", true, (0, 1), 88, 1),
                ("/a\nb", false, (0, 0x2b), 1234, 1),
            ]
        );
        assert_eq!(files[0].address_of(FileOffset(0x9010)), Some(ProcessAddress(0x55d0_c000_9010)));
        assert_eq!(files[0].address_of(FileOffset(0x6000)), None);
    }

    #[test]
    fn own_map_shows_own_code() {
        let files = Proc::default().mapped_files(std::process::id()).unwrap();
        let exe = std::env::current_exe().unwrap();
        assert!(files.iter().any(|file| file.name == exe), "{files:?}");
    }

    proptest! {
        #[test]
        fn any_map_is_handled(text in proptest::collection::vec(any::<u8>(), 0..200), line in "[0-9a-f]{0,9}-[0-9a-f]{0,9} r-xp [0-9a-f]* [0-9a-f]*:[0-9]* [0-9]* .*") {
            let _ = (files(&parse(&text)), files(&parse(line.as_bytes())));
        }
    }
}
