//! The client's side: one request, one answer.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Answer, Request};

/// An agent may be reading symbols, or taking its probes off.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Why an agent did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there, or nobody who lets us in.
    #[error("cannot connect to {path}: {source}", path = path.display())]
    Connect {
        /// The socket.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent ended, or did not answer in time.
    #[error("the agent gave no answer: {0}")]
    Silent(#[source] io::Error),
    /// It answered, and not in this program's words.
    #[error("the agent's answer makes no sense ({0}); is it of another version of stain?")]
    Nonsense(#[source] serde_json::Error),
}

/// Asks the agent that listens at `socket`.
///
/// # Errors
/// When it cannot be reached or gives no answer. That it refuses is an answer.
pub fn ask(socket: &Path, request: Request) -> Result<Answer, AskError> {
    let connect = |source| AskError::Connect { path: socket.to_owned(), source };
    let mut stream = UnixStream::connect(socket).map_err(connect)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .map_err(connect)?;
    // An agent that refuses to listen has said so already, and closed its end.
    let written = writeln!(stream, "{request}");
    let mut line = String::new();
    let read = BufReader::new(stream.take(MAX_ANSWER_BYTES)).read_line(&mut line);
    match (written, read) {
        (_, Ok(length)) if length > 0 => serde_json::from_str(&line).map_err(AskError::Nonsense),
        (Err(error), _) | (Ok(()), Err(error)) => Err(AskError::Silent(error)),
        (Ok(()), Ok(_)) => {
            Err(AskError::Silent(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended")))
        }
    }
}
