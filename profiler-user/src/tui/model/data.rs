//! What came in so far, added up: totals, the recent past, traces kept whole, messages. Bounded, however long it runs.

use super::{Kept, Log, Ticks, Weight};
use crate::feed::{Account, Clock, FeedEvent, SessionInfo, Tick};
use crate::sink::Names;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Totals of the session.
    pub account: Account,
    /// How it stood.
    pub ticks: Ticks,
    /// Traces.
    pub kept: Kept,
    /// What was told.
    pub log: Log,
    now_ns: u64,
    began: Clock,
    attached_ns: Option<u64>,
}

impl Data {
    /// Adds an event.
    pub fn add(&mut self, event: &FeedEvent) {
        self.account.add(event);
        match event {
            FeedEvent::Started(info) => {
                self.began = info.began;
                self.advance(info.began.mono_ns);
            }
            FeedEvent::Attached(attached) => {
                self.attached_ns.get_or_insert(attached.mono_ns);
                self.advance(attached.mono_ns);
            }
            FeedEvent::Trace(trace) => {
                self.kept.add(trace);
                self.advance(trace.end_ns);
            }
            FeedEvent::Tick(tick) => {
                self.ticks.push(tick);
                self.advance(tick.mono_ns);
            }
            FeedEvent::Notice(notice) => {
                self.log.push(notice.at, Weight::of(notice.kind), notice.text.clone());
            }
            FeedEvent::Changed(change) => {
                let at = Clock { mono_ns: change.at_ns, wall_ns: change.wall_ns };
                let text = change.told(|stage| self.stage_label(stage));
                self.log.answer(at, text);
            }
            FeedEvent::Ended(ended) => {
                let at = self.clock(ended.mono_ns);
                self.log.push(at, Weight::Info, format!("the session is over: {}", ended.why));
            }
        }
    }

    /// What a stage is called; `None` for one that the spec does not have.
    #[must_use]
    pub fn stage_label(&self, stage: usize) -> Option<String> {
        self.info()?.stages.get(stage).map(|info| crate::sink::stage_label(info.code, &info.name))
    }

    fn advance(&mut self, ns: u64) {
        self.now_ns = self.now_ns.max(ns);
    }

    /// The latest moment that anything is known of, ns of the monotonic clock.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// When it began.
    #[must_use]
    pub const fn began(&self) -> Clock {
        self.began
    }

    /// When the first process was attached to, ns of the monotonic clock; its beginning, while none is.
    #[must_use]
    pub fn attached_ns(&self) -> u64 {
        self.attached_ns.unwrap_or(self.began.mono_ns)
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> Option<&SessionInfo> {
        self.account.info().map(AsRef::as_ref)
    }

    /// How it stood at a moment.
    #[must_use]
    pub fn tick_at(&self, ns: u64) -> Option<&Tick> {
        self.ticks.at(ns).map(AsRef::as_ref)
    }

    /// A moment on both clocks, by the last tick before it.
    #[must_use]
    pub fn clock(&self, mono_ns: u64) -> Clock {
        let known = self.tick_at(mono_ns).map(|tick| Clock { mono_ns: tick.mono_ns, wall_ns: tick.wall_ns });
        let known = known.unwrap_or(self.began);
        let offset = known.wall_ns.wrapping_sub(known.mono_ns);
        Clock { mono_ns, wall_ns: mono_ns.wrapping_add(offset) }
    }

    /// What stages and outcomes are called.
    #[must_use]
    pub fn names(&self) -> Names {
        self.info().map_or_else(Names::default, Names::from)
    }
}
