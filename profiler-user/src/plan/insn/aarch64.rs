//! aarch64 instructions as the kernel's uprobes treat them (`arch/arm64/kernel/probes/decode-insn.c`), and a decoder of what they may change.
//!
//! The decoder knows the instructions of function prologues; whatever it does not know may change everything.

use super::{Effects, Flow, Indirect, RegSet, Shape, Store, Verdict};
use crate::plan::Class;

/// Register number 31: the stack pointer or the zero register, as the instruction has it.
const SP: u8 = 31;

/// The instruction word at the start of `bytes`.
pub(super) fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_le_bytes)
}

/// Bits `low..low + count` of a word.
const fn bits(word: u32, low: u32, count: u32) -> u32 {
    word >> low & ((1 << count) - 1)
}

/// The same, sign-extended.
const fn signed(word: u32, low: u32, count: u32) -> i32 {
    (word << (32 - low - count)).cast_signed() >> (32 - count)
}

/// A register field.
const fn register(word: u32, low: u32) -> u8 {
    bits(word, low, 5) as u8
}

const fn is(word: u32, mask: u32, value: u32) -> bool {
    word & mask == value
}

/// Length and flow of an instruction.
#[must_use]
pub fn shape(address: u64, word: u32) -> Option<Shape> {
    if word >> 16 == 0 {
        return None; // `udf`: padding or data.
    }
    let to = |offset: i32| address.wrapping_add_signed(i64::from(offset) * 4);
    let flow = match word {
        w if is(w, 0xfc00_0000, 0x1400_0000) => Flow::Jump(to(signed(w, 0, 26))),
        w if is(w, 0xfc00_0000, 0x9400_0000) => Flow::Call,
        w if is(w, 0xff00_0000, 0x5400_0000) => Flow::Branch(to(signed(w, 5, 19))),
        w if is(w, 0x7e00_0000, 0x3400_0000) => Flow::Branch(to(signed(w, 5, 19))),
        w if is(w, 0x7e00_0000, 0x3600_0000) => Flow::Branch(to(signed(w, 5, 14))),
        w if is(w, 0xfe00_0000, 0xd600_0000) => match bits(w, 21, 4) & 7 {
            0 => Flow::JumpIndirect(Indirect::Unknown),
            1 => Flow::Call,
            2 => Flow::Return,
            _ => Flow::Stop,
        },
        w if is(w, 0xff00_0000, 0xd400_0000) => Flow::Stop,
        _ => Flow::Next,
    };
    Some(Shape { len: 4, flow })
}

/// What becomes of a probe on an instruction.
#[must_use]
pub fn verdict(word: u32) -> Verdict {
    match word {
        w if w >> 16 == 0 => Verdict::refused("it is not a valid instruction"),
        w if is_simulated(w) => Verdict::of(Class::Emulated),
        w if is(w, 0x3b00_0000, 0x1800_0000) => {
            Verdict::refused("kernels refuse loads of literals, or read them from the wrong address")
        }
        w if is(w, 0x3f00_0000, 0x0800_0000) => Verdict::refused("a trap would break an exclusive access"),
        w if is(w, 0xfe00_0000, 0xd600_0000) => {
            Verdict::refused("the kernel refuses branches with pointer authentication")
        }
        w if is(w, 0xff00_0000, 0xd400_0000) => Verdict::refused("it raises an exception"),
        w if is(w, 0xff00_0000, 0x5400_0000) => Verdict::refused("the kernel does not know this branch"),
        w if is(w, 0xffff_f01f, 0xd503_201f) && !is_steppable_hint(bits(w, 5, 7)) => {
            Verdict::refused("the kernel refuses this hint")
        }
        w if is(w, 0xfff0_0000, 0xd510_0000) || is(w, 0xfff8_f01f, 0xd500_401f) => {
            Verdict::refused("it writes a system register")
        }
        // The kernel's own test is that DAIF may not be read; user code may not anyway.
        w if is(w, 0xffff_ffe0, 0xd53b_4220) => Verdict::refused("it reads the interrupt mask"),
        _ => Verdict::of(Class::Stepped),
    }
}

/// `nop`, `b`, `bl`, `b.cond`, `cbz`, `cbnz`, `tbz`, `tbnz`, `br`, `blr`, `ret`, `adr`, `adrp`.
fn is_simulated(w: u32) -> bool {
    w == 0xd503_201f
        || is(w, 0x7c00_0000, 0x1400_0000)
        || is(w, 0xff00_0010, 0x5400_0000)
        || is(w, 0x7c00_0000, 0x3400_0000)
        || matches!(w & 0xffff_fc1f, 0xd61f_0000 | 0xd63f_0000 | 0xd65f_0000)
        || is(w, 0x1f00_0000, 0x1000_0000)
}

/// Pointer authentication and branch targets; other hints may wait or trap.
const fn is_steppable_hint(number: u32) -> bool {
    matches!(number, 0 | 7 | 8 | 10 | 12 | 14 | 24..=31 | 32 | 34 | 36 | 38)
}

/// What an instruction may change.
#[must_use]
pub fn effects(word: u32) -> Effects {
    match bits(word, 25, 4) {
        0b1000 | 0b1001 => immediate(word),
        0b1010 | 0b1011 => system(word),
        0b0101 | 0b1101 => data(word),
        // Floating point and vectors: some move into a general register, none touches the stack pointer or memory.
        0b0111 | 0b1111 => result(register(word, 0)),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => memory(word).unwrap_or(Effects::UNKNOWN),
        _ => Effects::UNKNOWN,
    }
}

/// Writes one register, in which 31 is the zero register.
const fn result(to: u8) -> Effects {
    let writes = if to == SP { RegSet::EMPTY } else { RegSet::of(to) };
    Effects { writes, stack: Some(0), store: Store::None }
}

/// Writes one register, in which 31 is the stack pointer.
const fn result_or_sp(to: u8, stack: Option<i32>) -> Effects {
    if to == SP { Effects { writes: RegSet::of(SP), stack, store: Store::None } } else { result(to) }
}

fn immediate(word: u32) -> Effects {
    let (to, from) = (register(word, 0), register(word, 5));
    match bits(word, 23, 3) {
        // add, sub; the forms that set flags have no stack pointer to write.
        0b010 if bits(word, 29, 1) == 0 => {
            let amount = bits(word, 10, 12) << (12 * bits(word, 22, 1));
            let amount = amount.cast_signed();
            let change = if bits(word, 30, 1) == 1 { -amount } else { amount };
            let wide = bits(word, 31, 1) == 1;
            result_or_sp(to, (from == SP && wide).then_some(change))
        }
        // Tagged addresses; and, orr, eor.
        0b011 => result_or_sp(to, None),
        0b100 if bits(word, 29, 2) != 3 => result_or_sp(to, None),
        _ => result(to),
    }
}

fn system(word: u32) -> Effects {
    let nothing = result(SP);
    match word {
        w if is(w, 0xffff_f01f, 0xd503_201f) => {
            // Hints that sign or strip act on x30, or on x17 with x16.
            let writes = RegSet::of(30).with(RegSet::of(17));
            if w == 0xd503_201f { nothing } else { Effects { writes, ..nothing } }
        }
        w if is(w, 0xfff0_0000, 0xd530_0000) => result(register(w, 0)),
        w if is(w, 0xff00_0000, 0x5400_0000) || is(w, 0x7c00_0000, 0x3400_0000) => nothing,
        w if is(w, 0xfc00_0000, 0x1400_0000) || is(w, 0xffff_fc1f, 0xd65f_0000) => nothing,
        _ => Effects::UNKNOWN,
    }
}

fn data(word: u32) -> Effects {
    let extended = is(word, 0x1f20_0000, 0x0b20_0000);
    let to = register(word, 0);
    if extended && bits(word, 29, 1) == 0 { result_or_sp(to, None) } else { result(to) }
}

/// Loads and stores that prologues use; `None` for the rest.
fn memory(word: u32) -> Option<Effects> {
    match bits(word, 27, 3) {
        0b101 => pair(word),
        0b111 if bits(word, 24, 1) == 1 => Some(single(word, i64::from(bits(word, 10, 12)) * width(word))),
        0b111 if bits(word, 21, 1) == 0 => {
            let offset = signed(word, 12, 9);
            Some(match bits(word, 10, 2) {
                0b01 => single(word, 0).writing_back(register(word, 5), offset),
                0b11 => single(word, i64::from(offset)).writing_back(register(word, 5), offset),
                _ => single(word, i64::from(offset)),
            })
        }
        0b111 if bits(word, 10, 2) == 0b10 => {
            let mut effects = single(word, 0);
            if effects.store != Store::None {
                effects.store = Store::Memory;
            }
            Some(effects)
        }
        _ => None,
    }
}

impl Effects {
    /// The same with a base register that moves by `offset` bytes.
    fn writing_back(mut self, base: u8, offset: i32) -> Self {
        self.writes = self.writes.with(RegSet::of(base));
        if base == SP {
            self.stack = self.stack.and_then(|before| before.checked_add(offset));
        }
        self
    }
}

/// Bytes that a single load or store moves.
const fn width(word: u32) -> i64 {
    let vector = bits(word, 26, 1) == 1;
    if vector && bits(word, 22, 2) >= 2 { 16 } else { 1 << bits(word, 30, 2) }
}

/// A load or store of one register at `at` bytes from the base.
fn single(word: u32, at: i64) -> Effects {
    let (vector, opcode) = (bits(word, 26, 1) == 1, bits(word, 22, 2));
    let is_store = opcode == 0 || vector && opcode == 2;
    let mut effects = result(if is_store || vector { SP } else { register(word, 0) });
    if is_store {
        effects.store = stored(register(word, 5), at + width(word));
    }
    effects
}

fn stored(base: u8, end: i64) -> Store {
    if base == SP { Store::Stack { end } } else { Store::Memory }
}

/// `stp`, `ldp` and their kin.
fn pair(word: u32) -> Option<Effects> {
    let (vector, load, opcode) = (bits(word, 26, 1) == 1, bits(word, 22, 1) == 1, bits(word, 30, 2));
    let size = match (vector, opcode) {
        (false, 0) => 4,
        (false, 1) if load => 4,
        (false, 2) => 8,
        (true, 0..=2) => 4 << opcode,
        _ => return None, // Tagged stores and what is not allotted.
    };
    let (base, offset) = (register(word, 5), signed(word, 15, 7) * size);
    let mut effects = result(SP);
    if load && !vector {
        effects.writes = [0, 10]
            .into_iter()
            .map(|low| register(word, low))
            .filter(|to| *to != SP)
            .fold(RegSet::EMPTY, |set, to| set.with(RegSet::of(to)));
    }
    let mode = bits(word, 23, 2);
    if !load {
        let at = if mode == 0b01 { 0 } else { offset };
        effects.store = stored(base, i64::from(at) + 2 * i64::from(size));
    }
    Some(if mode & 1 == 1 { effects.writing_back(base, offset) } else { effects })
}

/// The name of what the plan picks; the bare word of all else, for which there is no disassembler here.
#[must_use]
pub fn text(word: u32) -> String {
    let name = match word {
        0xd503_201f => "nop",
        0xd503_233f => "paciasp",
        w if is(w, 0xffff_ff3f, 0xd503_241f) => "bti",
        w if is(w, 0xfc00_0000, 0x1400_0000) => "b",
        w if is(w, 0xfc00_0000, 0x9400_0000) => "bl",
        w if is(w, 0xff00_0010, 0x5400_0000) => "b.cond",
        w if is(w, 0x7e00_0000, 0x3400_0000) => "cbz/cbnz",
        w if is(w, 0x7e00_0000, 0x3600_0000) => "tbz/tbnz",
        w if is(w, 0x1f00_0000, 0x1000_0000) => "adr/adrp",
        w if is(w, 0xffff_fc1f, 0xd65f_0000) => "ret",
        w if is(w, 0xffc0_0000, 0xa980_0000) => "stp (pre-indexed)",
        _ => return format!(".word {word:#010x}"),
    };
    format!("{name} ({word:#010x})")
}

#[cfg(test)]
mod tests {
    use super::{Class, effects, shape, verdict};
    use crate::plan::insn::{Effects, Flow, Indirect, RegSet, Store};

    #[test]
    fn classes_as_the_kernel_has_them() {
        use Class::{Emulated, Refused, Stepped};
        for (word, class, what) in [
            (0xd503_201f, Emulated, "nop"),
            (0x1400_0002, Emulated, "b"),
            (0x9400_0002, Emulated, "bl"),
            (0x5400_0040, Emulated, "b.eq"),
            (0x5400_0050, Refused, "bc.eq"),
            (0xb400_0040, Emulated, "cbz x0"),
            (0x3500_0040, Emulated, "cbnz w0"),
            (0x3600_0040, Emulated, "tbz w0, #0"),
            (0xb700_0040, Emulated, "tbnz x0, #32"),
            (0xd61f_0200, Emulated, "br x16"),
            (0xd63f_0000, Emulated, "blr x0"),
            (0xd65f_03c0, Emulated, "ret"),
            (0xd65f_0bff, Refused, "retaa"),
            (0x1000_0000, Emulated, "adr x0"),
            (0x9000_0001, Emulated, "adrp x1"),
            (0x5800_0041, Refused, "ldr x1, literal"),
            (0xa9bf_7bfd, Stepped, "stp x29, x30, [sp, #-16]!"),
            (0xd503_233f, Stepped, "paciasp"),
            (0xd503_245f, Stepped, "bti c"),
            (0xd503_203f, Refused, "yield"),
            (0xc85f_7c00, Refused, "ldxr x0, [x0]"),
            (0xc800_7c41, Refused, "stxr w0, x1, [x2]"),
            (0xd400_0001, Refused, "svc #0"),
            (0xd420_0000, Refused, "brk #0"),
            (0xd51b_d040, Refused, "msr tpidr_el0, x0"),
            (0xd53b_d040, Stepped, "mrs x0, tpidr_el0"),
            (0xd503_3bbf, Stepped, "dmb ish"),
            (0xaa00_03e1, Stepped, "mov x1, x0"),
            (0x0000_0000, Refused, "udf"),
        ] {
            assert_eq!(verdict(word).class, class, "{what}");
        }
    }

    #[test]
    fn shapes() {
        for (word, flow, what) in [
            (0x1400_0002, Flow::Jump(0x1008), "b .+8"),
            (0x17ff_ffff, Flow::Jump(0xffc), "b .-4"),
            (0x9400_0002, Flow::Call, "bl"),
            (0x54ff_ffe0, Flow::Branch(0xffc), "b.eq .-4"),
            (0xb400_0040, Flow::Branch(0x1008), "cbz x0, .+8"),
            (0x3607_ffe0, Flow::Branch(0xffc), "tbz w0, #0, .-4"),
            (0xd65f_03c0, Flow::Return, "ret"),
            (0xd65f_0bff, Flow::Return, "retaa"),
            (0xd61f_0200, Flow::JumpIndirect(Indirect::Unknown), "br x16"),
            (0xd71f_0a11, Flow::JumpIndirect(Indirect::Unknown), "braa x16, x17"),
            (0xd63f_0000, Flow::Call, "blr x0"),
            (0xd400_0001, Flow::Stop, "svc"),
            (0xd503_201f, Flow::Next, "nop"),
        ] {
            assert_eq!(shape(0x1000, word).unwrap().flow, flow, "{what}");
        }
        assert_eq!(shape(0x1000, 0), None);
    }

    #[test]
    fn effects_of_prologue_instructions() {
        let (sp, stack) = (1u32 << 31, |end| Store::Stack { end });
        for (word, writes, moved, store, what) in [
            (0xd503_201f, 0, Some(0), Store::None, "nop"),
            (0xd503_233f, 1 << 30 | 1 << 17, Some(0), Store::None, "paciasp"),
            (0xa9bf_7bfd, sp, Some(-16), stack(0), "stp x29, x30, [sp, #-16]!"),
            (0xa901_53f3, 0, Some(0), stack(32), "stp x19, x20, [sp, #16]"),
            (0xa8c1_7bfd, sp | 1 << 29 | 1 << 30, Some(16), Store::None, "ldp x29, x30, [sp], #16"),
            (0xd100_83ff, sp, Some(-32), Store::None, "sub sp, sp, #32"),
            (0x9100_83ff, sp, Some(32), Store::None, "add sp, sp, #32"),
            (0xd140_07ff, sp, Some(-4096), Store::None, "sub sp, sp, #1, lsl #12"),
            (0x9100_03fd, 1 << 29, Some(0), Store::None, "mov x29, sp"),
            (0x927c_ec1f, sp, None, Store::None, "and sp, x0, #..f0"),
            (0xaa00_03f3, 1 << 19, Some(0), Store::None, "mov x19, x0"),
            (0x5280_0020, 1, Some(0), Store::None, "mov w0, #1"),
            (0xf940_0001, 1 << 1, Some(0), Store::None, "ldr x1, [x0]"),
            (0xf900_0001, 0, Some(0), Store::Memory, "str x1, [x0]"),
            (0xf900_07e0, 0, Some(0), stack(16), "str x0, [sp, #8]"),
            (0xf81f_0ffe, sp, Some(-16), stack(-8), "str x30, [sp, #-16]!"),
            (0xb400_0040, 0, Some(0), Store::None, "cbz x0"),
            (0x9000_0002, 1 << 2, Some(0), Store::None, "adrp x2"),
            (0xeb01_001f, 0, Some(0), Store::None, "cmp x0, x1"),
            (0x6dbf_27e8, sp, Some(-16), stack(0), "stp d8, d9, [sp, #-16]!"),
        ] {
            let expected = Effects { writes: RegSet(writes), stack: moved, store };
            assert_eq!(effects(word), expected, "{what}");
        }
        for unknown in [0xc85f_7c00, 0xf820_0001, 0x0c00_0000] {
            assert_eq!(effects(unknown), Effects::UNKNOWN, "{unknown:#x}");
        }
    }
}
