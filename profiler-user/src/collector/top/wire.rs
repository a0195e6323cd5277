//! Traces as the collector's API tells them, made into those of a session: stages and outcomes get numbers as they come. Pure.

use std::collections::HashMap;

use profiler_common::limits::MAX_NAMED_OUTCOMES;
use profiler_common::{Outcome, StageCode};
use serde::Deserialize;

use crate::feed::{Clock, SessionInfo, StageInfo};
use crate::spec::{Level, MAX_STAGES, defaults};
use crate::trace::{BranchPath, Flags, Stamp, Trace};

/// What the API says of one trace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    trace_id: String,
    branch: String,
    outcome: String,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    code: u8,
    name: Option<String>,
    task_id: String,
    ts_ns: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    tid: u32,
}

/// Names with the numbers that they were given.
#[derive(Debug)]
pub(super) struct Registry {
    info: SessionInfo,
    stages: HashMap<(u8, String), usize>,
    /// Whether there are names that [`Registry::news`] has not told.
    is_new: bool,
    /// Traces with one stage or outcome too many to be told apart, or of which no sense could be made.
    pub(super) left_out: u64,
}

impl Registry {
    /// Without a name yet.
    pub(super) fn new(target: String, began: Clock) -> Self {
        let info = SessionInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent: std::process::id(),
            host: String::new(),
            target,
            stages: Vec::new(),
            fills: Vec::new(),
            outcomes: Vec::new(),
            sampling: defaults::sampling(),
            level: Level::Trace,
            began,
        };
        Self { info, stages: HashMap::new(), is_new: true, left_out: 0 }
    }

    /// What is known by now, if more than the last time. Numbers stay what they are.
    pub(super) fn news(&mut self) -> Option<SessionInfo> {
        std::mem::take(&mut self.is_new).then(|| self.info.clone())
    }

    /// What is looked at.
    pub(super) fn target(&self) -> &str {
        &self.info.target
    }

    /// The trace; `None`, and counted, where it makes no sense here.
    pub(super) fn trace(&mut self, item: &Item) -> Option<Trace> {
        let trace = self.read(item);
        self.left_out += u64::from(trace.is_none());
        trace
    }

    fn read(&mut self, item: &Item) -> Option<Trace> {
        let mut times = HashMap::new();
        let mut stamps = Vec::with_capacity(item.entries.len());
        for entry in &item.entries {
            let time: &mut u32 = times.entry(entry.code).or_default();
            *time += 1;
            let stage = self.stage(entry, *time)?;
            stamps.push(Stamp {
                stage,
                code: StageCode(entry.code),
                probe: 0,
                pid: entry.pid,
                task_id: entry.task_id.parse().ok()?,
                tid: entry.tid,
                cpu: 0,
                ts_ns: self.mono_ns(entry.ts_ns.parse().ok()?),
            });
        }
        // A screen that shows time going on knows no clocks that disagree: the collector's detail of the trace shows them.
        stamps.sort_by_key(|stamp| stamp.ts_ns);
        let (first, last) = (stamps.first()?, stamps.last()?);
        let (start_ns, end_ns, pid) = (first.ts_ns, last.ts_ns, first.pid);
        Some(Trace {
            id: item.trace_id.parse().ok()?,
            outcome: self.outcome(&item.outcome)?,
            pid,
            key: 0,
            sequence: 0,
            start_ns,
            wall_ns: start_ns.wrapping_add(self.info.began.wall_ns).wrapping_sub(self.info.began.mono_ns),
            end_ns,
            branch: branch(&item.branch)?,
            shared: 0,
            branches: 0,
            batches: Vec::new(),
            attributes: Vec::new(),
            record_times: Vec::new(),
            flags: Flags { is_partial: item.partial, ..Flags::default() },
            stamps,
        })
    }

    /// A time of another clock on this machine's monotonic one; 0 for what was before this machine was started.
    fn mono_ns(&self, wall_ns: i64) -> u64 {
        let Clock { mono_ns, wall_ns: began } = self.info.began;
        let ns = i128::from(wall_ns) - i128::from(began) + i128::from(mono_ns);
        u64::try_from(ns).unwrap_or(0)
    }

    /// The number of a stage: by its name, or, where it has none, by its code and which time it is in the journey.
    fn stage(&mut self, entry: &Entry, time: u32) -> Option<usize> {
        let unnamed = || if time > 1 { format!("#{time}") } else { String::new() };
        let name = entry.name.clone().unwrap_or_else(unnamed);
        if let Some(stage) = self.stages.get(&(entry.code, name.clone())) {
            return Some(*stage);
        }
        let stage = self.info.stages.len();
        if stage >= MAX_STAGES {
            return None;
        }
        let code = StageCode(entry.code);
        self.info.stages.push(StageInfo { code, name: name.clone(), probed: true, attributes: Vec::new() });
        self.stages.insert((entry.code, name), stage);
        self.is_new = true;
        Some(stage)
    }

    fn outcome(&mut self, name: &str) -> Option<Outcome> {
        if let Some(fixed) = Outcome::FIXED.into_iter().find(|one| one.fixed_name() == Some(name)) {
            return Some(fixed);
        }
        let known = self.info.outcomes.iter().position(|outcome| outcome == name);
        let number = known.unwrap_or(self.info.outcomes.len());
        if number >= MAX_NAMED_OUTCOMES {
            return None;
        }
        if known.is_none() {
            self.info.outcomes.push(name.to_owned());
            self.is_new = true;
        }
        u8::try_from(number).ok().map(Outcome::Named)
    }
}

/// The path that [`BranchPath`] shows so.
fn branch(text: &str) -> Option<BranchPath> {
    if text == "0" {
        return Some(BranchPath(0));
    }
    let mut path = 0u64;
    for (level, ordinal) in text.split('.').enumerate() {
        let ordinal = ordinal.parse::<u8>().ok().filter(|ordinal| *ordinal > 0 && level < 8)?;
        path = path << 8 | u64::from(ordinal);
    }
    Some(BranchPath(path))
}

#[cfg(test)]
mod tests {
    use super::{Item, Registry, branch};
    use crate::feed::Clock;
    use crate::trace::BranchPath;
    use profiler_common::Outcome;
    use serde_json::{Value, json};

    fn registry() -> Registry {
        Registry::new("job 7".to_owned(), Clock { mono_ns: 1_000, wall_ns: 1_700_000_000_000_000_000 })
    }

    fn item(entries: &[(u8, Option<&str>, i64)], outcome: &str) -> Item {
        let entries: Vec<Value> = entries
            .iter()
            .map(|(code, name, ns)| {
                let at = 1_700_000_000_000_000_000 + ns;
                json!({"code": code, "name": name, "taskId": "-5", "tsNs": at.to_string(), "host": "db1", "pid": 4, "tid": 5})
            })
            .collect();
        let text = json!({"traceId": "42", "branch": "0", "outcome": outcome, "partial": false, "entries": entries, "more": 1});
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn names_get_numbers_that_stay() {
        let mut registry = registry();
        let trace =
            registry.trace(&item(&[(1, Some("emit"), 0), (6, Some("write"), 500)], "written")).unwrap();
        assert_eq!(
            (trace.id, trace.outcome, trace.start_ns, trace.end_ns),
            (42, Outcome::Written, 1_000, 1_500)
        );
        assert_eq!(trace.wall_at(trace.end_ns), 1_700_000_000_000_000_500);
        assert_eq!(
            trace.stamps.iter().map(|stamp| (stamp.stage, stamp.task_id)).collect::<Vec<_>>(),
            [(0, -5), (1, -5)]
        );
        assert_eq!(registry.news().unwrap().stages.len(), 2);
        assert_eq!(registry.news(), None);
        let other = registry
            .trace(&item(&[(1, Some("emit"), 0), (2, None, 5), (6, Some("write"), 9)], "error_routed"))
            .unwrap();
        assert_eq!(other.stamps.iter().map(|stamp| stamp.stage).collect::<Vec<_>>(), [0, 2, 1]);
        assert_eq!(other.outcome, Outcome::Named(0));
        let news = registry.news().unwrap();
        assert_eq!((news.stages.len(), news.outcomes), (3, vec!["error_routed".to_owned()]));
    }

    #[test]
    fn a_stage_without_a_name_is_told_apart_by_its_place() {
        let mut registry = registry();
        let trace = registry
            .trace(&item(&[(2, None, 0), (3, None, 1), (2, None, 2), (3, None, 3)], "written"))
            .unwrap();
        assert_eq!(trace.stamps.iter().map(|stamp| stamp.stage).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn what_makes_no_sense_is_left_out_and_counted() {
        let mut registry = registry();
        assert!(registry.trace(&item(&[], "written")).is_none());
        for number in 0..20 {
            registry.trace(&item(&[(1, None, 0)], &format!("outcome {number}")));
        }
        assert_eq!(registry.left_out, 1 + 20 - profiler_common::limits::MAX_NAMED_OUTCOMES as u64);
        for path in [0, 1, 0x0203, u64::MAX] {
            assert_eq!(branch(&BranchPath(path).to_string()), Some(BranchPath(path)));
        }
        for wrong in ["", "1.", "256", "0.1", "1.1.1.1.1.1.1.1.1", "x"] {
            assert_eq!(branch(wrong), None, "{wrong}");
        }
    }
}
