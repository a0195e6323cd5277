//! The code of one function, and where its instructions begin.

use std::ops::Range;

use super::insn::{self, Flow, Shape};
use crate::symbol::{Arch, ElfAddress, FileOffset};

/// The bytes of one function, all within one segment of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCode<'a> {
    /// Instruction set.
    pub arch: Arch,
    /// Where the function starts.
    pub address: ElfAddress,
    /// Where its first byte lies in the file.
    pub offset: FileOffset,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether `bytes` end where the function ends. When nobody knows the size they may hold other functions too.
    pub sized: bool,
    /// Where jumps from parts of the function that lie elsewhere lead to.
    pub inward: &'a [u64],
    /// Where parts of the function lie elsewhere that are left by nothing but jumps back into it.
    pub parts: &'a [Range<u64>],
}

impl<'a> FunctionCode<'a> {
    /// The bytes from an address on.
    #[must_use]
    pub fn from(&self, address: u64) -> &'a [u8] {
        let at = address.checked_sub(self.address.0).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }

    /// Whether the function holds the address.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        !self.from(address).is_empty()
    }

    /// Whether a jump to the address leaves the function: it leads neither into it nor into a part of it that does not leave it either.
    #[must_use]
    pub fn is_left_by(&self, target: u64) -> bool {
        !self.contains(target) && !self.parts.iter().any(|part| part.contains(&target))
    }

    /// The file offset of an address of the function.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> FileOffset {
        FileOffset(self.offset.0.wrapping_add(address.wrapping_sub(self.address.0)))
    }

    /// Decodes from the first byte to the last, as far as that goes.
    #[must_use]
    pub fn scan(&self) -> Scan {
        let mut instructions = Vec::new();
        let mut address = self.address.0;
        while self.contains(address) {
            let Some(shape) = insn::shape(self.arch, address, self.from(address)) else {
                return Scan { instructions, stuck: Some(address), inward: self.inward.to_vec() };
            };
            instructions.push((address, shape));
            address = address.wrapping_add(u64::from(shape.len));
        }
        Scan { instructions, stuck: None, inward: self.inward.to_vec() }
    }

    /// The instruction at an address, as `objdump -d` would show it.
    #[must_use]
    pub fn text(&self, address: u64) -> String {
        insn::text(self.arch, address, self.from(address))
    }
}

/// A function's instructions in the order of their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Address and shape of each.
    pub instructions: Vec<(u64, Shape)>,
    /// Where decoding met bytes that are no instruction, if it did: nothing is known from there on.
    pub stuck: Option<u64>,
    /// See [`FunctionCode::inward`].
    pub inward: Vec<u64>,
}

impl Scan {
    /// The targets of all direct jumps, of those from elsewhere too, lowest first. Calls begin another call and are none.
    #[must_use]
    pub fn jump_targets(&self) -> Vec<u64> {
        let target = |(_, shape): &(u64, Shape)| match shape.flow {
            Flow::Branch(target) | Flow::Jump(target) => Some(target),
            _ => None,
        };
        let mut targets: Vec<u64> =
            self.instructions.iter().filter_map(target).chain(self.inward.iter().copied()).collect();
        targets.sort_unstable();
        targets
    }

    /// Whether an instruction begins at the address; else the nearest ones before and after that do.
    pub fn boundary(&self, address: u64) -> Result<(), (u64, Option<u64>)> {
        let start = |(start, _): &(u64, Shape)| *start;
        match self.instructions.binary_search_by_key(&address, start) {
            Ok(_) => Ok(()),
            Err(after) => {
                let before = after.checked_sub(1).and_then(|i| self.instructions.get(i));
                Err((before.map_or(address, start), self.instructions.get(after).map(start)))
            }
        }
    }
}
