//! Connections: accepted up to a bound, by TLS or in plain text, HTTP/1.1 or HTTP/2, and none kept that does nothing for us.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::Shared;
use super::answers::OnTheirWay;

/// What a connection of HTTP/2 begins with, and none of HTTP/1: no method is called so.
const PREFACE: &[u8; 3] = b"PRI";

/// Bytes of the head of a request at most.
const MAX_HEAD: usize = 64 << 10;

/// Requests of one connection at a time.
const MAX_STREAMS: u32 = 64;

/// How often a silent connection of HTTP/2 is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(20);

/// An answer has to be taken whole within so many times as long as a body may take to come.
const TAKEN_WITHIN: u32 = 4;

/// How long, and for how many bytes, a client is heard out that was answered before it had sent everything: closed at once, it might never see the answer.
const LINGER: (Duration, u64) = (Duration::from_secs(2), 64 << 20);

/// What a client is told that does not come to the end of its head.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: 71\r\nconnection: close\r\n\r\n{\"error\":\"the head of the request did not come in time; send it again\"}";

/// Serves until `stopping` says so, and then to the end of what is being answered, for as long as that may take.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, app: Router, shared: Arc<Shared>) {
    let limits = shared.settings.limits;
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut stopping = shared.stopping.clone();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        let Some((stream, slot)) = accepted else { continue };
        let connection = Connection { app: app.clone(), shared: Arc::clone(&shared), tls: tls.clone() };
        connections.spawn(async move {
            connection.shared.metrics.connected();
            connection.run(stream).await;
            connection.shared.metrics.disconnected();
            drop(slot);
        });
    }
    // From here on new connections are refused, and a balancer turns to another collector.
    drop(listener);
    let answered = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop_time, answered).await.is_err() {
        log::warn!("action=stop cut_off={} reason=\"not answered in time\"", connections.len());
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            log::warn!("action=accept error=\"{error}\"");
            // Out of descriptors, as a rule: others have to close first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// What becomes an answer.
type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

struct Connection {
    app: Router,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
}

impl Connection {
    async fn run(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        give_up_unsent(&stream, self.shared.settings.limits.body_time);
        let patience = self.shared.settings.limits.head_time;
        let Some(tls) = &self.tls else {
            match tokio::time::timeout(patience, is_http2(&stream)).await {
                Ok(Ok(true)) => self.http2(stream).await,
                Ok(Ok(false)) => self.http1(stream).await,
                Ok(Err(_)) | Err(_) => late(stream).await,
            }
            return;
        };
        match tokio::time::timeout(patience, tls.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => self.http2(stream).await,
            Ok(Ok(stream)) => self.http1(stream).await,
            Ok(Err(error)) => log::debug!("action=handshake error=\"{error}\""),
            Err(_) => log::debug!("action=handshake error=\"not in time\""),
        }
    }

    /// What answers the requests of this connection, and which of its answers are on their way.
    fn service(
        &self,
    ) -> (
        OnTheirWay,
        impl Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future = Answering>,
    ) {
        let (app, way) = (self.app.clone(), OnTheirWay::default());
        let all = way.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(way.clone());
            Box::pin(app.clone().oneshot(request.map(Body::new))) as Answering
        });
        (all, service)
    }

    fn taken_within(&self) -> Duration {
        self.shared.settings.limits.body_time.saturating_mul(TAKEN_WITHIN)
    }

    async fn http1(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (way, service) = self.service();
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.shared.settings.limits.head_time);
        builder.max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);
        let mut connection = builder.serve_connection(TokioIo::new(io), service);
        let mut stopping = self.shared.stopping.clone();
        let mut ended = None;
        tokio::select! {
            end = poll_fn(|context| connection.poll_without_shutdown(context)) => ended = Some(end),
            () = way.overdue(self.taken_within()) => return,
            () = stops(&mut stopping) => Pin::new(&mut connection).graceful_shutdown(),
        }
        let ended = match ended {
            Some(ended) => ended,
            None => poll_fn(|context| connection.poll_without_shutdown(context)).await,
        };
        let parts = connection.into_parts();
        let mut io = parts.io.into_inner();
        if ended.is_err_and(|error| error.is_timeout()) && !parts.read_buf.is_empty() {
            let _ = io.write_all(TOO_SLOW).await;
        }
        linger(io).await;
    }

    async fn http2(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (way, service) = self.service();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY);
        builder.keep_alive_timeout(self.shared.settings.limits.head_time);
        builder.max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEAD as u32);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        let mut stopping = self.shared.stopping.clone();
        tokio::select! {
            _ = &mut connection => return,
            () = way.overdue(self.taken_within()) => return,
            () = stops(&mut stopping) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// Returns when the collector is about to end.
async fn stops(stopping: &mut watch::Receiver<bool>) {
    // That nobody can say so any more is the end, too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Looks at what the client says first, and takes nothing of it.
async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut first).await?;
        let (seen, wanted) = (first.get(..count), PREFACE.get(..count));
        if count == 0 || seen != wanted || count == PREFACE.len() {
            return Ok(count > 0 && seen == wanted);
        }
        // The same bytes can be looked at again at once: the next ones are waited for.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The client has sent nothing, or a piece of a word.
async fn late(mut stream: TcpStream) {
    if stream.try_read(&mut [0]).is_ok_and(|count| count > 0) {
        let _ = stream.write_all(TOO_SLOW).await;
    }
    linger(stream).await;
}

async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let (time, bytes) = LINGER;
    let rest = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(bytes), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(time, rest).await;
}

/// Ends the connection when the client has taken nothing of what was sent for so long.
fn give_up_unsent(stream: &TcpStream, time: Duration) {
    let value = libc::c_uint::try_from(time.as_millis()).unwrap_or(libc::c_uint::MAX);
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the descriptor is the stream's own, which is open; value and size are those of a number that outlives the call.
    let failed = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const value).cast(),
            size,
        )
    };
    if failed != 0 {
        log::debug!("action=accept error=\"TCP_USER_TIMEOUT: {}\"", io::Error::last_os_error());
    }
}

#[cfg(test)]
mod tests {
    use super::TOO_SLOW;

    #[test]
    fn the_answer_to_the_slow_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_SLOW).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
