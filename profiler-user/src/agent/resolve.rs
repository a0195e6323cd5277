//! From a spec and a process to its sites: finds the modules, the functions, and asks the plan.
//!
//! Owns: which files a stage point is looked up in. Refuses: choosing between functions (that is `symbol`'s) or instructions (`plan`'s).

use std::borrow::Cow;
use std::sync::Arc;

use super::missing::{Awaited, Lines, PointError};
use super::parts::{self, Parts};
use crate::plan::error::point_text;
use crate::plan::{Candidate, FunctionCode, KernelTraits, PlanErrors, ResolvedStage, Site, plan};
use crate::spec::{Place, Point, Spec, Stage, Target};
use crate::symbol::{ElfAddress, Function, Lookup, Module, find, module};
use crate::target::{Again, ModuleCache, Modules, Proc, Process, Skipped, TargetError, Wanted};

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
    /// Stage points in libraries that the process has not loaded, all else being right.
    #[error("{0}")]
    Awaited(Awaited),
    /// Stage points that cannot be probed.
    #[error(transparent)]
    Plan(#[from] PlanErrors),
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
    parts: Parts,
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

    /// The processes that a spec means, of which some were found before; see [`Proc::find_again`].
    #[must_use]
    pub fn find_again(&self, target: &Target, container: Option<&str>) -> Again {
        self.proc.find_again(target, container)
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
        let kernel = KernelTraits { seccomp: self.proc.is_filtered(pid), ..self.kernel };
        self.sites_in(spec, &modules, kernel)
    }

    /// The sites of a spec in a file that no process needs to run.
    ///
    /// # Errors
    /// As for [`Self::sites`].
    pub fn sites_of_file(&mut self, spec: &Spec, path: &str) -> Result<Vec<Site>, ResolveError> {
        let modules = self.proc.modules_of(path, &mut self.cache)?;
        self.sites_in(spec, &modules, self.kernel)
    }

    fn sites_in(
        &self,
        spec: &Spec,
        modules: &Modules,
        kernel: KernelTraits,
    ) -> Result<Vec<Site>, ResolveError> {
        let (mut found, mut errors, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
        for (index, stage) in spec.stages.iter().enumerate().filter(|(_, stage)| spec.is_probed(stage)) {
            match functions(index, &stage.point, modules) {
                Ok(functions) => found.extend(functions),
                Err(Miss::Here(what)) => errors.push(point_error(stage, what)),
                Err(Miss::NotLoaded(library, what)) => awaited.push((point_error(stage, what), library)),
            }
        }
        if !errors.is_empty() {
            errors.extend(awaited.into_iter().map(|(point, _)| point));
            return Err(ResolveError::Points(errors));
        }
        if !awaited.is_empty() {
            return Err(ResolveError::Awaited(Awaited::new(awaited)));
        }
        look_at_parts(modules, &mut found);
        let stages: Vec<ResolvedStage<'_>> =
            (0..spec.stages.len()).map(|stage| resolved(stage, &found)).collect();
        Ok(plan(spec, &stages, kernel)?.sites)
    }

    /// Where processes are looked at.
    #[must_use]
    pub fn proc(&self) -> &Proc {
        &self.proc
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
            inward: &found.parts.jumps,
            parts: &found.parts.inner,
        };
        Some(Candidate { module: found.module, function: found.function, code })
    };
    let functions = found.iter().filter(|found| found.stage == stage).filter_map(candidate).collect();
    ResolvedStage { stage, functions }
}

/// Why a point means no function.
enum Miss {
    /// A sentence.
    Here(String),
    /// The process has not loaded this library; and a sentence.
    NotLoaded(String, String),
}

impl From<String> for Miss {
    fn from(what: String) -> Self {
        Self::Here(what)
    }
}

/// The functions that a point means, or why there are none.
fn functions<'m>(stage: usize, point: &Point, modules: &'m Modules) -> Result<Vec<Found<'m>>, Miss> {
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
        Place::Address(address) => Ok(vec![at_address(stage, point, ElfAddress(*address), &files)?]),
        Place::Function { pattern, .. } => match find(files.iter().copied(), pattern) {
            Lookup::Found(matches) => {
                let found = matches.iter().map(|found| of_function(stage, found.module, found.function));
                Ok(found.collect::<Result<_, _>>()?)
            }
            other => Err(Miss::Here(other.explain(pattern).unwrap_or_default())),
        },
    }
}

fn no_file(point: &Point, skipped: &[Skipped]) -> Miss {
    let Some(library) = point.library.as_deref() else {
        return Miss::Here(match skipped.first() {
            Some(Skipped { name, reason }) => format!("{}: {reason}", name.display()),
            None => "the process maps no file with code".to_owned(),
        });
    };
    // Loaded, but not to be read: waiting would not help.
    match skipped.iter().find(|skipped| module::names_file(&skipped.name, library)) {
        Some(Skipped { name, reason }) => Miss::Here(format!("{}: {reason}", name.display())),
        None => Miss::NotLoaded(
            library.to_owned(),
            format!("the process maps no file `{library}`; `stain symbols PID` lists those that it maps"),
        ),
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
        parts: Parts::default(),
    })
}

/// Adds what the parts of functions do that lie elsewhere: once a module, whose functions may be a million.
fn look_at_parts(modules: &Modules, found: &mut [Found<'_>]) {
    for module in modules.loaded.iter().map(Arc::as_ref) {
        let own = found.iter().filter(|found| std::ptr::eq(found.module, module));
        let functions: Vec<&Function> = own.filter_map(|found| found.function).collect();
        if functions.is_empty() {
            continue;
        }
        let parts = parts::of(module, &functions);
        for found in found.iter_mut().filter(|found| std::ptr::eq(found.module, module)) {
            // The same function may stand for several stages.
            found.parts = parts.get(&found.address).cloned().unwrap_or_default();
        }
    }
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
    Ok(Found { stage, module, function: None, address, code, sized: false, parts: Parts::default() })
}
