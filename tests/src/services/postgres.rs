//! PostgreSQL, of the newest version that is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Manner, as_user, done};
use crate::child::Guarded;

/// Where distributions put the versions.
const FOLDER: &str = "/usr/lib/postgresql";

pub(super) fn program() -> Option<PathBuf> {
    let versions = std::fs::read_dir(FOLDER).ok()?.flatten();
    let programs = versions.map(|version| version.path().join("bin/postgres"));
    programs.filter(|program| program.is_file()).max()
}

pub(super) fn start(program: &Path, folder: &Path, port: u16, manner: Manner) -> Result<Guarded> {
    let data = folder.join("data");
    if data.exists() {
        return launch(program, folder, port, manner);
    }
    let mut initdb = as_user("postgres", folder, &program.with_file_name("initdb"))?;
    initdb.arg("-D").arg(&data).args(["-A", "trust", "-U", "test", "--no-sync", "-E", "UTF8", "--locale=C"]);
    done(initdb.current_dir(folder))?;
    launch(program, folder, port, manner)
}

fn launch(program: &Path, folder: &Path, port: u16, manner: Manner) -> Result<Guarded> {
    let data = folder.join("data");
    let mut command = as_user("postgres", folder, program)?;
    let secured = manner.secured_port.is_some();
    // The second is of another name than the certificate's.
    let hosts = if secured { "127.0.0.1,127.0.0.2" } else { "127.0.0.1" };
    command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", &format!("listen_addresses={hosts}")]);
    let fsync = if manner.is_durable { "fsync=on" } else { "fsync=off" };
    command.args(["-c", fsync, "-c", &format!("unix_socket_directories={}", folder.display())]);
    if secured {
        command.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}/server.pem", folder.display())]);
        command.args(["-c", &format!("ssl_key_file={}/server.key", folder.display())]);
    }
    Guarded::spawn(command.current_dir(folder))
}

pub(super) fn run(port: u16, database: Option<&str>, sql: &str) -> Result<()> {
    let program = program().context("no PostgreSQL")?;
    let mut psql = Command::new(program.with_file_name("psql"));
    psql.args(["-X", "-q", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "test"]);
    psql.args(["-d", database.unwrap_or("postgres"), "-v", "ON_ERROR_STOP=1", "-c", sql]);
    done(&mut psql)
}
