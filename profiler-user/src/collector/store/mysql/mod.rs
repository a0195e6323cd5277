//! Traces in MySQL or MariaDB.
//!
//! Owns: the driver, its pool, and what MySQL calls things. Tables and transactions are those of [`super::relational`]. Texts are kept as bytes: every collation
//! of this server takes some different texts for the same. Success is as durable as the server's `innodb_flush_log_at_trx_commit`, whose default is 1.

mod error;
mod session;

use std::time::Duration;

use async_trait::async_trait;
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, SslOpts, TxOpts};

use super::relational::{Database, Dialect, Fault, Relational, Session};
use super::{Store, StoreError, place, tls};

/// Connections at a time, unless the address says `pool=N`.
const CONNECTIONS: usize = 8;
/// How long a connection is waited for.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// Prepared statements that a connection keeps: all there are, in each of their lengths.
const STATEMENTS: usize = 128;

const DIALECT: Dialect = Dialect {
    kind: "mysql",
    name: "VARBINARY(256)",
    text: "LONGBLOB",
    id: "VARBINARY(2048)",
    bytes: "LONGBLOB",
    table_options: " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    schema: "DATABASE()",
    lock_schema: "SELECT GET_LOCK('stain_schema', 30)",
    unlock_schema: "SELECT RELEASE_LOCK('stain_schema')",
};

/// What every new connection is told: each statement sees what was committed before it, nothing is cut off in silence, and nobody waits for ever.
const SET_UP: [&str; 3] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
    "SET SESSION innodb_lock_wait_timeout = 30",
];

/// Opens the store at an address such as `mysql://USER:PASSWORD@HOST:3306/DATABASE?pool=8`, and makes its tables where there are none.
///
/// # Errors
/// The address is wrong, the server is away, or what is there is not ours, damaged, or of a later version.
pub async fn open(url: &str) -> Result<impl Store + use<>, StoreError> {
    let at = place::shown(url);
    let wrong = |reason: String| StoreError::Place { place: at.clone(), reason };
    let (url, connections) = place::number(url, "pool", CONNECTIONS)?;
    let (url, tls) = tls::take(&url)?;
    let url = url.strip_prefix("mariadb://").map_or(url.clone(), |rest| format!("mysql://{rest}"));
    let opts = Opts::from_url(&url).map_err(|error| wrong(format!("its address cannot be read: {error}")))?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err(wrong("its address names no database (mysql://USER@HOST/DATABASE)".to_owned()));
    }
    let constraints = PoolConstraints::new(1, connections).unwrap_or_default();
    let pool = PoolOpts::new().with_constraints(constraints).with_reset_connection(false);
    let set_up = SET_UP.map(str::to_owned).to_vec();
    let opts = OptsBuilder::from_opts(opts).pool_opts(pool).setup(set_up);
    let mut opts = opts.prefer_socket(false).stmt_cache_size(STATEMENTS);
    if let Some(tls) = &tls {
        // The driver takes no certificate of another name that says for which names it is.
        if !tls.checks_name() {
            return Err(wrong("its driver cannot leave the name out (verify-ca); use a certificate of the host's name, and verify-full".to_owned()));
        }
        let trusted = tls.trusted(&at)?.into_iter().map(|certificate| certificate.to_vec().into()).collect();
        let how = SslOpts::default().with_root_certs(trusted).with_disable_built_in_roots(true);
        opts = opts.ssl_opts(how);
    }
    Relational::open(MySql { pool: Pool::new(opts), place: at }).await
}

struct MySql {
    pool: Pool,
    place: String,
}

#[async_trait]
impl Database for MySql {
    fn dialect(&self) -> &Dialect {
        &DIALECT
    }

    fn place(&self) -> &str {
        &self.place
    }

    async fn begin(&self) -> Result<Box<dyn Session>, Fault> {
        match tokio::time::timeout(CONNECTS_WITHIN, self.pool.start_transaction(TxOpts::default())).await {
            Ok(transaction) => {
                Ok(Box::new(session::Connection::new(transaction.map_err(|error| error::fault(&error))?)))
            }
            Err(_) => Err(Fault::Failed("no connection was free, or none was made, in time".to_owned())),
        }
    }
}
