//! The metrics of a running agent, as Prometheus sees them.
//!
//! Owns: asking for them, and reading one value. What a parser of Prometheus's own makes of the text is a test by itself.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::run::LONG;

/// A port of the loopback that nobody has.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The text of all metrics at `host:port`, without the head of the answer.
pub fn scrape(address: &str) -> Result<String> {
    let mut client = TcpStream::connect(address)?;
    write!(client, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").context("no head")?.1.to_owned())
}

/// The value of a metric with these labels.
pub fn metric(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name} in\n{text}"))?.parse()?)
}

/// The sum of all metrics of a name, whatever their other labels, for a sink: options may be behind its name.
#[must_use]
pub fn sum(text: &str, name: &str, sink: &str) -> f64 {
    let is_its = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && ["\"", "?"].iter().any(|end| line.contains(&format!("sink=\"{sink}{end}")))
    };
    text.lines().filter(is_its).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Scrapes until what is scraped is what is wanted.
pub fn until(address: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let deadline = Instant::now() + LONG;
    loop {
        let text = scrape(address)?;
        if wanted(&text) {
            return Ok(text);
        }
        ensure!(Instant::now() < deadline, "never as wanted:\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
