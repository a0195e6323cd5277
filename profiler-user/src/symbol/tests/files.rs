//! Files: extents, code, names of libraries, separate debug files.

use std::path::{Path, PathBuf};

use super::super::*;
use super::{built, symbols_of};

#[test]
fn c_functions_have_their_place_and_code() {
    let Some(module) = built().module("libc_demo.so") else { return };
    let exported = module.functions.iter().find(|f| f.symbol == "exported").unwrap();
    assert_eq!(exported.aliases, ["alias_of_exported"]);
    let code = module.code(exported).unwrap();
    assert_eq!(code.len() as u64, exported.size);
    let file = std::fs::read(&module.path).unwrap();
    let offset = module.file_offset(exported.address).unwrap().0 as usize;
    assert_eq!(code, &file[offset..offset + code.len()]);
    assert_eq!(module.code_at(exported.address, 4).unwrap(), &code[..4]);
    assert_eq!(module.function_at(ElfAddress(exported.address.0 + 1)), Some(exported));
    assert_eq!(symbols_of(&find([&module], "alias_of_exported")), ["alias_of_exported"]);
    assert_eq!(symbols_of(&find([&module], "hidden")), ["hidden"]);
    assert!(module.functions.is_sorted_by(|a, b| a.address < b.address));
    assert!(module.functions.iter().all(|f| f.symbol != "imported"));
    assert!(!module.is_go && !module.unwinds);
    assert!(module.build_id.as_ref().is_some_and(|id| id.len() >= 8));
}

#[test]
fn a_function_without_size_reaches_to_the_next() {
    let Some(module) = built().module("libc_demo.so") else { return };
    let function = module.functions.iter().find(|f| f.symbol == "sizeless").unwrap();
    let after = module.functions.iter().find(|f| f.symbol == "after").unwrap();
    assert_eq!((function.size, module.extent(function)), (0, after.address.0 - function.address.0));
    assert_eq!(
        module.code(after).unwrap().as_ref(),
        if module.arch == Arch::X86_64 { &[0xc3][..] } else { &[0xc0] }
    );
}

#[test]
fn a_library_answers_to_its_names() {
    let Some(module) = built().module("libc_demo.so") else { return };
    for (library, yes) in
        [("libc_demo.so", true), ("libc_demo", true), ("libc_demo.so.1", true), ("libc", false), ("", false)]
    {
        assert_eq!(module.is_library(library), yes, "{library}");
    }
    assert!(module.is_library(module.name.to_str().unwrap()));
    assert!(module::names_file(Path::new("/lib/libavcodec.so.59.37.100"), "libavcodec.so.59"));
    assert!(!module::names_file(Path::new("/lib/libavcodec.so.590"), "libavcodec.so.59"));
}

#[test]
fn indirect_functions_are_explained() {
    let Some(module) = built().module("libc_demo.so") else { return };
    let lookup = find([&module], "chosen");
    assert!(matches!(&lookup, Lookup::NotFound { why: Miss::Indirect { .. }, .. }), "{lookup:?}");
    assert!(lookup.explain("chosen").unwrap().contains("indirect function"));
}

#[test]
fn stripped_files_keep_exports_and_debug_files_give_the_rest() {
    let built = built();
    let Some(stripped) = built.module("stripped.so") else { return };
    assert_eq!(symbols_of(&find([&stripped], "exported")), ["exported"]);
    let lookup = find([&stripped], "hidden");
    assert!(
        matches!(&lookup, Lookup::NotFound { why: Miss::Unknown { stripped }, .. } if stripped.len() == 1),
        "{lookup:?}"
    );

    let id: String = stripped.build_id.as_ref().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/debug/.build-id").join(&id[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(built.path("libc_demo.debug"), folder.join(format!("{}.debug", &id[2..]))).unwrap();
    let roots = DebugRoots { roots: vec![PathBuf::from("/nowhere"), root.path().to_owned()] };
    let module = Module::open(&stripped.path, &roots).unwrap();
    assert_eq!(symbols_of(&find([&module], "hidden")), ["hidden"]);
    assert!(module.sources.debug_file.is_some());
    let full = built.module("libc_demo.so").unwrap();
    let (ours, theirs) = (&module.functions, &full.functions);
    assert_eq!(ours, theirs);
    assert_eq!(module.code(&ours[0]), full.code(&theirs[0]));
}

#[test]
fn a_stripped_file_may_have_its_symbols_within() {
    let built = built();
    let Some(module) = built.module("mini.so") else { return };
    assert!(module.sources.mini_debug && !module.sources.symtab && module.sources.has_all());
    assert_eq!(symbols_of(&find([&module], "hidden")), ["hidden"]);
    assert_eq!(module.functions, built.module("libc_demo.so").unwrap().functions);
    // A separate debug file says more, and is asked first.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(built.folder.path().strip_prefix("/").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let (linked, both) = (built.path("mini.so"), built.path("both.so"));
    std::fs::copy(built.path("libc_demo.debug"), folder.join("libc_demo.debug")).unwrap();
    let arguments = ["--add-gnu-debuglink=libc_demo.debug", linked.to_str().unwrap(), both.to_str().unwrap()];
    if built.run("objcopy", &arguments).is_some() {
        let module = Module::open(&both, &DebugRoots { roots: vec![root.path().to_owned()] }).unwrap();
        assert!(module.sources.debug_file.is_some() && !module.sources.mini_debug);
    }
}

#[test]
fn what_does_not_unpack_is_no_symbol_table() {
    let built = built();
    if built.module("mini.so").is_none() {
        return;
    }
    let packed = std::fs::read(built.path("packed")).unwrap();
    let bomb = super::packed(&vec![0; 65 << 20]);
    for (name, content) in [("cut", &packed[..packed.len() / 2]), ("text", b"no xz at all"), ("bomb", &bomb)]
    {
        std::fs::write(built.path(name), content).unwrap();
        let (add, out) = (format!(".gnu_debugdata={name}"), format!("{name}.so"));
        if built.run("objcopy", &["--strip-all", "--add-section", &add, "libc_demo.so", &out]).is_some() {
            let module = built.module(&out).unwrap();
            assert!(!module.sources.mini_debug && !module.sources.has_all(), "{name}");
            assert_eq!(symbols_of(&find([&module], "exported")), ["exported"], "{name}");
        }
    }
}

#[test]
fn a_name_means_its_version_of_today() {
    let Some(module) = built().module("versions.so") else { return };
    let lookup = find([&module], "copy");
    assert!(matches!(&lookup, Lookup::NotFound { why: Miss::Indirect { .. }, .. }), "{lookup:?}");
    // Where both versions are functions, either may be called: by programs of today, and by those linked long ago.
    let Lookup::Found(both) = find([&module], "other") else { panic!("not found") };
    assert_eq!(both.len(), 2);
}

#[test]
fn a_debug_link_is_followed_only_to_the_file_it_means() {
    let built = built();
    for name in ["linked.so", "crc.so"] {
        let Some(unlinked) = built.module(name) else { return };
        assert!(!find([&unlinked], "hidden").is_found(), "{name}");
        let root = tempfile::tempdir().unwrap();
        let folder = built.folder.path().strip_prefix("/").unwrap();
        for place in [folder.join(".debug"), folder.to_owned(), Path::new("usr/lib/debug").join(folder)] {
            let roots = DebugRoots { roots: vec![root.path().to_owned()] };
            let debug = root.path().join(&place).join("libc_demo.debug");
            std::fs::create_dir_all(debug.parent().unwrap()).unwrap();
            std::fs::copy(built.path("libc_demo.debug"), &debug).unwrap();
            let module = Module::open(&built.path(name), &roots).unwrap();
            assert!(find([&module], "hidden").is_found(), "{name} {place:?}");
            // Another file of the same name: refused by its build id or by its checksum.
            let other = if name == "crc.so" { "stripped.so" } else { "libcpp.so" };
            std::fs::copy(built.path(other), &debug).unwrap();
            let module = Module::open(&built.path(name), &roots).unwrap();
            assert_eq!(module.sources.debug_file, None, "{name} {place:?}");
            std::fs::remove_file(&debug).unwrap();
        }
    }
}

#[test]
fn go_is_known_by_its_own_sections() {
    let built = built();
    if !built.path("libc_demo.so").exists() {
        return;
    }
    for (section, is_go) in [(".go.buildinfo", true), (".data.rel.ro.gopclntab", true), (".gopher", false)] {
        let (add, out) = (format!("{section}=c.c"), format!("go{section}"));
        if built.run("objcopy", &["--add-section", &add, "libc_demo.so", &out]).is_some() {
            assert_eq!(built.module(&out).unwrap().is_go, is_go, "{section}");
        }
    }
}
