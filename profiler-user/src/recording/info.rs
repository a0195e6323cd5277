//! What a session is, in bytes: names, sites, settings. Written once.

use std::time::Duration;

use profiler_common::StageCode;

use super::bytes::{Put, Take};
use crate::feed::{Attached, Clock, Ended, Notice, NoticeKind, SessionInfo, SiteInfo, StageInfo};
use crate::plan::Class;
use crate::sink::{Change, Setting};
use crate::spec::{Level, Sampling, SamplingMode, SequenceMode};

/// Bytes of a name that are kept.
const MAX_NAME: usize = 4096;

/// Bytes of a sentence that are kept.
const MAX_SENTENCE: usize = 16 << 10;

pub(super) fn put_started(put: &mut Put, info: &SessionInfo) {
    let SessionInfo { version, agent, host, target, stages, fills, outcomes, sampling, level, began } = info;
    put.text(version, MAX_NAME);
    put.number(u64::from(*agent));
    put.text(target, MAX_NAME);
    put_clock(put, *began);
    put.u8(level_code(*level));
    put_sampling(put, sampling);
    put.list(stages, |put, stage| {
        let StageInfo { code, name, probed, attributes } = stage;
        put.u8(code.0);
        put.u8(u8::from(*probed));
        put.text(name, MAX_NAME);
        put.list(attributes, |put, name| put.text(name, MAX_NAME));
    });
    put.list(outcomes, |put, name| put.text(name, MAX_NAME));
    put.text(host, MAX_NAME);
    if !fills.is_empty() {
        put.list(fills, |put, (from, to)| [from, to].into_iter().for_each(|stage| put.number(*stage as u64)));
    }
}

pub(super) fn take_started(take: &mut Take<'_>) -> Option<SessionInfo> {
    let (version, agent, target) = (take.text()?, take.u32()?, take.text()?);
    let began = take_clock(take)?;
    let level = level_of(take.u8()?)?;
    let sampling = take_sampling(take)?;
    let stages = take.list(|take| {
        let (code, probed) = (StageCode(take.u8()?), take.u8()? != 0);
        Some(StageInfo { code, name: take.text()?, probed, attributes: take.list(Take::text)? })
    })?;
    let outcomes = take.list(Take::text)?;
    // A recording of before the machine was told ends here; one without batches after it.
    let host = if take.is_empty() { String::new() } else { take.text()? };
    let fills = if take.is_empty() { Vec::new() } else { take.list(take_fill)? };
    Some(SessionInfo { version, agent, host, target, stages, fills, outcomes, sampling, level, began })
}

fn take_fill(take: &mut Take<'_>) -> Option<(usize, usize)> {
    let mut stage = || usize::try_from(take.number()?).ok();
    Some((stage()?, stage()?))
}

fn put_sampling(put: &mut Put, sampling: &Sampling) {
    let Sampling {
        mode,
        rate,
        sequence,
        max_traces_per_second,
        max_entries_per_trace,
        trace_ttl,
        max_open_traces,
        max_keys_per_trace,
        max_branches_per_trace,
        max_batches,
        max_batch_members,
        max_attributes_per_trace,
    } = sampling;
    put.number(*rate);
    put.u8(*sequence as u8);
    put.number(u64::from(*max_traces_per_second));
    put.number(u64::from(*max_entries_per_trace));
    put.number(u64::try_from(trace_ttl.as_nanos()).unwrap_or(u64::MAX));
    put.number(u64::from(*max_open_traces));
    put.u8(u8::from(*mode == SamplingMode::Key));
    for bound in
        [max_keys_per_trace, max_branches_per_trace, max_batches, max_batch_members, max_attributes_per_trace]
    {
        put.number(u64::from(*bound));
    }
}

fn take_sampling(take: &mut Take<'_>) -> Option<Sampling> {
    let mut sampling = Sampling {
        mode: SamplingMode::Sequence,
        rate: take.number()?,
        sequence: if take.u8()? == SequenceMode::Process as u8 {
            SequenceMode::Process
        } else {
            SequenceMode::Task
        },
        max_traces_per_second: take.u32()?,
        max_entries_per_trace: take.u32()?,
        trace_ttl: Duration::from_nanos(take.number()?),
        max_open_traces: take.u32()?,
        max_keys_per_trace: 0,
        max_branches_per_trace: 0,
        max_batches: 0,
        max_batch_members: 0,
        max_attributes_per_trace: 0,
    };
    if take.u8()? == 1 {
        sampling.mode = SamplingMode::Key;
    }
    sampling.max_keys_per_trace = take.u32()?;
    sampling.max_branches_per_trace = take.u32()?;
    sampling.max_batches = take.u32()?;
    sampling.max_batch_members = take.u32()?;
    sampling.max_attributes_per_trace = take.u32()?;
    Some(sampling)
}

pub(super) fn put_attached(put: &mut Put, attached: &Attached, sites: &[SiteInfo]) {
    let Attached { target, mono_ns, pids, sites: _ } = attached;
    put.text(target, MAX_NAME);
    put.number(*mono_ns);
    put.list(pids, |put, pid| put.number(u64::from(*pid)));
    put.list(sites, |put, site| {
        let SiteInfo { probe, stage, label, file, class, ns_each, saves } = site;
        put.number(u64::from(*probe));
        put.number(*stage as u64);
        put.u8(class_code(*class));
        put.number(*ns_each);
        put.u8(u8::from(*saves));
        put.text(label, MAX_NAME);
        put.text(file, MAX_NAME);
    });
}

pub(super) fn take_attached(take: &mut Take<'_>) -> Option<Attached> {
    let (target, mono_ns, pids) = (take.text()?, take.number()?, take.list(Take::u32)?);
    let sites = take.list(|take| {
        Some(SiteInfo {
            probe: take.u32()?,
            stage: usize::try_from(take.u32()?).ok()?,
            class: class_of(take.u8()?)?,
            ns_each: take.number()?,
            saves: take.u8()? != 0,
            label: take.text()?,
            file: take.text()?,
        })
    })?;
    Some(Attached { target, mono_ns, pids, sites })
}

pub(super) fn put_notice(put: &mut Put, notice: &Notice) {
    let Notice { at, kind, text } = notice;
    put_clock(put, *at);
    put.u8(match kind {
        NoticeKind::Process => 0,
        NoticeKind::Warning => 1,
    });
    put.text(text, MAX_SENTENCE);
}

pub(super) fn take_notice(take: &mut Take<'_>) -> Option<Notice> {
    let at = take_clock(take)?;
    let kind = if take.u8()? == 0 { NoticeKind::Process } else { NoticeKind::Warning };
    Some(Notice { at, kind, text: take.text()? })
}

pub(super) fn put_changed(put: &mut Put, change: &Change) {
    let Change { setting, from, to, at_ns, wall_ns } = *change;
    put.u8(match setting {
        Setting::Rate => 0,
        Setting::Budget => 1,
        Setting::Paused => 2,
        Setting::Level => 3,
        Setting::Stage => 4,
    });
    [from, to, at_ns, wall_ns].into_iter().for_each(|number| put.number(number));
}

pub(super) fn take_changed(take: &mut Take<'_>) -> Option<Change> {
    let setting = match take.u8()? {
        0 => Setting::Rate,
        1 => Setting::Budget,
        2 => Setting::Paused,
        3 => Setting::Level,
        4 => Setting::Stage,
        _ => return None,
    };
    let (from, to, at_ns, wall_ns) = (take.number()?, take.number()?, take.number()?, take.number()?);
    Some(Change { setting, from, to, at_ns, wall_ns })
}

pub(super) fn put_ended(put: &mut Put, ended: &Ended) {
    let Ended { why, mono_ns } = ended;
    put.number(*mono_ns);
    put.text(why, MAX_NAME);
}

pub(super) fn take_ended(take: &mut Take<'_>) -> Option<Ended> {
    let mono_ns = take.number()?;
    Some(Ended { mono_ns, why: take.text()? })
}

fn put_clock(put: &mut Put, clock: Clock) {
    put.number(clock.mono_ns);
    put.number(clock.wall_ns);
}

fn take_clock(take: &mut Take<'_>) -> Option<Clock> {
    Some(Clock { mono_ns: take.number()?, wall_ns: take.number()? })
}

const fn level_code(level: Level) -> u8 {
    match level {
        Level::Info => 0,
        Level::Debug => 1,
        Level::Trace => 2,
    }
}

const fn level_of(code: u8) -> Option<Level> {
    match code {
        0 => Some(Level::Info),
        1 => Some(Level::Debug),
        2 => Some(Level::Trace),
        _ => None,
    }
}

const fn class_code(class: Class) -> u8 {
    match class {
        Class::Emulated => 0,
        Class::OptimisedNop => 1,
        Class::Stepped => 2,
        Class::Trampoline => 3,
        Class::Refused => 4,
    }
}

const fn class_of(code: u8) -> Option<Class> {
    match code {
        0 => Some(Class::Emulated),
        1 => Some(Class::OptimisedNop),
        2 => Some(Class::Stepped),
        3 => Some(Class::Trampoline),
        4 => Some(Class::Refused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Put, Take, put_started, take_started};
    use crate::feed::SessionInfo;
    use crate::feed::testing::info;

    #[test]
    fn a_session_of_before_the_machine_was_told_is_read() {
        let mut put = Put::default();
        put_started(&mut put, &info());
        let told = take_started(&mut Take(&put.0));
        assert_eq!(told, Some(info()));
        let older = &put.0[..put.0.len() - 1 - info().host.len()];
        assert_eq!(take_started(&mut Take(older)), Some(SessionInfo { host: String::new(), ..info() }));
    }
}
