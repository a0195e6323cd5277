//! ClickHouse's HTTP interface by TLS.

use std::time::Duration;

use clickhouse::Client;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::ClientConfig;

/// Servers close what is idle after three seconds, by default.
const IDLE: Duration = Duration::from_secs(2);

/// A client that speaks by TLS only.
pub(super) fn client(config: ClientConfig) -> Client {
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    let client = legacy::Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
    Client::with_http_client(client)
}
