//! Traces in PostgreSQL: for several collectors behind a balancer, and for those who have one anyway.
//!
//! Owns: the driver, its pool, and what PostgreSQL calls things. Tables and transactions are those of [`super::relational`].

mod error;
mod secured;
mod session;
mod values;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

use super::relational::{Database, Dialect, Fault, Relational, Session};
use super::{Store, StoreError, place, tls};
use secured::Connector;

/// Connections at a time, unless the address says `pool=N`.
const CONNECTIONS: usize = 8;
/// How long a connection is waited for.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

const DIALECT: Dialect = Dialect {
    kind: "postgres",
    name: "TEXT COLLATE \"C\"",
    text: "TEXT COLLATE \"C\"",
    id: "BYTEA",
    bytes: "BYTEA",
    table_options: "",
    schema: "current_schema()",
    lock_schema: "SELECT CAST(pg_advisory_xact_lock(7741629) AS TEXT)",
    // Ends with the transaction.
    unlock_schema: "SELECT 1",
};

/// What every new connection is told: success means durable, and no statement holds others up for ever.
const SET_UP: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '60s'; SET lock_timeout = '30s'; SET application_name = 'stain collector'";

/// Opens the store at an address such as `postgres://USER:PASSWORD@HOST:5432/DATABASE?pool=8`, and makes its tables where there are none.
///
/// # Errors
/// The address is wrong, the server is away, or what is there is not ours, damaged, or of a later version.
pub async fn open(url: &str) -> Result<impl Store + use<>, StoreError> {
    let at = place::shown(url);
    let (url, connections) = place::number(url, "pool", CONNECTIONS)?;
    let (url, tls) = tls::take(&url)?;
    let mut config = Config::from_str(&url).map_err(|error| StoreError::Place {
        place: at.clone(),
        reason: format!("its address cannot be read: {}", error::told(&error)),
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECTS_WITHIN);
    }
    // What a call that was given up left open is taken back before the next one gets the connection.
    let recycling_method = RecyclingMethod::Custom("ROLLBACK".to_owned());
    config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    let how = ManagerConfig { recycling_method };
    let manager = match &tls {
        Some(tls) => Manager::from_config(config, Connector(Arc::new(tls.config(&at)?)), how),
        None => Manager::from_config(config, NoTls, how),
    };
    let set_up = Hook::async_fn(|client, _| {
        Box::pin(async move { client.batch_execute(SET_UP).await.map_err(HookError::Backend) })
    });
    let pool = Pool::builder(manager).max_size(connections).runtime(Runtime::Tokio1).post_create(set_up);
    let pool = pool.wait_timeout(Some(CONNECTS_WITHIN)).create_timeout(Some(CONNECTS_WITHIN)).build();
    let pool = pool.map_err(|error| StoreError::Place { place: at.clone(), reason: error.to_string() })?;
    Relational::open(Postgres { pool, place: at }).await
}

struct Postgres {
    pool: Pool,
    place: String,
}

#[async_trait]
impl Database for Postgres {
    fn dialect(&self) -> &Dialect {
        &DIALECT
    }

    fn place(&self) -> &str {
        &self.place
    }

    async fn begin(&self) -> Result<Box<dyn Session>, Fault> {
        let client = self.pool.get().await.map_err(error::of_pool)?;
        client.batch_execute("BEGIN").await.map_err(|error| error::fault(&error))?;
        Ok(Box::new(session::Connection::new(client)))
    }
}
