//! Requests over HTTP/1.1 and HTTP/2, in plain text or by TLS: one connection, one request at a time.
//!
//! Owns: the connection and every bound on it (time of a request, size of an answer). Refuses: retrying, but for a kept connection that the
//! other side has closed meanwhile; redirects; and proxies.

mod answer;
mod client;
mod tls;

pub use answer::{Answer, retry_after, shown};
pub use client::{Client, Deadline, HttpError, Protocol, Request, get, open};
pub use tls::{TlsError, config as tls_config, server_config as tls_server_config, trusted};
