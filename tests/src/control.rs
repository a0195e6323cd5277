//! The control socket of a running agent, as its protocol's document says.
//!
//! Owns: finding the socket, and asking over it. Refuses: the program's own client, which is tested as a program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::child::Ended;
use crate::run::{LONG, SHORT};
use crate::stain;

/// The folders in which the document says that sockets lie.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|path| PathBuf::from(path).join("stain"));
    let others = [format!("/run/user/{user}/stain"), "/run/stain".to_owned(), format!("/tmp/stain-{user}")];
    runtime.into_iter().chain(others.into_iter().map(PathBuf::from)).collect()
}

/// The socket of an agent, if it has one.
#[must_use]
pub fn socket(agent: u32) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(format!("{agent}.sock"))).find(|path| path.exists())
}

/// The answer to one line.
pub fn ask(agent: u32, line: &str) -> Result<Value> {
    let mut stream = UnixStream::connect(socket(agent).context("no socket")?)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    serde_json::from_str(&answer).with_context(|| format!("{line}: {answer:?}"))
}

/// Waits until what an agent has counted is enough: `enough` sees `status.counts`. The time limit is for a machine that stands still.
pub fn until_counted(agent: u32, enough: impl Fn(&Value) -> bool) -> Result<()> {
    let deadline = Instant::now() + LONG;
    loop {
        let answer = ask(agent, "status")?;
        if enough(answer.pointer("/status/counts").context("no counts")?) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not enough within {LONG:?}: {answer}");
        std::thread::sleep(Duration::from_millis(5)); // between two looks
    }
}

/// Waits until an agent has delivered so many traces of written records.
pub fn until_written(agent: u32, traces: u64) -> Result<()> {
    until_counted(agent, |counts| counts["written"].as_u64() >= Some(traces))
}

/// `stain ctl` with these arguments, for an agent.
pub fn ctl(agent: u32, arguments: &[&str]) -> Result<Ended> {
    let agent = agent.to_string();
    stain::run(&[&["ctl", "--agent", &agent], arguments].concat(), SHORT)
}
