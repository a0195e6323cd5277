//! A server of HTTP/1.1, or of gRPC, that fails as it is told.
//!
//! Owns: the script, and what arrived: bodies that were taken, and those that were not. Refuses: any reply that the script does not have; when it is at
//! its end, everything is taken.

mod grpc;
pub mod proxy;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Take it: 200.
    Take,
    /// Take it after so long.
    Slow(Duration),
    /// Refuse it with this status and this body. Of gRPC the status is HTTP's, as of a proxy that knows no gRPC.
    Status(u16, &'static str),
    /// Refuse it with this status of gRPC and this message, in trailers behind an empty answer. HTTP/1.1 answers 500.
    Grpc(u32, &'static str),
    /// The same in the head of the answer, as servers do that have nothing else to say.
    TrailersOnly(u32, &'static str),
    /// Ask for a wait of so many seconds: by 429, or by `RESOURCE_EXHAUSTED` with `RetryInfo`.
    Later(u64),
    /// Answer 200 and stop in the midst of the answer: whether the request was taken is not known.
    Half,
    /// Close the connection after so many bytes of the request's body.
    Cut(usize),
    /// Reset the stream, and keep the connection. HTTP/1.1, which has no streams, closes it.
    Reset,
    /// Say nothing for this long, then close.
    Stall(Duration),
}

/// A request that arrived, as far as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path.
    pub path: String,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it was answered.
    pub reply: Reply,
    /// When it had come.
    pub at: Instant,
}

impl Request {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server has it: the client may not know.
    #[must_use]
    pub fn was_taken(&self) -> bool {
        matches!(self.reply, Reply::Take | Reply::Half | Reply::Slow(_))
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    script: VecDeque<Reply>,
    /// What paths that end so are answered, whatever the script says.
    always: Vec<(&'static str, Reply)>,
    seen: Vec<Request>,
}

impl State {
    fn reply(&mut self, path: &str) -> Reply {
        let always = self.always.iter().find(|(end, _)| path.ends_with(end)).map(|(_, reply)| reply.clone());
        always.unwrap_or_else(|| self.script.pop_front().unwrap_or(Reply::Take))
    }
}

/// A running server. Dropping it ends it.
pub struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Starts one on a free port of the loopback.
    pub fn start(script: impl IntoIterator<Item = Reply>) -> Result<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into(), script)
    }

    /// Starts one at an address.
    pub fn start_at(address: SocketAddr, script: impl IntoIterator<Item = Reply>) -> Result<Self> {
        Self::listen(address, script, accept)
    }

    /// Starts one of gRPC at an address; port 0 is any free one.
    pub fn start_grpc_at(address: SocketAddr, script: impl IntoIterator<Item = Reply>) -> Result<Self> {
        Self::listen(address, script, grpc::accept)
    }

    fn listen(
        address: SocketAddr,
        script: impl IntoIterator<Item = Reply>,
        accept: fn(&TcpListener, &Arc<Shared>),
    ) -> Result<Self> {
        let listener = TcpListener::bind(address).context("the faulty server")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        shared.lock().script = script.into_iter().collect();
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// From now on this is the reply to every request whose path ends so; the script is for the others.
    pub fn always(&self, path: &'static str, reply: Reply) {
        self.shared.lock().always.push((path, reply));
    }

    /// From now on these are the replies.
    pub fn script(&self, script: impl IntoIterator<Item = Reply>) {
        self.shared.lock().script = script.into_iter().collect();
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        self.shared.lock().seen.clone()
    }

    /// Waits until the requests so far are what is wanted.
    pub fn until(&self, limit: Duration, wanted: impl Fn(&[Request]) -> bool) -> Result<()> {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !wanted(&state.seen));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<_> = state.seen.iter().map(|request| &request.reply).collect();
        ensure!(!timeout.timed_out(), "not within {limit:?}; so far: {seen:?}");
        Ok(())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        end(&self.shared.stop, self.address, &mut self.thread);
    }
}

/// Ends who listens at an address, in a thread that looks at `stop` at each connection: it wakes up, and ends.
fn end(stop: &AtomicBool, address: SocketAddr, thread: &mut Option<JoinHandle<()>>) {
    stop.store(true, Ordering::Relaxed);
    drop(TcpStream::connect(address));
    if let Some(thread) = thread.take() {
        drop(thread.join());
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that goes away is part of every test.
            drop(serve(client, &shared));
        });
    }
}

/// Requests of one connection, until one of the two ends it.
fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        let (path, headers, length) = head(&mut client, &mut buffer)?;
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let reply = shared.lock().reply(&path);
        let wanted = if let Reply::Cut(bytes) = reply { bytes.min(length) } else { length };
        while buffer.len() < wanted && read(&mut client, &mut buffer)? {}
        let kept = buffer.len().min(wanted);
        let body: Vec<u8> = buffer.drain(..kept).collect();
        let request = Request { path, headers, body, reply: reply.clone(), at: Instant::now() };
        // Before the answer: who has that may look what came.
        shared.lock().seen.push(request);
        shared.changed.notify_all();
        let go_on = answer(&mut client, &reply)?;
        if !go_on {
            drop(client.shutdown(Shutdown::Both));
            return Ok(());
        }
    }
}

fn answer(client: &mut TcpStream, reply: &Reply) -> Result<bool> {
    let text = |status: u16, more: &str, body: &str| {
        format!("HTTP/1.1 {status} x\r\n{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    match reply {
        Reply::Take => client.write_all(text(200, "", "{}").as_bytes())?,
        Reply::Slow(time) => {
            // It is this server's reply to take its time.
            std::thread::sleep(*time);
            client.write_all(text(200, "", "{}").as_bytes())?;
        }
        Reply::Status(status, body) => client.write_all(text(*status, "", body).as_bytes())?,
        Reply::Grpc(_, body) | Reply::TrailersOnly(_, body) => {
            client.write_all(text(500, "", body).as_bytes())?;
        }
        Reply::Later(seconds) => {
            client.write_all(text(429, &format!("retry-after: {seconds}\r\n"), "").as_bytes())?;
        }
        Reply::Half => {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"rec")?;
            return Ok(false);
        }
        Reply::Cut(_) | Reply::Reset => return Ok(false),
        Reply::Stall(time) => {
            std::thread::sleep(*time);
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool> {
    let mut chunk = [0; 16 << 10];
    let count = client.read(&mut chunk)?;
    buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count > 0)
}

type Head = (String, Vec<(String, String)>, usize);

/// Path, headers, length of the body. What came behind the head stays in the buffer.
fn head(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Head> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        ensure!(read(client, buffer)?, "the client has gone");
    };
    let text: Vec<u8> = buffer.drain(..end + 4).collect();
    let text = String::from_utf8(text)?;
    let mut lines = text.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).context("no request line")?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.context("no content-length")?.1.parse()?;
    Ok((path, headers, length))
}
