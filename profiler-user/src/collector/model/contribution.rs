//! What one part adds to the rollups: its durations by hop and from end to end. The same for every store.

use profiler_common::StageCode;

use super::Part;

/// A stage as rollups know it: by its name where the sender told one, else by its code's short name and, from its second time in one journey on,
/// which time it is (`Q+#2`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageName {
    /// The code.
    pub code: u8,
    /// The name.
    pub name: String,
}

/// What durations are of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HopKey {
    /// From the first stamp to the last, of written journeys that begin at a source.
    EndToEnd,
    /// From one stage to the next.
    Hop {
        /// Where it starts.
        from: StageName,
        /// Where it ends.
        to: StageName,
    },
}

/// By what durations are told apart, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// All together.
    All,
    /// The task of the stamp at which the hop ends.
    Task,
    /// The machine.
    Host,
    /// The table.
    Table,
}

impl Dimension {
    /// All of them.
    pub const EACH: [Self; 4] = [Self::All, Self::Task, Self::Host, Self::Table];

    /// The word of it in queries and stores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Task => "task",
            Self::Host => "host",
            Self::Table => "table",
        }
    }

    /// The dimension of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|one| one.name() == name)
    }
}

/// One duration of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Of what.
    pub hop: HopKey,
    /// How long, ns. Negative where two clocks disagree.
    pub ns: i64,
    /// The task of the stamp at which it ends.
    pub task: i64,
}

/// The durations that a part adds, each once: those that it shares with the journey it branched off are that one's.
///
/// Hops in which stamps are known to be missing are left out, as in [`crate::stats`].
#[must_use]
pub fn contributions(part: &Part) -> Vec<Contribution> {
    let names = names(part);
    let torn = flag(part, "torn_stamps");
    let cut = flag(part, "entries_dropped");
    let last_hop = part.entries.len().saturating_sub(2);
    let own = usize::from(part.shared).saturating_sub(1);
    let pairs = part.entries.windows(2).zip(names.windows(2)).enumerate().skip(own);
    let mut all: Vec<_> = pairs
        .filter(|(index, _)| !(torn || cut && (*index == last_hop || part.shared > 0 && *index == own)))
        .filter_map(|(_, (entries, names))| {
            let ([before, after], [from, to]) = (entries, names) else { return None };
            let hop = HopKey::Hop { from: from.clone(), to: to.clone() };
            Some(Contribution { hop, ns: after.ts_ns.saturating_sub(before.ts_ns), task: after.task })
        })
        .collect();
    if let Some(last) = part.entries.last().filter(|_| part.is_written() && !part.is_partial) {
        all.push(Contribution { hop: HopKey::EndToEnd, ns: part.duration_ns(), task: last.task });
    }
    all
}

pub(super) fn flag(part: &Part, name: &str) -> bool {
    part.flags.iter().any(|(flag, count)| flag == name && *count > 0)
}

/// The stages of a part's entries as rollups know them, in their order.
pub(super) fn names(part: &Part) -> Vec<StageName> {
    let mut seen = [0u32; 256];
    let named = part.entries.iter().map(|entry| {
        let times = seen.get_mut(usize::from(entry.code)).map_or(1, |count| {
            *count += 1;
            *count
        });
        let short = || match times {
            1 => StageCode(entry.code).to_string(),
            times => format!("{}#{times}", StageCode(entry.code)),
        };
        StageName { code: entry.code, name: entry.name.clone().unwrap_or_else(short) }
    });
    named.collect()
}
