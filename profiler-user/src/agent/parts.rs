//! The parts of functions that compilers put elsewhere (`f.cold`), and where they jump back to.
//!
//! Owns: finding them by their names. Refuses: judging what a jump means for a site (that is `plan`'s). A stripped file does not name them.

use std::collections::HashMap;

use crate::plan::FunctionCode;
use crate::symbol::{ElfAddress, Function, Module};

/// What a part's name has behind the name of its function; `f.cold` and, by older compilers, `f.cold.7`.
const COLD: &str = ".cold";

/// The targets, anywhere, of direct jumps out of the cold parts of some functions of a module, by the functions' addresses.
pub(super) fn jumps_back(module: &Module, functions: &[&Function]) -> HashMap<ElfAddress, Vec<u64>> {
    let mut wanted: HashMap<&str, Vec<ElfAddress>> = HashMap::new();
    for function in functions {
        for symbol in symbols(function) {
            wanted.entry(symbol).or_default().push(function.address);
        }
    }
    let mut jumps: HashMap<ElfAddress, Vec<u64>> = HashMap::new();
    for part in &module.functions {
        // Functions of one name in several source files have parts of one name, too: each part is taken for a part of all.
        let wholes =
            symbols(part).filter_map(|symbol| symbol.rsplit_once(COLD)).filter_map(|(whole, rest)| {
                let is_part = rest.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
                wanted.get(whole).filter(|_| is_part)
            });
        let wholes: Vec<ElfAddress> = wholes.flatten().copied().collect();
        if !wholes.is_empty() {
            let targets = targets(module, part);
            wholes.into_iter().for_each(|whole| jumps.entry(whole).or_default().extend(&targets));
        }
    }
    jumps
}

fn symbols(function: &Function) -> impl Iterator<Item = &str> {
    std::iter::once(function.symbol.as_str()).chain(function.aliases.iter().map(String::as_str))
}

fn targets(module: &Module, part: &Function) -> Vec<u64> {
    let Some((bytes, offset)) = module.code(part).zip(module.file_offset(part.address)) else {
        return Vec::new();
    };
    let code = FunctionCode {
        arch: module.arch,
        address: part.address,
        offset,
        bytes: &bytes,
        sized: part.size > 0,
        inward: &[],
    };
    code.scan().jump_targets()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::symbol::{Arch, FileOffset, Segment, Sources};

    #[test]
    fn a_cold_part_is_found_by_its_name_and_its_jumps_are_told() {
        // At 0x1000 `f` and `f.constprop.0` at 0x1010; from 0x1080 on `f.cold`, `f.constprop.0.cold.3`, `f.coldly`, each: jmp to its function + 1.
        let mut code = vec![0x90u8; 0x100];
        let jump = |from: u64, to: u64| {
            let distance = i32::try_from(to.cast_signed() - (from + 5).cast_signed()).unwrap();
            [&[0xe9][..], &distance.to_le_bytes()].concat()
        };
        let parts = [
            ("f.cold", 0x1080u64, 0x1001u64),
            ("f.constprop.0.cold.3", 0x1090, 0x1011),
            ("f.coldly", 0x10a0, 0x1002),
        ];
        for (_, from, to) in parts {
            let at = usize::try_from(from - 0x1000).unwrap();
            code[at..at + 5].copy_from_slice(&jump(from, to));
        }
        let function = |symbol: &str, address: u64, size: u64| Function {
            symbol: symbol.to_owned(),
            demangled: symbol.to_owned(),
            aliases: Vec::new(),
            address: ElfAddress(address),
            size,
        };
        let wholes = [function("f", 0x1000, 16), function("f.constprop.0", 0x1010, 16)];
        let parts = parts.map(|(symbol, from, _)| function(symbol, from, 5));
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
        let jumps = jumps_back(&module, &[&wholes[0], &wholes[1]]);
        assert_eq!(
            jumps,
            HashMap::from([(ElfAddress(0x1000), vec![0x1001]), (ElfAddress(0x1010), vec![0x1011])])
        );
    }
}
