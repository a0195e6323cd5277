//! The distribution's nginx, under load, reloaded, restarted; and the proof that no trace mixes two of its requests.
//!
//! # The proof
//! nginx gives the address of a freed `ngx_http_request_t` to a later request, and that address is the key. So the key cannot tell
//! whether two stamps are of one request. Something else has to, that the key has no part in: each request here is
//! for a path of its own, `/xx/NNNNNNNN`, and the spec's task id is an expression that reads these eight digits, at the moment of
//! each stamp, out of the buffer that the request was read into. A stamp so says which request stood at the address then.
//!
//! - All stamps of a trace say the same number: nothing is mixed. At rate 1 each number has exactly one trace: nothing is missing or twice.
//! - The number is true: stamps lie between the client's own clock readings around the request of that number, and on the
//!   worker that nginx's access log names for it.
//! - It was not easy: several requests are on their way in one worker at a time, clients leave early, ends are not seen,
//!   and there are many times more requests than addresses.
//! - The proof can fail: with a key that does mix requests, the same traffic and the same check find it out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use stain_tests::nginx::{self, LARGE, Logged, Site};
use stain_tests::report::{Report, Trace};
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::{self, Agent};
use stain_tests::traffic::{self, Client, Requests};
use stain_tests::{code, ledger, shipped};

/// The stages of the shipped spec.
const STAGES: [(&str, &str); 4] = [
    ("S0", "ngx_http_process_request"),
    ("T+", "ngx_http_handler"),
    ("T-", "ngx_http_output_filter"),
    ("W!", "ngx_http_free_request"),
];

const ROUNDS: usize = 120;

/// Clients of a [`crowd`]: more than the workers of any test here that counts on it.
const CROWD: usize = 3;

fn can_run(test: &str) -> bool {
    let test = format!("nginx::{test}");
    let gate = stain_tests::tally::privileged(&test);
    gate.program("nginx", nginx::PROGRAM).program("wrk", "/usr/bin/wrk").open()
}

/// Attaches to all processes of a site that runs.
fn attach(site: &Site, nginx: &nginx::Nginx, spec: &std::path::Path, arguments: &[&str]) -> Result<Agent> {
    let exe = site.binary().to_string_lossy();
    let mut agent = Agent::launch(spec, &[&["--exe", &*exe], arguments].concat(), site.folder(), "agent")?;
    for pid in nginx.processes() {
        agent.has_attached_to(pid)?;
    }
    Ok(agent)
}

/// As [`attach`], with a spec whose stamps carry the numbers of requests.
fn attach_numbered(site: &Site, nginx: &nginx::Nginx, rate: u64, stages: &[(&str, &str)]) -> Result<Agent> {
    let spec = site.folder().join("numbered.toml");
    std::fs::write(&spec, traffic::spec(rate, stages))?;
    attach(site, nginx, &spec, &[])
}

/// Rounds of requests over connections that stay: all are sent before the first answer is read, in the same order or the reverse.
/// Large answers keep requests on their way meanwhile. In each round a further client leaves without its answer, and there is a [`crowd`].
fn rounds(site: &Site, count: usize) -> Result<Requests> {
    let mut requests = Requests::new();
    let connections = (0..6).map(|_| Client::connect(site.address()));
    let mut clients = connections.collect::<Result<Vec<_>>>()?;
    for round in 0..count {
        let kinds = ["id", "ok", "id", "no"].into_iter().cycle().skip(round);
        for (client, kind) in clients.iter_mut().zip(kinds) {
            client.send(kind, &mut requests)?;
        }
        let mut fickle = Client::connect(site.address())?;
        fickle.send("id", &mut requests)?;
        drop(fickle);
        if round % 2 == 0 {
            clients.reverse();
        }
        for client in &mut clients {
            client.read(&mut requests)?;
        }
        crowd(&mut clients[..CROWD], &mut requests)?;
    }
    Ok(requests)
}

/// Large answers that begin one after the other and are read only then. However fast the machine: two are on their way in one worker at a
/// time as soon as there are more clients than workers, and with one worker the first one ends while the last one is on its way.
fn crowd(clients: &mut [Client], requests: &mut Requests) -> Result<()> {
    for client in &mut *clients {
        client.send("id", requests)?;
        client.begin()?;
    }
    clients.iter_mut().try_for_each(|client| client.read(requests))
}

fn by_number(log: &[Logged]) -> BTreeMap<u64, Logged> {
    log.iter().map(|logged| (logged.id, *logged)).collect()
}

/// No trace mixes two requests, none is there twice, and all numbers add up.
fn assert_true(report: &Report, requests: &Requests, log: &[Logged]) {
    let log = by_number(log);
    let wrong: Vec<_> =
        report.traces.iter().filter_map(|trace| traffic::wrong(trace, requests, &log)).collect();
    assert!(wrong.is_empty(), "{} traces are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let numbers = traffic::numbers(&report.traces);
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "requests with two traces");
    assert_eq!(ledger::check(report), Vec::<String>::new(), "{}", report.summary);
}

fn codes(trace: &Trace) -> Vec<&str> {
    trace.entries.iter().map(|entry| entry.stage.as_str()).collect()
}

/// S0 first and only there, W! last and only there, a handler, one thread, time does not go back.
fn assert_whole(trace: &Trace) {
    let codes = codes(trace);
    let count = |code| codes.iter().filter(|found| **found == code).count();
    assert_eq!((codes.first(), codes.last()), (Some(&"S0"), Some(&"W!")), "{trace:?}");
    assert_eq!((count("S0"), count("W!")), (1, 1), "{trace:?}");
    assert!(count("T+") >= 1, "{trace:?}");
    assert!(trace.entries.iter().all(|entry| entry.tid == trace.pid), "a worker is one thread: {trace:?}");
    assert!(trace.entries.is_sorted_by_key(|entry| entry.ts_ns), "{trace:?}");
}

/// How many of the traces began while another one of the same worker was on its way.
fn overlapping(traces: &[Trace]) -> usize {
    let interval = |trace: &Trace| Some((trace.start_ns, trace.entries.last()?.ts_ns));
    let within = |trace: &Trace, other: &Trace| {
        interval(other)
            .is_some_and(|(from, to)| other.pid == trace.pid && from < trace.start_ns && trace.start_ns < to)
    };
    traces.iter().filter(|trace| traces.iter().any(|other| within(trace, other))).count()
}

#[test]
fn no_trace_mixes_two_requests() -> Result<()> {
    if !can_run("no_trace_mixes_two_requests") {
        return Ok(());
    }
    let _turn = turn()?;
    for rate in [1, 3] {
        let site = Site::new(2)?;
        let nginx = site.start()?;
        let agent = attach_numbered(&site, &nginx, rate, &STAGES)?;
        let requests = rounds(&site, ROUNDS)?;
        let log = site.log(requests.len())?;
        let report = agent.stop(SHORT)?.report;
        assert_eq!(log.len(), requests.len());
        assert_true(&report, &requests, &log);
        report.traces.iter().for_each(assert_whole);
        let sampled = sampled_of_each(&log, rate);
        assert_eq!((report.ledger.records, report.ledger.sampled), (requests.len() as u64, sampled));
        assert_eq!(report.count("written"), sampled);
        if rate == 1 {
            let numbers: BTreeSet<_> = traffic::numbers(&report.traces).into_iter().collect();
            assert!(numbers.iter().eq(requests.keys()), "each request has its trace");
            let keys: HashSet<_> = report.traces.iter().map(|trace| (trace.pid, &trace.key)).collect();
            assert!(keys.len() * 10 < requests.len(), "{} keys of {} requests", keys.len(), requests.len());
            let overlapping = overlapping(&report.traces);
            assert!(overlapping >= ROUNDS, "{overlapping} of {} overlap", requests.len());
            let left = |logged: &&Logged| requests[&logged.id].answered_ns.is_none() && logged.sent < LARGE;
            assert_eq!(log.iter().filter(left).count(), ROUNDS, "one client a round leaves");
        }
    }
    Ok(())
}

#[test]
fn a_key_that_mixes_requests_is_found_out() -> Result<()> {
    if !can_run("a_key_that_mixes_requests_is_found_out") {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::new(1)?;
    let nginx = site.start()?;
    let spec = site.folder().join("mixing.toml");
    // All requests of a worker as one record.
    std::fs::write(&spec, traffic::spec(1, &STAGES).replace(r#"key = "arg0""#, r#"key = "thread""#))?;
    let agent = attach(&site, &nginx, &spec, &[])?;
    let requests = rounds(&site, ROUNDS)?;
    let log = by_number(&site.log(requests.len())?);
    let report = agent.stop(SHORT)?.report;
    let wrong = report.traces.iter().filter_map(|trace| traffic::wrong(trace, &requests, &log));
    let mixed = wrong.filter(|what| what.starts_with("mixes")).count();
    // The last of a crowd is in flight when the first one ends, and so gets that one's stamp, if no other's before.
    assert!(mixed >= ROUNDS, "{mixed} of {} traces", report.traces.len());
    Ok(())
}

/// What a rate takes out of each worker's requests, in sum.
fn sampled_of_each(log: &[Logged], rate: u64) -> u64 {
    let mut workers: BTreeMap<u32, u64> = BTreeMap::new();
    log.iter().for_each(|logged| *workers.entry(logged.pid).or_default() += 1);
    workers.values().map(|requests| requests / rate).sum()
}

/// Only requests for nothing come to the W! of this spec. Others vanish for the agent, and their addresses come again: those traces are
/// superseded, and none of them gets a stamp of the request that came after.
#[test]
fn requests_whose_end_is_not_seen_are_superseded() -> Result<()> {
    if !can_run("requests_whose_end_is_not_seen_are_superseded") {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::new(1)?;
    let nginx = site.start()?;
    let [s0, handler, output, _] = STAGES;
    let not_found = ("W!", "ngx_http_special_response_handler");
    let agent = attach_numbered(&site, &nginx, 1, &[s0, handler, output, not_found])?;
    let requests = rounds(&site, ROUNDS)?;
    let log = site.log(requests.len())?;
    let report = agent.stop(SHORT)?.report;
    assert_true(&report, &requests, &log);
    assert_eq!(report.ledger.sampled, requests.len() as u64);
    let log = by_number(&log);
    let status = |trace: &Trace| {
        let number = traffic::numbers(std::slice::from_ref(trace)).first().copied();
        number.and_then(|number| log.get(&number)).map(|logged| logged.status)
    };
    for trace in &report.traces {
        let expected = if status(trace) == Some(404) { "written" } else { "superseded" };
        assert_eq!(trace.outcome, expected, "{trace:?}");
        assert_eq!(codes(trace).last() == Some(&"W!"), trace.outcome == "written", "{trace:?}");
    }
    assert!(report.ledger.superseded > 100, "{}", report.summary);
    assert_eq!(report.ledger.written, log.values().filter(|logged| logged.status == 404).count() as u64);
    Ok(())
}

#[test]
fn the_shipped_spec_under_load() -> Result<()> {
    if !can_run("the_shipped_spec_under_load") {
        return Ok(());
    }
    let _turn = turn()?;
    let (workers, connections, rate) = (4, 24, 100);
    let site = Site::new(workers)?;
    let nginx = site.start()?;
    let agent = attach(&site, &nginx, &shipped::spec("nginx.toml"), &["--rate", "100", "--budget", "0"])?;
    let load = nginx::wrk(&site.url("/ok/0"), connections, 3)?;
    let report = agent.stop(SHORT)?.report;

    assert_eq!(load.errors, Vec::<String>::new());
    assert!(load.requests >= rate * workers as u64, "{load:?}");
    assert_eq!(ledger::check(&report), Vec::<String>::new(), "{}", report.summary);
    let ledger = &report.ledger;
    // At its end wrk leaves without the answers to its last requests.
    let with_last = load.requests + u64::from(connections);
    assert!((load.requests..=with_last).contains(&ledger.records), "{load:?} {ledger:?}");
    let most = ledger.records / rate;
    assert!(ledger.sampled <= most && ledger.sampled + workers as u64 >= most, "{ledger:?}");
    assert_eq!((ledger.written, ledger.superseded), (ledger.sampled, 0), "{ledger:?}");
    report.traces.iter().for_each(assert_whole);
    assert_every_nth(&report.traces, rate);

    for pid in nginx.processes() {
        code::wait_until_restored(pid, site.binary(), Duration::from_secs(5))?;
    }
    let after = nginx::wrk(&site.url("/ok/0"), connections, 1)?;
    assert!(after.requests > 0 && after.errors.is_empty(), "{after:?}");
    let ended = nginx.end(Signal::QUIT)?;
    assert!(ended.status.success(), "{} {}", ended.status, ended.stderr);
    assert!(!ended.stderr.contains("[alert]"), "{}", ended.stderr);
    Ok(())
}

/// Each worker's traces are its `rate`-th, twice `rate`-th, .. request: its one thread is the source task.
fn assert_every_nth(traces: &[Trace], rate: u64) {
    let mut workers: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for trace in traces {
        workers.entry(trace.pid).or_default().push(trace.sequence);
    }
    for (pid, mut sequence) in workers {
        sequence.sort_unstable();
        let expected: Vec<_> = (1..).map(|n| n * rate).take(sequence.len()).collect();
        assert_eq!(sequence, expected, "worker {pid}");
    }
}

/// Answers of requests over new connections, until they are this many.
fn ask(site: &Site, count: usize, requests: &mut Requests) -> Result<()> {
    for _ in 0..count {
        let mut client = Client::connect(site.address())?;
        client.send("ok", requests)?;
        client.read(requests)?;
    }
    Ok(())
}

#[test]
fn workers_of_a_reload_and_of_a_restart_are_joined() -> Result<()> {
    if !can_run("workers_of_a_reload_and_of_a_restart_are_joined") {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::new(2)?;
    let spec = site.folder().join("numbered.toml");
    std::fs::write(&spec, traffic::spec(1, &STAGES))?;
    let exe = site.binary().to_string_lossy();
    let mut agent = Agent::launch(&spec, &["--exe", &*exe], site.folder(), "agent")?;
    agent.says(|line| line.starts_with("waiting for"))?;

    let mut requests = Requests::new();
    let mut generations = Vec::new();
    let mut nginx = site.start()?;
    for reload in [false, true] {
        let old = nginx.workers().to_vec();
        if reload {
            nginx.reload()?;
            for pid in old {
                agent.says(|line| line == format!("exited: process {pid}"))?;
            }
        }
        for pid in nginx.processes() {
            agent.has_attached_to(pid)?;
        }
        ask(&site, 40, &mut requests)?;
        generations.push(nginx.workers().to_vec());
    }
    let master = nginx.master();
    ensure!(nginx.end(Signal::TERM)?.status.success());
    agent.says(|line| line == format!("exited: process {master}"))?;

    let nginx = site.start()?;
    for pid in nginx.processes() {
        agent.has_attached_to(pid)?;
    }
    ask(&site, 40, &mut requests)?;
    generations.push(nginx.workers().to_vec());
    let log = site.log(requests.len())?;
    let report = agent.stop(SHORT)?.report;
    assert_true(&report, &requests, &log);
    assert_eq!(report.count("written"), 120, "{}", report.summary);
    for workers in generations {
        assert_eq!(
            report.traces.iter().filter(|trace| workers.contains(&trace.pid)).count(),
            40,
            "{workers:?}"
        );
    }
    Ok(())
}

#[test]
fn the_shipped_spec_is_good_and_plans_sites_in_the_installed_nginx() -> Result<()> {
    for entry in std::fs::read_dir(shipped::specs())? {
        let file = entry?.path();
        let checked = stain::run(&["spec", &file.to_string_lossy()], SHORT)?;
        assert!(checked.status.success(), "{}", checked.stderr);
    }
    if !can_run("the_shipped_spec_is_good_and_plans_sites_in_the_installed_nginx") {
        return Ok(());
    }
    let spec = shipped::spec("nginx.toml");
    let planned = stain::run(&["plan", "--spec", &spec.to_string_lossy()], SHORT)?;
    assert!(planned.status.success(), "{}", planned.stderr);
    for (code, point) in STAGES {
        let found = planned.stdout.lines().any(|line| line.starts_with(code) && line.contains(point));
        assert!(found, "{code} {point}: {}", planned.stdout);
    }
    Ok(())
}
