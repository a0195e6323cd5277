//! MariaDB, which stands for MySQL too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{as_user, done};
use crate::child::Guarded;

/// Where distributions put it.
const PROGRAM: &str = "/usr/sbin/mariadbd";

pub(super) fn program() -> Option<PathBuf> {
    Some(PathBuf::from(PROGRAM)).filter(|program| program.is_file())
}

pub(super) fn start(program: &Path, folder: &Path, port: u16, secured: bool) -> Result<Guarded> {
    let data = format!("--datadir={}", folder.join("data").display());
    if !folder.join("data").exists() {
        let mut install = as_user("mysql", folder, Path::new("mariadb-install-db"))?;
        install.args(["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"]);
        done(install.current_dir(folder))?;
    }
    let mut command = as_user("mysql", folder, program)?;
    // The second is of another name than the certificate's.
    let hosts = if secured { "--bind-address=127.0.0.1,127.0.0.2" } else { "--bind-address=127.0.0.1" };
    command.args(["--no-defaults", &data, hosts, "--skip-log-bin"]);
    command.arg(format!("--port={port}")).arg(format!("--socket={}", folder.join("socket").display()));
    command.arg(format!("--pid-file={}", folder.join("pid").display()));
    if secured {
        command.arg(format!("--ssl-cert={}/server.pem", folder.display()));
        command.arg(format!("--ssl-key={}/server.key", folder.display()));
    }
    Guarded::spawn(command.current_dir(folder))
}

pub(super) fn run(port: u16, database: Option<&str>, sql: &str) -> Result<()> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-u", "root"]);
    client.args(["-P", &port.to_string(), "-e", sql]).args(database);
    done(&mut client)
}
