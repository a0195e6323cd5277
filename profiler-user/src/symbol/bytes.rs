//! A file's bytes, read piece by piece.
//!
//! Owns: the open descriptor of a module's file, and bounded reads from it.
//! Refuses: holding whole files in memory, and mapping them. A mapped file that somebody truncates kills its reader with
//! SIGBUS; a read at an offset just comes back short. The agent promises to stay small, so that only what is asked for
//! (headers, symbol tables while they are parsed, a function's code) is ever in memory.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Bytes of one read at most: more than the largest symbol table we know of, and no bomb of a sparse file.
pub const MAX_READ: u64 = 512 << 20;

/// Where a module's bytes come from.
#[derive(Clone, Debug)]
pub enum FileBytes {
    /// All of them are in memory (tests, modules made by hand).
    Memory(Arc<[u8]>),
    /// They are read from the open file when asked for. The descriptor keeps the very file, whatever happens to its path.
    File {
        /// The file.
        file: Arc<File>,
        /// Its size in bytes when it was opened.
        len: u64,
    },
}

/// A file, and its state: two equal ones hold the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device number, as stat gives it.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of its bytes: seconds and nanoseconds.
    pub modified: (i64, i64),
}

impl FileIdentity {
    /// The identity that a stat tells.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl FileBytes {
    /// Opens a regular file for reading. A pipe or device that stands in its place is refused and never waited for.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        Self::of(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
    }

    /// The bytes of a file that is open already.
    pub fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self::File { len: metadata.len(), file: Arc::new(file) })
    }

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What tells this file, as it is now, from every other; `None` for bytes in memory.
    pub fn identity(&self) -> Option<FileIdentity> {
        match self {
            Self::Memory(_) => None,
            Self::File { file, .. } => file.metadata().ok().map(|metadata| FileIdentity::of(&metadata)),
        }
    }

    /// The bytes from `offset`, exactly `len` of them; `None` where the file does not have them all.
    pub fn read(&self, offset: u64, len: u64) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                let end = start.checked_add(usize::try_from(len).ok()?)?;
                bytes.get(start..end).map(Cow::Borrowed)
            }
            Self::File { .. } => {
                let mut buffer = self.buffer(offset, len)?;
                self.fill(offset, &mut buffer)?;
                Some(Cow::Owned(buffer))
            }
        }
    }

    /// Fills `buffer` with the bytes from `offset`; `None` where the file ends before.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        match self {
            Self::Memory(_) => buffer.copy_from_slice(&self.read(offset, buffer.len() as u64)?),
            Self::File { file, .. } => file.read_exact_at(buffer, offset).ok()?,
        }
        Some(())
    }

    /// A zeroed buffer for a read that the file can satisfy: a size that a hostile file claims is never allocated.
    fn buffer(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len()) && len <= MAX_READ;
        fits.then(|| usize::try_from(len).ok().map(|len| vec![0; len])).flatten()
    }
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }
}

impl From<Arc<[u8]>> for FileBytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Memory(bytes)
    }
}

impl From<&[u8]> for FileBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::Memory(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn file_and_memory_answer_alike() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let sources = [FileBytes::open(file.path()).unwrap(), FileBytes::from(&b"0123456789"[..])];
        for source in sources {
            assert_eq!(source.len(), 10);
            assert_eq!(source.read(2, 3).as_deref(), Some(&b"234"[..]));
            assert_eq!(source.read(10, 0).as_deref(), Some(&b""[..]));
            for (offset, len) in [(8, 3), (11, 0), (u64::MAX, 1), (1, u64::MAX), (0, 1 << 50)] {
                assert_eq!(source.read(offset, len), None, "{offset} {len}");
            }
        }
    }

    #[test]
    fn a_file_that_shrinks_is_a_miss() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 100]).unwrap();
        let source = FileBytes::open(file.path()).unwrap();
        file.as_file().set_len(10).unwrap();
        assert_eq!(source.read(50, 10), None);
        assert_eq!(source.read(0, 10).as_deref(), Some(&[7; 10][..]));
    }

    #[test]
    fn devices_and_folders_are_refused() {
        assert!(FileBytes::open(Path::new("/dev/null")).is_err());
        assert!(FileBytes::open(Path::new("/")).is_err());
    }
}
