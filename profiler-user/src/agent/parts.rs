//! The parts of functions that compilers put elsewhere (`f.cold`), where they jump back to, and whether they are left by anything else.
//!
//! Owns: finding them by their names. Refuses: judging what a jump means for a site (that is `plan`'s). A stripped file does not name them.

use std::collections::HashMap;
use std::ops::Range;

use crate::plan::FunctionCode;
use crate::plan::code::Scan;
use crate::plan::insn::{Flow, Indirect};
use crate::symbol::{ElfAddress, Function, Module};

/// What a part's name has behind the name of its function; `f.cold` and, by older compilers, `f.cold.7`.
const COLD: &str = ".cold";

/// What the parts of one function do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// The targets, anywhere, of their direct jumps.
    pub(super) jumps: Vec<u64>,
    /// Those that are left by nothing but jumps back into the function.
    pub(super) inner: Vec<Range<u64>>,
}

/// The parts of some functions of a module, by the functions' addresses.
pub(super) fn of(module: &Module, functions: &[&Function]) -> HashMap<ElfAddress, Parts> {
    let mut wanted: HashMap<&str, Vec<&Function>> = HashMap::new();
    for function in functions {
        for symbol in symbols(function) {
            wanted.entry(symbol).or_default().push(function);
        }
    }
    let mut parts: HashMap<ElfAddress, Parts> = HashMap::new();
    for part in &module.functions {
        // Functions of one name in several source files have parts of one name, too: each part is taken for a part of all.
        let wholes =
            symbols(part).filter_map(|symbol| symbol.rsplit_once(COLD)).filter_map(|(whole, rest)| {
                let is_part = rest.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
                wanted.get(whole).filter(|_| is_part)
            });
        let wholes: Vec<&Function> = wholes.flatten().copied().collect();
        if let Some(scan) = (!wholes.is_empty()).then(|| scan(module, part)).flatten() {
            let range = extent(part);
            for whole in wholes {
                let parts = parts.entry(whole.address).or_default();
                parts.jumps.extend(scan.jump_targets());
                if stays_within(&scan, &[extent(whole), range.clone()]) {
                    parts.inner.push(range.clone());
                }
            }
        }
    }
    parts
}

/// Where a function lies; nowhere, if nobody knows its size.
fn extent(function: &Function) -> Range<u64> {
    function.address.0..function.address.0.saturating_add(function.size)
}

/// Whether all instructions are known, and none leads out of these but a call.
fn stays_within(scan: &Scan, ranges: &[Range<u64>]) -> bool {
    let stays = |flow: Flow| match flow {
        Flow::Branch(target) | Flow::Jump(target) => ranges.iter().any(|range| range.contains(&target)),
        Flow::JumpIndirect(indirect) => indirect == Indirect::Table,
        Flow::Return => false,
        _ => true,
    };
    scan.stuck.is_none() && scan.instructions.iter().all(|(_, shape)| stays(shape.flow))
}

fn symbols(function: &Function) -> impl Iterator<Item = &str> {
    std::iter::once(function.symbol.as_str()).chain(function.aliases.iter().map(String::as_str))
}

fn scan(module: &Module, part: &Function) -> Option<Scan> {
    let (bytes, offset) = module.code(part).zip(module.file_offset(part.address))?;
    let code = FunctionCode {
        arch: module.arch,
        address: part.address,
        offset,
        bytes: &bytes,
        sized: part.size > 0,
        inward: &[],
        parts: &[],
    };
    Some(code.scan())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::symbol::{Arch, FileOffset, Segment, Sources};

    #[test]
    fn a_cold_part_is_found_by_its_name_and_its_jumps_are_told() {
        // At 0x1000 `f` and `f.constprop.0` at 0x1010; from 0x1080 on `f.cold`, `f.constprop.0.cold.3`, `f.coldly`, each: jmp to its function + 1; `g` at 0x1020
        // and `g.cold`, which goes over into `f`, `h` at 0x1030 and `h.cold`, which returns.
        let mut code = vec![0x90u8; 0x100];
        let jump = |from: u64, to: u64| {
            let distance = i32::try_from(to.cast_signed() - (from + 5).cast_signed()).unwrap();
            [&[0xe9][..], &distance.to_le_bytes()].concat()
        };
        let parts = [
            ("f.cold", 0x1080u64, 0x1001u64),
            ("f.constprop.0.cold.3", 0x1090, 0x1011),
            ("f.coldly", 0x10a0, 0x1002),
            ("g.cold", 0x10b0, 0x1001),
            ("h.cold", 0x10c0, 0x1031),
        ];
        for (_, from, to) in parts {
            let at = usize::try_from(from - 0x1000).unwrap();
            code[at..at + 5].copy_from_slice(&jump(from, to));
        }
        code[0xc5] = 0xc3;
        let function = |symbol: &str, address: u64, size: u64| Function {
            symbol: symbol.to_owned(),
            demangled: symbol.to_owned(),
            aliases: Vec::new(),
            address: ElfAddress(address),
            size,
        };
        let wholes = [("f", 0x1000), ("f.constprop.0", 0x1010), ("g", 0x1020), ("h", 0x1030)];
        let wholes = wholes.map(|(symbol, address)| function(symbol, address, 16));
        let parts =
            parts.map(|(symbol, from, _)| function(symbol, from, if symbol == "h.cold" { 6 } else { 5 }));
        let module = Module {
            path: PathBuf::from("/bin/app"),
            name: PathBuf::from("/bin/app"),
            build_id: None,
            arch: Arch::X86_64,
            segments: vec![Segment {
                offset: FileOffset(0),
                address: ElfAddress(0x1000),
                size: 0x100,
                executable: true,
            }],
            functions: wholes.iter().chain(&parts).cloned().collect(),
            is_go: false,
            unwinds: false,
            sources: Sources::default(),
            bytes: code.into(),
        };
        let found = of(&module, &wholes.each_ref());
        let parts =
            |jump, inner: Option<Range<u64>>| Parts { jumps: vec![jump], inner: inner.into_iter().collect() };
        let expected = [
            (0x1000, parts(0x1001, Some(0x1080..0x1085))),
            (0x1010, parts(0x1011, Some(0x1090..0x1095))),
            (0x1020, parts(0x1001, None)),
            (0x1030, parts(0x1031, None)),
        ];
        assert_eq!(found, expected.map(|(address, parts)| (ElfAddress(address), parts)).into());
    }
}
