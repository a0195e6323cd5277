//! Which instruction of a function carries the probe of its entry.
//!
//! A call must pass the site exactly once: it lies in the straight line from the entry, and no direct jump of the function, or of its cold
//! part where a symbol names one, lands in that line up to it.
//! What the key needs must still be as it was at the entry. Assumed, because no compiler does otherwise: neither jump tables nor other
//! functions lead into the first straight line of a function.

use super::code::{FunctionCode, Scan};
use super::insn::{self, Effects, Flow, RegSet, Store};
use super::{Class, KernelTraits};

/// Instructions looked at from the entry on.
pub const MAX_INSTRUCTIONS: usize = 16;
/// Bytes looked at from the entry on.
pub const MAX_BYTES: u64 = 64;

/// What must be at the site as it was at the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// These registers.
    pub registers: RegSet,
    /// Memory that is not the function's own frame.
    pub memory: bool,
    /// The distance of the stack pointer from where it was.
    pub frame: bool,
}

/// The instruction that carries a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where it is, in the file's own addresses.
    pub address: u64,
    /// What the kernel does with it.
    pub class: Class,
    /// Added to the stack pointer there, gives the one at entry, in bytes; `None` when not known.
    pub frame_adjust: Option<i32>,
    /// What to say about it.
    pub notes: Vec<String>,
}

/// Where the straight line from the entry stands before an instruction.
struct Line {
    written: RegSet,
    stored: bool,
    stack: Option<i32>,
}

impl Line {
    fn pass(&mut self, effects: &Effects) {
        self.stored |= match effects.store {
            Store::None => false,
            // Below the stack pointer of the entry there is only the function's own frame.
            Store::Stack { end } => self.stack.is_none_or(|stack| i64::from(stack) + end > 0),
            Store::Memory => true,
        };
        self.written = self.written.with(effects.writes);
        self.stack = self.stack.zip(effects.stack).and_then(|(stack, change)| stack.checked_add(change));
    }

    /// What the instruction just passed has spoilt, if anything.
    fn spoilt(&self, needs: Needs, by: &str) -> Option<String> {
        if self.written.meets(needs.registers) {
            Some(format!("`{by}` overwrites an argument"))
        } else if self.stored && needs.memory {
            Some(format!("`{by}` may change the memory that the key reads"))
        } else if self.stack.is_none() && needs.frame {
            Some(format!("`{by}` moves the stack pointer by an unknown amount"))
        } else {
            None
        }
    }
}

/// The best site for the entry of a function, or why it has none.
pub fn entry(
    code: &FunctionCode<'_>,
    scan: &Scan,
    needs: Needs,
    kernel: KernelTraits,
) -> Result<Choice, String> {
    let (mut candidates, end) = candidates(code, scan, needs, kernel);
    // The first of the cheapest: `min_by_key` keeps the first among equals.
    let best = (0..candidates.len()).min_by_key(|i| candidates.get(*i).map(|choice| choice.class));
    let Some(mut choice) = best.map(|best| candidates.swap_remove(best)) else { return Err(end) };
    if choice.class == Class::Stepped {
        choice
            .notes
            .push(format!("dear: the kernel must single-step it; nothing cheaper serves, because {end}"));
    }
    if let Some(stuck) = scan.stuck {
        choice.notes.push(format!(
            "the bytes at {stuck:#x} are no instruction, so jumps behind them are not known: only the entry itself was considered"
        ));
    }
    Ok(choice)
}

/// All instructions that may carry the probe, in order, and what ends the search.
fn candidates(
    code: &FunctionCode<'_>,
    scan: &Scan,
    needs: Needs,
    kernel: KernelTraits,
) -> (Vec<Choice>, String) {
    let first_target = scan.jump_targets().into_iter().find(|target| *target >= code.address.0);
    let mut line = Line { written: RegSet::EMPTY, stored: false, stack: Some(0) };
    let mut found = Vec::new();
    let limit = if scan.stuck.is_some() { 1 } else { MAX_INSTRUCTIONS };
    for (address, shape) in scan.instructions.iter().take(limit) {
        let bytes = code.from(*address);
        if address - code.address.0 >= MAX_BYTES {
            break;
        }
        if first_target.is_some_and(|target| target <= *address) {
            return (found, format!("the function jumps back to {:#x}", first_target.unwrap_or_default()));
        }
        let verdict = insn::verdict(code.arch, bytes, kernel);
        if verdict.class != Class::Refused {
            let frame_adjust = line.stack.and_then(i32::checked_neg);
            found.push(Choice { address: *address, class: verdict.class, frame_adjust, notes: Vec::new() });
        }
        if shape.flow != Flow::Next {
            return (found, format!("`{}` ends the straight line", code.text(*address)));
        }
        line.pass(&insn::effects(code.arch, *address, bytes));
        if let Some(reason) = line.spoilt(needs, &code.text(*address)) {
            return (found, reason);
        }
    }
    (found, "no other instruction near the entry can carry it".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Choice, MAX_BYTES, Needs, entry};
    use crate::plan::insn::{RegSet, effects, shape};
    use crate::plan::{Class, FunctionCode, KernelTraits};
    use crate::symbol::{Arch, ElfAddress, FileOffset};

    const START: u64 = 0x1000;
    const KERNEL: KernelTraits =
        KernelTraits { safe_five_byte_nop: false, emulates_long_nops: true, seccomp: false };
    const RDI: RegSet = RegSet(1 << 7);
    const RSI: RegSet = RegSet(1 << 6);

    fn code(bytes: &[u8]) -> FunctionCode<'_> {
        let (address, offset) = (ElfAddress(START), FileOffset(START));
        FunctionCode { arch: Arch::X86_64, address, offset, bytes, sized: true, inward: &[], parts: &[] }
    }

    fn choose(bytes: &[u8], needs: Needs) -> Result<Choice, String> {
        let code = code(bytes);
        entry(&code, &code.scan(), needs, KERNEL)
    }

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn needs(registers: RegSet, memory: bool, frame: bool) -> Needs {
        Needs { registers, memory, frame }
    }

    #[test]
    fn real_prologues() {
        use Class::{Emulated, Stepped};
        let arg = needs(RDI, false, false);
        let deref = needs(RDI, true, false);
        for (what, bytes, needs, offset, class, adjust) in [
            ("push rbp first", "55 48 89 e5 53 c3", arg, 0, Emulated, Some(0)),
            ("endbr64; push r15", "f3 0f 1e fa 41 57 41 56 c3", arg, 4, Emulated, Some(0)),
            (
                "endbr64; sub; test; je",
                "f3 0f 1e fa 48 83 ec 18 48 85 ff 74 01 90 c3",
                arg,
                11,
                Emulated,
                Some(24),
            ),
            ("test; je; ret", "48 85 ff 74 01 90 c3", arg, 3, Emulated, Some(0)),
            ("argument moved, then push", "48 89 fb 55 c3", arg, 3, Emulated, Some(0)),
            ("argument clobbered before the push", "f3 0f 1e fa 48 8b 3f 53 c3", arg, 0, Stepped, Some(0)),
            (
                "clobbered, but not needed",
                "f3 0f 1e fa 48 8b 3f 53 c3",
                needs(RSI, false, false),
                7,
                Emulated,
                Some(0),
            ),
            ("xor edi, edi clobbers too", "31 ff 55 c3", arg, 0, Stepped, Some(0)),
            ("sil is part of rsi", "40 b6 01 55 c3", needs(RSI, false, false), 0, Stepped, Some(0)),
            ("store through an argument, plain key", "48 89 37 53 c3", arg, 3, Emulated, Some(0)),
            ("store through an argument, read by key", "48 89 37 53 c3", deref, 0, Stepped, Some(0)),
            ("store below the stack", "48 89 7c 24 f8 53 c3", deref, 5, Emulated, Some(0)),
            ("store above the stack", "48 89 7c 24 08 53 c3", deref, 0, Stepped, Some(0)),
            ("store into its frame", "48 83 ec 18 48 89 7c 24 10 53 c3", deref, 9, Emulated, Some(24)),
            ("store past its frame", "48 83 ec 18 48 89 7c 24 18 53 c3", deref, 0, Stepped, Some(0)),
            ("call first", "48 83 ec 08 e8 00 00 00 00 48 83 c4 08 c3", arg, 4, Emulated, Some(8)),
            ("indirect call ends the line", "48 8b 07 ff 50 08 53 c3", arg, 0, Stepped, Some(0)),
            ("realigned stack", "48 83 e4 f0 53 c3", arg, 4, Emulated, None),
            (
                "realigned stack, frame needed",
                "48 83 e4 f0 53 c3",
                needs(RDI, false, true),
                0,
                Stepped,
                Some(0),
            ),
            (
                "frame tracked over pushes",
                "48 89 f8 48 83 ec 10 eb 00 c3",
                needs(RDI, false, true),
                7,
                Emulated,
                Some(16),
            ),
            ("only a return", "c3", arg, 0, Stepped, Some(0)),
            ("five-byte nop passed over", "0f 1f 44 00 00 55 c3", arg, 5, Emulated, Some(0)),
            ("five-byte nop, nothing else", "0f 1f 44 00 00 48 89 f8 c3", arg, 5, Stepped, Some(0)),
            ("vzeroupper looks like a jump", "c5 f8 77 48 89 f8 c3", arg, 3, Stepped, Some(0)),
            ("loop behind the site", "55 48 ff c0 75 fb 5d c3", arg, 0, Emulated, Some(0)),
            ("loop head behind the entry", "48 89 f8 55 48 ff c8 75 fa c3", arg, 0, Stepped, Some(0)),
        ] {
            let choice = choose(&hex(bytes), needs).unwrap_or_else(|error| panic!("{what}: {error}"));
            let offset_found = choice.address - START;
            assert_eq!((offset_found, choice.class, choice.frame_adjust), (offset, class, adjust), "{what}");
            assert_eq!(choice.notes.is_empty(), class != Stepped, "{what}: {:?}", choice.notes);
        }
    }

    #[test]
    fn nothing_is_better_than_a_site_passed_twice() {
        let arg = needs(RDI, false, false);
        // `1: dec %rdi; jne 1b`: the entry is the loop's head.
        let error = choose(&hex("48 ff cf 75 fb c3"), arg).unwrap_err();
        assert_eq!(error, "the function jumps back to 0x1000");
        let error = choose(&hex("f0 ff 07 c5 f8 77"), arg);
        assert!(error.is_err(), "{error:?}");
        assert!(choose(&[], arg).is_err());
    }

    #[test]
    fn a_cold_part_may_jump_back_too() {
        let bytes = hex("f3 0f 1e fa 55 53 c3");
        for (inward, expected) in
            [(vec![], Some(4)), (vec![START + 5], Some(4)), (vec![START + 4], Some(0)), (vec![START], None)]
        {
            let code = FunctionCode { inward: &inward, ..code(&bytes) };
            let choice = entry(&code, &code.scan(), needs(RDI, false, false), KERNEL);
            assert_eq!(choice.ok().map(|choice| choice.address - START), expected, "{inward:x?}");
        }
    }

    #[test]
    fn behind_undecodable_bytes_anything_may_jump_back() {
        let choice = choose(&hex("f3 0f 1e fa 55 c3 06"), needs(RDI, false, false)).unwrap();
        assert_eq!((choice.address, choice.class), (START, Class::Stepped));
        assert!(choice.notes.iter().any(|note| note.contains("0x1006")), "{:?}", choice.notes);
    }

    #[test]
    fn a_safe_five_byte_nop_beats_a_stepped_instruction() {
        let bytes = hex("f3 0f 1e fa 0f 1f 44 00 00 c3");
        let code = code(&bytes);
        let safe = KernelTraits { safe_five_byte_nop: true, emulates_long_nops: false, seccomp: false };
        let choice = entry(&code, &code.scan(), Needs::default(), safe).unwrap();
        assert_eq!((choice.address, choice.class), (START + 4, Class::OptimisedNop));
    }

    #[test]
    fn aarch64_prologues() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let x0 = needs(RegSet(1), false, true);
        for (what, bytes, offset, class, adjust) in [
            (
                "bti c; paciasp; stp; adrp",
                words(&[0xd503_245f, 0xd503_233f, 0xa9be_7bfd, 0x9000_0002]),
                12,
                Class::Emulated,
                32,
            ),
            (
                "stp; mov x0: clobbered before bl",
                words(&[0xa9bf_7bfd, 0xaa01_03e0, 0x9400_0002]),
                0,
                Class::Stepped,
                0,
            ),
            ("cbz first", words(&[0xb400_0040, 0xd65f_03c0, 0xd65f_03c0]), 0, Class::Emulated, 0),
        ] {
            let (address, offset_in_file) = (ElfAddress(START), FileOffset(START));
            let code = FunctionCode {
                arch: Arch::Aarch64,
                address,
                offset: offset_in_file,
                bytes: &bytes,
                sized: true,
                inward: &[],
                parts: &[],
            };
            let choice = entry(&code, &code.scan(), x0, KERNEL).unwrap();
            let found = (choice.address - START, choice.class, choice.frame_adjust);
            assert_eq!(found, (offset, class, Some(adjust)), "{what}");
        }
    }

    /// Instructions of every kind that matters to the choice.
    const PIECES: [&[u8]; 24] = [
        &[0xf3, 0x0f, 0x1e, 0xfa],
        &[0x55],
        &[0x41, 0x57],
        &[0x90],
        &[0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x48, 0x89, 0xe5],
        &[0x48, 0x83, 0xec, 0x18],
        &[0x48, 0x83, 0xe4, 0xf0],
        &[0x48, 0x89, 0xfb],
        &[0x48, 0x8b, 0x3f],
        &[0x31, 0xf6],
        &[0x48, 0x89, 0x37],
        &[0x48, 0x89, 0x7c, 0x24, 0xf8],
        &[0x48, 0x85, 0xff],
        &[0x74, 0x03],
        &[0x75, 0xf8],
        &[0xeb, 0x00],
        &[0xeb, 0xf0],
        &[0xe8, 0x00, 0x00, 0x00, 0x00],
        &[0xff, 0xd0],
        &[0xc3],
        &[0xc5, 0xf8, 0x77],
        &[0x40, 0xb7, 0x01],
        &[0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00],
    ];

    proptest! {
        /// Whatever the function looks like, the site keeps all three conditions.
        #[test]
        fn a_site_is_never_wrong(pieces in prop::collection::vec(0..PIECES.len(), 1..24), registers in 0u32..256, memory: bool, frame: bool) {
            let needs = needs(RegSet(registers & 0b1100_0110), memory, frame);
            let mut starts = vec![START];
            let mut bytes = Vec::new();
            for piece in &pieces {
                bytes.extend_from_slice(PIECES[*piece]);
                starts.push(START + bytes.len() as u64);
            }
            let code = code(&bytes);
            let Ok(choice) = entry(&code, &code.scan(), needs, KERNEL) else { return Ok(()) };
            let site = starts.iter().position(|start| *start == choice.address);
            prop_assert!(site.is_some_and(|site| site < pieces.len()), "not an instruction");
            prop_assert!(choice.address < START + MAX_BYTES);
            prop_assert_ne!(choice.class, Class::Refused);
            let mut stack = Some(0);
            for (piece, start) in pieces.iter().zip(&starts).take(site.unwrap()) {
                let effects = effects(Arch::X86_64, *start, PIECES[*piece]);
                prop_assert!(!effects.writes.meets(needs.registers), "an argument is overwritten before");
                prop_assert_eq!(shape(Arch::X86_64, *start, PIECES[*piece]).unwrap().flow, super::Flow::Next);
                stack = stack.zip(effects.stack).map(|(sum, change): (i32, i32)| sum + change);
                // `mov %rsi, (%rdi)`.
                prop_assert!(!(memory && *piece == 11), "memory is changed before");
            }
            prop_assert_eq!(choice.frame_adjust, stack.map(|stack| -stack));
            prop_assert!(!frame || stack.is_some());
            for (piece, start) in pieces.iter().zip(&starts) {
                if let super::Flow::Branch(target) | super::Flow::Jump(target) = shape(Arch::X86_64, *start, PIECES[*piece]).unwrap().flow {
                    prop_assert!(!(START..=choice.address).contains(&target), "passed twice");
                }
            }
        }

        /// Bytes that are no code do no harm.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), arm: bool) {
            let arch = if arm { Arch::Aarch64 } else { Arch::X86_64 };
            let code = FunctionCode { arch, ..code(&bytes) };
            let _ = entry(&code, &code.scan(), Needs::default(), KERNEL);
            for at in 0..bytes.len() {
                let _ = code.text(START + at as u64);
                let _ = effects(arch, START, &bytes[at..]);
            }
        }
    }
}
