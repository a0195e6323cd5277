//! The kernel program as built: this kernel makes its maps and its verifier accepts every program.

use aya::{Ebpf, programs::Program};
use stain_tests::tally;

#[test]
fn the_verifier_accepts_every_program() {
    if !tally::privileged("the_verifier_accepts_every_program").open() {
        return;
    }
    let root = xtask::workspace_root(env!("CARGO_MANIFEST_DIR"));
    let object = xtask::bpf::build(&root, std::env::consts::ARCH).expect("the kernel program builds");
    let bytes = std::fs::read(object).expect("the object is there");
    let mut loaded = Ebpf::load(&bytes).expect("the kernel makes its maps");
    let mut programs = 0;
    for (name, program) in loaded.programs_mut() {
        let accepted = match program {
            Program::UProbe(probe) => probe.load(),
            Program::RawTracePoint(watch) => watch.load(),
            other => panic!("{name}: a program of the unexpected type {:?}", other.prog_type()),
        };
        accepted.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        programs += 1;
    }
    assert_eq!(programs, 6, "entry, return, end, exit, exec, fork");
}
