//! What tasks are called: a number says little about who is slow.
//!
//! Owns: names that agents told with their stamps (process, thread, machine, stage), and names that an engine's REST interface tells for a job (worker, group,
//! class). What an engine says holds for half a minute, is kept while it does not answer, and is asked for in the background. Refuses: any part in
//! ingest, unbounded memory, and making a question wait for a slow engine for more than a moment.

mod agents;
mod engine;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use engine::{Engine, EngineError};

use super::model::Part;
use agents::Seen;

/// How long an answer of the engine holds.
const TTL: Duration = Duration::from_secs(30);

/// How long a question waits for names that nobody knows yet.
pub const WAIT: Duration = Duration::from_millis(300);

/// Jobs that an engine's names are kept of; the one that was asked for the longest ago goes first.
const MAX_JOBS: usize = 64;

/// Requests to the engine at a time.
const MAX_REQUESTS: usize = 4;

/// What an engine calls a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskName {
    /// The worker's address.
    pub worker: Option<String>,
    /// The group of tasks that run together.
    pub group: Option<String>,
    /// The class of the task.
    pub class: Option<String>,
}

/// The tasks of a job, by id.
type Names = Arc<HashMap<i64, TaskName>>;

/// What is known of one job.
struct Known {
    names: Option<Names>,
    /// When the engine was asked last.
    asked: Option<Instant>,
    used: Instant,
    is_asking: bool,
    /// Why the last answer was none.
    error: Option<String>,
    done: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<String, Known>,
    requests: usize,
    seen: Seen,
}

/// See the module.
pub struct Mapping {
    engine: Option<Engine>,
    inner: Mutex<Inner>,
}

impl Mapping {
    /// Names from agents, and from an engine where there is one.
    #[must_use]
    pub fn new(engine: Option<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, inner: Mutex::default() })
    }

    /// Whole after every step, whoever panicked.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers who the tasks of these parts are, as their agents told.
    pub fn learn(&self, parts: &[Part]) {
        self.inner().seen.learn(parts);
    }

    /// What an engine calls these tasks of a job. Waits for a moment where nothing is known yet; what is old is given at once, and renewed meanwhile.
    pub async fn engine_names(self: &Arc<Self>, job: &str, tasks: &BTreeSet<i64>) -> BTreeMap<i64, TaskName> {
        if self.engine.is_none() {
            return BTreeMap::new();
        }
        // Taken before the question, so that an answer in between is not missed.
        let done = self.look(job);
        let told = done.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        self.renew(job);
        if self.is_waited_for(job) {
            // Whether it came or not: what is there then is given.
            let _ = tokio::time::timeout(WAIT, told).await;
        }
        let Some(names) = self.inner().jobs.get(job).and_then(|known| known.names.clone()) else {
            return BTreeMap::new();
        };
        tasks.iter().filter_map(|task| Some((*task, names.get(task)?.clone()))).collect()
    }

    /// A task in words, as far as it is known without asking anyone: `thread 4301 of process 4242 on db1`.
    #[must_use]
    pub fn describe(&self, job: &str, task: i64) -> Option<String> {
        let inner = self.inner();
        let names = inner.jobs.get(job).and_then(|known| known.names.as_ref());
        let engine = names.and_then(|names| names.get(&task)).map(|name| engine::describe(task, name));
        engine.or_else(|| inner.seen.describe(job, task))
    }

    /// Why the engine did not tell the names of a job the last time, if it did not.
    #[must_use]
    pub fn trouble(&self, job: &str) -> Option<String> {
        self.inner().jobs.get(job).and_then(|known| known.error.clone())
    }

    /// Makes room for a job, and tells what sounds when the engine has answered.
    fn look(&self, job: &str) -> Arc<Notify> {
        let mut inner = self.inner();
        let now = Instant::now();
        if inner.jobs.len() >= MAX_JOBS && !inner.jobs.contains_key(job) {
            let idle = inner.jobs.iter().filter(|(_, known)| !known.is_asking);
            if let Some(oldest) = idle.min_by_key(|(_, known)| known.used).map(|(job, _)| job.clone()) {
                inner.jobs.remove(&oldest);
            }
        }
        let known = inner.jobs.entry(job.to_owned()).or_insert_with(|| Known {
            names: None,
            asked: None,
            used: now,
            is_asking: false,
            error: None,
            done: Arc::default(),
        });
        known.used = now;
        Arc::clone(&known.done)
    }

    fn is_waited_for(&self, job: &str) -> bool {
        self.inner().jobs.get(job).is_some_and(|known| known.is_asking && known.names.is_none())
    }

    /// Asks the engine in the background, where what is known is old and nobody asks already.
    fn renew(self: &Arc<Self>, job: &str) {
        let mut inner = self.inner();
        let requests = inner.requests;
        let Some(known) = inner.jobs.get_mut(job) else { return };
        let is_old = known.asked.is_none_or(|asked| asked.elapsed() >= TTL);
        if !is_old || known.is_asking || requests >= MAX_REQUESTS {
            return;
        }
        known.is_asking = true;
        inner.requests += 1;
        drop(inner);
        tokio::spawn(Arc::clone(self).ask(job.to_owned()));
    }

    async fn ask(self: Arc<Self>, job: String) {
        let answer = match &self.engine {
            Some(engine) => engine.task_names(&job).await,
            None => return,
        };
        let mut inner = self.inner();
        inner.requests -= 1;
        let Some(known) = inner.jobs.get_mut(&job) else { return };
        (known.is_asking, known.asked) = (false, Some(Instant::now()));
        match answer {
            Ok(names) => (known.names, known.error) = (Some(Arc::new(names)), None),
            // What was known is better than nothing.
            Err(error) => known.error = Some(error.to_string()),
        }
        known.done.notify_waiters();
    }
}
