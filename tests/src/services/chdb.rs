//! A ClickHouse of today: chdb, which is its engine as a Python module, behind an HTTP server of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::child::Guarded;

pub(super) fn program() -> Option<PathBuf> {
    let running = std::env::current_exe().ok()?;
    let folders = running.ancestors().map(|folder| folder.join("services/chdb"));
    let folder = folders.take(5).find(|folder| folder.join("installed").is_file())?;
    Some(folder.join("bin/python"))
}

pub(super) fn start(program: &Path, folder: &Path, port: u16) -> Result<Guarded> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("receivers/chdb_server.py");
    let mut command = Command::new(program);
    command.arg(script).arg(port.to_string()).arg(folder.join("data"));
    Guarded::spawn(command.current_dir(folder))
}
