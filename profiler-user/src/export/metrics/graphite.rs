//! Metrics sent to Carbon now and then. What could not be sent is not kept: the next numbers hold all that these did.

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Board;
use crate::export::settings::GraphiteSettings;
use crate::export::{Notify, epoch_seconds};
use crate::feed::Receiver;
use crate::sink::metrics::graphite::lines;

/// How long connecting and writing may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running sender.
pub(in crate::export) struct Graphite(JoinHandle<()>);

impl Graphite {
    /// Starts its thread.
    pub(in crate::export) fn start(
        name: String,
        settings: GraphiteSettings,
        receiver: Receiver,
        board: Arc<Board>,
        notify: Notify,
    ) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("stain-graphite".to_owned());
        let run = move || run(&name, &settings, &receiver, &board, &notify);
        Ok(Self(thread.spawn(run)?))
    }

    /// Waits for its end: the session's, and one last sending.
    pub(in crate::export) fn join(self) {
        if self.0.join().is_err() {
            log::error!("an exporter's thread ended by a panic");
        }
    }
}

fn run(name: &str, settings: &GraphiteSettings, receiver: &Receiver, board: &Board, notify: &Notify) {
    let (mut last, mut fails) = (Instant::now(), false);
    loop {
        let open = board.take(receiver, settings.interval.saturating_sub(last.elapsed()));
        if open && last.elapsed() < settings.interval {
            continue;
        }
        last = Instant::now();
        let at_s = u64::try_from(epoch_seconds()).unwrap_or(0);
        let text = lines(&board.lock().0, &settings.prefix, at_s);
        let sent = send(settings, &text);
        let failed = std::mem::replace(&mut fails, sent.is_err());
        match sent {
            Ok(()) if failed => notify(&format!("{name}: takes metrics again")),
            Err(error) if !failed => {
                notify(&format!("{name}: no metrics sent: {error}; the next ones will hold them"));
            }
            _ => {}
        }
        if !open {
            return;
        }
    }
}

fn send(settings: &GraphiteSettings, text: &str) -> io::Result<()> {
    let mut failed = io::Error::other("the host has no address");
    for address in (settings.host.as_str(), settings.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut carbon) => {
                carbon.set_write_timeout(Some(PATIENCE))?;
                return carbon.write_all(text.as_bytes());
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
