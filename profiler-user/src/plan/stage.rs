//! The sites of one function for one stage.

use profiler_common::{Predicate, ProbeSpec, Role, Value};

use super::choose::{self, Choice, Needs};
use super::code::{FunctionCode, Scan};
use super::error::Problem;
use super::exit::{self, Leaving, Method};
use super::recipe::{self, Abi, Moment, Uses};
use super::{Class, KernelTraits, Trap, insn, predicate};
use crate::spec::{Expr, Place, Stage, StageCode};

/// A site before it has a probe id.
pub(super) struct Draft {
    pub(super) address: u64,
    pub(super) trap: Trap,
    pub(super) class: Class,
    pub(super) carrier: Class,
    pub(super) notes: Vec<String>,
    pub(super) spec: ProbeSpec,
    pub(super) predicate: Option<Box<Predicate>>,
}

/// What the sites of a function are planned from.
pub(super) struct Work<'a> {
    pub(super) stage: &'a Stage,
    pub(super) code: FunctionCode<'a>,
    pub(super) leaving: Leaving,
    /// Whether the function itself is Go (a Go program may hold C functions).
    pub(super) go: bool,
    /// Whether the symbol table knows a function here, or there is nothing but the address that the user gave.
    pub(super) known: bool,
    /// The number that joins the sites of one `%return` point.
    pub(super) call: u32,
    pub(super) kernel: KernelTraits,
}

impl Work<'_> {
    /// The sites, or everything that is wrong.
    pub(super) fn drafts(&self) -> Result<Vec<Draft>, Vec<Problem>> {
        let (spec, predicate) = self.probe_spec()?;
        let scan = self.code.scan();
        let drafts = match (self.explicit(), self.stage.point.at_return) {
            (Some(offset), true) if offset != 0 => Err(Problem::ReturnOfInstruction),
            (_, true) => self.at_return(&scan, spec),
            (Some(offset), false) => self.at_instruction(&scan, offset, spec).map(|draft| vec![draft]),
            (None, false) => self.at_entry(&scan, spec).map(|draft| vec![draft]),
        };
        let counts = |draft: &Draft| draft.spec.role != Role::Save as u8;
        let with_predicate =
            |draft: Draft| Draft { predicate: predicate.clone().filter(|_| counts(&draft)), ..draft };
        let drafts = drafts.map_err(|problem| vec![problem])?;
        Ok(drafts.into_iter().map(with_predicate).collect())
    }

    fn abi(&self) -> Abi {
        Abi::of(self.code.arch, self.go)
    }

    fn uses(&self) -> Uses {
        let task = self.stage.task.as_ref().map_or_else(Uses::default, Uses::of);
        let when = self.stage.when.as_ref().map_or_else(Uses::default, predicate::uses);
        self.stage.key.value().map_or_else(Uses::default, Uses::of).with(task).with(when)
    }

    /// The offset of the instruction that the user chose, if he chose one.
    fn explicit(&self) -> Option<u64> {
        match self.stage.point.place {
            Place::Function { offset: 0, .. } => None,
            Place::Function { offset, .. } => Some(offset),
            Place::Address(address) => Some(address.wrapping_sub(self.code.address.0)),
        }
    }

    /// What the kernel program does at the stage, wherever that is.
    fn probe_spec(&self) -> Result<(ProbeSpec, Option<Box<Predicate>>), Vec<Problem>> {
        let moment = if self.stage.point.at_return { Moment::Return } else { Moment::Entry };
        let key = self
            .stage
            .key
            .value()
            .map(|key| recipe::key(key, self.abi(), moment))
            .transpose()
            .map(Option::unwrap_or_default)
            .map_err(Problem::Key);
        // The thread is what the kernel program takes by itself.
        let named = self.stage.task.as_ref().filter(|task| **task != Expr::Thread);
        let task =
            named.map(|task| recipe::value(task, self.abi(), moment)).transpose().map_err(Problem::Task);
        let when = self.stage.when.as_ref();
        let when = when.map(|when| predicate::predicate(when, self.abi(), moment)).transpose();
        let (key, task, when) = match (key, task, when.map_err(Problem::Condition)) {
            (Ok(key), Ok(task), Ok(when)) => (key, task, when.map(Box::new)),
            (key, task, when) => {
                return Err(key.err().into_iter().chain(task.err()).chain(when.err()).collect());
            }
        };
        let role = role(self.stage);
        let uses_saved = moment == Moment::Return && self.uses().arguments != 0;
        let flags = if task.is_some() { ProbeSpec::HAS_TASK } else { 0 }
            | if uses_saved { ProbeSpec::USES_SAVED } else { 0 }
            | if when.is_some() { ProbeSpec::HAS_PREDICATE } else { 0 }
            | if when.as_deref().is_some_and(predicate::reads) { ProbeSpec::READS_MORE } else { 0 };
        let spec = ProbeSpec {
            role: role as u8,
            outcome: self.stage.outcome.and_then(|outcome| u8::try_from(outcome.code()).ok()).unwrap_or(0),
            flags,
            reserved: 0,
            reserved_too: 0,
            space: self.stage.space,
            call: if uses_saved { self.call } else { 0 },
            frame_adjust: 0,
            key,
            task: task.unwrap_or_default(),
        };
        Ok((spec, when))
    }

    fn choose(&self, scan: &Scan, needs: Needs) -> Result<Choice, Problem> {
        choose::entry(&self.code, scan, needs, self.kernel).map_err(Problem::NoSite)
    }

    fn at_entry(&self, scan: &Scan, spec: ProbeSpec) -> Result<Draft, Problem> {
        let uses = self.uses();
        let needs = Needs { registers: uses.registers(self.abi()), memory: uses.memory, frame: false };
        let choice = self.choose(scan, needs)?;
        Ok(Draft::instruction(choice.address, choice.class, self.annotated(choice.notes), spec))
    }

    /// Notes, with what holds for every site of the function.
    fn annotated(&self, mut notes: Vec<String>) -> Vec<String> {
        if self.go && self.uses().arguments != 0 {
            notes.push("arguments as Go 1.17 and later pass them in registers".to_owned());
        }
        notes
    }

    fn at_instruction(&self, scan: &Scan, offset: u64, spec: ProbeSpec) -> Result<Draft, Problem> {
        let address = self.code.address.0.wrapping_add(offset);
        let bytes = self.code.from(address);
        if bytes.is_empty() {
            return Err(Problem::Outside { offset, size: self.code.bytes.len() as u64 });
        }
        let past = |address: u64| address.wrapping_sub(self.code.address.0);
        if let Some(stuck) = scan.stuck.filter(|stuck| *stuck <= address) {
            return Err(Problem::Undecodable(past(stuck)));
        }
        scan.boundary(address).map_err(|(before, after)| Problem::NotAnInstruction {
            offset,
            before: past(before),
            after: after.map(past),
        })?;
        let verdict = insn::verdict(self.code.arch, bytes, self.kernel);
        if verdict.class == Class::Refused {
            let instruction = self.code.text(address);
            return Err(Problem::Refused { instruction, refusal: verdict.refusal });
        }
        let mut notes = Vec::new();
        if !self.known {
            notes.push(
                "no symbol covers this address: that an instruction starts here is taken on trust".to_owned(),
            );
        }
        if self.uses().arguments != 0 && (offset != 0 || !self.known) {
            notes.push("arguments are the registers as they are at this instruction".to_owned());
        }
        if verdict.class == Class::Stepped {
            notes.push("dear: the kernel must single-step it".to_owned());
        }
        Ok(Draft::instruction(address, verdict.class, self.annotated(notes), spec))
    }

    fn at_return(&self, scan: &Scan, spec: ProbeSpec) -> Result<Vec<Draft>, Problem> {
        if !self.known {
            return Err(Problem::NoReturn("no symbol says where the function is".to_owned()));
        }
        let save = if spec.flags & ProbeSpec::USES_SAVED != 0 { Some(self.save(scan)?) } else { None };
        let method = exit::method(&self.code, scan, self.leaving, self.kernel).map_err(Problem::NoReturn)?;
        let returns = match method {
            Method::Trampoline { carrier, notes } => vec![Draft {
                address: self.code.address.0,
                trap: Trap::Return,
                class: Class::Trampoline,
                carrier,
                notes: self.annotated(notes),
                spec: ProbeSpec { frame_adjust: self.trampoline_adjust(), ..spec },
                predicate: None,
            }],
            Method::Instructions { sites, notes } => sites
                .into_iter()
                .map(|(address, class)| {
                    Draft::instruction(address, class, self.annotated(notes.clone()), spec)
                })
                .collect(),
        };
        Ok(save.into_iter().chain(returns).collect())
    }

    /// On x86-64 the return has taken its address off the stack by then.
    const fn trampoline_adjust(&self) -> i32 {
        match self.code.arch {
            crate::symbol::Arch::X86_64 => -8,
            crate::symbol::Arch::Aarch64 => 0,
        }
    }

    /// The site that saves the arguments for the return.
    fn save(&self, scan: &Scan) -> Result<Draft, Problem> {
        if self.go {
            return Err(Problem::GoArguments);
        }
        // All argument registers are saved, but only those that the key uses have to be right.
        let needs = Needs { registers: self.uses().registers(self.abi()), memory: false, frame: true };
        let choice = self.choose(scan, needs)?;
        let Some(frame_adjust) = choice.frame_adjust else {
            return Err(Problem::NoSite("the stack pointer cannot be followed".to_owned()));
        };
        let spec =
            ProbeSpec { role: Role::Save as u8, call: self.call, frame_adjust, ..ProbeSpec::default() };
        let mut notes = vec!["saves the arguments for the return".to_owned()];
        notes.extend(choice.notes);
        Ok(Draft::instruction(choice.address, choice.class, notes, spec))
    }
}

impl Draft {
    const fn instruction(address: u64, class: Class, notes: Vec<String>, spec: ProbeSpec) -> Self {
        Self { address, trap: Trap::Instruction, class, carrier: class, notes, spec, predicate: None }
    }
}

/// What a stage does to its record.
const fn role(stage: &Stage) -> Role {
    match (stage.code, stage.outcome) {
        (StageCode::SOURCE, _) => Role::Start,
        (_, Some(_)) => Role::Finish,
        (_, None) => Role::Stamp,
    }
}

/// A stage's task id as the kernel program takes it, for those who show it.
#[must_use]
pub(super) fn task_of(spec: &ProbeSpec) -> Option<&Value> {
    (spec.flags & ProbeSpec::HAS_TASK != 0).then_some(&spec.task)
}
