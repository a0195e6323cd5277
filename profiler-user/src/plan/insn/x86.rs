//! x86-64 instructions as the kernel's uprobes treat them.
//!
//! The rules are the kernel's own (`arch/x86/kernel/uprobes.c`), checked on Linux 6.18 by probing each form and looking at the cost
//! and at what the target computed. They go by bytes, because the kernel goes by bytes: it takes the opcode byte after the
//! prefixes for the whole truth, also where a VEX prefix says otherwise.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction, OpKind, Register,
};

use super::{Flow, Indirect, Shape, Verdict};
use crate::plan::{Class, KernelTraits};

/// No x86 instruction is longer.
const LONGEST: usize = 15;

/// Decodes the instruction at the start of `bytes`.
pub(super) fn decode(address: u64, bytes: &[u8]) -> Option<Instruction> {
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// Length and flow of an instruction.
#[must_use]
pub fn shape(address: u64, bytes: &[u8]) -> Option<Shape> {
    let instruction = decode(address, bytes)?;
    let flow = match instruction.flow_control() {
        FlowControl::Next => Flow::Next,
        FlowControl::ConditionalBranch => Flow::Branch(instruction.near_branch_target()),
        FlowControl::UnconditionalBranch => Flow::Jump(instruction.near_branch_target()),
        FlowControl::IndirectBranch => Flow::JumpIndirect(indirect(&instruction)),
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call,
        FlowControl::Return => Flow::Return,
        _ => Flow::Stop,
    };
    Some(Shape { len: u8::try_from(instruction.len()).ok()?, flow })
}

/// A table is indexed, or marked as one by `notrack`; a pointer in memory is another function's address.
fn indirect(instruction: &Instruction) -> Indirect {
    let is_memory = instruction.op0_kind() == OpKind::Memory;
    if instruction.segment_prefix() == Register::DS
        || is_memory && instruction.memory_index() != Register::None
    {
        Indirect::Table
    } else if is_memory {
        Indirect::TailCall
    } else {
        Indirect::Unknown
    }
}

/// The instruction in AT&T syntax.
#[must_use]
pub fn text(address: u64, bytes: &[u8]) -> String {
    let Some(instruction) = decode(address, bytes) else { return "(bad)".to_owned() };
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_rip_relative_addresses(true);
    let mut text = String::new();
    formatter.format(&instruction, &mut text);
    text
}

/// The parts of an instruction's bytes that the kernel looks at.
struct Parts<'a> {
    prefixes: &'a [u8],
    rex: Option<u8>,
    /// From the opcode on. For VEX, EVEX and XOP: from the opcode byte behind that prefix.
    opcode: &'a [u8],
    vector: bool,
    len: usize,
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let is_prefix =
            |b: &u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3);
        let start = bytes.iter().position(|b| !is_prefix(b))?;
        let (prefixes, rest) = bytes.split_at_checked(start)?;
        let rex = rest.first().copied().filter(|b| (0x40..=0x4f).contains(b));
        let rest = rest.get(usize::from(rex.is_some())..)?;
        let vector = match rest {
            [0xc5, ..] => 2,
            [0xc4, ..] => 3,
            // With a map number below 8 it is `pop`.
            [0x8f, map, ..] if map & 0x1f >= 8 => 3,
            [0x62, ..] => 4,
            _ => 0,
        };
        Some(Self { prefixes, rex, opcode: rest.get(vector..)?, vector: vector != 0, len: bytes.len() })
    }

    fn has_prefix(&self, prefix: u8) -> bool {
        self.prefixes.contains(&prefix)
    }
}

const MISTAKEN: &str =
    "the kernel would mistake it for another instruction and change what the program computes";

/// What becomes of a probe on the instruction at the start of `bytes`.
#[must_use]
pub fn verdict(bytes: &[u8], kernel: KernelTraits) -> Verdict {
    let exact = decode(0, bytes).and_then(|instruction| bytes.get(..instruction.len()));
    let Some(parts) = exact.and_then(Parts::of) else {
        return Verdict::refused("it is not a valid instruction");
    };
    if parts.prefixes.iter().any(|p| matches!(p, 0x26 | 0x2e | 0x36 | 0x3e | 0xf0)) {
        return Verdict::refused("the kernel refuses lock and segment prefixes");
    }
    let Some(&opcode) = parts.opcode.first() else {
        return Verdict::refused("it is not a valid instruction");
    };
    if parts.vector {
        return vector(opcode);
    }
    if let Some(refusal) = refusal(&parts, opcode) {
        return Verdict::refused(refusal);
    }
    emulated(&parts, opcode, kernel).unwrap_or(Verdict::of(Class::Stepped))
}

/// Vector instructions whose opcode byte is that of a jump, call, return or nop are skipped, or leave the program in the kernel's
/// scratch page: seen on 6.18 with `vpor`, `vpshufd` and `vzeroupper`.
fn vector(opcode: u8) -> Verdict {
    match opcode {
        0x70..=0x7f | 0x90 | 0x9a | 0x9d | 0xc2 | 0xc3 | 0xca | 0xcb | 0xe8..=0xeb | 0xff => {
            Verdict::refused(MISTAKEN)
        }
        _ => Verdict::of(Class::Stepped),
    }
}

/// Why the kernel refuses the instruction, or why we do because it would not come out of it as it went in.
fn refusal(parts: &Parts<'_>, opcode: u8) -> Option<&'static str> {
    let second = parts.opcode.get(1).copied();
    let repeated = parts.has_prefix(0xf2) || parts.has_prefix(0xf3);
    match (opcode, second) {
        (0xcc..=0xcf | 0xf1, _) => Some("it is a software interrupt"),
        (0x6c..=0x6f | 0xe4..=0xe7 | 0xec..=0xef | 0xf4 | 0xfa | 0xfb, _) => Some("it is privileged"),
        (0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f, _) => Some("it is not valid in 64-bit code"),
        (0x27 | 0x2f | 0x37 | 0x3f | 0x60 | 0x61 | 0x82 | 0x9a | 0xd4..=0xd6 | 0xea, _) => {
            Some("it is not valid in 64-bit code")
        }
        (0x8e, Some(modrm)) if modrm >> 3 & 7 == 2 => Some("it masks the trap that the kernel waits for"),
        (0x90, _) if parts.rex.is_some_and(|rex| rex & 1 != 0) => Some(MISTAKEN),
        (0x9c, _) => Some("stepped, it would save the kernel's trap flag into the program's flags"),
        (0x0f, Some(0x05 | 0x34)) => Some("it is a system call, whose return address would be wrong"),
        (0xc6 | 0xc7, Some(0xf8)) => Some("it is part of a hardware transaction, which a trap aborts"),
        (0xa4..=0xa7 | 0xaa..=0xaf, _) if repeated => Some("it would fire once for each repetition"),
        (0xe8 | 0xe9 | 0xeb | 0x70..=0x7f, _) | (0x0f, Some(0x80..=0x8f)) if parts.has_prefix(0x66) => {
            Some("the kernel refuses branches with an operand-size prefix")
        }
        _ => None,
    }
}

fn emulated(parts: &Parts<'_>, opcode: u8, kernel: KernelTraits) -> Option<Verdict> {
    match opcode {
        0x50..=0x57 if parts.prefixes.is_empty() && matches!(parts.rex, None | Some(0x41)) => {
            Some(Verdict::of(Class::Emulated))
        }
        0xe8 | 0xe9 | 0xeb | 0x70..=0x7f => Some(Verdict::of(Class::Emulated)),
        0x90 if parts.len == 5 => Some(Verdict::of(Class::OptimisedNop)),
        0x90 if parts.has_prefix(0x66) && !kernel.emulates_long_nops => {
            Some(Verdict::refused("kernels that do not emulate long nops refuse it"))
        }
        0x90 => Some(Verdict::of(Class::Emulated)),
        0x0f => match parts.opcode.get(1) {
            Some(0x80..=0x8f) => Some(Verdict::of(Class::Emulated)),
            Some(0x1f) => Some(Verdict::of(long_nop(parts, kernel))),
            _ => None,
        },
        _ => None,
    }
}

/// Multi-byte nops. Kernels that emulate them know only the spelling that they use themselves.
fn long_nop(parts: &Parts<'_>, kernel: KernelTraits) -> Class {
    if parts.len == 5 {
        return Class::OptimisedNop;
    }
    let operands = parts.opcode.get(2..).unwrap_or_default();
    let zeros = |from: usize| operands.get(from..).is_some_and(|rest| rest.iter().all(|b| *b == 0));
    let plain = parts.rex.is_none() && parts.prefixes.is_empty();
    let known = match operands {
        [0x00] | [0x40, 0x00] => plain,
        [0x80, ..] => plain && zeros(1),
        [0x84, ..] => plain && zeros(1),
        [0x44, ..] => parts.prefixes == [0x66] && parts.rex.is_none() && zeros(1),
        _ => false,
    };
    if known && kernel.emulates_long_nops { Class::Emulated } else { Class::Stepped }
}

#[cfg(test)]
mod tests {
    use super::{Class, KernelTraits, shape, verdict};
    use crate::plan::insn::{Flow, Indirect};

    const MODERN: KernelTraits =
        KernelTraits { safe_five_byte_nop: true, emulates_long_nops: true, seccomp: false };

    fn hex(text: &str) -> Vec<u8> {
        text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Each form was probed on Linux 6.18; `Refused` also stands where the probe was accepted but the program then went wrong.
    #[test]
    fn classes_as_the_kernel_has_them() {
        use Class::{Emulated, OptimisedNop, Refused, Stepped};
        for (bytes, class) in [
            ("50", Emulated),
            ("55", Emulated),
            ("41 57", Emulated),
            ("40 55", Stepped),
            ("48 55", Stepped),
            ("49 57", Stepped),
            ("66 55", Stepped),
            ("6a 00", Stepped),
            ("68 00 00 00 00", Stepped),
            ("ff f0", Stepped),
            ("ff 34 24", Stepped),
            ("90", Emulated),
            ("66 90", Emulated),
            ("f3 90", Emulated),
            ("48 90", Emulated),
            ("66 66 90", Emulated),
            ("41 90", Refused),
            ("66 66 66 66 90", OptimisedNop),
            ("0f 1f 00", Emulated),
            ("0f 1f 40 00", Emulated),
            ("0f 1f 44 00 00", OptimisedNop),
            ("0f 1f 44 08 00", OptimisedNop),
            ("48 0f 1f 40 00", OptimisedNop),
            ("67 0f 1f 40 00", OptimisedNop),
            ("66 0f 1f 44 00 00", Emulated),
            ("0f 1f 80 00 00 00 00", Emulated),
            ("0f 1f 84 00 00 00 00 00", Emulated),
            ("0f 1f c0", Stepped),
            ("0f 1f 04 00", Stepped),
            ("66 0f 1f 00", Stepped),
            ("0f 1f 05 00 00 00 00", Stepped),
            ("66 0f 1f 84 00 00 00 00 00", Stepped),
            ("66 2e 0f 1f 84 00 00 00 00 00", Refused),
            ("f3 0f 1e fa", Stepped),
            ("eb 00", Emulated),
            ("e9 00 00 00 00", Emulated),
            ("48 e9 00 00 00 00", Emulated),
            ("f2 e9 00 00 00 00", Emulated),
            ("66 e9 00 00 00 00", Refused),
            ("e8 00 00 00 00", Emulated),
            ("67 e8 00 00 00 00", Emulated),
            ("66 48 e8 00 00 00 00", Refused),
            ("74 00", Emulated),
            ("0f 84 00 00 00 00", Emulated),
            ("f2 74 00", Emulated),
            ("64 74 00", Emulated),
            ("3e 74 00", Refused),
            ("2e 74 00", Refused),
            ("e3 00", Stepped),
            ("e2 00", Stepped),
            ("c3", Stepped),
            ("f3 c3", Stepped),
            ("c2 00 00", Stepped),
            ("ff e0", Stepped),
            ("3e ff e0", Refused),
            ("48 89 f8", Stepped),
            ("64 48 8b 04 25 28 00 00 00", Stepped),
            ("48 83 ec 08", Stepped),
            ("cc", Refused),
            ("cd 80", Refused),
            ("f4", Refused),
            ("f0 ff 00", Refused),
            ("8e d0", Refused),
            ("9c", Refused),
            ("9d", Stepped),
            ("0f 05", Refused),
            ("f3 a4", Refused),
            ("a4", Stepped),
            ("c7 f8 00 00 00 00", Refused),
            ("c5 f8 77", Refused),
            ("c5 f9 eb c1", Refused),
            ("c5 f9 70 c1 00", Refused),
            ("62 f1 7d 08 eb c1", Refused),
            ("c5 f8 57 c1", Stepped),
            ("c5 f8 10 07", Stepped),
            ("66 0f eb c1", Stepped),
            ("8f c0", Stepped),
            ("06", Refused),
            ("0f", Refused),
        ] {
            assert_eq!(verdict(&hex(bytes), MODERN).class, class, "{bytes}");
        }
    }

    #[test]
    fn older_kernels_know_only_the_one_byte_nop() {
        let old = KernelTraits::default();
        for (bytes, class) in
            [("90", Class::Emulated), ("0f 1f 00", Class::Stepped), ("66 90", Class::Refused)]
        {
            assert_eq!(verdict(&hex(bytes), old).class, class, "{bytes}");
        }
        let nop5 = hex("0f 1f 44 00 00");
        let refused = crate::plan::insn::verdict(crate::symbol::Arch::X86_64, &nop5, old);
        assert_eq!(refused.class, Class::Refused);
        assert!(refused.refusal.contains("red zone"), "{}", refused.refusal);
    }

    #[test]
    fn shapes() {
        for (bytes, len, flow) in [
            ("55 90", 1, Flow::Next),
            ("74 02", 2, Flow::Branch(0x1004)),
            ("e2 fe", 2, Flow::Branch(0x1000)),
            ("eb fe", 2, Flow::Jump(0x1000)),
            ("e8 00 00 00 00", 5, Flow::Call),
            ("ff d0", 2, Flow::Call),
            ("c3", 1, Flow::Return),
            ("ff e0", 2, Flow::JumpIndirect(Indirect::Unknown)),
            ("3e ff e0", 3, Flow::JumpIndirect(Indirect::Table)),
            ("ff 24 c5 00 00 00 00", 7, Flow::JumpIndirect(Indirect::Table)),
            ("ff 25 00 00 00 00", 6, Flow::JumpIndirect(Indirect::TailCall)),
            ("ff 60 18", 3, Flow::JumpIndirect(Indirect::TailCall)),
            ("0f 0b", 2, Flow::Stop),
            ("cc", 1, Flow::Stop),
        ] {
            let shape = shape(0x1000, &hex(bytes)).unwrap();
            assert_eq!((shape.len, shape.flow), (len, flow), "{bytes}");
        }
        assert_eq!(shape(0, &hex("0f")), None);
        assert_eq!(shape(0, &[]), None);
    }
}
