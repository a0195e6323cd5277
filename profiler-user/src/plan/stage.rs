//! The sites of one function for one stage.

use profiler_common::{Predicate, ProbeMore, ProbeSpec, Role, StageCode, Value};

use super::choose::{self, Choice, Needs};
use super::code::{FunctionCode, Scan};
use super::depth::Depths;
use super::ends::{self, Ends};
use super::error::Problem;
use super::exit::{self, Leaving, Method, UnseenExits};
use super::lower::{Lowered, Subject, lower};
use super::recipe::{Abi, Moment, Uses};
use super::{Class, KernelTraits, Trap, insn};
use crate::spec::{Place, ScopeKind, Stage};

/// A site before it has a probe id.
pub(super) struct Draft {
    pub(super) address: u64,
    pub(super) trap: Trap,
    pub(super) class: Class,
    pub(super) carrier: Class,
    pub(super) notes: Vec<String>,
    pub(super) unseen: UnseenExits,
    pub(super) spec: ProbeSpec,
    pub(super) predicate: Option<Box<Predicate>>,
    pub(super) more: Option<Box<ProbeMore>>,
}

/// What the sites of a function are planned from.
pub(super) struct Work<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) code: FunctionCode<'a>,
    pub(super) leaving: Leaving,
    /// Whether the function itself is Go (a Go program may hold C functions).
    pub(super) go: bool,
    /// Whether the symbol table knows a function here, or there is nothing but the address that the user gave.
    pub(super) known: bool,
    /// The number that joins the sites of one point in one function.
    pub(super) call: u32,
    pub(super) kernel: KernelTraits,
}

impl Work<'_> {
    /// The sites, or everything that is wrong.
    pub(super) fn drafts(&self) -> Result<Vec<Draft>, Vec<Problem>> {
        let moment = if self.stage().point.at_return { Moment::Return } else { Moment::Entry };
        let lowered = lower(self.subject, self.abi(), moment)?;
        self.sites(lowered).map_err(|problem| vec![problem])
    }

    fn sites(&self, lowered: Lowered) -> Result<Vec<Draft>, Problem> {
        if self.go && self.subject.uses_scopes() {
            return Err(Problem::GoScope);
        }
        let scan = self.code.scan();
        match (self.explicit(), self.stage().point.at_return) {
            (Some(offset), true) if offset != 0 => Err(Problem::ReturnOfInstruction),
            (_, true) => self.at_return(&scan, lowered),
            (Some(offset), false) => self.at_instruction(&scan, offset, lowered).map(|draft| vec![draft]),
            (None, false) => self.at_entry(&scan, lowered),
        }
    }

    const fn stage(&self) -> &Stage {
        self.subject.stage
    }

    fn abi(&self) -> Abi {
        Abi::of(self.code.arch, self.go)
    }

    fn uses(&self) -> Uses {
        self.subject.uses()
    }

    /// The offset of the instruction that the user chose, if he chose one.
    fn explicit(&self) -> Option<u64> {
        match self.stage().point.place {
            Place::Function { offset: 0, .. } => None,
            Place::Function { offset, .. } => Some(offset),
            Place::Address(address) => Some(address.wrapping_sub(self.code.address.0)),
        }
    }

    fn choose(&self, scan: &Scan, needs: Needs) -> Result<Choice, Problem> {
        choose::entry(&self.code, scan, needs, self.kernel).map_err(Problem::NoSite)
    }

    fn at_entry(&self, scan: &Scan, lowered: Lowered) -> Result<Vec<Draft>, Problem> {
        let (uses, frame) = (self.subject.uses_at_any_level(), self.subject.uses_scopes());
        let needs = Needs { registers: uses.registers(self.abi()), memory: uses.memory, frame };
        let choice = self.choose(scan, needs)?;
        let mut lowered = self.on_stack(lowered, || choice.frame_adjust)?;
        let mut ends = Vec::new();
        if self.subject.scope() == Some(ScopeKind::Call) {
            let Ends { drafts, by_trampoline } = ends::ends(self, scan)?;
            ends = drafts;
            lowered.spec.call = self.call;
            lowered.spec.flags |= if by_trampoline { ProbeSpec::BY_TRAMPOLINE } else { 0 };
        }
        let draft = Draft::stage(choice.address, choice.class, self.annotated(choice.notes), lowered);
        Ok(std::iter::once(draft).chain(ends).collect())
    }

    /// Says where the stack was at the function's entry, for a site that has to do with scopes.
    fn on_stack(&self, mut lowered: Lowered, adjust: impl Fn() -> Option<i32>) -> Result<Lowered, Problem> {
        if self.subject.uses_scopes() {
            lowered.spec.frame_adjust = adjust().ok_or(Problem::NoFrame)?;
        }
        Ok(lowered)
    }

    /// Notes, with what holds for every site of the function.
    fn annotated(&self, mut notes: Vec<String>) -> Vec<String> {
        if self.go && self.uses().arguments != 0 {
            notes.push("arguments as Go 1.17 and later pass them in registers".to_owned());
        }
        notes
    }

    fn at_instruction(&self, scan: &Scan, offset: u64, lowered: Lowered) -> Result<Draft, Problem> {
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
        let lowered = self.on_stack(lowered, || Depths::of(&self.code, scan).at(address))?;
        Ok(Draft::stage(address, verdict.class, self.annotated(notes), lowered))
    }

    #[expect(clippy::needless_pass_by_value, reason = "the drafts are made of it")]
    fn at_return(&self, scan: &Scan, lowered: Lowered) -> Result<Vec<Draft>, Problem> {
        if !self.known {
            return Err(Problem::NoReturn("no symbol says where the function is".to_owned()));
        }
        let uses_saved = lowered.spec.flags & ProbeSpec::USES_SAVED != 0;
        let save = if uses_saved { Some(self.save(scan)?) } else { None };
        let call = if uses_saved { self.call } else { 0 };
        let at = |frame_adjust| Lowered {
            spec: ProbeSpec { frame_adjust, call, ..lowered.spec },
            ..lowered.clone()
        };
        let method = exit::method(&self.code, scan, self.leaving, self.kernel).map_err(Problem::NoReturn)?;
        let returns = match method {
            Method::Trampoline { carrier, notes } => {
                let lowered = at(self.trampoline_adjust());
                let draft = Draft::stage(self.code.address.0, carrier, self.annotated(notes), lowered);
                vec![Draft { trap: Trap::Return, class: Class::Trampoline, ..draft }]
            }
            Method::Instructions { unseen: UnseenExits { jumps, .. }, .. }
                if jumps > 0 && self.gives_key() =>
            {
                return Err(Problem::UnseenBirth(jumps));
            }
            Method::Instructions { sites, notes, unseen } => sites
                .into_iter()
                .map(|(address, class)| Draft::stage(address, class, self.annotated(notes.clone()), at(0)))
                .map(|draft| Draft { unseen, ..draft })
                .collect(),
        };
        Ok(save.into_iter().chain(returns).collect())
    }

    /// Whether a key is a record's from the stage on. Where that is not seen, the record that had it before would be given the new one's stamps.
    fn gives_key(&self) -> bool {
        let Stage { code, also, branch, batch, .. } = self.stage();
        *code == StageCode::SOURCE || also.is_some() || *branch || batch.is_some()
    }

    /// On x86-64 the return has taken its address off the stack by then.
    pub(super) const fn trampoline_adjust(&self) -> i32 {
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
        let needs = Needs {
            registers: self.subject.uses_at_any_level().registers(self.abi()),
            memory: false,
            frame: true,
        };
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
    pub(super) const fn instruction(address: u64, class: Class, notes: Vec<String>, spec: ProbeSpec) -> Self {
        let trap = Trap::Instruction;
        let unseen = UnseenExits { jumps: 0, unclear: 0 };
        Self { address, trap, class, carrier: class, notes, unseen, spec, predicate: None, more: None }
    }

    fn stage(address: u64, class: Class, notes: Vec<String>, lowered: Lowered) -> Self {
        let Lowered { spec, predicate, more } = lowered;
        Self { predicate, more, ..Self::instruction(address, class, notes, spec) }
    }
}

/// A stage's task id as the kernel program takes it, for those who show it.
#[must_use]
pub(super) fn task_of(spec: &ProbeSpec) -> Option<&Value> {
    (spec.flags & ProbeSpec::HAS_TASK != 0).then_some(&spec.task)
}
