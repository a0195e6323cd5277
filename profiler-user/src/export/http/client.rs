//! The connection.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Answer;

/// What is read of an answer's body at most, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, known in advance.
    Http2,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// Headers besides those that the client sets.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer. Says nothing about whether the request was taken.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The session ended meanwhile.
    #[error("the session ended before there was an answer")]
    Ended,
}

/// By when everything has to end; nothing while it holds `None`.
pub type Deadline = watch::Receiver<Option<Instant>>;

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A client of one server.
pub struct Client {
    host: String,
    port: u16,
    protocol: Protocol,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    deadline: Deadline,
    connection: Option<Sender>,
    /// `None` only while it is dropped: the connection's task is in it.
    runtime: Option<Runtime>,
}

impl Drop for Client {
    /// Without waiting: a name that is being looked up may take longer than the session's end allows, and cannot be called back.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// When the system gives no means to wait for sockets.
    pub fn new(
        host: &str,
        port: u16,
        protocol: Protocol,
        tls: Option<Arc<ClientConfig>>,
        timeout: Duration,
        deadline: Deadline,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (host, runtime) = (host.to_owned(), Some(runtime));
        Ok(Self { host, port, protocol, tls, timeout, deadline, connection: None, runtime })
    }

    /// Sends a request, and waits for the whole answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn post(&mut self, request: &Request) -> Result<Answer, HttpError> {
        let Some(runtime) = &self.runtime else { return Err(HttpError::Ended) };
        let kept = self.connection.take();
        let exchange = exchange(Parts {
            kept,
            host: &self.host,
            port: self.port,
            protocol: self.protocol,
            tls: self.tls.as_ref(),
            method: Method::POST,
            request,
        });
        let (timeout, deadline) = (self.timeout, self.deadline.clone());
        let (answer, connection) = runtime.block_on(async {
            tokio::select! {
                done = tokio::time::timeout(timeout, exchange) => done.map_err(|_| HttpError::Timeout(timeout))?,
                () = over(deadline) => Err(HttpError::Ended),
            }
        })?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// Asks a server once for what is at a path, on a connection of its own: for whoever runs on a runtime already. Of a longer body than `most` bytes the
/// rest is left out.
///
/// # Errors
/// When there is no answer.
pub async fn get(
    (host, port): (&str, u16),
    tls: Option<&Arc<ClientConfig>>,
    request: &Request,
    timeout: Duration,
    most: usize,
) -> Result<Answer, HttpError> {
    let asked = async { read(open((host, port), tls, request).await?, most).await };
    tokio::time::timeout(timeout, asked).await.map_err(|_| HttpError::Timeout(timeout))?
}

/// The same, up to the answer's head: its body is still to come, however long it goes on.
///
/// # Errors
/// When there is no answer.
pub async fn open(
    (host, port): (&str, u16),
    tls: Option<&Arc<ClientConfig>>,
    request: &Request,
) -> Result<Response<Incoming>, HttpError> {
    let (protocol, method) = (Protocol::Http1, Method::GET);
    let parts = Parts { kept: None, host, port, protocol, tls, method, request };
    ask(&mut connect(&parts).await?, &parts).await
}

/// Ends when the time that the session's end allows is over.
async fn over(mut deadline: Deadline) {
    let at = match deadline.wait_for(Option::is_some).await {
        Ok(at) => *at,
        // Whoever could set it is gone: nothing is to be waited for any more.
        Err(_) => return,
    };
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

/// What one exchange needs.
struct Parts<'a> {
    kept: Option<Sender>,
    host: &'a str,
    port: u16,
    protocol: Protocol,
    tls: Option<&'a Arc<ClientConfig>>,
    method: Method,
    request: &'a Request,
}

async fn exchange(mut parts: Parts<'_>) -> Result<(Answer, Sender), HttpError> {
    // A kept connection may have been closed while nobody looked: then once more, on a new one.
    if let Some(kept) = parts.kept.take()
        && let Ok(done) = send(kept, &parts).await
    {
        return Ok(done);
    }
    let fresh = connect(&parts).await?;
    send(fresh, &parts).await
}

async fn connect(parts: &Parts<'_>) -> Result<Sender, HttpError> {
    let tcp = TcpStream::connect((parts.host, parts.port)).await.map_err(HttpError::Connect)?;
    tcp.set_nodelay(true).map_err(HttpError::Connect)?;
    let Some(tls) = parts.tls else { return handshake(TokioIo::new(tcp), parts.protocol).await };
    let name = ServerName::try_from(parts.host.to_owned())
        .map_err(|_| HttpError::Connect(io::Error::other(format!("`{}` is no host name", parts.host))))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(HttpError::Connect)?;
    handshake(TokioIo::new(stream), parts.protocol).await
}

async fn handshake<T>(io: T, protocol: Protocol) -> Result<Sender, HttpError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    match protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
            // Its failure shows in the request.
            tokio::spawn(async move { drop(connection.await) });
            Ok(Sender::Http1(sender))
        }
        Protocol::Http2 => {
            let (sender, connection) =
                http2::Builder::new(TokioExecutor::new()).handshake(io).await.map_err(broken)?;
            tokio::spawn(async move { drop(connection.await) });
            Ok(Sender::Http2(sender))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: hyper::Error) -> HttpError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    HttpError::Broken(text)
}

async fn send(mut sender: Sender, parts: &Parts<'_>) -> Result<(Answer, Sender), HttpError> {
    let response = ask(&mut sender, parts).await?;
    Ok((read(response, MAX_ANSWER).await?, sender))
}

async fn ask(sender: &mut Sender, parts: &Parts<'_>) -> Result<Response<Incoming>, HttpError> {
    let request = build(parts)?;
    let response = match sender {
        Sender::Http1(http1) => {
            http1.ready().await.map_err(broken)?;
            http1.send_request(request).await
        }
        Sender::Http2(http2) => {
            http2.ready().await.map_err(broken)?;
            http2.send_request(request).await
        }
    };
    response.map_err(broken)
}

fn build(parts: &Parts<'_>) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let Request { path, headers, body } = parts.request;
    let host = if parts.host.contains(':') { format!("[{}]", parts.host) } else { parts.host.to_owned() };
    let authority = format!("{host}:{}", parts.port);
    let path = if path.is_empty() { "/" } else { path.as_str() };
    let scheme = if parts.tls.is_some() { "https" } else { "http" };
    // HTTP/2 wants the whole of it, HTTP/1.1 the path and the host in a header.
    let uri = match parts.protocol {
        Protocol::Http1 => path.parse::<Uri>(),
        Protocol::Http2 => format!("{scheme}://{authority}{path}").parse(),
    };
    let wrong =
        |error: &dyn std::fmt::Display| HttpError::Broken(format!("this cannot be requested: {error}"));
    let mut request = hyper::Request::new(Full::new(body.clone()));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri.map_err(|error| wrong(&error))?;
    *request.headers_mut() = headers.clone();
    if parts.protocol == Protocol::Http1 {
        let host = HeaderValue::try_from(authority).map_err(|error| wrong(&error))?;
        request.headers_mut().insert(hyper::header::HOST, host);
    }
    Ok(request)
}

/// Reads an answer to its end, keeping no more than a bound of it.
async fn read(response: Response<Incoming>, most: usize) -> Result<Answer, HttpError> {
    let status: StatusCode = response.status();
    let (head, mut body) = response.into_parts();
    let (mut kept, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) => {
                let room = most.saturating_sub(kept.len()).min(data.len());
                kept.extend_from_slice(data.get(..room).unwrap_or_default());
            }
            Err(frame) => {
                if let Ok(found) = frame.into_trailers() {
                    trailers = found;
                }
            }
        }
    }
    Ok(Answer { status: status.as_u16(), headers: head.headers, trailers, body: kept.freeze() })
}
