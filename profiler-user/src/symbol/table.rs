//! Symbol tables to functions.
//!
//! Owns: which symbols are functions, and the folding of the names of one address.
//! Refuses: symbols without code of their own (imports and their PLT stubs, indirect functions, addresses outside the file's code).

use std::collections::BTreeSet;

use object::LittleEndian as LE;
use object::elf::{self, Sym64, Versym};

use super::Function;
use super::address::{self, ElfAddress, Segment};
use super::demangle::{self, Variant};
use super::elf::{Elf, Table, string};

/// Functions of a file at most; the largest browsers have a fifth of it.
const MAX_FUNCTIONS: usize = 4 << 20;

/// Symbols whose presence says that exceptions or panics may pass the file's frames.
const UNWINDERS: [&[u8]; 4] =
    [b"__gxx_personality_v0", b"rust_eh_personality", b"_Unwind_RaiseException", b"__cxa_throw"];

/// One name of one place.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    address: ElfAddress,
    /// Preferred first: exported names, then parts of functions last, then the shortest.
    rank: (bool, bool, usize),
    name: String,
    size: u64,
    /// An old version of a versioned symbol: what programs linked today mean by the name is another one.
    old: bool,
}

/// What the symbol tables of a file (and of its debug file) say, before the names of an address are folded.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    named: Vec<Named>,
    /// Indirect functions (STT_GNU_IFUNC): the address is a resolver, run once, not the function.
    pub(super) indirect: BTreeSet<String>,
    /// Whether a symbol names the machinery of unwinding.
    pub(super) unwinds: bool,
    /// Symbols seen, of any kind.
    pub(super) seen: usize,
}

impl Symbols {
    /// Adds a table of `elf`, taking the functions that lie in the code of `segments`.
    pub(super) fn add(&mut self, elf: &Elf<'_>, kind: elf::SectionType, segments: &[Segment]) -> Option<()> {
        let section = elf.section_of_type(kind)?;
        let table = elf.table::<Sym64<LE>>(section)?;
        let strings = elf.content(elf.linked(section)?)?;
        let versions = (kind == elf::SHT_DYNSYM).then(|| versions(elf)).flatten();
        let versions = versions.as_ref().map_or(&[][..], |table| table.values::<Versym<LE>>());
        for (index, symbol) in table.values::<Sym64<LE>>().iter().enumerate() {
            if let Some(name) = string(&strings, u64::from(symbol.st_name.get(LE))).filter(|n| !n.is_empty())
            {
                let hidden = versions.get(index).is_some_and(|version| version.0.get(LE).is_hidden());
                self.add_symbol(symbol, name, hidden || is_old(name), segments);
            }
        }
        Some(())
    }

    fn add_symbol(&mut self, symbol: &Sym64<LE>, name: &[u8], old: bool, segments: &[Segment]) {
        self.seen += 1;
        self.unwinds |= UNWINDERS.contains(&unversioned(name));
        if symbol.st_shndx.get(LE) == elf::SHN_UNDEF || self.named.len() >= MAX_FUNCTIONS {
            return;
        }
        let text = || String::from_utf8_lossy(unversioned(name)).into_owned();
        match symbol.st_type() {
            elf::STT_GNU_IFUNC => {
                self.indirect.insert(text());
            }
            elf::STT_FUNC => {
                let address = ElfAddress(symbol.st_value.get(LE));
                if address::code_segment(segments, address).is_some() {
                    let (local, size) = (symbol.st_bind() == elf::STB_LOCAL, symbol.st_size.get(LE));
                    self.push(address, local, text(), size, old);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, address: ElfAddress, local: bool, name: String, size: u64, old: bool) {
        let part = demangle::strip_suffix(&name).1 == Variant::Part;
        self.named.push(Named { address, rank: (part, local, name.len()), name, size, old });
    }

    /// One function for each address, sorted by address.
    pub(super) fn into_functions(mut self) -> Vec<Function> {
        // As libc's `memcpy`: an indirect function, beside a plain one of twenty years ago that hardly anybody calls.
        self.named.retain(|named| !(named.old && self.indirect.contains(&named.name)));
        self.named.sort_unstable_by(|a, b| (a.address, a.rank, &a.name).cmp(&(b.address, b.rank, &b.name)));
        self.named.dedup_by(|later, first| {
            let same = later.address == first.address && later.name == first.name;
            if same {
                first.size = first.size.max(later.size);
            }
            same
        });
        let mut functions: Vec<Function> = Vec::with_capacity(self.named.len());
        for named in self.named {
            match functions.last_mut().filter(|last| last.address == named.address) {
                Some(last) => fold(last, named),
                None => functions.push(function(named)),
            }
        }
        functions.shrink_to_fit();
        functions
    }
}

fn fold(function: &mut Function, named: Named) {
    if function.size == 0 {
        function.size = named.size;
    }
    function.aliases.push(named.name);
}

fn function(named: Named) -> Function {
    let Named { address, rank: _, name, size, old: _ } = named;
    Function { demangled: demangle::readable(&name), symbol: name, aliases: Vec::new(), address, size }
}

/// The versions of the dynamic symbols, in their order.
fn versions(elf: &Elf<'_>) -> Option<Table> {
    elf.table::<Versym<LE>>(elf.section_of_type(elf::SHT_GNU_VERSYM)?)
}

/// Whether a name of the full symbol table says that it is an old version: `memcpy@GLIBC_2.2.5`, with one @.
fn is_old(name: &[u8]) -> bool {
    let at = name.iter().position(|byte| *byte == b'@').filter(|at| *at > 0);
    at.is_some_and(|at| name.get(at + 1) != Some(&b'@'))
}

/// `memcpy@@GLIBC_2.14` as `memcpy`.
fn unversioned(name: &[u8]) -> &[u8] {
    name.iter()
        .position(|byte| *byte == b'@')
        .filter(|at| *at > 0)
        .and_then(|at| name.get(..at))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(list: &[(u64, bool, &str, u64)]) -> Vec<Function> {
        let mut symbols = Symbols::default();
        for (address, local, name, size) in list {
            symbols.push(ElfAddress(*address), *local, (*name).to_owned(), *size, false);
        }
        symbols.into_functions()
    }

    #[test]
    fn names_of_one_address_fold_and_the_best_leads() {
        let functions = symbols(&[
            (0x20, true, "b", 4),
            (0x10, true, "z", 8),
            (0x10, false, "__libc_write", 0),
            (0x10, false, "write", 0),
            (0x10, false, "write", 8),
            (0x30, true, "b", 4),
        ]);
        let view: Vec<_> =
            functions.iter().map(|f| (f.address.0, f.symbol.as_str(), f.aliases.join(","), f.size)).collect();
        assert_eq!(
            view,
            [
                (0x10, "write", "__libc_write,z".to_owned(), 8),
                (0x20, "b", String::new(), 4),
                (0x30, "b", String::new(), 4),
            ]
        );
    }

    #[test]
    fn versions_are_no_part_of_a_name() {
        assert_eq!(unversioned(b"memcpy@@GLIBC_2.14"), b"memcpy");
        assert_eq!(unversioned(b"memcpy@GLIBC_2.2.5"), b"memcpy");
        assert_eq!(unversioned(b"@odd"), b"@odd");
        let old = [&b"memcpy@@GLIBC_2.14"[..], b"memcpy@GLIBC_2.2.5", b"memcpy", b"@odd"].map(is_old);
        assert_eq!(old, [false, true, false, false]);
    }
}
