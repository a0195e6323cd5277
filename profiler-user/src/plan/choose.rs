//! Which instruction of a function carries the probe of its entry.
//!
//! A call must pass the site exactly once: it lies in the straight line from the entry, and no direct jump of the function lands in that line up to it.
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
