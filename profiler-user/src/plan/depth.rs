//! How deep the stack is at the instructions of a function, as far as its code says.
//!
//! Follows every direct way from the entry. Where two ways to an instruction disagree, or an instruction moves the stack pointer by an amount that the code
//! does not tell (`leave`, alignment), nothing is known from there on.

use std::collections::BTreeMap;

use super::code::{FunctionCode, Scan};
use super::insn::{self, Flow};

/// Depths by address, in bytes: what added to the stack pointer there gives the one at the entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Depths(BTreeMap<u64, Option<i32>>);

impl Depths {
    /// Those of a function.
    pub(super) fn of(code: &FunctionCode<'_>, scan: &Scan) -> Self {
        let mut depths = Self::default();
        let mut ways = vec![(code.address.0, Some(0))];
        // Each instruction is met at most twice: once with a depth, and once more when that turns out not to be known.
        while let Some((address, depth)) = ways.pop() {
            let Ok(index) = scan.instructions.binary_search_by_key(&address, |(start, _)| *start) else {
                continue;
            };
            let known = depths.0.get(&address).copied();
            let merged = known.map_or(depth, |known| known.filter(|known| Some(*known) == depth));
            if known == Some(merged) {
                continue;
            }
            depths.0.insert(address, merged);
            let Some((_, shape)) = scan.instructions.get(index) else { continue };
            let next = address.wrapping_add(u64::from(shape.len));
            let effect = || insn::effects(code.arch, address, code.from(address)).stack;
            let moved = || merged.zip(effect()).and_then(|(depth, change)| depth.checked_sub(change));
            match shape.flow {
                Flow::Next => ways.push((next, moved())),
                Flow::Branch(target) => ways.extend([(next, merged), (target, merged)]),
                Flow::Jump(target) => ways.push((target, merged)),
                // What is called has put the stack back when it returns.
                Flow::Call => ways.push((next, merged)),
                Flow::JumpIndirect(_) | Flow::Return | Flow::Stop => {}
            }
        }
        depths
    }

    /// What added to the stack pointer at an instruction gives the one at the function's entry; `None` where that is not known.
    pub(super) fn at(&self, address: u64) -> Option<i32> {
        self.0.get(&address).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::Depths;
    use crate::plan::FunctionCode;
    use crate::symbol::{Arch, ElfAddress, FileOffset};
    use proptest::prelude::*;

    const START: u64 = 0x1000;

    fn depths(bytes: &[u8]) -> Depths {
        let (address, offset) = (ElfAddress(START), FileOffset(START));
        let code =
            FunctionCode { arch: Arch::X86_64, address, offset, bytes, sized: true, inward: &[], parts: &[] };
        Depths::of(&code, &code.scan())
    }

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    #[test]
    fn every_direct_way_is_followed() {
        for (what, bytes, expected) in [
            (
                "push, sub, add, pop",
                "55 48 83 ec 18 48 83 c4 18 5d c3",
                &[(0, Some(0)), (1, Some(8)), (5, Some(32)), (9, Some(8)), (10, Some(0))][..],
            ),
            (
                "both ways of a branch",
                "55 74 02 5d c3 5d c3",
                &[(3, Some(8)), (4, Some(0)), (5, Some(8)), (6, Some(0))],
            ),
            ("a call", "55 e8 00 00 00 00 5d c3", &[(6, Some(8)), (7, Some(0))]),
            ("a jump over bytes", "55 eb 01 90 5d c3", &[(3, None), (4, Some(8)), (5, Some(0))]),
            (
                "a tail call behind its epilogue",
                "55 74 01 c3 5d e9 00 10 00 00",
                &[(3, Some(8)), (5, Some(0))],
            ),
            ("a realigned stack", "48 83 e4 f0 53 c3", &[(0, Some(0)), (4, None), (5, None)]),
            ("two ways that disagree", "74 01 55 90 c3", &[(2, Some(0)), (3, None), (4, None)]),
            ("a loop that digs", "55 75 fd c3", &[(0, None), (1, None), (3, None)]),
        ] {
            let found = depths(&hex(bytes));
            for (offset, depth) in expected {
                assert_eq!(found.at(START + offset), *depth, "{what} at +{offset}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = depths(&bytes);
        }
    }
}
