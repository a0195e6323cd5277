//! The agent's side: listens, lets its own user in and nobody else, and reads requests line by line.
//!
//! Every client is a task of its own with bounds on number, size and time: none can hold the session up.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::request::too_long;
use super::{Answer, MAX_REQUEST_BYTES, Request, place};

/// Clients at the same time. The next one is told so, and let go.
pub const MAX_CLIENTS: usize = 8;

/// How long a client may say nothing.
const IDLE: Duration = Duration::from_secs(10);

/// How long a client may take to read an answer, and the last answers may take when the session is over.
const DELIVERY: Duration = Duration::from_secs(2);

/// A request, to be answered by the session.
#[derive(Debug)]
pub struct Command {
    /// What is asked for.
    pub request: Request,
    /// Where the answer goes. The client may be gone by then.
    pub reply: oneshot::Sender<Answer>,
}

/// The control socket of this agent. Dropping it closes and removes it.
#[derive(Debug)]
pub struct Control {
    socket: SocketFile,
    commands: mpsc::Receiver<Command>,
    closing: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever removed it before wanted the same.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Its clients' tasks belong to that task, and end with it.
        self.accepting.abort();
    }
}

impl Control {
    /// Listens in the first of the folders that will do. Sockets of agents that are gone are removed from all of them.
    ///
    /// # Errors
    /// Why none of them will do.
    pub fn open(folders: &[PathBuf]) -> Result<Self, String> {
        let mut reasons = Vec::new();
        for folder in folders {
            match place::make_private(folder).and_then(|()| listen(folder)) {
                Ok((listener, socket)) => {
                    folders.iter().for_each(|folder| place::clean(folder));
                    return Ok(Self::serve(listener, socket));
                }
                Err(error) => reasons.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(reasons.join("; "))
    }

    fn serve(listener: UnixListener, socket: SocketFile) -> Self {
        let (sender, commands) = mpsc::channel(MAX_CLIENTS);
        let (closing, closed) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, sender, closed));
        Self { socket, commands, closing, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.socket.0
    }

    /// The next request. Never ends, so that it can be waited for beside other things.
    pub async fn next(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }

    /// Lets answers that were given still reach their clients, then closes and removes the socket.
    pub async fn close(mut self) {
        self.commands.close();
        // Requests that nobody will answer any more: their clients are told.
        while self.commands.try_recv().is_ok() {}
        let _ = self.closing.send(true);
        let _ = timeout(DELIVERY, &mut self.accepting).await;
    }
}

fn listen(folder: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let path = place::socket(folder, std::process::id());
    // Of an agent that had this process id before.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    let socket = SocketFile(path);
    std::fs::set_permissions(&socket.0, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, socket))
}

/// Until told to close; then waits for the clients that are being answered.
async fn accept(listener: UnixListener, commands: mpsc::Sender<Command>, mut closing: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => break,
        };
        while clients.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: a while later there may be one.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if let Err(sentence) = is_owner(&stream) {
            // One try: who may not come in is not waited for.
            let _ = stream.try_write(Answer::refused(sentence).line().as_bytes());
            continue;
        }
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            let sentence = format!("{MAX_CLIENTS} clients are connected already; try again");
            let _ = stream.try_write(Answer::refused(sentence).line().as_bytes());
            continue;
        };
        let (commands, closing) = (commands.clone(), closing.clone());
        clients.spawn(async move {
            Client { stream, buffer: Vec::new() }.serve(&commands, closing).await;
            drop(place);
        });
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// The kernel's word on who connected, not the client's.
fn is_owner(stream: &UnixStream) -> Result<(), String> {
    let owner = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == owner => Ok(()),
        Ok(peer) => {
            Err(format!("this agent belongs to user {owner} and takes nothing from user {}", peer.uid()))
        }
        Err(_) => Err("who connects cannot be known".to_owned()),
    }
}

struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

enum Heard {
    Line(Vec<u8>),
    TooLong,
    Gone,
}

impl Client {
    /// Answers line after line, until the client goes, is too slow, or the session is over.
    async fn serve(mut self, commands: &mpsc::Sender<Command>, mut closing: watch::Receiver<bool>) {
        loop {
            let heard = tokio::select! {
                heard = timeout(IDLE, self.hear()) => heard.unwrap_or(Heard::Gone),
                () = over(&mut closing) => return,
            };
            let (answer, last) = match heard {
                Heard::Line(line) => (respond(&line, commands).await, false),
                Heard::TooLong => (Answer::refused(too_long()), true),
                Heard::Gone => return,
            };
            let said = timeout(DELIVERY, self.say(answer.line().as_bytes())).await;
            if last || !matches!(said, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The next line. What came after it waits in the buffer, which never holds more than one read beyond a line.
    async fn hear(&mut self) -> Heard {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
                return if line.len() > MAX_REQUEST_BYTES { Heard::TooLong } else { Heard::Line(line) };
            }
            if self.buffer.len() > MAX_REQUEST_BYTES {
                return Heard::TooLong;
            }
            let mut bytes = [0; MAX_REQUEST_BYTES + 1];
            if self.stream.readable().await.is_err() {
                return Heard::Gone;
            }
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Heard::Gone,
                Ok(length) => self.buffer.extend(bytes.iter().take(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Heard::Gone,
            }
        }
    }

    async fn say(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Returns when the session is over.
async fn over(closing: &mut watch::Receiver<bool>) {
    // An error means that the socket is gone: over, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Hands a request to the session and waits for what it says.
async fn respond(line: &[u8], commands: &mpsc::Sender<Command>) -> Answer {
    let request = match Request::parse(line) {
        Ok(request) => request,
        Err(sentence) => return Answer::refused(sentence),
    };
    let (reply, answer) = oneshot::channel();
    let over = || Answer::refused("the session is over");
    if commands.send(Command { request, reply }).await.is_err() {
        return over();
    }
    answer.await.unwrap_or_else(|_| over())
}

#[cfg(test)]
mod tests;
