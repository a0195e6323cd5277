//! What is told of a journey, field by field, whichever format it came in.
//!
//! Owns: one form that all formats are read into, and what each of those formats that hold less leaves out. Refuses: reading by the code that wrote:
//! payloads come by `stain decode`, spans by OpenTelemetry's own classes, trace folders by babeltrace2.

pub mod babeltrace;
pub mod events;
pub mod spans;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Trace id, and path of the branch; `0` is the record that was sampled.
pub type Who = (u64, String);

/// All journeys.
pub type All = BTreeMap<Who, Fields>;

/// All that is told of one journey. Times are ns since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The word for how it ended.
    pub outcome: String,
    /// The process in which it began.
    pub pid: u64,
    /// The record's key there.
    pub key: u64,
    /// The record's number in its sequence.
    pub sequence: u64,
    /// When it began.
    pub start_ns: i64,
    /// When its end was seen.
    pub end_ns: i64,
    /// How many entries it shares with its parent.
    pub shared: u64,
    /// How many journeys branched off.
    pub branches: u64,
    /// What to know before trusting it, by name.
    pub flags: BTreeMap<String, u64>,
    /// Its stamps.
    pub entries: Vec<Entry>,
    /// Entry, name and value of each attribute; numbers in decimal digits.
    pub attributes: Vec<(usize, String, String)>,
    /// Entry, key, position and size of each batch.
    pub batches: Vec<(usize, u64, u64, Option<u64>)>,
    /// Entry, the record's own time, and the latency, ns.
    pub record_times: Vec<(usize, i64, i64)>,
}

/// One stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `S0`, `Q+`, ...
    pub code: String,
    /// The spec's name of the stage.
    pub name: String,
    /// The process.
    pub pid: u64,
    /// The task.
    pub task_id: i64,
    /// The thread.
    pub tid: u64,
    /// The CPU.
    pub cpu: u64,
    /// When.
    pub unix_ns: i64,
}

/// Text.
pub fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

/// A whole number, or its digits.
pub fn int(value: &Value) -> Result<i64> {
    match value {
        Value::String(text) => text.parse().with_context(|| format!("no number: {text}")),
        other => other.as_i64().with_context(|| format!("no number: {other}")),
    }
}

/// A whole number without a sign, or its digits, decimal or with `0x`.
pub fn natural(value: &Value) -> Result<u64> {
    match value {
        Value::String(text) => match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(&hex.to_ascii_lowercase(), 16).with_context(|| text.clone()),
            None => text.parse().with_context(|| format!("no number: {text}")),
        },
        other => other.as_u64().with_context(|| format!("no number: {other}")),
    }
}

/// A list; what is not there is an empty one.
pub fn list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Null => Ok(&[]),
        value => Ok(value.as_array().with_context(|| format!("no list: {value}"))?),
    }
}

/// A number or a text, as text.
#[must_use]
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Says which journeys differ, and how; nothing when none does.
#[must_use]
pub fn difference<T: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<Who, T>,
    expected: &BTreeMap<Who, T>,
) -> Option<String> {
    let missing = expected.keys().filter(|who| !found.contains_key(*who)).count();
    let surplus = found.keys().filter(|who| !expected.contains_key(*who)).count();
    let differs = expected.iter().find(|(who, fields)| found.get(*who).is_some_and(|found| found != *fields));
    let how = differs.map(|(who, fields)| format!("{who:?}:\n{:?}\nis not\n{fields:?}", found.get(who)));
    (missing + surplus > 0 || how.is_some()).then(|| {
        format!("{missing} missing, {surplus} too many of {}; {}", expected.len(), how.unwrap_or_default())
    })
}

/// The agent's own lines, or those of a `jsonl` file.
pub fn of_lines(lines: &str) -> Result<All> {
    let mut all = All::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line.get("summary").is_some() {
            continue;
        }
        let branch = line.get("branch").map_or(Ok("0"), text)?.to_owned();
        all.insert((natural(&line["trace_id"])?, branch), of_line(&line)?);
    }
    Ok(all)
}

fn of_line(line: &Value) -> Result<Fields> {
    let wall: jiff::Timestamp = text(&line["wall_time"])?.parse()?;
    let (wall_ns, start) = (i64::try_from(wall.as_nanosecond())?, int(&line["start_ns"])?);
    let unix_ns = |value: &Value| Ok::<_, anyhow::Error>(wall_ns + int(value)? - start);
    let pid = natural(&line["pid"])?;
    let optional = |name: &str| line.get(name).map_or(Ok(0), natural);
    let mut fields = Fields {
        outcome: text(&line["outcome"])?.to_owned(),
        pid,
        key: natural(&line["key"])?,
        sequence: natural(&line["sequence"])?,
        start_ns: wall_ns,
        end_ns: unix_ns(&line["end_ns"])?,
        shared: optional("shared")?,
        branches: optional("branches")?,
        ..Fields::default()
    };
    for (name, count) in line["flags"].as_object().context("no flags")? {
        fields.flags.insert(name.clone(), if *count == Value::Bool(true) { 1 } else { natural(count)? });
    }
    for (index, entry) in list(&line["entries"])?.iter().enumerate() {
        fields.entries.push(Entry {
            code: text(&entry["stage"])?.to_owned(),
            name: text(&entry["name"])?.to_owned(),
            pid: entry.get("pid").map_or(Ok(pid), natural)?,
            task_id: int(&entry["task_id"])?,
            tid: natural(&entry["tid"])?,
            cpu: natural(&entry["cpu"])?,
            unix_ns: unix_ns(&entry["ts_ns"])?,
        });
        let attributes = entry["attributes"].as_object().into_iter().flatten();
        fields.attributes.extend(attributes.map(|(name, value)| (index, name.clone(), shown(value))));
        if let Some(time) = entry.get("record_time_ns") {
            fields.record_times.push((index, int(time)?, int(&entry["record_latency_ns"])?));
        }
    }
    for batch in list(&line["batches"])? {
        let size = Some(&batch["size"]).filter(|size| !size.is_null()).map(natural).transpose()?;
        let entry = usize::try_from(natural(&batch["entry"])?)?;
        fields.batches.push((entry, natural(&batch["key"])?, natural(&batch["position"])?, size));
    }
    Ok(fields.sorted())
}

impl Fields {
    /// Attributes of one entry come in any order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.attributes.sort();
        self
    }
}

/// All files of a folder whose names end so, in their order.
pub fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    all.retain(|path| path.to_string_lossy().ends_with(end));
    all.sort();
    Ok(all)
}

/// Their text, one behind the other.
pub fn read_all(paths: &[PathBuf]) -> Result<String> {
    paths.iter().map(|path| Ok(std::fs::read_to_string(path)?)).collect()
}
