//! Modules that many processes share, read once.
//!
//! Owns: the key (a file and its state). Refuses: outliving the planning. A module's names are megabytes; drop the cache, and the
//! modules, when the sites are known.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::symbol::{DebugRoots, FileBytes, FileIdentity, Module, SymbolError};

/// Files remembered at most; a process maps some dozens.
const MAX_FILES: usize = 4096;

/// Modules by file.
#[derive(Debug, Default)]
pub struct ModuleCache {
    modules: HashMap<FileIdentity, Arc<Module>>,
}

impl ModuleCache {
    /// The module of a file that is open and was reached by `path`; `name` is what the process calls it.
    pub fn module(
        &mut self,
        bytes: FileBytes,
        path: &Path,
        name: &Path,
        roots: &DebugRoots,
    ) -> Result<Arc<Module>, SymbolError> {
        let identity = bytes.identity();
        if let Some(module) = identity.and_then(|identity| self.modules.get_mut(&identity)) {
            refresh(module, path);
            return Ok(Arc::clone(module));
        }
        let module = Arc::new(Module::read(bytes, path, name, roots)?);
        if let Some(identity) = identity.filter(|_| self.modules.len() < MAX_FILES) {
            self.modules.insert(identity, Arc::clone(&module));
        }
        Ok(module)
    }

    /// Files remembered.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

/// Gives memory back to the system after modules and cache were dropped: their many small names leave the allocator with pages
/// that it would keep for later, and the agent will not need so much again.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the allocator's own locks, and moves or frees nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A path through a process that has ended leads nowhere: then the new one is taken.
fn refresh(module: &mut Arc<Module>, path: &Path) {
    if module.path == path {
        return;
    }
    let leads = std::fs::metadata(&module.path)
        .ok()
        .zip(module.bytes.identity())
        .is_some_and(|(found, wanted)| (found.dev(), found.ino()) == (wanted.device, wanted.inode));
    if !leads {
        Arc::make_mut(module).path = path.to_owned();
    }
}
