//! The program that libFuzzer drives. Which target it is, `STAIN_FUZZ_TARGET` says; the first inputs are made in the folder `STAIN_FUZZ_SEEDS`.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use stain_fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    *TARGET.get_or_init(|| {
        let name = std::env::var("STAIN_FUZZ_TARGET").unwrap_or_default();
        Target::ALL.into_iter().find(|target| target.name() == name).unwrap_or(Target::Payload)
    })
}

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("STAIN_FUZZ_SEEDS").map(PathBuf::from) {
            for (number, seed) in target().seeds().into_iter().enumerate() {
                let _ = std::fs::write(folder.join(format!("seed-{number}")), seed);
            }
        }
    },
    |data: &[u8]| target().run(data)
);
