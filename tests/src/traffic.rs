//! Requests with a number each, and the check of traces against what client and nginx know of them.
//!
//! Owns: the client, its clock readings, and what makes a trace of a request a true one. Relies on [`spec`]: each stamp carries, as its
//! task id, the number that stands in the request which nginx holds at that very moment at the address that is the key.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::nginx::Logged;
use crate::report::Trace;

/// The eight digits behind `GET /xx/` in the buffer that the request was read into: `r->header_in->start`. The offsets are those of
/// `ngx_http_request_t` and `ngx_buf_t` on a 64-bit machine.
const NUMBER: &str = "*(u64*)(*(u64*)(*(u64*)(arg0+96)+32)+8)";

/// A spec with these stages (code and function), keyed by the request's address, whose stamps carry the request's number.
#[must_use]
pub fn spec(rate: u64, stages: &[(&str, &str)]) -> String {
    // By process: the task id, by which a sequence would be told apart, is another for each request.
    let sampling = format!("rate = {rate}\nsequence = \"process\"\nmax_traces_per_second = 0\n");
    let stage = |(code, point): &(&str, &str)| {
        format!("\n[[stage]]\ncode = \"{code}\"\npoint = \"{point}\"\nkey = \"arg0\"\ntask = \"{NUMBER}\"\n")
    };
    format!("[sampling]\n{sampling}{}", stages.iter().map(stage).collect::<String>())
}

/// The number that a stamp saw in the request; `None` when it was none.
#[must_use]
pub fn number(task_id: i64) -> Option<u64> {
    std::str::from_utf8(&task_id.to_le_bytes()).ok()?.parse().ok()
}

/// A request as its client knows it. Times are monotonic, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Before the first byte was sent.
    pub sent_ns: u64,
    /// After the last byte of the answer was received; `None` when the client left instead.
    pub answered_ns: Option<u64>,
    /// The status of the answer; 0 without one.
    pub status: u16,
}

/// What the clients asked for, by number.
pub type Requests = BTreeMap<u64, Request>;

/// A connection of a client.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    pending: Option<u64>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), pending: None })
    }

    /// Sends a request for `/kind/N`, with the next number, and does not read the answer. `kind` has two letters.
    pub fn send(&mut self, kind: &str, requests: &mut Requests) -> Result<()> {
        let number = requests.last_key_value().map_or(1, |(last, _)| last + 1);
        let text = format!("GET /{kind}/{number:08} HTTP/1.1\r\nHost: test\r\n\r\n");
        requests.insert(number, Request { sent_ns: now_ns(), answered_ns: None, status: 0 });
        self.pending = Some(number);
        Ok(self.stream.get_mut().write_all(text.as_bytes())?)
    }

    /// Waits until the answer begins, and reads nothing of it: the request was taken up, and a large answer stays on its way.
    pub fn begin(&mut self) -> Result<()> {
        ensure!(self.stream.buffer().is_empty(), "an earlier answer was not read to its end");
        ensure!(self.stream.get_ref().peek(&mut [0])? > 0, "the server closed the connection");
        Ok(())
    }

    /// Reads the answer, all of it.
    pub fn read(&mut self, requests: &mut Requests) -> Result<()> {
        let number = self.pending.take().context("nothing was asked for")?;
        let request = requests.get_mut(&number).context("not asked for")?;
        request.status = self.answer().with_context(|| format!("the answer to request {number}"))?;
        request.answered_ns = Some(now_ns());
        Ok(())
    }

    fn answer(&mut self) -> Result<u16> {
        let (mut status, mut length) = (None, None);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("the server closed the connection");
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("HTTP/1.1 ") {
                status = text.split(' ').next().and_then(|code| code.parse().ok());
            }
            length = length.or_else(|| line.strip_prefix("Content-Length: ")?.parse().ok());
        }
        let length: u64 = length.context("no length")?;
        let read = std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        if read < length {
            bail!("{read} of {length} bytes");
        }
        status.context("no status")
    }
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// What is not true of a trace, given what client and server noted; a trace of one request, and only one, gives nothing.
#[must_use]
pub fn wrong(trace: &Trace, requests: &Requests, log: &BTreeMap<u64, Logged>) -> Option<String> {
    let numbers: Vec<_> = trace.entries.iter().map(|entry| number(entry.task_id)).collect();
    let Some(Some(first)) = numbers.first().copied() else { return Some("no number at S0".to_owned()) };
    if numbers.iter().any(|number| *number != Some(first)) {
        return Some(format!("mixes requests {numbers:?}"));
    }
    let Some((request, logged)) = requests.get(&first).zip(log.get(&first)) else {
        return Some(format!("request {first} was never made"));
    };
    if logged.pid != trace.pid || trace.entries.iter().any(|entry| entry.tid != logged.pid) {
        return Some(format!("request {first} was served by worker {}, not {}", logged.pid, trace.pid));
    }
    // nginx frees a request after the client has all of the answer, but does everything else before.
    let end_ns = request.answered_ns.unwrap_or(u64::MAX);
    let outside = |ts_ns: u64| ts_ns < request.sent_ns || ts_ns > end_ns;
    let before_end = trace.entries.iter().filter(|entry| entry.stage != "W!");
    before_end.map(|entry| entry.ts_ns).find(|ts_ns| outside(*ts_ns)).map(|ts_ns| {
        format!("request {first} was on its way from {} to {end_ns}, not at {ts_ns}", request.sent_ns)
    })
}

/// The numbers of the requests that these traces are of.
#[must_use]
pub fn numbers(traces: &[Trace]) -> Vec<u64> {
    traces.iter().filter_map(|trace| number(trace.entries.first()?.task_id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Entry;

    fn trace(stamps: &[(&str, u64, u64)]) -> Trace {
        let entry = |(stage, number, ts_ns): &(&str, u64, u64)| {
            let digits: [u8; 8] = format!("{number:08}").into_bytes().try_into().unwrap();
            let (stage, task_id) = ((*stage).to_owned(), i64::from_le_bytes(digits));
            Entry { stage, task_id, tid: 9, ts_ns: *ts_ns, ..Entry::default() }
        };
        let line = r#"{"trace_id":"1","outcome":"written","pid":9,"key":"0x1","sequence":1,"start_ns":5,"entries":[]}"#;
        Trace { entries: stamps.iter().map(entry).collect(), ..serde_json::from_str(line).unwrap() }
    }

    #[test]
    fn only_a_trace_of_one_request_is_true() {
        let answered = Request { sent_ns: 10, answered_ns: Some(20), status: 200 };
        let left = Request { answered_ns: None, ..answered };
        let requests = Requests::from([(1, answered), (2, left), (3, answered)]);
        let logged = |pid| Logged { pid, id: 0, status: 200, sent: 5 };
        let log = BTreeMap::from([(1, logged(9)), (2, logged(9)), (3, logged(8))]);
        let whole = |number| [("S0", number, 11), ("T+", number, 15), ("W!", number, 25)];
        type Case<'a> = (&'a [(&'a str, u64, u64)], &'a str);
        let cases: [Case<'_>; 8] = [
            (&whole(1), ""),
            (&whole(2), ""),
            (&whole(3), "served by worker 8"),
            (&whole(4), "never made"),
            (&[], "no number"),
            (&[("S0", 1, 11), ("W!", 2, 12)], "mixes requests [Some(1), Some(2)]"),
            (&[("S0", 1, 9), ("W!", 1, 12)], "not at 9"),
            (&[("S0", 1, 11), ("T+", 1, 21), ("W!", 1, 25)], "not at 21"),
        ];
        for (stamps, expected) in cases {
            let wrong = wrong(&trace(stamps), &requests, &log).unwrap_or_default();
            assert!(
                wrong.contains(expected) && wrong.is_empty() == expected.is_empty(),
                "{stamps:?}: {wrong}"
            );
        }
    }
}
