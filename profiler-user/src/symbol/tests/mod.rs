//! The symbol room on real ELF files, compiled here: C, C++, Rust, stripped and not, with separate debug files, and damaged.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::*;

mod files;
mod hostile;
mod lookups;

const C: &str = r#"
__attribute__((noinline, visibility("default"))) int exported(int x) { __asm__(""); return x * 3; }
__attribute__((noinline)) static int hidden(int x) { __asm__(""); return x + 1; }
int alias_of_exported(int) __attribute__((alias("exported")));
static int chosen_impl(int x) { return x; }
static void *chooser(void) { return chosen_impl; }
int chosen(int) __attribute__((ifunc("chooser")));
extern int imported(int);
int entry(int x) { return exported(x) + hidden(x) + imported(x) + chosen(x); }
__asm__(".text\n.globl sizeless\n.type sizeless,@function\nsizeless:\n nop\n nop\n ret\n.globl after\n.type after,@function\nafter: ret\n.size after, 1\n");
"#;

/// As libc's `memcpy`: the name is an indirect function now, and was a plain one once.
const VERSIONS: &str = r#"
int once(int x) { return x + 1; }
static int plain(int x) { return x; }
static void *chooser(void) { return plain; }
int now(int) __attribute__((ifunc("chooser")));
int other_once(int x) { return x + 2; }
int other_now(int x) { return x + 3; }
__asm__(".symver once, copy@V1\n.symver now, copy@@V2\n.symver other_once, other@V1\n.symver other_now, other@@V2\n");
"#;
const VERSION_SCRIPT: &str = "V1 { local: once; now; other_once; other_now; plain; chooser; }; V2 { } V1;";

const CPP: &str = r#"
#include <string>
namespace ns {
struct Type { int f(int); int f(double); int only(const std::string &, int); };
__attribute__((noinline)) int Type::f(int x) { asm(""); return x; }
__attribute__((noinline)) int Type::f(double x) { asm(""); return (int)x; }
__attribute__((noinline)) int Type::only(const std::string &s, int x) { asm(""); if (x == 7) throw x; return (int)s.size() + x; }
template <class T> __attribute__((noinline)) T twice(T x) { asm(""); return x + x; }
template int twice<int>(int);
template double twice<double>(double);
namespace { __attribute__((noinline)) int secret(int x) { asm(""); return x; } }
int use(int x) { return secret(x); }
}
"#;

const RUST: &str = r#"
#![allow(unused)]
pub mod sink {
    pub trait Sink { fn write(&self, x: u64) -> u64; }
    pub struct Csv(pub u64);
    pub struct Json(pub u64);
    impl Sink for Csv { #[inline(never)] fn write(&self, x: u64) -> u64 { std::hint::black_box(self.0 + x) } }
    impl Sink for Json { #[inline(never)] fn write(&self, x: u64) -> u64 { std::hint::black_box(self.0 * x + 1) } }
    impl Csv { #[inline(never)] pub fn flush(&self) -> u64 { std::hint::black_box(self.0 ^ 5) } }
    #[inline(never)] pub fn open(x: u64) -> u64 { std::hint::black_box(x + 9) }
}
#[inline(never)] pub fn stage<T: Copy + Into<f64>>(x: T) -> f64 { std::hint::black_box(x.into() + 1.0) }
fn main() {
    use sink::Sink;
    let n = std::env::args().count() as u64;
    println!("{}", sink::Csv(n).write(n) + sink::Json(n).write(n) + sink::Csv(n).flush() + sink::open(n));
    println!("{}", stage(n as i32) + stage(n as u8) + stage(n as f32));
}
"#;

/// The files compiled from the sources above, each once in a test run.
struct Built {
    folder: tempfile::TempDir,
}

impl Built {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a compiler or a binary tool in the folder; `None`, and a word on stderr, where it is not installed or fails.
    fn run(&self, tool: &str, args: &[&str]) -> Option<()> {
        let output = Command::new(tool).args(args).current_dir(self.folder.path()).output();
        match output {
            Ok(output) if output.status.success() => Some(()),
            Ok(output) => panic!("{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                eprintln!("SKIPPED, no {tool}: {error}");
                None
            }
        }
    }

    /// The module of a file, compiled if it is not there yet.
    fn module(&self, name: &str) -> Option<Module> {
        self.path(name).exists().then(|| Module::open(&self.path(name), &DebugRoots::none()).unwrap())
    }
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = Built { folder: tempfile::tempdir().unwrap() };
        for (file, source) in [
            ("c.c", C),
            ("versions.c", VERSIONS),
            ("map", VERSION_SCRIPT),
            ("cpp.cc", CPP),
            ("demo.rs", RUST),
        ] {
            std::fs::write(built.path(file), source).unwrap();
        }
        let shared = ["-O1", "-shared", "-fPIC", "-Wl,--build-id"];
        let c = [&shared[..], &["-Wl,-soname,libc_demo.so.1", "-o", "libc_demo.so", "c.c"]].concat();
        let _ = built.run("cc", &c).and_then(|()| separate(&built));
        let versions =
            [&shared[..], &["-Wl,--version-script=map", "-o", "versions.so", "versions.c"]].concat();
        let _ = built.run("cc", &versions);
        let _ = built.run("c++", &[&shared[..], &["-o", "libcpp.so", "cpp.cc"]].concat());
        for (file, mangling) in [("legacy", "legacy"), ("v0", "v0")] {
            let mangling = format!("-Csymbol-mangling-version={mangling}");
            // Older compilers have one of the schemes behind a switch that only nightly ones allow.
            let args = ["-Copt-level=1", &mangling, "-Zunstable-options", "-o", file, "demo.rs"];
            let command = Command::new("rustc")
                .args(args)
                .env("RUSTC_BOOTSTRAP", "1")
                .current_dir(built.folder.path())
                .output();
            assert!(command.is_err() || built.path(file).exists(), "{command:?}");
        }
        built
    })
}

/// Strips the C library, its symbols into a file of their own that it links to.
fn separate(built: &Built) -> Option<()> {
    built.run("objcopy", &["--only-keep-debug", "libc_demo.so", "libc_demo.debug"])?;
    built.run("objcopy", &["--strip-all", "libc_demo.so", "stripped.so"])?;
    built.run(
        "objcopy",
        &["--strip-all", "--add-gnu-debuglink=libc_demo.debug", "libc_demo.so", "linked.so"],
    )?;
    built.run(
        "objcopy",
        &[
            "--strip-all",
            "--remove-section=.note.gnu.build-id",
            "--add-gnu-debuglink=libc_demo.debug",
            "libc_demo.so",
            "crc.so",
        ],
    )?;
    let debug = std::fs::read(built.path("libc_demo.debug")).unwrap();
    std::fs::write(built.path("packed"), packed(&debug)).unwrap();
    built
        .run("objcopy", &["--strip-all", "--add-section", ".gnu_debugdata=packed", "libc_demo.so", "mini.so"])
}

/// As `xz` packs it.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6)).unwrap();
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    writer.finish().unwrap()
}

fn symbols_of(lookup: &Lookup<'_>) -> Vec<String> {
    let Lookup::Found(found) = lookup else { panic!("{lookup:?}") };
    found.iter().map(|one| one.symbol.to_owned()).collect()
}

fn hand_made(symbols: &[(u64, &str)]) -> Module {
    let function = |(address, symbol): &(u64, &str)| Function {
        symbol: (*symbol).to_owned(),
        demangled: demangle::readable(symbol),
        aliases: Vec::new(),
        address: ElfAddress(*address),
        size: 0,
    };
    Module {
        path: PathBuf::from("/bin/app"),
        name: PathBuf::from("/bin/app"),
        build_id: None,
        arch: Arch::X86_64,
        segments: vec![Segment {
            offset: FileOffset(0),
            address: ElfAddress(0),
            size: 0x1000,
            executable: true,
        }],
        functions: symbols.iter().map(function).collect(),
        is_go: false,
        unwinds: false,
        sources: Sources { symtab: true, ..Sources::default() },
        bytes: vec![0x90; 0x1000].into(),
    }
}
