//! Shows on standard error what the agent does, and how far it is.

use std::io::Write as _;

use super::{output, terminal};
use crate::agent::{Event, Observer, Progress};
use crate::sink::units;

/// See the module.
pub(super) struct Stderr {
    progress: bool,
    /// Columns of the progress line that stands there now.
    shown: usize,
}

impl Stderr {
    pub(super) fn new() -> Self {
        Self { progress: terminal::shows_progress(), shown: 0 }
    }

    /// Messages only.
    pub(super) fn without_progress() -> Self {
        Self { progress: false, shown: 0 }
    }

    /// Takes the progress line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) > 0 {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn line(&mut self, text: &str) {
        self.clear();
        output::note(text);
    }
}

/// Says nothing: the screen is told of everything by the feed.
pub(super) struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}

    fn progress(&mut self, _: &Progress<'_>) {}
}

impl Observer for Stderr {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Waiting { .. } => self.line(&format!("{event} (Ctrl-C ends)")),
            Event::Warning(_) => self.line(&format!("warning: {event}")),
            _ => self.line(&event.to_string()),
        }
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        if !self.progress {
            return;
        }
        let Progress { elapsed, ledger, processes, p99_ns } = progress;
        let p99 = p99_ns.map_or(String::new(), |ns| format!(", P99 {}", units::duration(ns, true)));
        let line = format!(
            "{} s, {processes} process{}: {} sampled, {} admitted, {} written{p99}",
            elapsed.as_secs(),
            if *processes == 1 { "" } else { "es" },
            ledger.sampled,
            ledger.admitted,
            ledger.written,
        );
        self.clear();
        self.shown = line.len();
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{line}").and_then(|()| err.flush());
    }
}
