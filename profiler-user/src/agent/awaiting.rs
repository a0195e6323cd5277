//! Processes that have not loaded all libraries with stages yet.
//!
//! Owns: when they are looked at again. Refuses: probing a part of the stages meanwhile. Unsampled until complete, no journey of theirs can
//! lack a stage.

use std::collections::BTreeMap;

use crate::target::{Identity, LibraryWatch, Process};

use super::error::AgentError;
use super::events::{Event, Observer};
use super::missing::Awaited;
use super::resolve::ResolveError;
use super::session::Running;

/// How often a process is looked at, ns: a reading of its map, some tens of microseconds of the agent.
const LOOK_NS: u64 = 250_000_000;

/// How often while it may still be starting, ns.
const LOOK_EARLY_NS: u64 = 30_000_000;

/// How long that may be, and how long nobody is told of it unless the process was named by its id, ns.
const EARLY_NS: u64 = 1_000_000_000;

/// A process that is waited for.
#[derive(Debug)]
struct Waiting {
    process: Process,
    watch: LibraryWatch,
    stages: Vec<String>,
    since_ns: u64,
    next_ns: u64,
    told: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Awaiting(BTreeMap<Identity, Waiting>);

impl Awaiting {
    /// Begins to wait, or goes on, by what is waited for now.
    fn put(&mut self, process: &Process, awaited: &Awaited, now_ns: u64) {
        let since_ns = match self.0.get(&process.identity) {
            // It has a library of that name that is another one: not until its map changes.
            Some(waiting) if waiting.stages == awaited.stages() => return,
            Some(waiting) => waiting.since_ns,
            None => now_ns,
        };
        let waiting = Waiting {
            process: process.clone(),
            watch: LibraryWatch::new(awaited.libraries()),
            stages: awaited.stages(),
            since_ns,
            next_ns: now_ns,
            told: false,
        };
        self.0.insert(process.identity, waiting);
    }

    /// Waits for nothing any more: each is to be looked at again, by another spec.
    fn look_again(&mut self) {
        for waiting in self.0.values_mut() {
            (waiting.watch, waiting.next_ns) = (LibraryWatch::new(Vec::new()), 0);
            waiting.stages.clear();
        }
    }

    pub(super) fn has(&self, identity: Identity) -> bool {
        self.0.contains_key(&identity)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are to be looked at now.
    fn due(&mut self, now_ns: u64) -> Vec<Identity> {
        let mut due = Vec::new();
        for (identity, waiting) in &mut self.0 {
            if now_ns >= waiting.next_ns {
                let early = now_ns.saturating_sub(waiting.since_ns) < EARLY_NS;
                waiting.next_ns = now_ns + if early { LOOK_EARLY_NS } else { LOOK_NS };
                due.push(*identity);
            }
        }
        due
    }
}

impl Running {
    /// Attaches to a process, or begins to wait for its libraries. Whether it is attached to.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn attach_or_await(&mut self, process: &Process, now_ns: u64) -> Result<bool, AgentError> {
        match self.attach(process) {
            Ok(()) => Ok(true),
            Err(AgentError::Resolve(ResolveError::Awaited(awaited))) => {
                self.awaiting.put(process, &awaited, now_ns);
                self.why_not = Some(format!("{}, which it did not load", awaited.stages().join("; ")));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The spec is another one now: at the next turn processes are looked at that lacked something of it before.
    pub(super) fn look_again(&mut self) {
        self.awaiting.look_again();
        self.refused.clear();
        self.next_discovery_ns = 0;
    }

    /// Looks whether libraries that were waited for are there, and attaches. Gives the processes that are complete now.
    ///
    /// # Errors
    /// When such a process cannot be attached to although it has all libraries, and there is no other.
    pub(super) fn look_for_libraries(
        &mut self,
        now_ns: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<u32>, AgentError> {
        let mut complete = Vec::new();
        for identity in self.awaiting.due(now_ns) {
            let Some(process) = self.has_libraries(identity, now_ns, observer) else { continue };
            match self.attach_or_await(&process, now_ns) {
                Ok(true) => {
                    self.awaiting.0.remove(&identity);
                    complete.push(identity.pid);
                }
                Ok(false) => {}
                Err(error) => {
                    self.awaiting.0.remove(&identity);
                    if self.is_by_pid() && self.traced.is_empty() && self.awaiting.is_empty() {
                        return Err(error);
                    }
                    self.refused.insert(identity, (now_ns, true));
                    self.not_attached(identity, &error, observer);
                }
            }
        }
        if !complete.is_empty() {
            self.resolver.forget();
        }
        Ok(complete)
    }

    /// The process, if all its libraries are there. One that has ended is forgotten.
    fn has_libraries(
        &mut self,
        identity: Identity,
        now_ns: u64,
        observer: &mut dyn Observer,
    ) -> Option<Process> {
        let (by_pid, told) = (self.is_by_pid(), !self.may_lack_stages());
        let waiting = self.awaiting.0.get_mut(&identity)?;
        let proc = self.resolver.proc();
        let looked = waiting.watch.look(proc, identity.pid).ok().filter(|_| proc.is_alive(identity));
        let Some(there) = looked else {
            self.awaiting.0.remove(&identity);
            return None;
        };
        if there {
            return Some(waiting.process.clone());
        }
        if told && !waiting.told && (by_pid || now_ns.saturating_sub(waiting.since_ns) >= EARLY_NS) {
            waiting.told = true;
            observer.event(&Event::Awaits { pid: identity.pid, stages: waiting.stages.clone() });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::missing::PointError;
    use super::*;
    use crate::target::Proc;

    fn awaited(library: &str) -> Awaited {
        let (code, name, what) = ("Q+".to_owned(), "put".to_owned(), String::new());
        Awaited::new(vec![(PointError { code, name, what }, library.to_owned())])
    }

    #[test]
    fn what_is_waited_for_follows_the_spec() {
        let proc = Proc::default();
        let identity = proc.identity(std::process::id()).unwrap();
        let process = Process { identity, comm: "own".to_owned(), exe: None, exe_deleted: false };
        let mut awaiting = Awaiting::default();
        let look = |awaiting: &mut Awaiting| {
            let waiting = awaiting.0.get_mut(&process.identity).unwrap();
            waiting.watch.look(&proc, process.identity.pid).unwrap()
        };
        awaiting.put(&process, &awaited("libnever.so"), 100);
        assert_eq!(awaiting.due(100), [process.identity]);
        assert!(!look(&mut awaiting) && awaiting.due(101).is_empty());
        // By a spec without that stage nothing is waited for.
        awaiting.look_again();
        assert_eq!(awaiting.due(102), [process.identity]);
        assert!(look(&mut awaiting));
        awaiting.put(&process, &awaited("libc.so.6"), 103);
        assert!(look(&mut awaiting), "it is there");
        // Another library of that name: it is not tried again before the map changes.
        awaiting.put(&process, &awaited("libc.so.6"), 104);
        assert!(!look(&mut awaiting));
        assert_eq!(awaiting.0[&process.identity].since_ns, 100);
    }
}
