//! Files that are damaged, hostile, or something else.

use std::path::Path;

use proptest::prelude::*;

use super::super::*;
use super::built;

#[test]
fn other_files_are_refused_in_a_sentence() {
    let read = |bytes: &[u8]| {
        Module::read(bytes.into(), Path::new("/x"), Path::new("/x"), &DebugRoots::none())
            .unwrap_err()
            .to_string()
    };
    let mut header = [0u8; 64];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    header[18] = 243;
    assert!(read(&header).starts_with("/x is for another instruction set (ELF machine 243); stain traces"));
    header[4] = 1;
    assert!(read(&header).starts_with("/x is for a 32-bit machine"));
    assert!(read(b"#!/bin/sh\n").starts_with("/x is not an ELF file"));
    assert!(read(&b"\x7fELF\x02\x01          "[..]).starts_with("/x is damaged"));
}

/// Everything that may be asked of a module.
fn ask_everything(bytes: Vec<u8>) {
    let Ok(module) = Module::read(bytes.into(), Path::new("/x"), Path::new("/x"), &DebugRoots::none()) else {
        return;
    };
    for function in &module.functions {
        let _ = (
            module.code(function),
            module.function_at(function.address),
            module.code_at(function.address, 64),
        );
    }
    let _ = (find([&module], "exported"), find([&module], "*ns::*"), list::list([&module], None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..512), elf in any::<bool>()) {
        if elf && bytes.len() > 20 {
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            bytes[18..20].copy_from_slice(&[62, 0]);
        }
        ask_everything(bytes);
    }

    #[test]
    fn damaged_files_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0u8..3), 1..24),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for name in ["libc_demo.so", "libcpp.so", "linked.so", "mini.so"] {
            let Ok(mut bytes) = std::fs::read(built().path(name)) else { continue };
            let headers = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
            for (index, value, place) in &edits {
                // Aimed at the header, the section headers, or anywhere: random places mostly hit code.
                let (start, len) = match place {
                    0 => (16, 0x300),
                    1 => (headers, bytes.len() - headers),
                    _ => (0, bytes.len()),
                };
                bytes[start + index.index(len)] = *value;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            ask_everything(bytes);
        }
    }
}
