//! A way to a server on which answers are held up or cut off, and requests too.
//!
//! Owns: chance, by a seed, and the count of what it did. Refuses: knowing what is said. What a client says between two answers is taken for a request, and
//! the server's first words behind it for the answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::dice::Dice;

/// One in so many pieces of a request is the last one.
const CUT_REQUEST: u64 = 100;
/// One in so many answers never comes, though the server has given it.
const CUT_BEFORE: u64 = 16;
/// One in so many ends in the midst.
const CUT_AMID: u64 = 16;
/// One in so many is held up.
const HOLD_UP: u64 = 6;

/// How often what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Connections led to the server.
    pub connections: u64,
    /// Answers passed on whole and at once.
    pub passed: u64,
    /// Answers held up.
    pub held_up: u64,
    /// Answers cut off.
    pub cut: u64,
    /// Requests cut off.
    pub cut_requests: u64,
}

#[derive(Debug)]
struct Shared {
    /// Nobody is there while it is `None`.
    server: Mutex<Option<SocketAddr>>,
    dice: Mutex<Dice>,
    /// How long an answer is held up at most, ms.
    held_up_ms: u64,
    is_calm: AtomicBool,
    stop: AtomicBool,
    connections: AtomicU64,
    passed: AtomicU64,
    held_up: AtomicU64,
    cut: AtomicU64,
    cut_requests: AtomicU64,
}

/// A running proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one without a server, on a free port of the loopback. It holds answers up for so long at most.
    pub fn start(seed: u64, held_up: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server: Mutex::new(None),
            dice: Mutex::new(Dice(seed)),
            held_up_ms: u64::try_from(held_up.as_millis())?,
            is_calm: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            held_up: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            cut_requests: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is the server, of new connections; none with `None`.
    pub fn lead_to(&self, server: Option<SocketAddr>) {
        *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// From now on everything is passed on.
    pub fn calm_down(&self) {
        self.shared.is_calm.store(true, Ordering::Relaxed);
    }

    /// What it has done.
    #[must_use]
    pub fn done(&self) -> Done {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { connections, passed, held_up, cut, cut_requests, .. } = &*self.shared;
        Done {
            connections: of(connections),
            passed: of(passed),
            held_up: of(held_up),
            cut: of(cut),
            cut_requests: of(cut_requests),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        super::end(&self.shared.stop, self.address, &mut self.thread);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let server = *shared.server.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropped, the client sees its connection closed, as behind a balancer without a server.
        if let (Ok(client), Some(server)) = (client, server) {
            let shared = Arc::clone(shared);
            shared.connections.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || drop(connect(client, server, &shared)));
        }
    }
}

/// What both ways of a connection know of each other.
struct Turn(AtomicBool);

/// Passes both ways on until either ends.
fn connect(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) -> Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let turn = Arc::new(Turn(AtomicBool::new(false)));
    let answers = {
        let (server, client) = (server.try_clone()?, client.try_clone()?);
        let (shared, turn) = (Arc::clone(shared), Arc::clone(&turn));
        std::thread::spawn(move || drop(pass_answers(server, client, &shared, &turn)))
    };
    drop(pass_requests(client, server, shared, &turn));
    drop(answers.join());
    Ok(())
}

fn end(one: &TcpStream, other: &TcpStream) {
    drop(one.shutdown(Shutdown::Both));
    drop(other.shutdown(Shutdown::Both));
}

fn pass_requests(mut client: TcpStream, mut server: TcpStream, shared: &Shared, turn: &Turn) -> Result<()> {
    let mut piece = vec![0; 64 << 10];
    while let Ok(count) = client.read(&mut piece)
        && let Some(came) = piece.get(..count).filter(|came| !came.is_empty())
    {
        turn.0.store(true, Ordering::Relaxed);
        if shared.one_in(CUT_REQUEST) {
            shared.cut_requests.fetch_add(1, Ordering::Relaxed);
            drop(server.write_all(came.get(..count / 2).unwrap_or_default()));
            break;
        }
        if server.write_all(came).is_err() {
            break;
        }
    }
    end(&client, &server);
    Ok(())
}

fn pass_answers(mut server: TcpStream, mut client: TcpStream, shared: &Shared, turn: &Turn) -> Result<()> {
    let mut piece = vec![0; 64 << 10];
    while let Ok(count) = server.read(&mut piece)
        && let Some(mut came) = piece.get(..count).filter(|came| !came.is_empty())
    {
        let is_first = turn.0.swap(false, Ordering::Relaxed);
        if is_first && shared.one_in(CUT_BEFORE) {
            came = &[];
        } else if is_first && shared.one_in(CUT_AMID) {
            came = came.get(..count / 2).unwrap_or_default();
        } else if is_first && shared.one_in(HOLD_UP) {
            shared.held_up.fetch_add(1, Ordering::Relaxed);
            let time = shared.dice().between(1, shared.held_up_ms);
            std::thread::sleep(time);
        } else if is_first {
            shared.passed.fetch_add(1, Ordering::Relaxed);
        }
        let failed = client.write_all(came).is_err();
        if came.len() < count {
            shared.cut.fetch_add(1, Ordering::Relaxed);
        }
        if failed || came.len() < count {
            break;
        }
    }
    end(&client, &server);
    Ok(())
}

impl Shared {
    fn dice(&self) -> std::sync::MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_in(&self, many: u64) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.dice().below(many) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::Faulty;

    fn ask(address: SocketAddr) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        // Who is cut off sees it here, or when it reads.
        let _ = client.write_all(b"POST /x HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody");
        let (mut answer, mut piece) = (String::new(), [0; 100]);
        while !answer.ends_with("{}")
            && let Ok(count @ 1..) = client.read(&mut piece)
        {
            answer.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        answer
    }

    #[test]
    fn what_is_calm_passes_and_without_a_server_nobody_answers() {
        let (server, proxy) = (Faulty::start([]).unwrap(), Proxy::start(1, Duration::ZERO).unwrap());
        proxy.calm_down();
        assert_eq!(ask(proxy.address()), "");
        proxy.lead_to(Some(server.address()));
        for _ in 0..50 {
            assert!(ask(proxy.address()).ends_with("{}"));
        }
        assert_eq!(proxy.done(), Done { connections: 50, passed: 50, held_up: 0, cut: 0, cut_requests: 0 });
        assert_eq!(server.seen().len(), 50);
    }

    #[test]
    fn answers_and_requests_are_cut() {
        let (server, proxy) =
            (Faulty::start([]).unwrap(), Proxy::start(7, Duration::from_millis(5)).unwrap());
        proxy.lead_to(Some(server.address()));
        let whole = |_: &usize| ask(proxy.address()).ends_with("{}");
        let asked = 60;
        let whole = (0..asked).filter(whole).count() as u64;
        let done = proxy.done();
        assert_eq!(done.passed + done.held_up, whole, "{done:?}");
        assert_eq!(done.cut + done.cut_requests, asked as u64 - whole, "{done:?}");
        assert!(done.cut > 0, "{done:?}");
    }
}
