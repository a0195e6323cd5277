//! Servers that tests of exports can be run against besides: they take minutes to build, so that they are had only when asked for.
//!
//! Owns the pinned version. Tests that need them say that they are skipped where they are not.

use std::path::Path;

use anyhow::Result;
use xtask::{bpf, cargo};

use super::{Set, run as set_up};
use crate::run::{quiet, step};

/// A broker that speaks Kafka's protocol, in memory.
const BROKER: [&str; 7] =
    ["tansu", "--locked", "--version", "0.6.0", "--no-default-features", "--features", "dynostore"];

/// The chore `setup services`: what tests need, and the servers.
pub(crate) fn run(root: &Path) -> Result<()> {
    set_up(root, Set::Test)?;
    let folder = bpf::target_folder(root).join("services");
    if folder.join("bin/tansu").is_file() {
        return Ok(());
    }
    step("setup", "cargo install a Kafka broker (minutes)", || {
        quiet(cargo::command().arg("install").args(BROKER).arg("--root").arg(&folder))
    })
}
