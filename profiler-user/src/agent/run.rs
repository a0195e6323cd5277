//! One session, from the first process to the last account.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::attach::{Backend, monotonic_ns};
use crate::control::{Command, Control, place};
use crate::feed::Hub;
use crate::ledger::Ledger;
use crate::plan::Costs;
use crate::sink::counts::Counts;
use crate::sink::{Change, Session, Sink, SinkCounts, SinkError, StageRow};
use crate::spec::Spec;
use crate::stats::{Cost, Stats};

use super::error::AgentError;
use super::events::{End, Event, Observer};
use super::resolve::Resolver;
use super::session::Running;
use super::telling::Tee;

/// How often the notices are looked at: a trace is seen this much after its end, and idle costs twenty wake-ups a second.
const TICK: Duration = Duration::from_millis(50);

/// How often a target that has not started yet is looked for.
const WAIT: Duration = Duration::from_millis(100);

/// How a session runs, besides its spec.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Ends by itself after this time.
    pub duration: Option<Duration>,
    /// Diagnostics of the kernel program: 0 off, 1 errors .. 5 all.
    pub log_level: u8,
    /// How to set probes; the best that the kernel offers when `None`.
    pub backend: Option<Backend>,
    /// What a hit costs on this machine.
    pub costs: Costs,
    /// Whether to listen for `stain ctl`.
    pub control: bool,
}

/// Where a session's traces and events go.
#[derive(Default)]
pub struct Outlets {
    /// Gets every trace, and at the end is given back for the summary.
    pub sink: Option<Box<dyn Sink + Send>>,
    /// Readers of the stream of events.
    pub hub: Hub,
    /// What a screen asks for, beside the control socket; when its other end goes, the session ends as detached.
    pub screen: Option<mpsc::Receiver<Command>>,
}

/// What a session came to.
pub struct Finished {
    /// What the user knows the target by.
    pub target: String,
    /// Why a process of it was not attached to at first, if one ran.
    pub why_not: Option<String>,
    /// The process ids that were traced.
    pub pids: Vec<u32>,
    /// The sampling that was asked for: one in so many.
    pub rate: u64,
    /// New traces a second at most; 0: no bound.
    pub budget: u32,
    /// What was changed while it ran. Rate and budget are those at the end.
    pub changes: Vec<Change>,
    /// What was counted at each stage.
    pub stages: Vec<StageRow>,
    /// The hops in which a batch is filled, by the indices of their stages.
    pub fills: Vec<(usize, usize)>,
    /// The names of the spec's own outcomes, by number.
    pub outcomes: Vec<String>,
    /// Statistics over the traces.
    pub stats: Stats,
    /// The accounts.
    pub ledger: Ledger,
    /// What it cost.
    pub cost: Cost,
    /// How long it was, ns.
    pub duration_ns: u64,
    /// When it began, ns of the monotonic clock.
    pub began_ns: u64,
    /// Why it ended.
    pub end: End,
    /// The sink, all traces written, to be given the summary.
    pub sink: Option<Box<dyn Sink + Send>>,
    /// What became of the traces in the sink.
    pub delivery: SinkCounts,
    /// Why the sink failed, if it did.
    pub sink_error: Option<SinkError>,
    /// What became of the traces in each exporter: for the caller, who ends them, to fill in.
    pub exports: Vec<(String, Counts)>,
}

impl Finished {
    /// The view that sinks take.
    #[must_use]
    pub fn session(&self) -> Session<'_> {
        Session {
            target: &self.target,
            pids: &self.pids,
            rate: self.rate,
            budget: self.budget,
            changes: &self.changes,
            stages: &self.stages,
            fills: &self.fills,
            outcomes: &self.outcomes,
            stats: &self.stats,
            ledger: &self.ledger,
            cost: &self.cost,
            duration_ns: self.duration_ns,
            began_ns: self.began_ns,
            end: self.end.name(),
            exports: &self.exports,
        }
    }
}

/// Attaches, reports every ended trace and event to the outlets, and returns when the session is over, with every probe removed.
///
/// # Errors
/// When the target, a stage point, or the kernel does not allow it; nothing is left behind then.
pub async fn run(
    spec: Spec,
    resolver: Resolver,
    options: Options,
    mut outlets: Outlets,
    observer: &mut dyn Observer,
) -> Result<Finished, AgentError> {
    let mut stop = Stop::new(options.duration)?;
    let observer: &mut dyn Observer = &mut Tee { observer, hub: outlets.hub.clone() };
    let screen = outlets.screen.take();
    let mut running = Running::new(spec, resolver, options, outlets)?;
    running.tell_started();
    let mut ears = Ears::open(options.control, screen, observer);
    let end = match first_processes(&mut running, &mut stop, &mut ears, observer).await? {
        Some(end) => end,
        None => {
            stop.restart();
            until_the_end(&mut running, &mut stop, &mut ears, observer).await?
        }
    };
    let finished = running.finish(end, observer).await;
    ears.close().await;
    finished
}

/// Who may ask for something: the control socket, and a screen, where there are such.
struct Ears {
    socket: Option<Control>,
    screen: Option<mpsc::Receiver<Command>>,
}

impl Ears {
    /// That there is no socket is no reason not to profile.
    fn open(wanted: bool, screen: Option<mpsc::Receiver<Command>>, observer: &mut dyn Observer) -> Self {
        if !wanted {
            return Self { socket: None, screen };
        }
        let socket = Control::open(&place::folders()).map_or_else(
            |error| {
                observer.event(&Event::Warning(format!("`stain ctl` cannot reach this agent ({error})")));
                None
            },
            Some,
        );
        Self { socket, screen }
    }

    /// The next request; `None` when the screen has gone.
    async fn next(&mut self) -> Option<Command> {
        let Self { socket, screen } = self;
        let from_socket = async {
            match socket {
                Some(control) => control.next().await,
                None => std::future::pending().await,
            }
        };
        let from_screen = async {
            match screen {
                Some(screen) => screen.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = from_socket => Some(command),
            command = from_screen => command,
        }
    }

    async fn close(self) {
        if let Some(control) = self.socket {
            control.close().await;
        }
    }
}

impl Running {
    /// Obeys. True when the session is to end.
    fn heard(&mut self, command: Option<Command>, observer: &mut dyn Observer) -> bool {
        command.is_none_or(|command| self.command(command, observer))
    }
}

/// From here on a second Ctrl-C ends the program at once, as people expect. For when all probes are off, and only an output that may be stuck is waited for.
pub(super) fn unlisten() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the default action is no handler, and nobody else in this program changes that of these signals.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Attaches to what is there, or waits for it to start. An end when the session ended before.
async fn first_processes(
    running: &mut Running,
    stop: &mut Stop,
    ears: &mut Ears,
    observer: &mut dyn Observer,
) -> Result<Option<End>, AgentError> {
    let mut told = false;
    while !running.attach_first(observer)? {
        if running.awaiting.is_empty() && !std::mem::replace(&mut told, true) {
            observer.event(&Event::Waiting { target: running.awaited_target() });
        }
        tokio::select! {
            () = tokio::time::sleep(WAIT) => {}
            () = stop.wait() => return Ok(Some(stop.reason)),
            command = ears.next() => {
                if running.heard(command, observer) {
                    return Ok(Some(End::Detached));
                }
            }
        }
    }
    Ok(None)
}

async fn until_the_end(
    running: &mut Running,
    stop: &mut Stop,
    ears: &mut Ears,
    observer: &mut dyn Observer,
) -> Result<End, AgentError> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let end = tokio::select! {
            _ = ticks.tick() => running.tick(monotonic_ns(), observer).await?,
            number = running.next_ended() => {
                running.process_ended(number, observer).await?;
                None
            }
            () = stop.wait() => Some(stop.reason),
            command = ears.next() => running.heard(command, observer).then_some(End::Detached),
        };
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// What ends a session from outside.
struct Stop {
    signals: [Signal; 3],
    duration: Option<Duration>,
    deadline: Option<Instant>,
    reason: End,
}

impl Stop {
    fn new(duration: Option<Duration>) -> Result<Self, AgentError> {
        let listen =
            |kind| signal(kind).map_err(|error| AgentError::System { what: "listening to signals", error });
        let signals = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ];
        let mut stop = Self { signals, duration, deadline: None, reason: End::Interrupted };
        stop.restart();
        Ok(stop)
    }

    /// The duration counts from now.
    fn restart(&mut self) {
        self.deadline = self.duration.and_then(|duration| Instant::now().checked_add(duration));
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        let deadline = self.deadline;
        let over = async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        self.reason = tokio::select! {
            _ = interrupt.recv() => End::Interrupted,
            _ = terminate.recv() => End::Interrupted,
            _ = hangup.recv() => End::Interrupted,
            () = over => End::Duration,
        };
    }
}
