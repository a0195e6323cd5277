//! `stain top`: what a collector is sent, as the events of a session, so that the screen of `attach` shows it.
//!
//! Owns: which job is looked at, the stream of its traces, taken up again where it broke off, and what its agents lose. Refuses: inventing what only agents know. Rates, accounts and cost
//! are theirs, and stay empty here.

mod client;
mod losses;
mod wire;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use client::{Link, LinkError};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::control::{Answer, Command};
use crate::export::percent;
use crate::feed::{Attached, Clock, Ended, FeedEvent, Hub, Notice, NoticeKind, Tick};
use client::{Event, Events};
use losses::{Agent, Losses};
use wire::{Item, Registry};

/// How often agents are asked about.
const AGENTS: Duration = Duration::from_secs(10);

/// How long after a broken connection the next is tried, first and at last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

#[derive(Debug, Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_id: String,
}

/// A collector that answers, and the job that is looked at.
pub struct Top {
    link: Link,
    /// The job; `None` while there is none at all.
    job: Option<String>,
    others: Vec<String>,
    place: Option<String>,
    registry: Registry,
    feed: Hub,
    losses: Losses,
    told_left_out: bool,
}

fn now() -> Clock {
    let mono = clock_gettime(ClockId::Monotonic);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ns =
        |s: i64, ns: i64| u64::try_from(s).unwrap_or(0).saturating_mul(1_000_000_000) + ns.unsigned_abs();
    Clock {
        mono_ns: ns(mono.tv_sec, mono.tv_nsec),
        wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
    }
}

impl Top {
    /// Asks the collector which jobs it has, and takes the one that is wanted, or that with the latest trace.
    ///
    /// # Errors
    /// When it does not answer, or has no such job.
    pub async fn open(link: Link, wanted: Option<String>, feed: Hub) -> Result<Self, LinkError> {
        let jobs: List<Job> = link.json("/api/v1/jobs").await?;
        let mut jobs: Vec<String> = jobs.items.into_iter().map(|job| job.job_id).collect();
        let job = match wanted {
            Some(wanted) if jobs.contains(&wanted) => Some(wanted),
            Some(wanted) => {
                let reason = format!("it has no trace of job {wanted}; its jobs are {}", jobs.join(", "));
                return Err(LinkError::Refused { status: 404, reason });
            }
            None => jobs.first().cloned(),
        };
        jobs.retain(|other| Some(other) != job.as_ref());
        let at = format!("{}:{}", link.host, link.port);
        let target = job.as_ref().map_or_else(|| at.clone(), |job| format!("job {job} at {at}"));
        let registry = Registry::new(target, now());
        Ok(Self {
            link,
            job,
            others: jobs,
            place: None,
            registry,
            feed,
            losses: Losses::default(),
            told_left_out: false,
        })
    }

    /// Until whoever asks is gone.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Command>) {
        self.begin();
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut agents = interval(AGENTS);
        agents.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stream, mut again, mut wait) = (None, Instant::now(), AGAIN.0);
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Command { reply, .. }) => {
                        let _ = reply.send(Answer::refused("this is a collector's view: settings are those of each agent, see `stain ctl`"));
                    }
                    None => break,
                },
                _ = ticks.tick() => self.tick(),
                _ = agents.tick() => self.agents().await,
                () = sleep_until(again), if stream.is_none() => match self.connect().await {
                    Ok(opened) => (stream, wait) = (Some(opened), AGAIN.0),
                    Err(error) => {
                        if wait == AGAIN.0 {
                            self.warn(format!("{error}; tried again"));
                        }
                        (again, wait) = (Instant::now() + wait, (wait * 2).min(AGAIN.1));
                    }
                },
                event = next(&mut stream) => match event {
                    Ok(Some(event)) => self.event(&event),
                    Ok(None) => (stream, again) = (None, Instant::now() + wait),
                    Err(error) => {
                        self.warn(format!("{error}; taken up again"));
                        (stream, again) = (None, Instant::now() + wait);
                    }
                },
            }
        }
        self.feed.send(&FeedEvent::Ended(Arc::new(Ended { why: "left".to_owned(), mono_ns: now().mono_ns })));
    }

    fn begin(&mut self) {
        self.news();
        let at = now();
        let target = self.registry.target().to_owned();
        let attached = Attached { target, mono_ns: at.mono_ns, pids: Vec::new(), sites: Vec::new() };
        self.feed.send(&FeedEvent::Attached(Arc::new(attached)));
        if !self.others.is_empty() {
            let others = self.others.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            self.tell(
                NoticeKind::Process,
                format!("there are other jobs: {others}; --job shows one of them"),
            );
        }
    }

    async fn connect(&mut self) -> Result<Events, LinkError> {
        if self.job.is_none() {
            let jobs: List<Job> = self.link.json("/api/v1/jobs").await?;
            self.job = jobs.items.into_iter().next().map(|job| job.job_id);
        }
        let query =
            self.job.as_ref().map_or_else(String::new, |job| format!("?jobId={}", percent::of_text(job)));
        self.link.events(&format!("/api/v1/live{query}"), self.place.as_deref()).await
    }

    fn event(&mut self, event: &Event) {
        if !event.id.is_empty() {
            self.place = Some(event.id.clone());
        }
        if event.kind != "trace" {
            return;
        }
        let Ok(item) = serde_json::from_str::<Item>(&event.data) else {
            self.registry.left_out += 1;
            return;
        };
        let trace = self.registry.trace(&item);
        self.news();
        if let Some(trace) = trace {
            self.feed.send(&FeedEvent::Trace(Arc::new(trace)));
        }
    }

    /// Tells names before the first trace that has them.
    fn news(&mut self) {
        if let Some(info) = self.registry.news() {
            self.feed.send(&FeedEvent::Started(Arc::new(info)));
        }
    }

    fn tick(&mut self) {
        let Clock { mono_ns, wall_ns } = now();
        self.feed.send(&FeedEvent::Tick(Arc::new(Tick { mono_ns, wall_ns, ..Tick::default() })));
        if self.registry.left_out > 0 && !self.told_left_out {
            self.told_left_out = true;
            self.warn(
                "some traces are left out: they have more stages or outcomes than a pipeline has".to_owned(),
            );
        }
    }

    /// Tells what agents lost since the last time.
    async fn agents(&mut self) {
        let Ok(agents) = self.link.json::<List<Agent>>("/api/v1/agents").await else { return };
        for agent in agents.items.iter().filter(|agent| self.job.as_ref() == Some(&agent.job_id)) {
            for (kind, text) in self.losses.news(agent) {
                self.tell(kind, text);
            }
        }
    }

    fn warn(&self, text: String) {
        self.tell(NoticeKind::Warning, text);
    }

    fn tell(&self, kind: NoticeKind, text: String) {
        self.feed.send(&FeedEvent::Notice(Arc::new(Notice { at: now(), kind, text })));
    }
}

async fn next(stream: &mut Option<Events>) -> Result<Option<Event>, LinkError> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}
