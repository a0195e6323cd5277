fn main() {
    println!("cargo:rerun-if-env-changed=STAIN_BPF_OBJECT");
    let out = std::env::var("OUT_DIR").unwrap();
    let object = std::env::var("STAIN_BPF_OBJECT").unwrap();
    println!("cargo:rerun-if-changed={object}");
    std::fs::copy(object, format!("{out}/stain.bpf.o")).unwrap();
}
