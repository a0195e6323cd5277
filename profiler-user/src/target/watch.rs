//! Waiting for libraries that a process loads later.
//!
//! Owns: a cheap look whether they are there now. The price is one reading of the process's map; files are opened only when the map has another
//! set of files than last time. Refuses: perf events on the process, which would tell at once and make all its context switches dearer.

use super::Proc;
use super::error::TargetError;
use crate::symbol::module;

/// Libraries that one process is to load, and what it was last seen to map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryWatch {
    libraries: Vec<String>,
    seen: Vec<((u32, u32), u64)>,
}

impl LibraryWatch {
    /// Waits for all of these, named as in a stage point.
    pub fn new(libraries: Vec<String>) -> Self {
        Self { libraries, seen: Vec::new() }
    }

    /// Whether all of them are mapped, if the process maps other files than at the last look; false otherwise.
    ///
    /// # Errors
    /// When the process has ended or may not be looked into.
    pub fn look(&mut self, proc: &Proc, pid: u32) -> Result<bool, TargetError> {
        let files = proc.mapped_files(pid)?;
        let seen: Vec<_> = files.iter().map(|file| (file.device, file.inode)).collect();
        if seen == self.seen {
            return Ok(false);
        }
        self.seen = seen;
        Ok(self.libraries.iter().all(|library| {
            files.iter().any(|file| module::names_file(&file.name, library))
                || files.iter().any(|file| proc.has_soname(pid, file, &[library]))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_once_it_is_mapped_and_looked_for_only_when_the_map_changes() {
        let (proc, own) = (Proc::default(), std::process::id());
        let mut there = LibraryWatch::new(vec!["libc.so.6".to_owned()]);
        assert!(there.look(&proc, own).unwrap());
        assert!(!there.look(&proc, own).unwrap(), "nothing is new");
        let mut missing = LibraryWatch::new(vec!["libc.so.6".to_owned(), "libnosuch.so".to_owned()]);
        assert!(!missing.look(&proc, own).unwrap());
        assert!(LibraryWatch::new(Vec::new()).look(&proc, u32::MAX).is_err());
    }

    #[test]
    fn a_file_that_comes_later_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (home, file) = (folder.path().join("7"), folder.path().join("7/maps"));
        std::fs::create_dir(&home).unwrap();
        let program = "1000-2000 r-xp 00000000 fe:01 11 /app\n";
        std::fs::write(&file, program).unwrap();
        let proc = Proc::at(folder.path());
        let mut watch = LibraryWatch::new(vec!["liblate.so".to_owned()]);
        assert!(!watch.look(&proc, 7).unwrap());
        // Its data may be mapped before its code.
        std::fs::write(&file, format!("{program}3000-4000 r--p 00000000 fe:01 12 /lib/liblate.so.1\n"))
            .unwrap();
        assert!(!watch.look(&proc, 7).unwrap());
        std::fs::write(&file, format!("{program}3000-4000 r-xp 00000000 fe:01 12 /lib/liblate.so.1\n"))
            .unwrap();
        assert!(watch.look(&proc, 7).unwrap());
    }
}
