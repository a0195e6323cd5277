//! Databases that are really started, each on a free loopback port and in a folder of its own that goes with it.
//!
//! Owns: finding the programs that `cargo xtask setup services` installs, starting and stopping them, and making empty databases in them. Refuses: the
//! machine's own servers; nothing here touches what runs already.

mod chdb;
mod clickhouse;
mod http;
mod mariadb;
mod postgres;

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::Guarded;
use crate::tally::{Gate, unprivileged};

/// A server's certificate and its key, in its folder.
const CERTIFICATE: [&str; 2] = ["server.pem", "server.key"];

/// How long a server may take to answer.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// PostgreSQL.
    Postgres,
    /// MariaDB, which stands for MySQL too.
    MariaDb,
    /// ClickHouse 18.16, as Debian has it.
    ClickHouse,
    /// A ClickHouse of today: chdb behind a small HTTP server.
    Chdb,
}

/// How a server is started.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    /// It has on the disk what it says it has.
    is_durable: bool,
    /// It speaks TLS, too, with the certificate in its folder. ClickHouse has a port of its own for it, which is this one.
    secured_port: Option<u16>,
}

/// A running database. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    service: Service,
    process: Guarded,
    port: u16,
    manner: Manner,
    folder: PathBuf,
    // Removed after the process ended.
    _own: Option<TempDir>,
}

impl Service {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::ClickHouse => "ClickHouse",
            Self::Chdb => "chdb",
        }
    }

    /// Its program; `None` where it is not installed.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Self::Postgres => postgres::program(),
            Self::MariaDb => mariadb::program(),
            Self::ClickHouse => clickhouse::program(),
            Self::Chdb => chdb::program(),
        }
    }

    /// A test that needs it.
    pub fn gate(self, test: &str) -> Gate<'_> {
        let lack = format!("{} is not installed (cargo xtask setup services)", self.name());
        unprivileged(test).condition(self.program().is_some(), &lack)
    }

    /// Starts one, empty. It need not survive a loss of power, and is faster for it.
    pub fn start(self) -> Result<Server> {
        self.start_own(Manner::default(), None)
    }

    /// Starts one, empty, that has on the disk what it says it has.
    pub fn start_durable(self) -> Result<Server> {
        self.start_own(Manner { is_durable: true, ..Manner::default() }, None)
    }

    /// Starts one that speaks TLS too, with `server.pem` and `server.key` of a folder.
    pub fn start_secured(self, certificates: &Path) -> Result<Server> {
        let manner = Manner { secured_port: Some(free_port()?), ..Manner::default() };
        self.start_own(manner, Some(certificates))
    }

    fn start_own(self, manner: Manner, certificates: Option<&Path>) -> Result<Server> {
        let folder = TempDir::new()?;
        for (certificates, name) in
            certificates.into_iter().flat_map(|from| CERTIFICATE.map(|name| (from, name)))
        {
            fs::copy(certificates.join(name), folder.path().join(name))?;
        }
        self.start_with(folder.path().to_owned(), Some(folder), manner)
    }

    /// Starts one in a folder of the caller's, empty unless one was there before. The folder becomes that of the user whom the server runs as.
    pub fn start_in(self, folder: &Path) -> Result<Server> {
        self.start_with(folder.to_owned(), None, Manner::default())
    }

    fn start_with(self, folder: PathBuf, own: Option<TempDir>, manner: Manner) -> Result<Server> {
        let port = free_port()?;
        let process = self.launch(&folder, port, manner)?;
        let mut server = Server { service: self, process, port, manner, folder, _own: own };
        server.until_it_answers()?;
        Ok(server)
    }

    fn launch(self, folder: &Path, port: u16, manner: Manner) -> Result<Guarded> {
        let program = self.program().with_context(|| format!("{} is not installed", self.name()))?;
        match self {
            Self::Postgres => postgres::start(&program, folder, port, manner),
            Self::MariaDb => mariadb::start(&program, folder, port, manner.secured_port.is_some()),
            Self::ClickHouse => clickhouse::start(&program, folder, port, manner.secured_port),
            Self::Chdb => chdb::start(&program, folder, port),
        }
    }
}

impl Server {
    /// Which one it is.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens for TLS.
    #[must_use]
    pub const fn secured_port(&self) -> u16 {
        match (self.service, self.manner.secured_port) {
            (Service::ClickHouse, Some(port)) => port,
            _ => self.port,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Kills it (SIGKILL), as the kernel does when there is no memory left.
    pub fn kill(&mut self) -> Result<()> {
        self.process.signal(Signal::KILL)?;
        let deadline = Instant::now() + ENDS_WITHIN;
        while self.process.is_running()? {
            ensure!(Instant::now() < deadline, "{} does not die", self.service.name());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether it runs, by its own account.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.is_running()
    }

    /// Starts it again with what it has, at the same address, after it ended.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = self.service.launch(&self.folder, self.port, self.manner)?;
        self.until_it_answers()
    }

    /// Makes an empty database of this name; gives the address by which the collector opens it.
    pub fn database(&self, name: &str) -> Result<String> {
        self.run(&format!("CREATE DATABASE {name}"))?;
        Ok(self.address(name))
    }

    /// The address of a database.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        let port = self.port;
        match self.service {
            Service::Postgres => format!("postgres://test@127.0.0.1:{port}/{name}"),
            Service::MariaDb => format!("mysql://root@127.0.0.1:{port}/{name}"),
            Service::ClickHouse | Service::Chdb => format!("clickhouse://127.0.0.1:{port}/{name}"),
        }
    }

    /// Runs a statement, outside of any database of a test.
    pub fn run(&self, sql: &str) -> Result<()> {
        self.run_in(None, sql)
    }

    /// Runs a statement in a database.
    pub fn run_in(&self, database: Option<&str>, sql: &str) -> Result<()> {
        match self.service {
            Service::Postgres => postgres::run(self.port, database, sql),
            Service::MariaDb => mariadb::run(self.port, database, sql),
            Service::ClickHouse | Service::Chdb => http::run(self.port, database, sql),
        }
    }

    fn until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        while let Err(error) = self.run("SELECT 1") {
            let name = self.service.name();
            let is_up = self.process.is_running()? && Instant::now() < deadline;
            ensure!(is_up, "{name} does not start: {error:#}: {}", self.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn last_words(&mut self) -> String {
        let moment = Duration::from_millis(200);
        self.process.stderr().find(|_| false, moment).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // PostgreSQL waits for its clients at SIGTERM, and not at SIGINT. Killed where that is not enough.
        let signal = if self.service == Service::Postgres { Signal::INT } else { Signal::TERM };
        let _ = self.process.signal(signal);
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.process.is_running(), Ok(true)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A port that nobody listens on just now.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command that runs as a user of the machine where we are root, and as ourselves where we are not; the folder is made that user's.
fn as_user(user: &str, folder: &Path, program: &Path) -> Result<Command> {
    if !rustix::process::getuid().is_root() {
        return Ok(Command::new(program));
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(user);
        let mut ids = fields.skip(1).map(|id| id.parse().ok());
        is_it.then(|| Some((ids.next()??, ids.next()??))).flatten()
    };
    let (uid, gid) = users.lines().find_map(of).with_context(|| format!("there is no user {user}"))?;
    chown(folder, Some(uid), Some(gid))?;
    for file in CERTIFICATE.map(|name| folder.join(name)).iter().filter(|file| file.is_file()) {
        chown(file, Some(uid), Some(gid))?;
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]).arg(program);
    Ok(command)
}

/// Runs a command to its end.
fn done(command: &mut Command) -> Result<()> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", command.get_program().display());
    Ok(())
}
