//! From a spec and a process to its sites: finds the modules, the functions, and asks the plan.
//!
//! Owns: which files a stage point is looked up in. Refuses: choosing between functions (that is `symbol`'s) or instructions (`plan`'s).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::plan::error::point_text;
use crate::plan::{Candidate, FunctionCode, KernelTraits, PlanErrors, ResolvedStage, Site, plan};
use crate::spec::{Place, Point, Spec, Stage, Target};
use crate::symbol::{ElfAddress, Function, Lookup, Module, find};
use crate::target::{ModuleCache, Modules, Proc, Process, Skipped, TargetError, Wanted};

/// Bytes that are looked at from an address that no symbol covers.
const CODE_AT_ADDRESS: u64 = 64;

/// Why the stage points of a spec are not sites of a process.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The process may not be looked into.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Stage points that are not there, or mean several places.
    #[error("{}", Lines(.0))]
    Points(Vec<PointError>),
    /// Stage points that cannot be probed.
    #[error(transparent)]
    Plan(#[from] PlanErrors),
}

/// A stage point that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stage {code} {name}: {what}")]
pub struct PointError {
    /// The stage's code.
    pub code: String,
    /// The stage's name.
    pub name: String,
    /// What is wrong, and what to do.
    pub what: String,
}

struct Lines<'a>(&'a [PointError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Resolver {
    proc: Proc,
    cache: ModuleCache,
    kernel: KernelTraits,
}

/// A function, or an address without one, with its code.
struct Found<'m> {
    stage: usize,
    module: &'m Module,
    function: Option<&'m Function>,
    address: ElfAddress,
    code: Cow<'m, [u8]>,
    sized: bool,
}

impl Resolver {
    /// Plans for a kernel of which this is known.
    #[must_use]
    pub fn new(kernel: KernelTraits) -> Self {
        Self { kernel, ..Self::default() }
    }

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
    /// When a stage point is not found or cannot be probed: all of them.
    pub fn sites(&mut self, spec: &Spec, pid: u32) -> Result<Vec<Site>, ResolveError> {
        let libraries: Option<Vec<&str>> = spec
            .stages
            .iter()
            .filter(|stage| spec.is_probed(stage))
            .map(|stage| stage.point.library.as_deref())
            .collect();
        let wanted = libraries.as_deref().map_or(Wanted::All, Wanted::Libraries);
        let modules = self.proc.modules(pid, &mut self.cache, wanted)?;
        self.sites_in(spec, &modules)
    }

    /// The sites of a spec in a file that no process needs to run.
    ///
    /// # Errors
    /// As for [`Self::sites`].
    pub fn sites_of_file(&mut self, spec: &Spec, path: &str) -> Result<Vec<Site>, ResolveError> {
        let modules = self.proc.modules_of(path, &mut self.cache)?;
        self.sites_in(spec, &modules)
    }

    fn sites_in(&self, spec: &Spec, modules: &Modules) -> Result<Vec<Site>, ResolveError> {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for (index, stage) in spec.stages.iter().enumerate().filter(|(_, stage)| spec.is_probed(stage)) {
            match functions(index, &stage.point, modules) {
                Ok(functions) => found.extend(functions),
                Err(what) => errors.push(point_error(stage, what)),
            }
        }
        if !errors.is_empty() {
            return Err(ResolveError::Points(errors));
        }
        let stages: Vec<ResolvedStage<'_>> =
            (0..spec.stages.len()).map(|stage| resolved(stage, &found)).collect();
        Ok(plan(spec, &stages, self.kernel)?.sites)
    }

    /// Forgets the modules: their names are megabytes, and are needed only while attaching.
    pub fn forget(&mut self) {
        if !self.cache.is_empty() {
            self.cache = ModuleCache::default();
            crate::target::cache::give_memory_back();
        }
    }
}

fn point_error(stage: &Stage, what: String) -> PointError {
    PointError { code: crate::spec::code::name(stage.code), name: stage.name.clone(), what }
}

fn resolved<'a>(stage: usize, found: &'a [Found<'a>]) -> ResolvedStage<'a> {
    let candidate = |found: &'a Found<'a>| {
        let code = FunctionCode {
            arch: found.module.arch,
            address: found.address,
            offset: found.module.file_offset(found.address)?,
            bytes: &found.code,
            sized: found.sized,
        };
        Some(Candidate { module: found.module, function: found.function, code })
    };
    let functions = found.iter().filter(|found| found.stage == stage).filter_map(candidate).collect();
    ResolvedStage { stage, functions }
}

/// The functions that a point means, or why there are none.
fn functions<'m>(stage: usize, point: &Point, modules: &'m Modules) -> Result<Vec<Found<'m>>, String> {
    let files: Vec<&Module> = match &point.library {
        Some(library) => {
            modules.loaded.iter().map(Arc::as_ref).filter(|module| module.is_library(library)).collect()
        }
        None => modules.loaded.iter().map(Arc::as_ref).collect(),
    };
    if files.is_empty() {
        return Err(no_file(point, &modules.skipped));
    }
    match &point.place {
        Place::Address(address) => {
            at_address(stage, point, ElfAddress(*address), &files).map(|found| vec![found])
        }
        Place::Function { pattern, .. } => match find(files.iter().copied(), pattern) {
            Lookup::Found(matches) => {
                matches.iter().map(|found| of_function(stage, found.module, found.function)).collect()
            }
            other => Err(other.explain(pattern).unwrap_or_default()),
        },
    }
}

fn no_file(point: &Point, skipped: &[Skipped]) -> String {
    let library = point.library.as_deref().unwrap_or_default();
    match skipped.first() {
        Some(Skipped { name, reason }) => format!("{}: {reason}", name.display()),
        None if library.is_empty() => "the process maps no file with code".to_owned(),
        None => format!("the process maps no file `{library}`; `stain symbols PID` lists those that it maps"),
    }
}

fn of_function<'m>(stage: usize, module: &'m Module, function: &'m Function) -> Result<Found<'m>, String> {
    let code = module.code(function).ok_or_else(|| {
        format!("the code of `{}` cannot be read from {}", function.demangled, module.name.display())
    })?;
    Ok(Found {
        stage,
        module,
        function: Some(function),
        address: function.address,
        code,
        sized: function.size > 0,
    })
}

/// An address means a place in the named file, or in the executable, which is mapped first.
fn at_address<'m>(
    stage: usize,
    point: &Point,
    address: ElfAddress,
    files: &[&'m Module],
) -> Result<Found<'m>, String> {
    let [module, ..] = files else { return Err("the process maps no file with code".to_owned()) };
    if let Some(function) = module.function_at(address) {
        return of_function(stage, module, function);
    }
    let code = module.code_at(address, CODE_AT_ADDRESS).ok_or_else(|| {
        format!(
            "{} is no code of {}; addresses are those that `objdump -d` and `stain symbols` show",
            point_text(point),
            module.name.display()
        )
    })?;
    Ok(Found { stage, module, function: None, address, code, sized: false })
}
