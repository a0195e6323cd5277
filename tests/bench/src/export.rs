//! What each destination takes of the agent, at the default budget and at two hundred times as much; and memory with a dead one.
//!
//! The receivers take everything and look at nothing: the agent is measured. Beside the destination, each run writes JSON lines to a file,
//! as the first row does alone.

use std::net::{SocketAddr, TcpListener};

use anyhow::Result;
use rdkafka::mocking::MockCluster;
use stain_tests::faulty::Faulty;
use tempfile::TempDir;

use crate::agent::{Use, measure};
use crate::table::{Aim, Row, Table};

/// Rate and budget of a run.
const LOADS: [(u64, u64); 2] = [(1000, 50), (10, 10_000)];

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    LOADS.into_iter().map(|(rate, budget)| table(rate, budget)).collect()
}

fn table(rate: u64, budget: u64) -> Result<Table> {
    let folder = TempDir::new()?;
    let at = folder.path().display();
    let server = Faulty::start([])?;
    let to = server.address();
    let calls = Faulty::start_grpc_at(SocketAddr::from(([127, 0, 0, 1], 0)), [])?;
    let grpc = calls.address();
    let dead = dead_address()?;
    let kafka = MockCluster::new(1)?;
    kafka.create_topic("traces", 4, 1)?;
    let brokers = kafka.bootstrap_servers();
    let carbon = TcpListener::bind("127.0.0.1:0")?;
    let destinations = [
        ("nothing but the JSON lines", None),
        ("file, jsonl", Some(format!("file:{at}/jsonl"))),
        ("file, otlp-json", Some(format!("file:{at}/otlp?format=otlp-json"))),
        ("file, sttr", Some(format!("file:{at}/sttr?format=sttr"))),
        ("file, ctf", Some(format!("file:{at}/ctf?format=ctf"))),
        ("http, events", Some(format!("http://{to}/ingest?spool={at}/a"))),
        ("http, events, without a spool", Some(format!("http://{to}/ingest?spool=none"))),
        ("otlp+http, spans and metrics", Some(format!("otlp+http://{to}?spool={at}/b"))),
        ("otlp+grpc, spans and metrics", Some(format!("otlp+grpc://{grpc}?spool={at}/e"))),
        ("kafka, payloads", Some(format!("kafka://{brokers}/traces?value=sttr&spool={at}/d"))),
        ("prometheus", Some(format!("prometheus://{}", dead_address()?))),
        ("graphite", Some(format!("graphite://{}?interval=1s", carbon.local_addr()?))),
        ("http, events, nobody listens", Some(format!("http://{dead}/ingest?spool={at}/c&flush=0s"))),
    ];
    let (mut rows, mut aims, mut base) = (Vec::new(), Vec::new(), None);
    for (label, url) in destinations {
        let exports: Vec<String> = url.into_iter().collect();
        let Use { traces_per_second, running, peak_mib, .. } = measure(rate, budget, &exports)?;
        let (base_running, base_mib) = *base.get_or_insert((running, peak_mib));
        rows.push(Row::new(format!("{label}: processor time"), running, "% of a core"));
        rows.push(Row::new(format!("{label}: memory"), peak_mib, "MiB"));
        if exports.is_empty() {
            rows.push(Row::new("traces", traces_per_second, "traces/s"));
        } else if budget > 1000 {
            aims.push(Aim::at_most(format!("{label} adds"), running - base_running, 15.0, " % of a core"));
        }
        if label.ends_with("nobody listens") {
            aims.push(Aim::at_most("a dead destination adds", peak_mib - base_mib, 32.0, " MiB"));
        }
    }
    let title = format!("the agent at a budget of {budget} traces/s, with one destination at a time");
    Ok(Table { title, rows, aims, ..Table::default() })
}

/// Where nobody listens yet.
fn dead_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
