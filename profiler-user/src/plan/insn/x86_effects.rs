//! What an x86-64 instruction changes: registers, the stack pointer, memory.

use iced_x86::{
    Code, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    UsedMemory,
};

use super::{Effects, RegSet, Store, x86};

/// The stack pointer's hardware number.
const SP: u8 = 4;

/// What the instruction at the start of `bytes` may change.
pub(super) fn effects(address: u64, bytes: &[u8]) -> Effects {
    let Some(instruction) = x86::decode(address, bytes) else { return Effects::UNKNOWN };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(&instruction);
    let writes = writes(info);
    Effects { writes, stack: stack(&instruction, writes), store: store(info, instruction.mnemonic()) }
}

fn is_write(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn writes(info: &InstructionInfo) -> RegSet {
    info.used_registers()
        .iter()
        .filter(|used| is_write(used.access()) && used.register().is_gpr())
        .filter_map(|used| u8::try_from(used.register().full_register().number()).ok())
        .fold(RegSet::EMPTY, |set, number| set.with(RegSet::of(number)))
}

/// Bytes added to the stack pointer, where the instruction itself says.
fn stack(instruction: &Instruction, writes: RegSet) -> Option<i32> {
    if !writes.meets(RegSet::of(SP)) {
        return Some(0);
    }
    let implied = instruction.stack_pointer_increment();
    // `pop %rsp` and `leave` set the stack pointer to something else than the increment.
    if implied != 0 {
        let loads = instruction.mnemonic() == Mnemonic::Leave
            || instruction.mnemonic() == Mnemonic::Enter
            || instruction.mnemonic() == Mnemonic::Pop && instruction.op0_register() == Register::RSP;
        return (!loads).then_some(implied);
    }
    match instruction.code() {
        Code::Add_rm64_imm8 | Code::Add_rm64_imm32 if instruction.op0_register() == Register::RSP => {
            immediate(instruction)
        }
        Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 if instruction.op0_register() == Register::RSP => {
            immediate(instruction)?.checked_neg()
        }
        Code::Lea_r64_m if moves_stack(instruction) => {
            i32::try_from(instruction.memory_displacement64().cast_signed()).ok()
        }
        _ => None,
    }
}

fn immediate(instruction: &Instruction) -> Option<i32> {
    (instruction.op1_kind() != OpKind::Register)
        .then(|| instruction.immediate(1).cast_signed())
        .and_then(|value| i32::try_from(value).ok())
}

/// `lea d(%rsp), %rsp`.
fn moves_stack(instruction: &Instruction) -> bool {
    instruction.memory_base() == Register::RSP && instruction.memory_index() == Register::None
}

fn store(info: &InstructionInfo, mnemonic: Mnemonic) -> Store {
    if matches!(mnemonic, Mnemonic::Nop | Mnemonic::Lea | Mnemonic::Endbr64) {
        return Store::None;
    }
    info.used_memory().iter().filter(|used| is_write(used.access())).fold(Store::None, |sum, used| {
        match (sum, stack_end(used)) {
            (Store::None, Some(end)) => Store::Stack { end },
            (Store::Stack { end: other }, Some(end)) => Store::Stack { end: end.max(other) },
            _ => Store::Memory,
        }
    })
}

/// Where the written bytes end, when they lie at a fixed distance from the stack pointer.
fn stack_end(used: &UsedMemory) -> Option<i64> {
    let fixed = used.base() == Register::RSP
        && used.index() == Register::None
        && matches!(used.segment(), Register::SS | Register::DS | Register::None);
    let size = i64::try_from(used.memory_size().size()).ok().filter(|size| *size > 0)?;
    fixed.then(|| used.displacement().cast_signed().checked_add(size)).flatten()
}

#[cfg(test)]
mod tests {
    use super::effects;
    use crate::plan::insn::{Effects, RegSet, Store};

    #[test]
    fn effects_of_prologue_instructions() {
        let (ax, sp, bp, di) = (1 << 0, 1 << 4, 1 << 5, 1 << 7);
        let stack = |end| Store::Stack { end };
        for (bytes, writes, moved, store) in [
            (&[0x55][..], sp, Some(-8), stack(0)),
            (&[0x5f], sp | di, Some(8), Store::None),
            (&[0x5c], sp, None, Store::None),
            (&[0xc9], sp | bp, None, Store::None),
            (&[0x48, 0x89, 0xe5], bp, Some(0), Store::None),
            (&[0x48, 0x83, 0xec, 0x18], sp, Some(-0x18), Store::None),
            (&[0x48, 0x83, 0xc4, 0x80], sp, Some(-0x80), Store::None),
            (&[0x48, 0x81, 0xec, 0x00, 0x10, 0x00, 0x00], sp, Some(-0x1000), Store::None),
            (&[0x48, 0x83, 0xe4, 0xf0], sp, None, Store::None),
            (&[0x48, 0x8d, 0x64, 0x24, 0xd8], sp, Some(-0x28), Store::None),
            (&[0x48, 0x89, 0x7c, 0x24, 0xf8], 0, Some(0), stack(0)),
            (&[0x48, 0x89, 0x7c, 0x24, 0x08], 0, Some(0), stack(16)),
            (&[0x48, 0x89, 0x3e], 0, Some(0), Store::Memory),
            (&[0x48, 0x89, 0x7d, 0xf8], 0, Some(0), Store::Memory),
            (&[0x31, 0xc0], ax, Some(0), Store::None),
            (&[0x40, 0xb7, 0x01], di, Some(0), Store::None),
            (&[0x48, 0x85, 0xff], 0, Some(0), Store::None),
            (&[0xf3, 0x0f, 0x1e, 0xfa], 0, Some(0), Store::None),
            (&[0x0f, 0x1f, 0x44, 0x00, 0x00], 0, Some(0), Store::None),
            (&[0x48, 0x83, 0x0c, 0x24, 0x00], 0, Some(0), stack(8)),
        ] {
            let expected = Effects { writes: RegSet(writes), stack: moved, store };
            assert_eq!(effects(0x1000, bytes), expected, "{bytes:x?}");
        }
        assert_eq!(effects(0, &[0x06]), Effects::UNKNOWN);
    }
}
