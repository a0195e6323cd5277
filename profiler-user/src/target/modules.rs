//! The modules of a process, or of a file.
//!
//! Owns: which of the mapped files are read. Refuses: reading a library that the user's words rule out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Proc;
use super::cache::ModuleCache;
use super::error::TargetError;
use super::maps::MappedFile;
use crate::symbol::{FileBytes, Module, module};

/// Which files of a process are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// All that hold code.
    All,
    /// Those that one of these names means (path, file name with or without all its version numbers, soname).
    Libraries(&'a [&'a str]),
}

/// The modules of a process.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// What was read, in the order of the map.
    pub loaded: Vec<Arc<Module>>,
    /// What holds code and could not be read.
    pub skipped: Vec<Skipped>,
}

/// A mapped file that was not read, and why: its functions will not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// As the process names it.
    pub name: PathBuf,
    /// A sentence.
    pub reason: String,
}

impl Proc {
    /// The modules of a process. One file that cannot be read does not hide the others.
    pub fn modules(
        &self,
        pid: u32,
        cache: &mut ModuleCache,
        wanted: Wanted<'_>,
    ) -> Result<Modules, TargetError> {
        let roots = self.debug_roots(pid);
        let mut modules = Modules::default();
        for file in self.select(pid, wanted)? {
            let read = self
                .reach(pid, &file)
                .and_then(|(path, bytes)| Ok(cache.module(bytes, &path, &file.name, &roots)?));
            match read {
                Ok(module) => modules.loaded.push(module),
                Err(error) => modules.skipped.push(Skipped { name: file.name, reason: error.to_string() }),
            }
        }
        Ok(modules)
    }

    /// What the user means by `subject`: a process id, or else the path of a file.
    pub fn modules_of(&self, subject: &str, cache: &mut ModuleCache) -> Result<Modules, TargetError> {
        if let Ok(pid) = subject.parse() {
            self.find_pid(pid)?;
            return self.modules(pid, cache, Wanted::All);
        }
        let path = Path::new(subject);
        let bytes = FileBytes::open(path)
            .map_err(|source| crate::symbol::SymbolError::Unreadable { path: path.to_owned(), source })?;
        let name = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let module = cache.module(bytes, path, &name, &crate::symbol::DebugRoots::default())?;
        Ok(Modules { loaded: vec![module], skipped: Vec::new() })
    }

    fn select(&self, pid: u32, wanted: Wanted<'_>) -> Result<Vec<MappedFile>, TargetError> {
        let files = self.mapped_files(pid)?;
        let Wanted::Libraries(libraries) = wanted else {
            return Ok(files);
        };
        // Only a name that no file bears is worth a look at the sonames.
        let unmet: Vec<&str> = libraries
            .iter()
            .copied()
            .filter(|library| !files.iter().any(|file| module::names_file(&file.name, library)))
            .collect();
        let by_name =
            |file: &MappedFile| libraries.iter().any(|library| module::names_file(&file.name, library));
        Ok(files.into_iter().filter(|file| by_name(file) || self.has_soname(pid, file, &unmet)).collect())
    }

    fn has_soname(&self, pid: u32, file: &MappedFile, sonames: &[&str]) -> bool {
        !sonames.is_empty()
            && self
                .reach(pid, file)
                .ok()
                .and_then(|(path, bytes)| module::soname(&bytes, &path))
                .is_some_and(|soname| sonames.contains(&soname.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_modules_are_read_once() {
        let (proc, own) = (Proc::default(), std::process::id());
        let mut cache = ModuleCache::default();
        let first = proc.modules(own, &mut cache, Wanted::All).unwrap();
        assert!(first.skipped.is_empty(), "{:?}", first.skipped);
        let exe = std::env::current_exe().unwrap();
        let module = first.loaded.iter().find(|module| module.name == exe).unwrap();
        assert!(module.unwinds && !module.is_go);
        let read = cache.len();
        let second = proc.modules(own, &mut cache, Wanted::All).unwrap();
        assert_eq!(cache.len(), read);
        assert!(first.loaded.iter().zip(&second.loaded).all(|(a, b)| Arc::ptr_eq(a, b)));
    }

    #[test]
    fn a_named_library_is_the_only_one_read() {
        let (proc, own) = (Proc::default(), std::process::id());
        for (library, count) in
            [("libc.so.6", 1), ("libc.so", 1), ("nosuch.so", 0), ("/nowhere/libc.so.6", 0)]
        {
            let mut cache = ModuleCache::default();
            let modules = proc.modules(own, &mut cache, Wanted::Libraries(&[library])).unwrap();
            assert_eq!((modules.loaded.len(), cache.len()), (count, count), "{library}");
        }
    }

    #[test]
    fn a_program_that_was_replaced_on_disk_is_still_read_as_it_runs() {
        let proc = Proc::default();
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("app");
        std::fs::copy("/bin/sleep", &app).unwrap();
        let mut child = std::process::Command::new(&app).arg("60").spawn().unwrap();
        let running = std::fs::metadata(&app).unwrap().len();
        // Its start may be told before its file is mapped.
        while !proc.mapped_files(child.id()).unwrap().iter().any(|file| file.name == app) {
            std::thread::yield_now();
        }
        std::fs::remove_file(&app).unwrap();
        std::fs::write(&app, "another program").unwrap();
        let found = proc.find_exe(&app).unwrap();
        let modules = proc.modules(child.id(), &mut ModuleCache::default(), Wanted::Libraries(&["app"]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.iter().map(|process| process.identity.pid).collect::<Vec<_>>(), [child.id()]);
        assert!(found[0].exe_deleted);
        // Only the privileged can go through the mapping; nobody is ever given the new file.
        let modules = modules.unwrap();
        match (&modules.loaded[..], &modules.skipped[..]) {
            ([module], []) => assert_eq!((module.bytes.len(), &module.name), (running, &app)),
            ([], [skipped]) => assert!(skipped.reason.contains("root"), "{}", skipped.reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_subject_is_a_process_or_a_file() {
        let proc = Proc::default();
        let mut cache = ModuleCache::default();
        let exe = std::env::current_exe().unwrap();
        let modules = proc.modules_of(exe.to_str().unwrap(), &mut cache).unwrap();
        assert_eq!(modules.loaded[0].name, exe);
        for (subject, sentence) in [
            ("4294967295", "there is no process"),
            ("/nowhere/at/all", "/nowhere/at/all cannot be read"),
            ("/etc/passwd", "/etc/passwd is not an ELF file"),
        ] {
            let error = proc.modules_of(subject, &mut cache).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
        }
    }
}
