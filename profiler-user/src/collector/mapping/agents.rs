//! What agents told of tasks with their stamps. Pure.

use std::collections::HashMap;

use profiler_common::StageCode;

use crate::collector::model::{Entry, Part};

/// Tasks of one generation. When it is full, the one before is forgotten.
const GENERATION: usize = 8192;

/// Who a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    host: String,
    pid: u32,
    tid: u32,
    stage: String,
}

/// Tasks that were seen not long ago, by job.
#[derive(Debug, Default)]
pub(super) struct Seen {
    recent: HashMap<(String, i64), Who>,
    before: HashMap<(String, i64), Who>,
}

impl Seen {
    pub(super) fn learn(&mut self, parts: &[Part]) {
        for part in parts {
            for entry in part.entries.iter().filter(|entry| entry.pid > 0 || !part.host.is_empty()) {
                self.add(part, entry);
            }
        }
    }

    fn add(&mut self, part: &Part, entry: &Entry) {
        let key = (part.key.job.clone(), entry.task);
        if self.recent.contains_key(&key) {
            return;
        }
        if self.recent.len() >= GENERATION {
            self.before = std::mem::take(&mut self.recent);
        }
        let stage = entry.name.clone().unwrap_or_else(|| StageCode(entry.code).to_string());
        let who = Who { host: part.host.clone(), pid: entry.pid, tid: entry.tid, stage };
        self.recent.insert(key, who);
    }

    /// A task in words.
    pub(super) fn describe(&self, job: &str, task: i64) -> Option<String> {
        let key = (job.to_owned(), task);
        let Who { host, pid, tid, stage } = self.recent.get(&key).or_else(|| self.before.get(&key))?;
        let mut text = match (pid, tid) {
            (0, _) => format!("seen at {stage}"),
            (pid, 0) => format!("process {pid}"),
            (pid, tid) => format!("thread {tid} of process {pid}"),
        };
        if !host.is_empty() {
            text += &format!(" on {host}");
        }
        Some(text)
    }
}
