//! Children of targets that are no targets, and live on as the same program: they inherited the breakpoints, and are rid of them.
//!
//! Owns: noticing them, and how often that is done. Refuses: children that soon become another program or end, which is what most do.

use std::collections::BTreeSet;

use super::harvest::Life;
use super::processes::Traced;
use super::session::Running;
use crate::target::{Identity, Proc};

/// How long after a fork it is looked for what has become of the child, and how often at most, ns.
const SETTLE_NS: u64 = 500_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// Targets that have forked since the last look.
    parents: BTreeSet<u32>,
    due_ns: u64,
    /// Children that have been seen to.
    seen: BTreeSet<Identity>,
}

impl Strays {
    /// Notes what happened; the targets whose children are to be looked at now.
    fn due(&mut self, life: &[Life], now_ns: u64) -> BTreeSet<u32> {
        for event in life {
            if let Life::Fork(pid) = event {
                if self.parents.is_empty() {
                    self.due_ns = now_ns + SETTLE_NS;
                }
                self.parents.insert(*pid);
            }
        }
        if now_ns < self.due_ns { BTreeSet::new() } else { std::mem::take(&mut self.parents) }
    }

    /// Whether there is one among these children that was not there before.
    fn has_new(&mut self, proc: &Proc, children: Vec<Identity>) -> bool {
        self.seen.retain(|identity| proc.is_alive(*identity));
        // All of them, not the first: each is seen to now.
        children.into_iter().filter(|child| self.seen.insert(*child)).count() > 0
    }
}

impl Running {
    /// Looks at the children of targets that have forked.
    pub(super) async fn sweep_strays(&mut self, life: &[Life], now_ns: u64) {
        for pid in self.strays.due(life, now_ns) {
            let proc = self.resolver.proc();
            let Some(sweep) =
                self.traced.iter().find(|traced| traced.identity.pid == pid).and_then(Traced::sweep)
            else {
                continue;
            };
            let mut children = proc.twins(pid);
            children.retain(|child| !self.traced.iter().any(|traced| traced.identity == *child));
            if self.strays.has_new(proc, children)
                && let Ok(Err(error)) = tokio::task::spawn_blocking(move || sweep.run()).await
            {
                log::debug!("children of process {pid} keep their breakpoints: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_looked_at_once_and_not_at_once() {
        let mut strays = Strays::default();
        assert!(strays.due(&[], 5).is_empty());
        assert!(strays.due(&[Life::Fork(7), Life::Exec(8)], 10).is_empty());
        assert!(strays.due(&[Life::Fork(9), Life::Fork(7)], SETTLE_NS).is_empty());
        assert_eq!(strays.due(&[], 10 + SETTLE_NS), BTreeSet::from([7, 9]));
        assert!(strays.due(&[], 20 + SETTLE_NS).is_empty());
        assert!(strays.due(&[Life::Fork(7)], 30 + SETTLE_NS).is_empty());
    }

    #[test]
    fn a_child_is_seen_to_once() {
        let (mut strays, proc) = (Strays::default(), Proc::default());
        let own = proc.identity(std::process::id()).unwrap();
        let gone = Identity { pid: u32::MAX, start_ticks: 1 };
        assert!(!strays.has_new(&proc, Vec::new()));
        assert!(strays.has_new(&proc, vec![own, gone]));
        assert!(!strays.has_new(&proc, vec![own]));
        assert_eq!(strays.seen, BTreeSet::from([own]));
    }
}
