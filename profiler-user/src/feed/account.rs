//! Adds events up to what a session came to: the one way from a stream to numbers, be it live, recorded or replayed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use profiler_common::Outcome;

use super::{Attached, Ended, FeedEvent, SessionInfo, SiteInfo, Tick, cost, stage_rows};
use crate::ledger::Ledger;
use crate::sink::{Change, Session, Setting, StageRow};
use crate::spec::{Level, MAX_STAGES};
use crate::stats::{Cost, Stats};

/// Changes that are remembered, the last ones.
const MAX_CHANGES: usize = 1000;

/// Sites and process ids that are remembered. A session has fewer; a file may say anything.
const MAX_LISTED: usize = 1 << 20;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Account {
    info: Option<Arc<SessionInfo>>,
    target: Option<String>,
    pids: Vec<u32>,
    known: HashSet<u32>,
    sites: Vec<SiteInfo>,
    stats: Stats,
    changes: Vec<Change>,
    /// What the changes that are no longer remembered came to.
    before: Probing,
    tick: Option<Arc<Tick>>,
    ended: Option<Arc<Ended>>,
}

/// Which stages are probed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probing {
    /// Those of this level and of those before it; `None` while nothing is known.
    pub level: Option<Level>,
    /// But for these, by their numbers in the spec.
    off: BTreeSet<u64>,
}

impl Probing {
    /// Whether a stage was switched off, and not on again.
    #[must_use]
    pub fn is_off(&self, stage: usize) -> bool {
        self.off.contains(&(stage as u64))
    }

    fn apply(&mut self, change: &Change) {
        match change.setting {
            Setting::Level => {
                let level = usize::try_from(change.to).ok().and_then(|level| Level::ALL.get(level));
                self.level = level.copied().or(self.level);
            }
            Setting::Stage => {
                let (stage, on) = Setting::stage(change.to);
                if on {
                    self.off.remove(&stage);
                } else if self.off.len() < MAX_STAGES {
                    self.off.insert(stage);
                }
            }
            Setting::Rate | Setting::Budget | Setting::Paused => {}
        }
    }
}

/// What the events so far come to. [`Totals::session`] is the view that sinks take.
#[derive(Clone, Debug)]
pub struct Totals<'a> {
    account: &'a Account,
    stages: Vec<StageRow>,
    cost: Cost,
    ledger: Ledger,
    duration_ns: u64,
}

impl Account {
    /// Adds an event.
    pub fn add(&mut self, event: &FeedEvent) {
        match event {
            FeedEvent::Started(info) => self.info = Some(Arc::clone(info)),
            FeedEvent::Attached(attached) => self.attached(attached),
            FeedEvent::Trace(trace) => self.stats.add(trace),
            FeedEvent::Tick(tick) => {
                self.stats.windows.advance(tick.mono_ns);
                self.tick = Some(Arc::clone(tick));
            }
            FeedEvent::Notice(_) => {}
            FeedEvent::Changed(change) => {
                if self.changes.len() >= MAX_CHANGES {
                    let oldest = self.changes.remove(0);
                    self.before.apply(&oldest);
                }
                self.changes.push(*change);
            }
            FeedEvent::Ended(ended) => self.ended = Some(Arc::clone(ended)),
        }
    }

    fn attached(&mut self, attached: &Attached) {
        self.target = Some(attached.target.clone());
        for pid in &attached.pids {
            if self.pids.len() < MAX_LISTED && self.known.insert(*pid) {
                self.pids.push(*pid);
            }
        }
        let room = MAX_LISTED - self.sites.len().min(MAX_LISTED);
        self.sites.extend(attached.sites.iter().take(room).cloned());
    }

    /// What the session is; `None` before it has started.
    #[must_use]
    pub fn info(&self) -> Option<&Arc<SessionInfo>> {
        self.info.as_ref()
    }

    /// Which stages were probed at a moment, ns of the monotonic clock: as it began, or as it was changed until then. `None` before it has started.
    #[must_use]
    pub fn probing_at(&self, ns: u64) -> Option<Probing> {
        let mut probing = self.before.clone();
        probing.level = probing.level.or(self.info.as_ref().map(|info| info.level));
        self.changes.iter().filter(|change| change.at_ns <= ns).for_each(|change| probing.apply(change));
        probing.level.is_some().then_some(probing)
    }

    /// What the user knows the target by; empty before it has started.
    #[must_use]
    pub fn target(&self) -> &str {
        let asked = || self.info.as_ref().map(|info| info.target.as_str());
        self.target.as_deref().or_else(asked).unwrap_or("")
    }

    /// Every process that was attached to.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Its sites, by probe id.
    #[must_use]
    pub fn sites(&self) -> &[SiteInfo] {
        &self.sites
    }

    /// Statistics over the traces so far.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How it stood at last; `None` before the first tick.
    #[must_use]
    pub fn tick(&self) -> Option<&Arc<Tick>> {
        self.tick.as_ref()
    }

    /// How it ended; `None` while it runs, and of a recording that was cut off.
    #[must_use]
    pub fn ended(&self) -> Option<&Arc<Ended>> {
        self.ended.as_ref()
    }

    /// Traces that the counts know of and this stream did not bring: it was too slow, or was cut off. Those in flight are not missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let Some(tick) = &self.tick else { return 0 };
        let delivered =
            Outcome::all().map(|outcome| tick.ledger.delivered(outcome)).fold(0, u64::saturating_add);
        delivered.saturating_sub(self.stats.traces())
    }

    /// What all this comes to.
    #[must_use]
    pub fn totals(&self) -> Totals<'_> {
        let tick = self.tick.as_deref();
        let counts = tick.map_or(&[][..], |tick| &tick.probes);
        let stages = self.info.as_ref().map_or(&[][..], |info| &info.stages);
        let measured = tick.map(|tick| tick.measured).unwrap_or_default();
        Totals {
            account: self,
            stages: stage_rows(stages, &self.sites, counts),
            cost: cost(measured, &self.sites, counts),
            ledger: tick.map(|tick| tick.ledger).unwrap_or_default(),
            duration_ns: measured.duration_ns,
        }
    }
}

impl Totals<'_> {
    /// The view that sinks take.
    #[must_use]
    pub fn session(&self) -> Session<'_> {
        let Self { account, stages, cost, ledger, duration_ns } = self;
        let info = account.info.as_deref();
        let settings = account.tick.as_ref().map(|tick| tick.settings);
        Session {
            target: account.target(),
            pids: &account.pids,
            rate: settings.map_or_else(|| info.map_or(0, |info| info.sampling.rate), |s| s.rate),
            budget: settings
                .map_or_else(|| info.map_or(0, |info| info.sampling.max_traces_per_second), |s| s.budget),
            changes: &account.changes,
            stages,
            fills: info.map_or(&[], |info| &info.fills),
            outcomes: info.map_or(&[], |info| &info.outcomes),
            stats: &account.stats,
            ledger,
            cost,
            duration_ns: *duration_ns,
            // A tick says how long it has been since attaching, from which the duration counts.
            began_ns: match &account.tick {
                Some(tick) => tick.mono_ns.saturating_sub(*duration_ns),
                None => info.map_or(0, |info| info.began.mono_ns),
            },
            end: account.ended.as_ref().map_or("cut off", |ended| &ended.why),
            // What others took is not part of the stream that they were sent.
            exports: &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Account;
    use crate::feed::testing::{busy, ended, trace_event};

    #[test]
    fn events_come_to_the_session_that_they_tell_of() {
        let mut account = Account::default();
        assert_eq!(account.totals().session().end, "cut off");
        busy().iter().for_each(|event| account.add(event));
        let totals = account.totals();
        let session = totals.session();
        assert_eq!(
            (session.target, session.pids, session.rate, session.budget),
            ("pipeline", &[4242, 77][..], 500, 50)
        );
        let rows: Vec<_> =
            session.stages.iter().map(|row| (row.name.as_str(), row.sites, row.hits, row.stamps)).collect();
        // The second site of `write` only saves arguments.
        assert_eq!(rows, [("emit", 1, 1_000, 3), ("write", 1, 900, 2)]);
        assert_eq!((session.cost.hits(), session.cost.probe_ns_total), (2_800, 1_000 * 500 + 1_800 * 9_000));
        assert_eq!(
            (session.ledger.written, session.duration_ns, session.stats.traces()),
            (3, 2_000_000_000, 2)
        );
        assert_eq!((session.changes.len(), session.end), (1, "cut off"));
        assert_eq!(account.missing(), 1);
        account.add(&trace_event("S0@5 W!@9"));
        account.add(&ended("duration"));
        assert_eq!((account.missing(), account.totals().session().end), (0, "duration"));
    }
}
