//! Traces in ClickHouse: for many of them, on few bytes.
//!
//! Owns: the client, and the store's promises on a server without transactions. Works on servers from 18.16 to today's.
//!
//! *Durable* means here that the server has the batch in a file of its own and says so; whether the file reached the disk by then is the server's setting
//! (`fsync_after_insert`, off by default), and its replication's business. A batch's parts become visible together, last of all; whoever is cut off before
//! that sends it again, and finds no half of it: rows of the same key take each other's place.
//!
//! Collectors take turns by a table that only one of them can make (see [`lock`]); so all of them must write to the same server.

mod error;
mod hops;
mod lock;
mod read;
mod retain;
mod rows;
mod schema;
mod secured;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use clickhouse::{Client, Compression};

use super::super::model::Part;
use super::sql::Value;
use super::{
    Batch, Filter, JobRow, Page, Removed, Retention, Rollup, RollupFilter, Store, StoreError, StreamRow,
    TracePage, Written, place, tls,
};
use error::Fault;

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Opens the store at an address such as `clickhouse://USER:PASSWORD@HOST:8123/DATABASE` (the port is that of HTTP), and makes its tables where there are none.
///
/// # Errors
/// The address is wrong, the server is away, or what is there is not ours, damaged, or of a later version.
pub async fn open(url: &str) -> Result<impl Store + use<>, StoreError> {
    let at = place::shown(url);
    let wrong = |reason: &str| StoreError::Place { place: at.clone(), reason: reason.to_owned() };
    let (address, tls) = tls::take(url)?;
    let is_plain = |scheme: &&str| address.starts_with(*scheme);
    let plain = ["clickhouse+http://", "clickhouse://", "http://"].into_iter().find(is_plain);
    let secured = ["clickhouse+https://", "https://"].into_iter().find(is_plain);
    let tls = match (plain, secured, tls) {
        (Some(_), _, Some(_)) => return Err(wrong("for TLS write clickhouse+https://HOST:8443/DATABASE")),
        (_, Some(_), tls) => Some(tls.unwrap_or_default()),
        (_, None, _) => None,
    };
    let rest = plain.or(secured).and_then(|scheme| address.strip_prefix(scheme));
    let rest = rest.ok_or_else(|| wrong("its address is none of clickhouse://HOST:8123/DATABASE"))?;
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || host.contains(['?', '#']) || database.contains(['/', '?', '#']) {
        return Err(wrong("its address is none of clickhouse://HOST:8123/DATABASE"));
    }
    let (scheme, port, client) = match &tls {
        Some(tls) => ("https", 8443, secured::client(tls.config(&at)?)),
        None => ("http", 8123, Client::default()),
    };
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
    let mut client = client.with_url(format!("{scheme}://{host}/")).with_validation(false);
    client = client.with_compression(Compression::None);
    client = client.with_database(if database.is_empty() { "default" } else { database });
    if let Some(user) = user {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let unescaped = |text| place::unescaped(text).ok_or_else(|| wrong("its user cannot be read"));
        client = client.with_user(unescaped(name)?).with_password(unescaped(password)?);
    }
    let shared = Shared { client, turn: tokio::sync::Mutex::new(()), place: AtomicU64::new(0), at };
    let store = ClickHouse(Arc::new(shared));
    store.within(schema::ensure(&store.0)).await?;
    Ok(store)
}

struct ClickHouse(Arc<Shared>);

/// What calls share.
struct Shared {
    client: Client,
    /// Held before the table that collectors take turns by: one of ours at a time.
    turn: tokio::sync::Mutex<()>,
    /// The last place that is known to be given.
    place: AtomicU64,
    /// Where it is, without secrets.
    at: String,
}

impl Shared {
    /// A statement with its values in it, escaped.
    fn query(&self, sql: &str, values: &[Value]) -> clickhouse::query::Query {
        let query = self.client.query(sql);
        values.iter().fold(query, |query, value| match value {
            Value::Int(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_str()),
            Value::Bytes(bytes) => query.bind(String::from_utf8_lossy(bytes).as_ref()),
            Value::Null => query.bind(None::<i64>),
        })
    }
}

impl ClickHouse {
    async fn within<T>(&self, operation: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        match tokio::time::timeout(LIMIT, operation).await {
            Ok(result) => result.map_err(|fault| fault.told(&self.0.at)),
            Err(_) => Err(error::unavailable(format!("no answer within {} s", LIMIT.as_secs()))),
        }
    }
}

#[async_trait]
impl Store for ClickHouse {
    fn kind(&self) -> &'static str {
        error::KIND
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.within(schema::version(&self.0)).await.map(drop)
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        // On a task of its own: a caller that gives up leaves no turn behind that others have to wait out.
        let (shared, batch) = (Arc::clone(&self.0), batch.clone());
        let task = tokio::spawn(async move { write::write(&shared, &batch).await });
        self.within(async { task.await.unwrap_or(Err(Fault::Damage("writing ended by itself"))) }).await
    }

    async fn traces(&self, filter: &Filter, page: &Page) -> Result<TracePage, StoreError> {
        self.within(read::traces(&self.0, filter, page)).await
    }

    async fn parts(&self, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, StoreError> {
        self.within(read::parts(&self.0, job, trace_id)).await
    }

    async fn rollups(&self, filter: &RollupFilter) -> Result<Vec<Rollup>, StoreError> {
        self.within(hops::rollups(&self.0, filter)).await
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.within(read::jobs(&self.0)).await
    }

    async fn streams(&self, limit: u32) -> Result<Vec<StreamRow>, StoreError> {
        self.within(read::streams(&self.0, limit)).await
    }

    async fn after(&self, place: Option<u64>, limit: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError> {
        self.within(read::after(&self.0, place, limit)).await
    }

    async fn retain(&self, retention: &Retention) -> Result<Removed, StoreError> {
        let (shared, retention) = (Arc::clone(&self.0), *retention);
        let task = tokio::spawn(async move { retain::retain(&shared, &retention).await });
        let result = task.await.unwrap_or(Err(Fault::Damage("retention ended by itself")));
        result.map_err(|fault| fault.told(&self.0.at))
    }
}
