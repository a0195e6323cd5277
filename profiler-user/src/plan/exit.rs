//! How a function's return is caught: by the kernel's return trampoline, or by probes on its `ret` instructions.
//!
//! The trampoline replaces the return address on the stack. Code that reads the stack (an unwinder on its way through, Go's
//! stack copier) does not know it and ends the process: seen as `terminate called` where a C++ function
//! with such a probe, or a function that it calls, throws. So the trampoline is for files without unwinding only.

use super::code::{FunctionCode, Scan};
use super::insn::{self, Flow, Indirect};
use super::{Class, KernelTraits};

/// What the file says about how its functions may be left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Go: stacks move.
    pub go: bool,
    /// Exceptions or panics may unwind.
    pub unwinds: bool,
    /// The process filters its system calls.
    pub seccomp: bool,
}

impl Leaving {
    /// Why the trampoline would harm the target, if it would.
    const fn harm(self) -> Option<&'static str> {
        match self {
            Self { go: true, .. } => Some("Go moves its stacks"),
            Self { unwinds: true, .. } => Some("an exception or panic must be able to unwind through it"),
            // Linux 6.11 to 6.13 make the trampoline a system call, which a filter may answer by killing the process.
            Self { seccomp: true, .. } => Some("the process filters its system calls (seccomp)"),
            Self { go: false, unwinds: false, seccomp: false } => None,
        }
    }
}

/// How the return is caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel's trampoline, set at the function's first instruction.
    Trampoline {
        /// What the kernel does with that instruction.
        carrier: Class,
        /// What to say about it.
        notes: Vec<String>,
    },
    /// A probe on each of these instructions, by address.
    Instructions {
        /// Address and class of each.
        sites: Vec<(u64, Class)>,
        /// What to say about them.
        notes: Vec<String>,
        /// The exits that they miss.
        unseen: UnseenExits,
    },
}

/// Exits of a function at which its return is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnseenExits {
    /// Jumps out of the function: tail calls.
    pub jumps: usize,
    /// Indirect jumps that may be tail calls.
    pub unclear: usize,
}

/// The ways out of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Exits {
    returns: Vec<u64>,
    unseen: UnseenExits,
}

/// The jumps that leave the function for another one, or for a part of it that lies elsewhere.
pub fn tail_calls(code: &FunctionCode<'_>, scan: &Scan) -> Vec<u64> {
    let leaves = |flow: Flow| match flow {
        Flow::Branch(target) | Flow::Jump(target) => !code.contains(target),
        Flow::JumpIndirect(Indirect::TailCall) => true,
        _ => false,
    };
    let jumps = scan.instructions.iter().filter(|(_, shape)| leaves(shape.flow));
    jumps.map(|(address, _)| *address).collect()
}

fn exits(code: &FunctionCode<'_>, scan: &Scan) -> Exits {
    let mut exits = Exits::default();
    for (address, shape) in &scan.instructions {
        match shape.flow {
            Flow::Return => exits.returns.push(*address),
            Flow::Branch(target) | Flow::Jump(target) if code.is_left_by(target) => exits.unseen.jumps += 1,
            Flow::JumpIndirect(Indirect::TailCall) => exits.unseen.jumps += 1,
            Flow::JumpIndirect(Indirect::Unknown) => exits.unseen.unclear += 1,
            _ => {}
        }
    }
    exits
}

/// How to catch the function's return, or why it cannot be done without harm.
pub fn method(
    code: &FunctionCode<'_>,
    scan: &Scan,
    leaving: Leaving,
    kernel: KernelTraits,
) -> Result<Method, String> {
    let carrier = insn::verdict(code.arch, code.bytes, kernel).class;
    match (leaving.harm(), instructions(code, scan, kernel)) {
        // Without a tail call, probes on `ret` miss nothing, and beat a trampoline whose first instruction is stepped.
        (None, Ok((sites, exits)))
            if carrier == Class::Refused || carrier == Class::Stepped && exits.is_clean() =>
        {
            let why = "on its `ret` instructions: as cheap as the kernel's trampoline here, and leaves the stack alone";
            Ok(Method::Instructions { sites, notes: exits.notes(why), unseen: exits.unseen })
        }
        (None, Err(reason)) if carrier == Class::Refused => Err(reason),
        (None, _) => {
            let notes = [
                "return trampoline: code that throws or switches stacks through this function would be ended by it",
                "calls that began before attaching return unseen, and so do calls within 64 others of such functions in a thread",
            ];
            Ok(Method::Trampoline { carrier, notes: notes.map(str::to_owned).to_vec() })
        }
        (Some(harm), Ok((sites, exits))) => {
            let why = format!("on its `ret` instructions, single-stepped, because {harm}");
            Ok(Method::Instructions { sites, notes: exits.notes(&why), unseen: exits.unseen })
        }
        (Some(harm), Err(reason)) => {
            Err(format!("{reason}; the kernel's return trampoline is no way out, because {harm}"))
        }
    }
}

/// Address and class of each instruction to probe.
type Returns = Vec<(u64, Class)>;

/// The `ret` instructions, when they are known to be all and can carry probes.
fn instructions(
    code: &FunctionCode<'_>,
    scan: &Scan,
    kernel: KernelTraits,
) -> Result<(Returns, Exits), String> {
    if !code.sized {
        return Err(
            "the symbol table does not say where the function ends, so its returns are not known".into()
        );
    }
    if let Some(stuck) = scan.stuck {
        return Err(format!(
            "the bytes at {stuck:#x} are no instruction, so the returns behind them are not known"
        ));
    }
    let exits = exits(code, scan);
    let mut sites = Vec::with_capacity(exits.returns.len());
    for address in &exits.returns {
        let verdict = insn::verdict(code.arch, code.from(*address), kernel);
        if verdict.class == Class::Refused {
            return Err(format!("`{}` cannot carry a probe: {}", code.text(*address), verdict.refusal));
        }
        sites.push((*address, verdict.class));
    }
    if sites.is_empty() {
        return Err("the function has no `ret` instruction of its own".into());
    }
    Ok((sites, exits))
}

impl Exits {
    const fn is_clean(&self) -> bool {
        self.unseen.jumps == 0 && self.unseen.unclear == 0
    }

    fn notes(&self, why: &str) -> Vec<String> {
        let mut notes = vec![why.to_owned()];
        let UnseenExits { jumps, unclear } = self.unseen;
        if jumps > 0 {
            notes.push(format!(
                "{jumps} exits by a jump out of the function (tail call) carry no return stamp"
            ));
        }
        if unclear > 0 {
            notes.push(format!("{unclear} indirect jumps may be tail calls, which carry no return stamp"));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::{Leaving, Method, UnseenExits, method};
    use crate::plan::{Class, FunctionCode, KernelTraits};
    use crate::symbol::{Arch, ElfAddress, FileOffset};

    const PLAIN: Leaving = Leaving { go: false, unwinds: false, seccomp: false };
    const UNWINDS: Leaving = Leaving { go: false, unwinds: true, seccomp: false };
    const GO: Leaving = Leaving { go: true, unwinds: false, seccomp: false };

    fn of(bytes: &[u8], sized: bool, leaving: Leaving) -> Result<Method, String> {
        let (address, offset) = (ElfAddress(0x1000), FileOffset(0x1000));
        let code =
            FunctionCode { arch: Arch::X86_64, address, offset, bytes, sized, inward: &[], parts: &[] };
        method(&code, &code.scan(), leaving, KernelTraits::default())
    }

    /// `T` and its carrier, or the offsets of the returns.
    fn short(method: &Method) -> String {
        match method {
            Method::Trampoline { carrier, .. } => format!("T {carrier:?}"),
            Method::Instructions { sites, .. } => sites
                .iter()
                .map(|(address, _)| format!("{:x}", address - 0x1000))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn methods() {
        let push_ret: &[u8] = &[0x55, 0x5d, 0xc3];
        let two_rets: &[u8] = &[0x48, 0x85, 0xff, 0x74, 0x01, 0xc3, 0xf3, 0xc3];
        let endbr_tail: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa, 0x74, 0x01, 0xc3, 0xe9, 0x00, 0x10, 0x00, 0x00];
        for (what, bytes, sized, leaving, expected) in [
            ("plain C", push_ret, true, PLAIN, "T Emulated"),
            ("C++", push_ret, true, UNWINDS, "2"),
            ("Go", push_ret, true, GO, "2"),
            ("stepped entry: returns are as cheap", two_rets, true, PLAIN, "5 6"),
            ("stepped entry, tail call: nothing may be missed", endbr_tail, true, PLAIN, "T Stepped"),
            ("C++ with a tail call", endbr_tail, true, UNWINDS, "6"),
            ("size not known", two_rets, false, PLAIN, "T Stepped"),
        ] {
            let method = of(bytes, sized, leaving).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(short(&method), expected, "{what}");
        }
    }

    #[test]
    fn what_would_harm_is_refused() {
        for (bytes, sized, reason) in [
            (&[0x55, 0x5d, 0xc3][..], false, "where the function ends"),
            (&[0x55, 0xe9, 0x00, 0x10, 0x00, 0x00], true, "no `ret` instruction"),
            (&[0x55, 0x06, 0xc3], true, "0x1001 are no instruction"),
        ] {
            let error = of(bytes, sized, UNWINDS).unwrap_err();
            assert!(error.contains(reason) && error.contains("unwind"), "{error}");
        }
    }

    #[test]
    fn a_return_that_is_missed_is_said() {
        let bytes = [0x55, 0x74, 0x01, 0xc3, 0x5d, 0xe9, 0x00, 0x10, 0x00, 0x00, 0xff, 0xe0];
        let Ok(Method::Instructions { sites, notes, unseen }) = of(&bytes, true, UNWINDS) else {
            panic!("no sites")
        };
        assert_eq!(unseen, UnseenExits { jumps: 1, unclear: 1 });
        assert_eq!(sites, [(0x1003, Class::Stepped)]);
        assert!(notes[1].starts_with("1 exits by a jump out"), "{notes:?}");
        assert!(notes[2].starts_with("1 indirect jumps may"), "{notes:?}");
        // A jump into a part of the function that lies elsewhere is no exit.
        let (address, offset) = (ElfAddress(0x1000), FileOffset(0x1000));
        for (part, jumps) in [(0x200a..0x2010, 0), (0x200b..0x2010, 1)] {
            let parts = [part];
            let code = FunctionCode {
                arch: Arch::X86_64,
                address,
                offset,
                bytes: &bytes,
                sized: true,
                inward: &[],
                parts: &parts,
            };
            let Ok(Method::Instructions { unseen, .. }) =
                method(&code, &code.scan(), UNWINDS, KernelTraits::default())
            else {
                panic!("no sites")
            };
            assert_eq!(unseen.jumps, jumps, "{parts:x?}");
        }
    }
}
