//! The kernel program as built: this kernel accepts its maps and its type information.

use aya::Ebpf;
use stain_tests::tally;

#[test]
fn the_kernel_takes_the_object() {
    if !tally::privileged("the_kernel_takes_the_object").open() {
        return;
    }
    let root = xtask::workspace_root(env!("CARGO_MANIFEST_DIR"));
    let object = xtask::bpf::build(&root, std::env::consts::ARCH).expect("the kernel program builds");
    let bytes = std::fs::read(object).expect("the object is there");
    let loaded = Ebpf::load(&bytes).expect("the kernel makes its maps");
    assert!(loaded.programs().next().is_some(), "the object holds a program");
}
