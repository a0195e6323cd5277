//! From stage points to sites: which instruction carries the probe, what it costs, and how the key is read there.
//!
//! Owns: the choice of instructions and the lowering of key expressions to recipes.
//! Refuses: opening files, asking the kernel, attaching. It is a pure function of spec, modules and kernel traits.

mod beside;
pub mod choose;
pub mod code;
pub mod cost;
mod depth;
mod ends;
pub mod error;
pub mod exit;
pub mod insn;
mod lower;
pub mod predicate;
pub mod print;
pub mod recipe;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use profiler_common::limits::MAX_PROBES;
use profiler_common::{Predicate, ProbeMore, ProbeSpec, Role};

pub use code::FunctionCode;
pub use cost::{Costs, expected_ns};
pub use error::{PlanError, PlanErrors, Problem};
pub use exit::UnseenExits;

use crate::spec::{Spec, Stage};
use crate::symbol::{Arch, ElfAddress, FileOffset, Function, Module};
use lower::Subject;
use stage::{Draft, Work};

/// What the kernel does with an instruction that carries a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Emulated in the trap: push, one-byte nop, relative jump or call.
    Emulated,
    /// Five-byte nop: the kernel may turn it into a call. Cheapest, where the kernel does it without harm.
    OptimisedNop,
    /// Executed out of line with a second trap.
    Stepped,
    /// Return trampoline (uretprobe), on top of what its entry instruction costs.
    Trampoline,
    /// The kernel refuses it.
    Refused,
}

/// How a site's probe fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trap {
    /// When the instruction at the site's offset is reached.
    Instruction,
    /// When the function that starts at the site's offset returns (the kernel replaces the return address).
    Return,
}

/// One instruction that carries a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Joins plan, attachment and stamps. Its index in [`Plan::sites`].
    pub probe: u32,
    /// Index of the stage in the spec.
    pub stage: usize,
    /// See [`crate::symbol::Module::path`].
    pub path: PathBuf,
    /// See [`crate::symbol::Module::name`].
    pub file: PathBuf,
    /// The function's symbol.
    pub symbol: String,
    /// The function's readable name.
    pub function: String,
    /// Bytes from the function's start to the instruction.
    pub function_offset: u64,
    /// Its address in the file, as disassemblies give it and points name it.
    pub address: ElfAddress,
    /// Where the probe is set.
    pub offset: FileOffset,
    /// How it fires.
    pub trap: Trap,
    /// The instruction, in AT&T syntax as `objdump -d` shows it.
    pub instruction: String,
    /// What the kernel does with it.
    pub class: Class,
    /// What the kernel does with the instruction that carries the probe: `class`, except where that is [`Class::Trampoline`].
    pub carrier: Class,
    /// Instruction set of the file, which says what the registers of the recipes are called.
    pub arch: Arch,
    /// Why the choice is not the cheap one, or what the user should know of this site.
    pub notes: Vec<String>,
    /// Exits of the function at which the stage is not seen.
    pub unseen: UnseenExits,
    /// What the kernel program does there.
    pub spec: ProbeSpec,
    /// What must hold for that, if anything.
    pub predicate: Option<Box<Predicate>>,
    /// What it does besides, if anything: further keys, batches, attributes.
    pub more: Option<Box<ProbeMore>>,
}

/// All sites of a spec in one set of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The sites, by probe id.
    pub sites: Vec<Site>,
}

/// What the plan must know of the kernel that the sites are for.
/// The default is the kernel of which nothing good is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelTraits {
    /// Five-byte nops may carry probes: the self-test showed that the target's red zone survives.
    pub safe_five_byte_nop: bool,
    /// Nops of two bytes and more are emulated (6.18 does; older kernels step or refuse them).
    pub emulates_long_nops: bool,
    /// The target filters its system calls (seccomp): not of the kernel itself, but of what it may do to this process.
    pub seccomp: bool,
}

/// A stage with the functions that its point matches.
#[derive(Clone, Debug)]
pub struct ResolvedStage<'a> {
    /// Index of the stage in the spec.
    pub stage: usize,
    /// The functions. Those that start at one place in one file count once.
    pub functions: Vec<Candidate<'a>>,
}

/// A function that a stage point matches.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its file.
    pub module: &'a Module,
    /// The function; `None` when the point is an address that no symbol covers, and `code` starts right there.
    pub function: Option<&'a Function>,
    /// Its code.
    pub code: FunctionCode<'a>,
}

/// Plans the sites of all stages, or says everything that is in the way.
pub fn plan(spec: &Spec, points: &[ResolvedStage<'_>], kernel: KernelTraits) -> Result<Plan, PlanErrors> {
    let mut planner = Planner { spec, kernel, sites: Vec::new(), errors: Vec::new(), calls: 0 };
    for (index, stage) in spec.stages.iter().enumerate().filter(|(_, stage)| spec.is_probed(stage)) {
        planner.stage(index, stage, points.iter().filter(|point| point.stage == index));
    }
    planner.finish()
}

/// The number before that of a stage's first call: the same whatever other stages are planned, so that a call that is open when the level is changed is known
/// at its return.
fn first_call(stage: usize) -> u32 {
    u32::try_from(stage).unwrap_or(u32::MAX).saturating_mul(MAX_PROBES)
}

/// The stage that a call's number is of.
#[must_use]
pub const fn stage_of_call(call: u32) -> usize {
    (call.saturating_sub(1) / MAX_PROBES) as usize
}

struct Planner<'s> {
    spec: &'s Spec,
    kernel: KernelTraits,
    sites: Vec<Site>,
    errors: Vec<PlanError>,
    calls: u32,
}

impl Planner<'_> {
    fn stage<'a>(
        &mut self,
        index: usize,
        stage: &Stage,
        points: impl Iterator<Item = &'a ResolvedStage<'a>>,
    ) {
        self.calls = first_call(index);
        let mut seen = HashSet::new();
        for candidate in points.flat_map(|point| &point.functions) {
            if seen.insert((&candidate.module.path, candidate.code.address)) {
                self.function(index, stage, candidate);
            }
        }
        if seen.is_empty() {
            self.error(index, stage, None, Problem::NoFunction);
        }
    }

    fn function(&mut self, index: usize, stage: &Stage, candidate: &Candidate<'_>) {
        self.calls = self.calls.saturating_add(1);
        let Candidate { module, function, code } = *candidate;
        let work = Work {
            subject: Subject { spec: self.spec, stage },
            code,
            leaving: exit::Leaving {
                go: module.is_go,
                unwinds: module.unwinds,
                seccomp: self.kernel.seccomp,
            },
            // Go's own symbols name a package; C functions linked into the program do not.
            go: module.is_go && function.is_some_and(|function| function.symbol.contains('.')),
            known: function.is_some(),
            call: self.calls,
            kernel: self.kernel,
        };
        match work.drafts() {
            Ok(drafts) => drafts.into_iter().for_each(|draft| self.site(index, candidate, draft)),
            Err(problems) => {
                let name = function.map(|function| function.demangled.clone());
                problems.into_iter().for_each(|problem| self.error(index, stage, name.clone(), problem));
            }
        }
    }

    fn error(&mut self, index: usize, stage: &Stage, function: Option<String>, problem: Problem) {
        let name = if stage.name.is_empty() { stage.code.to_string() } else { stage.name.clone() };
        let error = PlanError { stage: index, name, point: stage.point.clone(), function, problem };
        // What is wrong with a key is wrong with it in every function that matches.
        let same = |other: &PlanError| {
            other.stage == index && other.problem == error.problem && error.problem.is_of_expressions()
        };
        if !self.errors.iter().any(same) {
            self.errors.push(error);
        }
    }

    fn site(&mut self, stage: usize, candidate: &Candidate<'_>, draft: Draft) {
        let Candidate { module, function, code } = *candidate;
        let address = format!("{:#x}", code.address.0);
        self.sites.push(Site {
            probe: u32::try_from(self.sites.len()).unwrap_or(u32::MAX),
            stage,
            path: module.path.clone(),
            file: module.name.clone(),
            symbol: function.map_or_else(|| address.clone(), |function| function.symbol.clone()),
            function: function.map_or(address, |function| function.demangled.clone()),
            function_offset: draft.address.wrapping_sub(code.address.0),
            address: ElfAddress(draft.address),
            offset: code.file_offset(draft.address),
            trap: draft.trap,
            instruction: code.text(draft.address),
            class: draft.class,
            carrier: draft.carrier,
            arch: code.arch,
            notes: draft.notes,
            unseen: draft.unseen,
            spec: draft.spec,
            predicate: draft.predicate,
            more: draft.more,
        });
    }

    fn finish(mut self) -> Result<Plan, PlanErrors> {
        let spec = self.spec;
        if let Some(site) = self.sites.get(MAX_PROBES as usize)
            && let Some(stage) = spec.stages.get(site.stage)
        {
            let (index, count) = (site.stage, self.sites.len());
            self.error(index, stage, None, Problem::TooManySites(count));
        }
        if !self.errors.is_empty() {
            return Err(PlanErrors(self.errors));
        }
        note_shared(&mut self.sites, spec);
        Ok(Plan { sites: self.sites })
    }
}

/// Bits of a site that opens or closes a scope.
const SCOPES: u32 = ProbeSpec::OPENS_SCOPE | ProbeSpec::CLOSES_SCOPE;

/// Says where several probes lie on one instruction: the kernel does not promise in which order they run.
fn note_shared(sites: &mut [Site], spec: &Spec) {
    let mut at: BTreeMap<(PathBuf, FileOffset, bool), Vec<usize>> = BTreeMap::new();
    for (index, site) in sites.iter().enumerate() {
        at.entry((site.path.clone(), site.offset, site.trap == Trap::Return)).or_default().push(index);
    }
    for shared in at.into_values().filter(|shared| shared.len() > 1) {
        let stages: Vec<String> = shared
            .iter()
            .filter_map(|index| spec.stages.get(sites.get(*index)?.stage))
            .map(|stage| format!("{} {}", stage.code, stage.name).trim_end().to_owned())
            .collect();
        let all = || shared.iter().filter_map(|index| sites.get(*index));
        let orders =
            |site: &Site| site.spec.role == Role::Start as u8 || site.spec.role == Role::Finish as u8;
        let scopes = |site: &Site| site.spec.flags & SCOPES != 0;
        let warning = if all().any(orders) {
            ": a record may start or end before the other stage sees it"
        } else if all().any(scopes) {
            ": a scope may open or close before the other stage is passed"
        } else {
            ""
        };
        let note = format!("shared by {}, in no certain order{warning}", stages.join(" and "));
        for index in shared {
            if let Some(site) = sites.get_mut(index) {
                site.notes.push(note.clone());
            }
        }
    }
}
