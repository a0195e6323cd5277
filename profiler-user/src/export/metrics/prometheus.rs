//! The address that Prometheus scrapes: a small server of HTTP/1.1, one request a connection, one connection at a time.
//!
//! Refuses: anything but `GET /metrics` (and `/`), requests that take long, and other machines unless they were invited.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::Board;
use crate::export::Accounts;
use crate::feed::Receiver;
use crate::sink::metrics::prometheus::{CONTENT_TYPE, text};

/// How long a client may take to ask, and to take the answer: all of it, since others wait meanwhile, and the session's end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long nobody is served when the system has no socket for a client.
const REST_MS: i64 = 200;

/// Bytes of a request that are read at most.
const MAX_REQUEST: usize = 8 << 10;

/// Why nothing can be scraped here.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Address {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is one that other machines reach.
    #[error(
        "{address} is not a loopback address: whoever reaches it could read the metrics; use 127.0.0.1, or add public=yes"
    )]
    Public {
        /// The address.
        address: SocketAddr,
    },
}

/// A socket that listens: opened early, so that a mistake shows before anything is attached.
pub(in crate::export) struct Listening(TcpListener);

impl Listening {
    /// Listens on `host:port`.
    pub(in crate::export) fn open(address: &str, public: bool) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Address { address: address.to_owned(), source };
        let all: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
        if let Some(other) = all.iter().find(|one| !one.ip().is_loopback() && !public) {
            return Err(ListenError::Public { address: *other });
        }
        let listener = TcpListener::bind(all.as_slice()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(listener))
    }
}

/// A running server, and the thread that feeds it.
pub(in crate::export) struct Prometheus {
    board: Arc<Board>,
    /// Closing it ends the server.
    stop: PipeWriter,
    adding: JoinHandle<()>,
    serving: JoinHandle<()>,
}

impl Prometheus {
    /// Starts both threads.
    pub(in crate::export) fn start(
        listening: Listening,
        receiver: Receiver,
        board: Arc<Board>,
        accounts: Accounts,
    ) -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let (added, served) = (Arc::clone(&board), Arc::clone(&board));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let adding =
            thread("stain-metrics").spawn(move || while added.take(&receiver, Duration::from_secs(60)) {})?;
        let serving =
            thread("stain-scrape").spawn(move || serve(&listening.0, &stopped, &served, &accounts))?;
        Ok(Self { board, stop, adding, serving })
    }

    /// Waits for the end of both threads: the first has come to the end of the events, the second is told.
    pub(in crate::export) fn join(self) {
        drop(self.stop);
        for thread in [self.adding, self.serving] {
            if thread.join().is_err() {
                log::error!("an exporter's thread ended by a panic");
            }
        }
        drop(self.board);
    }
}

/// Until the other end of `stopped` is closed.
fn serve(listener: &TcpListener, stopped: &PipeReader, board: &Board, accounts: &Accounts) {
    loop {
        let mut waits = [PollFd::new(listener, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut waits, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return log::error!("metrics can be scraped no more: {error}"),
        }
        if waits.last().is_some_and(|wait| !wait.revents().is_empty()) {
            return;
        }
        match listener.accept() {
            Ok((client, _)) => {
                if let Err(error) = answer(client, board, accounts) {
                    log::debug!("a scrape failed: {error}");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                log::debug!("a scrape failed: {error}");
                // The client is still there, and so will the failure be.
                let rest = rustix::event::Timespec { tv_sec: 0, tv_nsec: REST_MS * 1_000_000 };
                let _ = poll(&mut [PollFd::new(stopped, PollFlags::IN)], Some(&rest));
            }
        }
    }
}

/// A client that has to be done by then.
struct Hurried {
    client: TcpStream,
    until: Instant,
}

impl Hurried {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Hurried {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.client.set_read_timeout(self.left()?)?;
        self.client.read(into)
    }
}

impl Write for Hurried {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.client.set_write_timeout(self.left()?)?;
        self.client.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}

fn answer(client: TcpStream, board: &Board, accounts: &Accounts) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let mut client = Hurried { client, until: Instant::now() + PATIENCE };
    let request = read_head(&mut client)?;
    // Before the board is locked: its own accounts are among them.
    let accounts = accounts.counts();
    let (status, body) = match target(&request) {
        Some("/metrics" | "/") => ("200 OK", text(&board.lock().0, &accounts)),
        Some(_) => ("404 Not Found", "there is /metrics\n".to_owned()),
        None => ("405 Method Not Allowed", "GET /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}

/// The path of a GET, without its query.
fn target(request: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(request).ok()?.lines().next()?;
    let path = line.strip_prefix("GET ")?.split(' ').next()?;
    path.split('?').next()
}

/// Reads up to the empty line.
fn read_head(client: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = client.read(&mut buffer)?;
        if read == 0 || head.len() > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::{Listening, Prometheus, target};
    use crate::export::Accounts;
    use crate::export::metrics::{Board, counted};
    use crate::feed::channel::{Hub, channel};
    use crate::feed::testing::{info, trace_event};
    use crate::feed::{FeedEvent, Tick};
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::Arc;

    fn get(address: SocketAddr, path: &str) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_session_is_scraped() {
        let listening = Listening::open("127.0.0.1:0", false).unwrap();
        let address = listening.0.local_addr().unwrap();
        let (sender, receiver) = channel(16);
        let board = Arc::new(Board::default());
        let accounts = Accounts(Arc::new(vec![("prometheus".to_owned(), counted(&board))]));
        let hub = Hub::new(vec![sender]);
        hub.send(&FeedEvent::Started(Arc::new(info())));
        hub.send(&trace_event("S0@0 W!@2000"));
        hub.send(&FeedEvent::Tick(Arc::new(Tick::default())));
        drop(hub);
        let server = Prometheus::start(listening, receiver, board, accounts).unwrap();
        // The end of the events has come when the other thread has.
        while !server.adding.is_finished() {
            std::thread::yield_now();
        }
        let text = get(address, "/metrics?x=1");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("\nstain_e2e_seconds_count 1\n"), "{text}");
        assert!(text.contains("\nstain_export_sent_total{sink=\"prometheus\"} 1\n"), "{text}");
        assert!(get(address, "/other").starts_with("HTTP/1.1 404 "));
        server.join();
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_client_that_takes_its_time_holds_nobody_up() {
        let listening = Listening::open("127.0.0.1:0", false).unwrap();
        let address = listening.0.local_addr().unwrap();
        let (sender, receiver) = channel(16);
        let board = Arc::new(Board::default());
        let server = Prometheus::start(listening, receiver, board, Accounts::default()).unwrap();
        let mut slow = TcpStream::connect(address).unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        // A byte at a time, for ever.
        let dripping = std::thread::spawn(move || {
            let pause = std::time::Duration::from_millis(100);
            while slow.write_all(b"G").is_ok() && stopped.recv_timeout(pause).is_err() {}
        });
        assert!(get(address, "/metrics").starts_with("HTTP/1.1 200 OK"));
        drop(sender);
        server.join();
        stop.send(()).ok();
        dripping.join().unwrap();
    }

    #[test]
    fn other_machines_are_not_invited_by_accident() {
        assert!(
            Listening::open("0.0.0.0:0", false).is_err_and(|error| error.to_string().contains("public=yes"))
        );
        assert!(Listening::open("0.0.0.0:0", true).is_ok());
        assert!(Listening::open("no.such.host.invalid:1", false).is_err());
        assert_eq!(target(b"GET /metrics HTTP/1.1\r\n"), Some("/metrics"));
        assert_eq!(target(b"POST /metrics HTTP/1.1\r\n"), None);
        assert_eq!(target(b"\xff"), None);
    }
}
