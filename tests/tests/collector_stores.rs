//! The suite that every store passes, on databases that are really started; and what they say of places that are not theirs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use profiler_user::collector::model::{Entry, Part, PartKey, Precision};
use profiler_user::collector::store::{
    Batch, Filter, Page, Retention, Store, StoreError, clickhouse, mysql, postgres, suite,
};
use stain_tests::faulty::proxy::Proxy;
use stain_tests::run::turn;
use stain_tests::services::{Server, Service};
use tokio::runtime::Runtime;

async fn open(service: Service, url: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match service {
        Service::Postgres => Arc::new(postgres::open(url).await?),
        Service::MariaDb => Arc::new(mysql::open(url).await?),
        Service::ClickHouse | Service::Chdb => Arc::new(clickhouse::open(url).await?),
    })
}

/// The whole suite, each check on an empty database; then the places that are refused.
#[expect(clippy::panic, reason = "the suite takes stores, and a test without one has failed")]
fn conforms(service: Service, test: &str) -> Result<()> {
    if !service.gate(test).open() {
        return Ok(());
    }
    let _turn = turn()?;
    let server = service.start()?;
    let runtime = Runtime::new()?;
    let mut number = 0;
    runtime.block_on(suite::conforms(|| {
        number += 1;
        let url = server.database(&format!("suite_{number}"));
        async move {
            let store = match url {
                Ok(url) => open(service, &url).await.map_err(anyhow::Error::from),
                Err(error) => Err(error),
            };
            store.unwrap_or_else(|error| panic!("{error:#}"))
        }
    }));
    runtime.block_on(refuses(&server))?;
    runtime.block_on(two_collectors(&server))?;
    runtime.block_on(order(&server))?;
    runtime.block_on(few_connections(&server))
}

async fn refusal(server: &Server, url: &str) -> Result<String> {
    match open(server.service(), url).await {
        Ok(_) => anyhow::bail!("{url} was opened"),
        Err(error) => Ok(error.to_string()),
    }
}

/// What is of a later version, foreign or damaged is told, and left as it is.
async fn refuses(server: &Server) -> Result<()> {
    let later = server.database("later")?;
    drop(open(server.service(), &later).await?);
    // Opened twice, it is the same.
    drop(open(server.service(), &later).await?);
    let set = match server.service() {
        Service::Postgres | Service::MariaDb => "UPDATE stain_schema SET version = 99",
        Service::ClickHouse | Service::Chdb => "INSERT INTO stain_schema SELECT toInt64(99)",
    };
    server.run_in(Some("later"), set)?;
    let said = refusal(server, &later).await?;
    ensure!(said.contains("made by a later version of stain (schema 99"), "{said}");

    let damaged = server.database("damaged")?;
    drop(open(server.service(), &damaged).await?);
    server.run_in(Some("damaged"), "DROP TABLE stain_streams")?;
    let said = refusal(server, &damaged).await?;
    ensure!(said.contains("its table stain_streams is missing"), "{said}");

    let foreign = server.database("foreigner")?;
    let create = match server.service() {
        Service::Postgres | Service::MariaDb => "CREATE TABLE stain_parts (a INT)",
        Service::ClickHouse | Service::Chdb => "CREATE TABLE stain_parts (a Int64) ENGINE = Memory",
    };
    server.run_in(Some("foreigner"), create)?;
    let said = refusal(server, &foreign).await?;
    ensure!(said.contains("it has a table stain_parts, but no schema version"), "{said}");

    let nowhere = server.address("nowhere");
    let (scheme, rest) = nowhere.split_once("://").unwrap_or_default();
    let host = rest.rsplit('@').next().unwrap_or_default();
    let said = refusal(server, &format!("{scheme}://somebody:hush@{host}")).await?;
    ensure!(said.contains("cannot be used") && !said.contains("hush"), "{said}");
    Ok(())
}

/// A journey of two stages.
fn part(trace_id: u64) -> Part {
    let start_ns = 1_700_000_000_000_000_000;
    let entry = |code, ts_ns| Entry { code, name: None, task: 7, ts_ns, pid: 1, tid: 1 };
    Part {
        key: PartKey { job: "77".to_owned(), trace_id, sink_task: 7, branch: 0 },
        table: None,
        created_ms: 0,
        received_ms: 1_700_000_000_000,
        start_ns,
        end_ns: start_ns + 1000,
        outcome: "written".to_owned(),
        host: String::new(),
        stream: None,
        precision: Precision::Nanos,
        is_partial: false,
        shared: 0,
        flags: Vec::new(),
        entries: vec![entry(1, start_ns), entry(6, start_ns + 1000)],
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        payload: Vec::new(),
    }
}

/// Two collectors write the same to one database at the same time: it is there once.
async fn two_collectors(server: &Server) -> Result<()> {
    let url = server.database("shared")?;
    let parts: Vec<Part> = (0..400).map(part).collect();
    let mut writers = Vec::new();
    for _ in 0..2 {
        let (store, parts) = (open(server.service(), &url).await?, parts.clone());
        writers.push(tokio::spawn(async move {
            let mut new = 0;
            for some in parts.chunks(40) {
                let batch = Batch { parts: some.to_vec(), ..Batch::default() };
                new += store.write(&batch).await?.new;
            }
            Ok::<u64, StoreError>(new)
        }));
    }
    let mut new = 0;
    for writer in writers {
        new += writer.await??;
    }
    ensure!(new == 400, "{new} of 400 were new");
    let store = open(server.service(), &url).await?;
    let page = Page { limit: 10, offset: 0, after: None };
    let total = store.traces(&Filter::default(), &page).await?.total;
    ensure!(total == 400, "{total} of 400 are there");
    Ok(())
}

/// The live order goes on for whoever followed it, whichever collector writes, and when retention has removed all and the collectors were started anew.
async fn order(server: &Server) -> Result<()> {
    let url = server.database("ordered")?;
    let (one, other) = (open(server.service(), &url).await?, open(server.service(), &url).await?);
    let mut last = 0;
    for (store, ids) in [(&one, 0..5), (&other, 5..10), (&one, 10..15)] {
        store.write(&Batch { parts: ids.map(part).collect(), ..Batch::default() }).await?;
        let (place, found) = other.after(Some(last), 100).await?;
        ensure!(found.len() == 5 && place > last, "{} after {last}", found.len());
        last = place;
    }
    let everything = Retention { before_ms: Some(1_700_000_000_001), ..Retention::default() };
    ensure!(other.retain(&everything).await?.parts == 15, "not all went");
    // One that knows what was given, and one that comes to an empty store.
    let new = open(server.service(), &url).await?;
    for (store, id) in [(&new, 20), (&one, 21), (&other, 22)] {
        store.write(&Batch { parts: vec![part(id)], ..Batch::default() }).await?;
        let (place, found) = new.after(Some(last), 100).await?;
        ensure!(found.len() == 1 && place > last, "{} after {last}", found.len());
        last = place;
    }
    Ok(())
}

/// Connections that a store makes at most: those of its pool, and one to spare; a driver that closes idle ones makes some of them again; of ClickHouse, whose
/// client has no pool of a size, two for each caller.
const fn most_connections(service: Service) -> u64 {
    match service {
        Service::Postgres => 9,
        Service::MariaDb => 2 * 9,
        Service::ClickHouse | Service::Chdb => 2 * CALLERS,
    }
}

const CALLERS: u64 = 16;

/// However many calls there are, and at a time: connections stay, and are few.
async fn few_connections(server: &Server) -> Result<()> {
    let proxy = Proxy::start(1, Duration::ZERO)?;
    proxy.calm_down();
    proxy.lead_to(Some(([127, 0, 0, 1], server.port()).into()));
    let url = server.database("few")?;
    let through = url.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.address().port()));
    ensure!(through != url, "{url} is not through the proxy");
    let store = open(server.service(), &through).await?;
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        callers.push(tokio::spawn(async move {
            for call in 0..10 {
                let batch = Batch { parts: vec![part(caller * 10 + call)], ..Batch::default() };
                store.write(&batch).await?;
                store.traces(&Filter::default(), &Page { limit: 10, offset: 0, after: None }).await?;
            }
            Ok::<(), StoreError>(())
        }));
    }
    for caller in callers {
        caller.await??;
    }
    let connections = proxy.done().connections;
    let most = most_connections(server.service());
    ensure!((1..=most).contains(&connections), "{connections} connections for {} calls", 20 * CALLERS);
    Ok(())
}

#[test]
fn on_a_real_postgres() -> Result<()> {
    conforms(Service::Postgres, "collector_stores::on_a_real_postgres")
}

#[test]
fn on_a_real_mariadb() -> Result<()> {
    conforms(Service::MariaDb, "collector_stores::on_a_real_mariadb")
}

#[test]
fn on_a_real_clickhouse() -> Result<()> {
    conforms(Service::ClickHouse, "collector_stores::on_a_real_clickhouse")
}

#[test]
fn on_a_real_chdb() -> Result<()> {
    conforms(Service::Chdb, "collector_stores::on_a_real_chdb")
}
