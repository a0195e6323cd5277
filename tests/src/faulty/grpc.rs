//! The same server over HTTP/2, for calls of gRPC.
//!
//! A call's result is in the trailers, and each of head, message and trailers can be missing: that is what this one can do wrong.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{Reply, Request, Shared};

/// A message without fields: not compressed, of no length.
const EMPTY: &[u8] = &[0; 5];

/// How long what was said has to leave before the connection is cut.
const LEAVES_WITHIN: Duration = Duration::from_millis(30);

const RESOURCE_EXHAUSTED: u8 = 8;

/// Serves until the server is told to stop.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    // Without a runtime nobody is answered, and the test fails by that.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else {
        return;
    };
    drop(runtime.block_on(accept_all(listener, shared)));
}

async fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) -> Result<Infallible> {
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        if shared.stop.load(Ordering::Relaxed) {
            bail!("told to stop");
        }
        tokio::spawn(serve(client, Arc::clone(shared)));
    }
}

/// Calls of one connection, until one of the two ends it.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let cut = Arc::new(Notify::new());
    let service = {
        let cut = Arc::clone(&cut);
        service_fn(move |request| answer(request, Arc::clone(&shared), Arc::clone(&cut)))
    };
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service);
    // A client that goes away is part of every test; dropping the connection closes it.
    tokio::select! {
        _ = connection => {}
        () = cut.notified() => {}
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    cut: Arc<Notify>,
) -> Result<Response<Parts>> {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path().to_owned();
    let reply = shared.lock().reply(&path);
    let wanted = if let Reply::Cut(bytes) = reply { bytes } else { usize::MAX };
    let body = read(incoming, wanted).await?;
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = head.headers.iter().map(text).collect();
    shared.lock().seen.push(Request { path, headers, body, reply: reply.clone(), at: Instant::now() });
    shared.changed.notify_all();
    if let Reply::Slow(time) | Reply::Stall(time) = reply {
        tokio::time::sleep(time).await;
    }
    if matches!(reply, Reply::Half | Reply::Cut(_) | Reply::Stall(_)) {
        tokio::spawn(async move {
            tokio::time::sleep(LEAVES_WITHIN).await;
            cut.notify_one();
        });
    }
    response(&reply)
}

/// What is sent, up to its end or to so many bytes.
async fn read(mut incoming: Incoming, wanted: usize) -> Result<Vec<u8>> {
    let mut body = BytesMut::new();
    while body.len() < wanted
        && let Some(frame) = incoming.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    body.truncate(wanted);
    Ok(body.into())
}

/// An error is a reset stream.
fn response(reply: &Reply) -> Result<Response<Parts>> {
    let (mut parts, mut head) = (Parts::default(), HeaderMap::new());
    head.insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut http_status = 200;
    match reply {
        Reply::Take | Reply::Slow(_) => parts.end(status(0, "")?),
        Reply::Grpc(code, message) => parts.end(status(*code, message)?),
        Reply::TrailersOnly(code, message) => head.extend(status(*code, message)?),
        Reply::Later(seconds) => {
            let mut fields = status(RESOURCE_EXHAUSTED.into(), "slow down")?;
            let details = STANDARD_NO_PAD.encode(retry_info(u8::try_from(*seconds)?));
            fields.insert("grpc-status-details-bin", HeaderValue::try_from(details)?);
            parts.end(fields);
        }
        Reply::Status(code, body) => {
            head.insert("content-type", HeaderValue::from_static("text/plain"));
            (http_status, parts.open) = (*code, false);
            parts.frames.push_back(Frame::data(Bytes::from_static(body.as_bytes())));
        }
        // As far as the middle of the message; the connection's end comes next.
        Reply::Half => parts.frames.push_back(Frame::data(Bytes::from_static(&[0; 3]))),
        // Nothing; the connection's end comes next.
        Reply::Cut(_) | Reply::Stall(_) => std::thread::yield_now(),
        Reply::Reset => bail!("reset"),
    }
    if matches!(reply, Reply::TrailersOnly(..)) {
        parts.open = false;
    }
    let mut response = Response::new(parts);
    *response.status_mut() = hyper::StatusCode::from_u16(http_status)?;
    *response.headers_mut() = head;
    Ok(response)
}

/// The result of a call.
fn status(code: u32, message: &str) -> Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from(code));
    fields.insert("grpc-message", HeaderValue::from_str(message)?);
    Ok(fields)
}

/// A `google.rpc.Status` with a `google.rpc.RetryInfo` of less than 128 seconds.
fn retry_info(seconds: u8) -> Vec<u8> {
    let message = |number: u8, body: &[u8]| {
        // Everything here is shorter than 128 bytes: lengths are a byte.
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        [&[number << 3 | 2, length], body].concat()
    };
    let delay = [1 << 3, seconds];
    let info = message(1, &delay);
    let any = [message(1, b"type.googleapis.com/google.rpc.RetryInfo"), message(2, &info)].concat();
    [vec![1 << 3, RESOURCE_EXHAUSTED], message(3, &any)].concat()
}

/// An answer's body, frame by frame.
struct Parts {
    frames: VecDeque<Frame<Bytes>>,
    /// It has no end of its own.
    open: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { frames: VecDeque::new(), open: true }
    }
}

impl Parts {
    /// An empty message, and the result behind it.
    fn end(&mut self, trailers: HeaderMap) {
        self.frames.extend([Frame::data(Bytes::from_static(EMPTY)), Frame::trailers(trailers)]);
        self.open = false;
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            // Nobody wakes it up: the connection is cut.
            None if self.open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && !self.open
    }
}
