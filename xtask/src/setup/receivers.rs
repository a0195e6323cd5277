//! Programs that receive what the agent exports, written by others: a Python environment of its own, in the target folder.
//!
//! Owns the pinned packages. Refuses to fail: where they cannot be had, the tests that need them say that they are skipped.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};
use xtask::{bpf, probe::find_program};

use crate::run::{quiet, step};

/// Receivers of OTLP (one whole agent, and OpenTelemetry's own classes over gRPC), a parser of Prometheus' text, the definitions of Perfetto's traces, and a consumer of Kafka.
const PACKAGES: [&str; 6] = [
    "rotel==0.0.1a15",
    "grpcio==1.85.3",
    "opentelemetry-proto==1.45.2",
    "prometheus-client==0.26.0",
    "perfetto==0.59.1",
    "confluent-kafka==2.16.1",
];

/// Its name in the target folder.
const FOLDER: &str = "receivers";

/// Installs them, unless these very versions are there.
pub(super) fn ensure(root: &Path) {
    let folder = bpf::target_folder(root).join(FOLDER);
    if let Err(error) = environment(&folder, &PACKAGES, "pip install receivers for the tests of exports") {
        eprintln!("warning: no receivers: {error:#}: the tests that need them are skipped");
    }
}

/// Makes a Python environment with these packages (or options of pip), unless it is there with these very versions.
pub(super) fn environment(folder: &Path, packages: &[&str], what: &str) -> Result<()> {
    let (mark, wanted) = (folder.join("installed"), packages.join("\n"));
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step("setup", what, || install(folder, packages))?;
    fs::write(&mark, wanted).context("cannot write the mark")
}

fn install(folder: &Path, packages: &[&str]) -> Result<()> {
    let python = find_program("python3").context("there is no python3")?;
    quiet(Command::new(python).args(["-m", "venv"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    quiet(Command::new(folder.join("bin/python")).args(pip).args(packages))
}
