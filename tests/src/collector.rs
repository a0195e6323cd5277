//! A collector of our own program's, with its store in a folder, on a port of the system's choice.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
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
    /// Starts one, with SQLite in a folder.
    pub fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_on(&format!("sqlite:{}", folder.join("traces.db").display()), arguments)
    }

    /// Starts one with a store.
    pub fn start_on(store: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(stain::binary()?);
        command.args(["collector", "--listen", "127.0.0.1:0", "--store", store]).args(arguments);
        let mut process = Guarded::spawn(&mut command)?;
        // Before this the log may have lines, in either form.
        let said = process.stderr().find(|line| line.contains("listening: "), SHORT)?;
        let behind = said.rsplit("//").next().context("no address")?;
        let address = behind.split('"').next().unwrap_or(behind).to_owned();
        Ok(Self { process, address })
    }

    /// Where it listens: host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it answers to a request, with its head.
    pub fn ask(&self, head: &str, body: &[u8]) -> Result<String> {
        self.ask_with(head, &[], body)
    }

    /// The same with more headers.
    pub fn ask_with(&self, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<String> {
        ask(&self.address, head, headers, body)
    }

    /// Posts events, all of which it has to take.
    pub fn take(&self, events: &Value) -> Result<()> {
        let answer = self.ask("POST /ingest", events.to_string().as_bytes())?;
        let told = format!("{{\"received\":{}}}", events.as_array().map_or(0, Vec::len));
        ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&told), "{events}: {answer}");
        Ok(())
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
        value(&self.get("/metrics")?.1, name)
    }

    /// Everything that is listed of a job, page by page.
    pub fn all_of(&self, job: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut more = String::new();
        loop {
            let mut page = self.json(&format!("/api/v1/traces?jobId={job}&limit=2000{more}"))?;
            let next = page["next"].as_str().map(str::to_owned);
            all.append(page["items"].as_array_mut().context("no items")?);
            let Some(next) = next else {
                ensure!(page["total"] == all.len(), "{} of {} listed", all.len(), page["total"]);
                return Ok(all);
            };
            more = format!("&cursor={next}");
        }
    }

    /// The most memory that it has had, KiB.
    pub fn most_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.is_running()
    }

    /// Waits until a counter of `/metrics` has a value.
    pub fn until_counter(&self, name: &str, wanted: impl Fn(u64) -> bool) -> Result<u64> {
        let deadline = Instant::now() + LONG;
        loop {
            let value = self.counter(name).unwrap_or(0);
            if wanted(value) {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                bail!("{name} stays at {value}: {}", self.get("/metrics")?.1);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many traces there are in all.
    pub fn total(&self) -> Result<u64> {
        self.json("/api/v1/traces?limit=1")?["total"].as_u64().context("no total")
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

/// The value of a series in the text of `/metrics`.
pub fn value(text: &str, series: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {series} in {text}"))?.parse()?)
}

/// What a collector at this address answers to a request with these headers, with its head.
pub fn ask(address: &str, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SHORT))?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    // Some answers are protocol buffers.
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
