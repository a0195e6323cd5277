//! A collector of our own program's, with its store in a folder, on a port of the system's choice.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::child::{Ended, Guarded};
use crate::run::{LONG, SHORT};
use crate::stain;

/// A collector that listens. Dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    process: Guarded,
    address: String,
}

impl Collector {
    /// Starts one.
    pub fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        let store = format!("sqlite:{}", folder.join("traces.db").display());
        let mut command = Command::new(stain::binary()?);
        command.args(["collector", "--listen", "127.0.0.1:0", "--store", &store]).args(arguments);
        let mut process = Guarded::spawn(&mut command)?;
        let said = process.stderr().find(|line| line.starts_with("listening: "), SHORT)?;
        let address = said.rsplit("//").next().context("no address")?.to_owned();
        Ok(Self { process, address })
    }

    /// Where it listens: host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it answers to a request, with its head.
    pub fn ask(&self, head: &str, body: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(SHORT))?;
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Status and body of a route.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let text = self.ask(&format!("GET {path}"), b"")?;
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("half an answer: {text}"))?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// The answer of a route that has one.
    pub fn json(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Asks until the answer is as wanted.
    pub fn until(&self, path: &str, wanted: impl Fn(&(u16, String)) -> bool) -> Result<(u16, String)> {
        let deadline = Instant::now() + LONG;
        loop {
            let answer = self.get(path).unwrap_or((0, "no answer".to_owned()));
            if wanted(&answer) {
                return Ok(answer);
            }
            ensure!(Instant::now() < deadline, "{path} never answered as wanted: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A counter of `/metrics`.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let (_, text) = self.get("/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
    }

    /// Ends it as an operator does.
    pub fn stop(self) -> Result<Ended> {
        self.end(Signal::TERM)
    }

    /// Ends it by a signal.
    pub fn end(self, signal: Signal) -> Result<Ended> {
        self.process.signal(signal)?;
        self.process.wait(LONG)
    }
}
