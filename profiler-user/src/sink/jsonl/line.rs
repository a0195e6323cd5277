//! A trace as one JSON object. Nothing is copied: it is written straight from the trace.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::sink::Names;
use crate::trace::{Flags, Stamp, Trace};

/// One trace's line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    #[serde(serialize_with = "as_text")]
    trace_id: u64,
    outcome: &'a str,
    pid: u32,
    #[serde(serialize_with = "as_hex")]
    key: u64,
    sequence: u64,
    start_ns: u64,
    end_ns: u64,
    #[serde(serialize_with = "as_wall_time")]
    wall_time: u64,
    entries: Entries<'a>,
    #[serde(serialize_with = "as_counts")]
    flags: Flags,
}

impl<'a> Line<'a> {
    pub(super) fn new(trace: &'a Trace, names: &'a Names) -> Self {
        let Trace { id, outcome, pid, key, sequence, start_ns, wall_ns, end_ns, ref stamps, flags, .. } =
            *trace;
        Self {
            trace_id: id,
            outcome: outcome.name(&names.outcomes),
            pid,
            key,
            sequence,
            start_ns,
            end_ns,
            wall_time: wall_ns,
            entries: Entries { stamps, names: &names.stages },
            flags,
        }
    }
}

struct Entries<'a> {
    stamps: &'a [Stamp],
    names: &'a [String],
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.stamps.iter().map(|stamp| Entry {
            stage: stamp.code,
            name: self.names.get(stamp.stage).map_or("", String::as_str),
            task_id: stamp.task_id,
            tid: stamp.tid,
            cpu: stamp.cpu,
            ts_ns: stamp.ts_ns,
        }))
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(serialize_with = "as_text")]
    stage: profiler_common::StageCode,
    name: &'a str,
    task_id: i64,
    tid: u32,
    cpu: u32,
    ts_ns: u64,
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_hex<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

/// RFC 3339, UTC, always nine digits, so that lines sort as text.
fn as_wall_time<S: Serializer>(wall_ns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let time = jiff::Timestamp::from_nanosecond(i128::from(*wall_ns)).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&format_args!("{time:.9}"))
}

/// Only what is not zero: an empty object means that nothing need be known.
fn as_counts<S: Serializer>(flags: &Flags, serializer: S) -> Result<S::Ok, S::Error> {
    let Flags { entries_dropped, late_stamps, torn_stamps, early_stamps, .. } = *flags;
    let mut map = serializer.serialize_map(None)?;
    for (name, count) in [
        ("entries_dropped", entries_dropped),
        ("late_stamps", late_stamps),
        ("torn_stamps", torn_stamps),
        ("early_stamps", early_stamps),
    ] {
        if count > 0 {
            map.serialize_entry(name, &count)?;
        }
    }
    map.end()
}
