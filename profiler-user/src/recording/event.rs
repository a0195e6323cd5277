//! An event in bytes: its kind, the length of its body, its body. A reader skips kinds that it does not know, and what a body has beyond what it knows.

use std::sync::Arc;

use super::bytes::{Put, Take};
use super::trace::{Frame, put_trace, take_trace};
use super::{info, tick};
use crate::feed::{Attached, FeedEvent, SiteInfo};

const STARTED: u8 = 1;
const ATTACHED: u8 = 2;
const TRACE: u8 = 3;
const TICK: u8 = 4;
const NOTICE: u8 = 5;
const CHANGED: u8 = 6;
const ENDED: u8 = 7;

/// Sites that one event tells of: more are told by one more event.
pub(super) const SITES_AT_ONCE: usize = 64;

/// What became of an event's bytes.
#[derive(Debug)]
pub(super) enum Taken {
    /// An event.
    Event(FeedEvent),
    /// One of a kind that this version does not know.
    Unknown,
    /// Its body makes no sense.
    Broken,
}

/// Appends an event. `body` is a buffer that serves again.
pub(super) fn put_event(put: &mut Put, event: &FeedEvent, frame: &mut Frame, body: &mut Put) {
    body.0.clear();
    let kind = match event {
        FeedEvent::Started(started) => {
            info::put_started(body, started);
            STARTED
        }
        FeedEvent::Attached(attached) => {
            info::put_attached(body, attached, &attached.sites);
            ATTACHED
        }
        FeedEvent::Trace(trace) => {
            put_trace(body, trace, frame);
            TRACE
        }
        FeedEvent::Tick(tick) => {
            tick::put_tick(body, tick);
            TICK
        }
        FeedEvent::Notice(notice) => {
            info::put_notice(body, notice);
            NOTICE
        }
        FeedEvent::Changed(change) => {
            info::put_changed(body, change);
            CHANGED
        }
        FeedEvent::Ended(ended) => {
            info::put_ended(body, ended);
            ENDED
        }
    };
    put.u8(kind);
    put.bytes(&body.0);
}

/// Takes an event off the front. `None` when what is left is no event: nothing of this frame can be read then.
pub(super) fn take_event(take: &mut Take<'_>, frame: &mut Frame) -> Option<Taken> {
    let kind = take.u8()?;
    let mut body = Take(take.bytes()?);
    let event = match kind {
        STARTED => info::take_started(&mut body).map(|started| FeedEvent::Started(Arc::new(started))),
        ATTACHED => info::take_attached(&mut body).map(|attached| FeedEvent::Attached(Arc::new(attached))),
        TRACE => take_trace(&mut body, frame).map(|trace| FeedEvent::Trace(Arc::new(trace))),
        TICK => tick::take_tick(&mut body).map(|tick| FeedEvent::Tick(Arc::new(tick))),
        NOTICE => info::take_notice(&mut body).map(|notice| FeedEvent::Notice(Arc::new(notice))),
        CHANGED => info::take_changed(&mut body).map(FeedEvent::Changed),
        ENDED => info::take_ended(&mut body).map(|ended| FeedEvent::Ended(Arc::new(ended))),
        _ => return Some(Taken::Unknown),
    };
    Some(event.map_or(Taken::Broken, Taken::Event))
}

/// An event as events of bounded size.
pub(super) fn in_parts(event: &FeedEvent) -> Vec<FeedEvent> {
    match event {
        FeedEvent::Attached(attached) if attached.sites.len() > SITES_AT_ONCE => {
            let part = |sites: &[SiteInfo]| Attached { sites: sites.to_vec(), ..Attached::clone(attached) };
            attached
                .sites
                .chunks(SITES_AT_ONCE)
                .map(|sites| FeedEvent::Attached(Arc::new(part(sites))))
                .collect()
        }
        other => vec![other.clone()],
    }
}
