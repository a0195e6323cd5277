//! What `stain attach --format jsonl` wrote, as typed values.
//!
//! Owns: the shape of the lines as scripts may rely on it. Keys that are not named here are allowed.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One stamp of a trace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Entry {
    /// Stage code: `S0`, `Q+`, ...
    pub stage: String,
    /// The spec's name of the stage.
    #[serde(default)]
    pub name: String,
    /// Task id.
    pub task_id: i64,
    /// Thread id.
    pub tid: u32,
    /// CPU number.
    pub cpu: u32,
    /// Monotonic clock, ns.
    pub ts_ns: u64,
    /// The process, where it is another than the trace's.
    #[serde(default)]
    pub pid: Option<u32>,
    /// What was read of the record: a number, or text.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// The record's own time, ns since the epoch.
    #[serde(default)]
    pub record_time_ns: Option<i64>,
    /// Wall clock at the stamp less the record's own time, ns.
    #[serde(default)]
    pub record_latency_ns: Option<i64>,
}

/// That a record was put into a batch.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Membership {
    /// Index of the entry that put it there.
    pub entry: usize,
    /// The batch's key, hexadecimal with `0x`.
    pub key: String,
    /// Which record of the batch, from 0.
    pub position: u32,
    /// How many records the batch had; `None` where that is not known.
    pub size: Option<u64>,
}

/// One trace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Trace {
    /// Decimal digits, as text.
    pub trace_id: String,
    /// `written`, `filtered`, ...
    pub outcome: String,
    /// Process id.
    pub pid: u32,
    /// The record key, hexadecimal with `0x`.
    pub key: String,
    /// The record's number in its sampling sequence.
    pub sequence: u64,
    /// Monotonic clock at S0, ns.
    pub start_ns: u64,
    /// RFC 3339.
    #[serde(default)]
    pub wall_time: String,
    /// The stamps in the order of time.
    pub entries: Vec<Entry>,
    /// Ordinals from the record that was sampled to this branch of it, such as `2.1`; `None` for that record itself.
    #[serde(default)]
    pub branch: Option<String>,
    /// The branch, or `0`, that it branched off.
    #[serde(default)]
    pub parent: Option<String>,
    /// How many entries it has in common with its parent.
    #[serde(default)]
    pub shared: usize,
    /// How many journeys branched off it.
    #[serde(default)]
    pub branches: u32,
    /// The batches it was put into.
    #[serde(default)]
    pub batches: Vec<Membership>,
    /// What to know before trusting it.
    #[serde(default)]
    pub flags: BTreeMap<String, Value>,
}

impl Trace {
    /// The record key as a number.
    #[must_use]
    pub fn key(&self) -> Option<u64> {
        number(&self.key)
    }

    /// Which branch it is: an ordinal a byte, the last one lowest; 0: the record that was sampled.
    #[must_use]
    pub fn path(&self) -> Option<u64> {
        path(self.branch.as_deref().unwrap_or("0"))
    }

    /// A flag's number; a flag that is not there is 0, and one that is true 1.
    #[must_use]
    pub fn flag(&self, name: &str) -> u64 {
        let value = self.flags.get(name);
        value.map_or(0, |value| value.as_u64().unwrap_or(u64::from(value.as_bool() == Some(true))))
    }
}

impl Membership {
    /// The batch's key as a number.
    #[must_use]
    pub fn key(&self) -> Option<u64> {
        number(&self.key)
    }
}

/// A hexadecimal number with `0x`.
fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// `2.1` as a number, an ordinal a byte.
#[must_use]
pub fn path(text: &str) -> Option<u64> {
    text.split('.').try_fold(0_u64, |path, ordinal| {
        let ordinal = ordinal.parse::<u8>().ok()?;
        (path < 1 << 56).then_some(path << 8 | u64::from(ordinal))
    })
}

/// Where every sampled record ended. All are counts of records.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Ledger {
    /// Records that came to a source.
    #[serde(default)]
    pub records: u64,
    /// Chosen by the rate.
    pub sampled: u64,
    /// Became traces.
    pub admitted: u64,
    /// Refused by the budget.
    pub refused_budget: u64,
    /// Refused because no trace slot was free.
    #[serde(default)]
    pub refused_full: u64,
    /// Refused because the key was just being ended.
    #[serde(default)]
    pub refused_busy: u64,
    /// Refused because sampling was paused.
    #[serde(default)]
    pub refused_paused: u64,
    /// Ended at the sink.
    pub written: u64,
    /// Ended at a drop point.
    pub filtered: u64,
    /// Ended because the key came to the source again.
    pub superseded: u64,
    /// Ended by their time to live.
    pub expired: u64,
    /// Ended because they go on as branches only.
    #[serde(default)]
    pub split: u64,
    /// Journeys that branched off others.
    #[serde(default)]
    pub branched: u64,
    /// Keys and conditions that could not be read.
    #[serde(default)]
    pub key_unreadable: u64,
    /// Bounds of keys, scopes, branches, batches and attributes that were met, by name.
    #[serde(default)]
    pub journeys: BTreeMap<String, u64>,
    /// Ended in an outcome that the spec names, by name.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u64>,
    /// Lost, by reason.
    #[serde(default)]
    pub lost: BTreeMap<String, u64>,
    /// Not ended when the agent stopped.
    pub in_flight: u64,
}

/// All lines of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The traces, in the order of the lines.
    pub traces: Vec<Trace>,
    /// The ledger of the last line.
    pub ledger: Ledger,
    /// The last line's `summary`, whole.
    pub summary: Value,
}

impl Report {
    /// Reads the lines. The last one, and only it, must be the summary.
    pub fn parse(text: &str) -> Result<Self> {
        let mut report = Self::default();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let wrong = || format!("line {} of the report: {line}", index + 1);
            if lines.peek().is_some() {
                report.traces.push(serde_json::from_str(line).with_context(wrong)?);
                continue;
            }
            let mut last: Value = serde_json::from_str(line).with_context(wrong)?;
            report.summary = last.get_mut("summary").with_context(wrong)?.take();
        }
        ensure!(report.summary.is_object(), "the report has no summary line");
        let ledger = report.summary.get("ledger").cloned().context("the summary has no ledger")?;
        report.ledger = serde_json::from_value(ledger).context("the ledger")?;
        Ok(report)
    }

    /// The traces of one process, with the ledger that they alone make. For runs that refused nothing.
    #[must_use]
    pub fn of_process(&self, pid: u32) -> Self {
        let traces: Vec<Trace> = self.traces.iter().filter(|trace| trace.pid == pid).cloned().collect();
        let mut part = Self { traces, summary: self.summary.clone(), ledger: Ledger::default() };
        let all = part.traces.len() as u64;
        let lost = ["target_exit", "thread_exit"].map(|reason| (reason.to_owned(), part.count(reason)));
        part.ledger = Ledger {
            sampled: all,
            admitted: all,
            written: part.count("written"),
            filtered: part.count("filtered"),
            superseded: part.count("superseded"),
            expired: part.count("expired"),
            split: part.count("split"),
            lost: lost.into(),
            ..Ledger::default()
        };
        part
    }

    /// The process ids that the summary names.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let pids = self.summary.pointer("/target/pids").and_then(Value::as_array).into_iter().flatten();
        pids.filter_map(|pid| u32::try_from(pid.as_u64()?).ok()).collect()
    }

    /// Why the session ended.
    #[must_use]
    pub fn end(&self) -> &str {
        self.summary.get("end").and_then(Value::as_str).unwrap_or_default()
    }

    /// Times that the probes of a stage were hit.
    #[must_use]
    pub fn hits(&self, code: &str) -> u64 {
        let stages = self.summary.get("stages").and_then(Value::as_array).into_iter().flatten();
        let stages = stages.filter(|stage| stage.get("stage").and_then(Value::as_str) == Some(code));
        stages.filter_map(|stage| stage.get("hits")?.as_u64()).sum()
    }

    /// How many traces ended so.
    #[must_use]
    pub fn count(&self, outcome: &str) -> u64 {
        self.traces.iter().filter(|trace| trace.outcome == outcome).count() as u64
    }
}

/// When each trace of the agent's lines was stamped, ns of the monotonic clock, by trace id.
pub fn stamp_times(lines: &str) -> Result<BTreeMap<u64, Vec<u64>>> {
    let mut all = BTreeMap::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        let Some(id) = line["trace_id"].as_str() else { continue };
        let entries = line["entries"].as_array().context("no entries")?;
        all.insert(id.parse()?, entries.iter().filter_map(|entry| entry["ts_ns"].as_u64()).collect());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::Report;

    const TRACE: &str = r#"{"trace_id":"7","outcome":"written","pid":1,"key":"0xff","sequence":3,"start_ns":5,"entries":[],"flags":{"entries_dropped":2,"x":true}}"#;
    const SUMMARY: &str = r#"{"summary":{"ledger":{"sampled":1,"admitted":1,"refused_budget":0,"written":1,"filtered":0,"superseded":0,"expired":0,"lost":{},"in_flight":0}}}"#;

    #[test]
    fn reads_traces_and_summary() {
        let report = Report::parse(&format!("{TRACE}\n{SUMMARY}\n")).unwrap();
        let trace = report.traces.first().unwrap();
        assert_eq!((trace.key(), trace.flag("entries_dropped"), trace.flag("x")), (Some(255), 2, 1));
        assert_eq!((report.count("written"), report.ledger.admitted), (1, 1));
    }

    #[test]
    fn reads_what_a_branch_has() {
        let line = r#"{"trace_id":"7","outcome":"written","pid":1,"key":"0xff","sequence":3,"start_ns":5,"branch":"2.1","parent":"2","shared":1,"batches":[{"entry":0,"key":"0x1f","position":3,"size":null}],"entries":[{"stage":"S0","task_id":1,"tid":1,"cpu":0,"ts_ns":5,"pid":2,"attributes":{"n":-1,"t":"x"},"record_time_ns":-4,"record_latency_ns":9}],"flags":{}}"#;
        let report = Report::parse(&format!("{line}\n{SUMMARY}\n")).unwrap();
        let trace = report.traces.first().unwrap();
        assert_eq!((trace.path(), trace.parent.as_deref(), trace.shared), (Some(0x0201), Some("2"), 1));
        let batch = trace.batches.first().unwrap();
        assert_eq!((batch.key(), batch.position, batch.size), (Some(0x1f), 3, None));
        let entry = trace.entries.first().unwrap();
        assert_eq!((entry.pid, entry.record_time_ns, entry.record_latency_ns), (Some(2), Some(-4), Some(9)));
        assert_eq!(entry.attributes.get("n").and_then(serde_json::Value::as_i64), Some(-1));
    }

    #[test]
    fn branches_are_paths() {
        assert_eq!(["0", "1", "2.1", "255.3"].map(super::path), [0, 1, 0x0201, 0xff03].map(Some));
        assert_eq!(["", "256", "1.x", "1.2.3.4.5.6.7.8.9"].map(super::path), [None; 4]);
    }

    #[test]
    fn refuses_a_report_without_its_end() {
        for text in ["", TRACE, &format!("{SUMMARY}\n{TRACE}"), &format!("{TRACE}\n{{")] {
            assert!(Report::parse(text).is_err(), "{text}");
        }
    }
}
