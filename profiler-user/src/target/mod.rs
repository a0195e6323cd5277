//! The processes to trace: which they are, what they map, and how to reach the very files that they run.
//!
//! Owns: process identity, the search for processes, memory maps, and the cache of modules that many processes share.
//! Refuses: attaching, waiting for a process's end, and changing anything.

pub mod cache;
pub mod cgroup;
mod container;
pub mod error;
pub mod find;
pub mod image;
pub mod maps;
pub mod modules;
pub mod process;
pub mod reach;
pub mod watch;

use std::path::{Path, PathBuf};

pub use cache::ModuleCache;
pub use error::TargetError;
pub use find::Again;
pub use image::Image;
pub use maps::{MappedFile, Mapping};
pub use modules::{Modules, Skipped, Wanted};
pub use process::{Identity, Process};
pub use watch::LibraryWatch;

/// The proc file system that is looked at; tests lay one out in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self::at("/proc")
    }
}

impl Proc {
    /// A proc file system mounted at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file of a process.
    pub fn path(&self, pid: u32, file: &str) -> PathBuf {
        self.root.join(pid.to_string()).join(file)
    }

    /// The process id of this program itself, in the ids of this proc file system.
    pub fn own_pid(&self) -> Option<u32> {
        std::fs::read_link(self.root.join("self")).ok()?.to_str()?.parse().ok()
    }
}
