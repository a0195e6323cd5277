//! An nginx as the distribution ships it, on a loopback port of its own.
//!
//! Owns: its configuration, its processes, its access log, and wrk as a load. Refuses: knowing of the agent.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::child::{Ended, Guarded};
use crate::shipped;

/// Where the distribution puts it.
pub const PROGRAM: &str = "/usr/sbin/nginx";

/// Bytes of the large file: more than the sockets between nginx and its client hold, so that a request for it stays in nginx until
/// the client reads.
pub const LARGE: usize = 600_000;

const LIMIT: Duration = Duration::from_secs(15);

/// A place for an nginx: configuration, files, port. It can be started there more than once.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    binary: PathBuf,
    address: SocketAddr,
    /// An upstream that never answers.
    silent: TcpListener,
    workers: usize,
    /// Whether each worker listens for itself, so that the kernel gives each some of the connections.
    is_spread: bool,
}

/// A running nginx. Dropping it ends all its processes.
#[derive(Debug)]
pub struct Nginx {
    // Ended first: a master starts a worker anew that ends.
    master: Guarded,
    workers: Workers,
}

/// The workers, which outlive a master that is killed. Dropping it ends them.
#[derive(Debug)]
struct Workers {
    binary: PathBuf,
    all: Vec<u32>,
    current: Vec<u32>,
}

/// What nginx itself noted of a request, when it freed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The worker.
    pub pid: u32,
    /// The last part of the path as the client sent it.
    pub id: u64,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer that were sent, without its head: fewer than there are when the client left.
    pub sent: usize,
}

impl Site {
    /// A site with so many workers.
    pub fn new(workers: usize) -> Result<Self> {
        Self::make(workers, false)
    }

    /// The same; connections are spread over the workers, however fast one of them is.
    pub fn spread(workers: usize) -> Result<Self> {
        Self::make(workers, true)
    }

    fn make(workers: usize, is_spread: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // The workers run as another user.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let binary = shipped::copy(PROGRAM, folder.path())?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let silent_address = silent.local_addr()?;
        let site = Self { folder, binary, address, silent, workers, is_spread };
        std::fs::create_dir(site.path("www"))?;
        std::fs::write(site.path("www/small"), "well\n")?;
        std::fs::write(site.path("www/large"), vec![b'.'; LARGE])?;
        std::fs::write(site.path("www/part"), "part\n")?;
        let include = "<!--# include virtual=\"/part\" -->";
        std::fs::write(site.path("www/page"), format!("one {include} two {include}\n"))?;
        std::fs::write(site.path("nginx.conf"), site.configuration(silent_address))?;
        Ok(site)
    }

    /// `/id/N` is the large file and `/ok/N` the small one, both by an internal redirect; `/ssi/N` is a page that includes two parts, `/auth/N` the small file after
    /// a sub-request has allowed it, `/bad/N` fails, `/wait/N` is asked of an upstream that never answers; all else is not found.
    fn configuration(&self, silent: SocketAddr) -> String {
        let (home, address, workers) = (self.folder.path().display(), self.address, self.workers);
        let reuse = if self.is_spread { " reuseport" } else { "" };
        let buffers: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {home}/{kind};\n"))
            .concat();
        format!(
            "daemon off;\nworker_processes {workers};\npid {home}/pid;\nerror_log stderr notice;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n{buffers}  log_format test '$pid $request_uri $status $body_bytes_sent';\n  access_log {home}/access test;\n  \
             keepalive_requests 1000000;\n  server {{\n    listen {address} sndbuf=128k{reuse};\n    root {home}/www;\n    \
             location /id/ {{ try_files /none /large; }}\n    location /ok/ {{ try_files /none /small; }}\n    \
             location /ssi/ {{ ssi on; ssi_types *; try_files /none /page; }}\n    location /bad/ {{ return 503; }}\n    \
             location = /page {{ ssi on; ssi_types *; }}\n    location = /granted {{ internal; return 204; }}\n    \
             location /auth/ {{ auth_request /granted; try_files /none /small; }}\n    \
             location /wait/ {{ proxy_pass http://{silent}; }}\n  }}\n}}\n"
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where files of the test may lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its executable: the distribution's, copied.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The upstream of `/wait/N`, which has to accept its connections.
    #[must_use]
    pub fn silent(&self) -> &TcpListener {
        &self.silent
    }

    /// A url of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts nginx. It listens, and all its workers are there, when this returns.
    pub fn start(&self) -> Result<Nginx> {
        let mut command = Command::new(&self.binary);
        command.arg("-p").arg(self.folder.path()).arg("-c").arg(self.path("nginx.conf"));
        let workers = Workers { binary: self.binary.clone(), all: Vec::new(), current: Vec::new() };
        let mut nginx = Nginx { master: Guarded::spawn(&mut command)?, workers };
        nginx.find_workers(self.workers)?;
        Ok(nginx)
    }

    /// Waits until nginx has freed, and so noted, this many requests of numbers; gives all of them.
    pub fn log(&self, requests: usize) -> Result<Vec<Logged>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = std::fs::read_to_string(self.path("access")).unwrap_or_default();
            let log: Vec<_> = text.lines().filter_map(Logged::parse).collect();
            if log.len() >= requests {
                return Ok(log);
            }
            ensure!(Instant::now() < deadline, "{} of {requests} requests freed", log.len());
            std::thread::sleep(Duration::from_millis(5)); // between two looks
        }
    }
}

impl Logged {
    /// `PID /xx/ID STATUS BYTES`
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let (pid, path, status) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            pid: pid.parse().ok()?,
            id: path.rsplit('/').next()?.parse().ok()?,
            status: status.parse().ok()?,
            sent: fields.next()?.parse().ok()?,
        })
    }
}

impl Nginx {
    /// The master's process id.
    #[must_use]
    pub fn master(&self) -> u32 {
        self.master.pid()
    }

    /// The workers' process ids, without those of before a reload.
    #[must_use]
    pub fn workers(&self) -> &[u32] {
        &self.workers.current
    }

    /// Master and workers.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        std::iter::once(self.master()).chain(self.workers().iter().copied()).collect()
    }

    fn find_workers(&mut self, count: usize) -> Result<()> {
        self.workers.current.clear();
        while self.workers.current.len() < count {
            let line = self.master.stderr().find(|line| started(line).is_some(), LIMIT)?;
            self.workers.current.extend(started(&line));
            self.workers.all.extend(started(&line));
        }
        Ok(())
    }

    /// As `nginx -s reload`: returns when the new workers are there. The old ones end when their clients have left.
    pub fn reload(&mut self) -> Result<()> {
        self.master.signal(Signal::HUP)?;
        self.find_workers(self.workers.current.len())
    }

    /// As `nginx -s stop`, or `-s quit` by another signal; returns when all processes have ended.
    pub fn end(self, signal: Signal) -> Result<Ended> {
        self.master.signal(signal)?;
        self.master.wait(LIMIT)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for pid in &self.all {
            // A process id may be another's by now.
            let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
            let is_worker = exe.is_ok_and(|exe| {
                exe.as_os_str().as_encoded_bytes().starts_with(self.binary.as_os_str().as_encoded_bytes())
            });
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
            if let (true, Some(pid)) = (is_worker, pid) {
                // It may be gone already, which is what is wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The worker that this line of the error log tells of.
fn started(line: &str) -> Option<u32> {
    line.split_once("start worker process ")?.1.trim().parse().ok()
}

/// What wrk saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests that were answered.
    pub requests: u64,
    /// Lines that tell of errors: of sockets, or answers other than 2xx and 3xx.
    pub errors: Vec<String>,
}

/// Loads a url for some seconds over so many connections.
pub fn wrk(url: &str, connections: u32, seconds: u32) -> Result<Load> {
    // An answer that takes longer is an error to wrk; on a busy machine one may take more than its default.
    let patience = "--timeout=10s".to_owned();
    let arguments =
        [format!("-c{connections}"), format!("-d{seconds}s"), "-t2".to_owned(), patience, url.to_owned()];
    let ended = Guarded::spawn(Command::new("wrk").args(arguments))?.wait(LIMIT)?;
    ensure!(ended.status.success(), "wrk: {} {}", ended.status, ended.stderr);
    Load::parse(&ended.stdout).with_context(|| format!("wrk wrote: {}", ended.stdout))
}

impl Load {
    fn parse(text: &str) -> Option<Self> {
        let total = text.lines().find_map(|line| line.split_once(" requests in "))?.0;
        let is_error = |line: &&str| line.contains("Socket errors") || line.contains("Non-2xx");
        let errors = text.lines().filter(is_error).map(|line| line.trim().to_owned()).collect();
        Some(Self { requests: total.trim().parse().ok()?, errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_programs_write() {
        assert_eq!(started("2026/11/20 [notice] 9#9: start worker process 13327"), Some(13_327));
        assert_eq!(started("2026/11/20 [notice] 9#9: start worker processes"), None);
        let logged = Logged { pid: 12, id: 42, status: 200, sent: 5 };
        assert_eq!(Logged::parse("12 /id/00000042 200 5"), Some(logged));
        assert_eq!(Logged::parse("12 /small 200 5"), None);
        let text =
            "Running 2s test\n  17134 requests in 2.06s, 3.89MB read\n  Socket errors: connect 0, read 8";
        let errors = vec!["Socket errors: connect 0, read 8".to_owned()];
        assert_eq!(Load::parse(text), Some(Load { requests: 17_134, errors }));
    }
}
