//! The distribution's nginx with sub-requests, internal redirects and failures: each request is one journey, by the shipped spec.
//!
//! The truth is nginx's own: its access log says worker and status of each request, whose number is in its path; the configuration says what must become of it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use stain_tests::nginx::{self, Logged, Site};
use stain_tests::report::Trace;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::{ledger, shipped};

const KINDS: [&str; 5] = ["ssi", "ok", "bad", "no", "auth"];
const WORKERS: usize = 4;
const CONNECTIONS: usize = 16;
const EACH: usize = 75;
/// Clients that do not wait for the answer.
const LEAVING: u64 = 12;
/// Requests after which a client comes again, on a new connection.
const KEPT_FOR: usize = 30;

/// A connection that is kept.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The status of the answer, which is read to its end.
    fn get(&mut self, path: &str) -> Result<u16> {
        self.0.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
        let status = self.line()?.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = Some(value.trim().parse()?),
                None if line.is_empty() => break,
                _ => {}
            }
        }
        if let Some(length) = length {
            self.skip(length)?;
            return Ok(status);
        }
        // In chunks.
        loop {
            let size = usize::from_str_radix(&self.line()?, 16)?;
            self.skip(size + 2)?;
            if size == 0 {
                return Ok(status);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        Ok(self.0.read_exact(&mut vec![0; bytes])?)
    }
}

/// What was asked for, by number: its kind, and the status of the answer.
type Asked = BTreeMap<u64, (&'static str, u16)>;

/// One client's requests, one after the other. It comes again on a new connection now and then.
fn ask(client: usize, address: SocketAddr) -> Result<Asked> {
    let mut connection = Client::connect(address)?;
    let mut asked = Asked::new();
    for round in 0..EACH {
        if round > 0 && round % KEPT_FOR == 0 {
            connection = Client::connect(address)?;
        }
        let id = (client * EACH + round) as u64;
        let kind = KINDS[(round + client) % KINDS.len()];
        let status = connection.get(&format!("/{kind}/{id:08}"))?;
        asked.insert(id, (kind, status));
    }
    Ok(asked)
}

/// All clients at the same time.
fn ask_all(address: SocketAddr) -> Result<Asked> {
    let mut all = Asked::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|client| scope.spawn(move || ask(client, address))).collect();
        for client in clients {
            all.extend(client.join().map_err(|_| anyhow!("a client failed"))??);
        }
        Ok(all)
    })
}

/// Clients that leave before there is any answer, one after the other.
fn leave(site: &Site, first: u64) -> Result<Asked> {
    let mut asked = Asked::new();
    for id in first..first + LEAVING {
        let mut client = TcpStream::connect(site.address())?;
        client.write_all(format!("GET /wait/{id:08} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
        // By then nginx waits for the upstream, which holds on until the client has left.
        let upstream = site.silent().accept()?;
        drop(client);
        site.log(id as usize + 1)?;
        drop(upstream);
        asked.insert(id, ("wait", 499));
    }
    Ok(asked)
}

fn names(trace: &Trace) -> Vec<&str> {
    trace.entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn attribute<'a>(trace: &'a Trace, name: &str) -> Option<&'a serde_json::Value> {
    trace.entries.iter().rev().find_map(|entry| entry.attributes.get(name))
}

/// What is not as it must be with the journey of a request.
fn wrong(trace: &Trace, kind: &str, logged: &Logged) -> Option<String> {
    let (outcome, status, branches) = match kind {
        "ok" => ("written", 200, 0),
        "ssi" => ("written", 200, 2),
        "auth" => ("written", 200, 1),
        "bad" => ("server_error", 503, 0),
        "wait" => ("aborted", 499, 0),
        _ => ("client_error", 404, 0),
    };
    let names = names(trace);
    let redirected: &[&str] = match kind {
        "ok" | "ssi" | "auth" => &["request", "handler", "redirect", "handler", "output"],
        "wait" => &["request", "handler"],
        _ => &["request", "handler", "output"],
    };
    let last = match outcome {
        "written" => "done",
        "server_error" => "server error",
        "aborted" => "aborted",
        _ => "client error",
    };
    let right = trace.outcome == outcome
        && trace.branches == branches
        && trace.pid == logged.pid
        && logged.status == status
        && attribute(trace, "status").and_then(serde_json::Value::as_u64) == Some(u64::from(status))
        && names.starts_with(redirected)
        && names.last() == Some(&last)
        && names.iter().filter(|name| **name == "request").count() == 1;
    (!right)
        .then(|| format!("/{kind}/: {} {names:?}, {:?} branches; {logged:?}", trace.outcome, trace.branches))
}

/// The same of a sub-request, whose stamps up to it are its parent's.
fn wrong_branch(branch: &Trace, parent: &Trace, kind: &str) -> Option<String> {
    let shared = branch.shared;
    let (uri, own): (&str, &[&str]) = match kind {
        "ssi" => ("/part", &["sub-request", "handler", "output", "sub-request done"]),
        _ => ("/granted", &["sub-request", "handler", "sub-request done"]),
    };
    let prefix =
        |trace: &Trace| trace.entries.iter().take(shared).map(|entry| entry.ts_ns).collect::<Vec<_>>();
    let names = names(branch);
    let right = branch.outcome == "included"
        && prefix(branch) == prefix(parent)
        && names.get(shared..) == Some(own)
        && branch.pid == parent.pid
        && attribute(branch, "uri").and_then(serde_json::Value::as_str) == Some(uri);
    (!right).then(|| {
        format!("/{kind}/ branch {:?}: {} {names:?}, {shared} shared", branch.branch, branch.outcome)
    })
}

#[test]
fn sub_requests_redirects_and_failures_are_journeys() -> Result<()> {
    let gate =
        stain_tests::tally::privileged("nginx_journeys::sub_requests_redirects_and_failures_are_journeys");
    if !gate.program("nginx", nginx::PROGRAM).open() {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::spread(WORKERS)?;
    let nginx = site.start()?;
    let exe = site.binary().to_string_lossy().into_owned();
    let flags = ["--exe", &*exe, "--rate", "1", "--budget", "0"];
    let mut agent = Agent::launch(&shipped::spec("nginx-journeys.toml"), &flags, site.folder(), "agent")?;
    for pid in nginx.processes() {
        agent.has_attached_to(pid)?;
    }
    let mut asked = ask_all(site.address())?;
    asked.extend(leave(&site, asked.len() as u64)?);
    let log: BTreeMap<u64, Logged> = site.log(asked.len())?.into_iter().map(|line| (line.id, line)).collect();
    let report = agent.stop(SHORT)?.report;
    for (id, (kind, status)) in &asked {
        let logged = log.get(id).context("not logged")?;
        ensure!(logged.status == *status, "/{kind}/{id}: answered {status}, {logged:?}");
    }
    ensure!(log.len() == asked.len(), "{} logged of {}", log.len(), asked.len());
    let mut parents: BTreeMap<&str, (&Trace, &str)> = BTreeMap::new();
    let mut problems = Vec::new();
    for trace in report.traces.iter().filter(|trace| trace.branch.is_none()) {
        let uri = attribute(trace, "uri").and_then(serde_json::Value::as_str).context("no uri")?;
        let id: u64 = uri.rsplit('/').next().unwrap_or_default().parse().with_context(|| uri.to_owned())?;
        let (kind, _) = asked.remove(&id).with_context(|| format!("{uri} came twice"))?;
        problems.extend(wrong(trace, kind, log.get(&id).context("not logged")?));
        parents.insert(&trace.trace_id, (trace, kind));
    }
    ensure!(asked.is_empty(), "requests without a journey: {asked:?}");
    let mut branches = 0;
    for branch in report.traces.iter().filter(|trace| trace.branch.is_some()) {
        let (parent, kind) = parents.get(&*branch.trace_id).context("a sub-request of no request")?;
        problems.extend(wrong_branch(branch, parent, kind));
        branches += 1;
    }
    ensure!(problems.is_empty(), "{} journeys are wrong:\n{}", problems.len(), problems.join("\n"));
    let of = |wanted: &str| parents.values().filter(|(_, kind)| *kind == wanted).count();
    assert_eq!(branches, 2 * of("ssi") + of("auth"));
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty() && report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    assert_eq!(report.summary["ledger"]["branched"], branches);
    assert_eq!(report.ledger.sampled, (EACH * CONNECTIONS) as u64 + LEAVING);
    let outcomes = &report.summary["ledger"]["outcomes"];
    assert_eq!((&outcomes["client_error"], &outcomes["server_error"]), (&of("no").into(), &of("bad").into()));
    assert_eq!(outcomes["aborted"], LEAVING);
    assert_served_by_several(&report.traces, &log, nginx.workers())
}

/// Each worker has as many journeys as it has logged requests, and more than one has some.
fn assert_served_by_several(traces: &[Trace], log: &BTreeMap<u64, Logged>, workers: &[u32]) -> Result<()> {
    let count = |pids: &mut dyn Iterator<Item = u32>| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        pids.for_each(|pid| *counts.entry(pid).or_default() += 1);
        counts
    };
    let logged = count(&mut log.values().map(|line| line.pid));
    let traced = count(&mut traces.iter().filter(|trace| trace.branch.is_none()).map(|trace| trace.pid));
    ensure!(logged == traced, "logged {logged:?}, traced {traced:?}");
    ensure!(logged.len() >= 2 && logged.keys().all(|pid| workers.contains(pid)), "{logged:?} of {workers:?}");
    Ok(())
}
