//! Records whose names cannot be read now and then (`tests/targets/c/veiled.c`): their spec, and what their log says of each.
//!
//! Owns: the rules of what is seen of a record that is veiled at some of its stages. What may have been another record's taking over is left to
//! [`Veiled::unseen`]. Refuses: running anything.

use std::collections::BTreeMap;

use crate::expected::{End, Journey, Membership, Stamp, Who};
use crate::flow::codes::*;
use crate::truth::{Row, Truth};

/// Within a scope, a call of the stage of branches without a record that anybody could tell.
const BOGUS: u32 = 90;
/// A name that a record may have taken could not be read.
const UNSEEN: u32 = 91;

const OBJECT: i64 = 1;
const SECOND: i64 = 2;

/// The spec, but for its rate.
pub const STAGES: &str = r#"
[[stage]]
code = "S0"
name = "emit"
point = "veiled_emit"
key = "*(u64*)(arg1)"
space = "row"
[[stage]]
code = "Q+"
name = "put"
point = "veiled_put"
key = "*(u64*)(arg1)"
space = "row"
also = "*(u64*)(arg2)"
also_space = "node"
[[stage]]
code = "Q-"
name = "take"
point = "veiled_take"
key = "*(u64*)(arg1)"
space = "node"
[[stage]]
code = "T+"
name = "work"
point = "veiled_work"
key = "*(u64*)(arg1)"
space = "row"
scope = "call"
[[stage]]
code = "T-"
name = "done"
point = "transform_done"
key = "scope"
[[stage]]
code = "T-"
name = "fork"
point = "veiled_fork"
key = "*(u64*)(arg1)"
space = "row"
branch = true
[[stage]]
code = "Q+"
name = "add"
point = "veiled_add"
key = "*(u64*)(arg1)"
space = "row"
batch = "*(u64*)(arg2)"
batch_space = "batch"
[[stage]]
code = 42
name = "seal"
point = "veiled_seal"
key = "*(u64*)(arg1)"
space = "batch"
[[stage]]
code = "W!"
name = "flush"
point = "veiled_flush"
key = "*(u64*)(arg1)"
space = "batch"
[[stage]]
code = "drop"
name = "error"
point = "veiled_error"
key = "*(u64*)(arg1)"
space = "row"
outcome = "error_routed"
"#;

/// Name and code of a stage.
fn shown(stage: u32) -> Option<(&'static str, &'static str)> {
    Some(match stage {
        S0 => ("emit", "S0"),
        PUT => ("put", "Q+"),
        TAKE => ("take", "Q-"),
        ENTER => ("work", "T+"),
        DONE => ("done", "T-"),
        FORK => ("fork", "T-"),
        BATCH_ADD => ("add", "Q+"),
        BATCH_SEAL => ("seal", "STAGE_42"),
        BATCH_WRITTEN => ("flush", "W!"),
        ERROR => ("error", "drop"),
        _ => return None,
    })
}

/// What a log says.
#[derive(Debug)]
pub struct Veiled {
    /// Every journey, as it is if nothing but its own names is veiled.
    pub journeys: Vec<Journey>,
    /// Calls, from and to in ns, in which a record may have taken another's name unseen.
    pub unseen: Vec<(u64, u64)>,
}

impl Veiled {
    /// Of one record in so many of each source: those count whose name could be read there.
    #[must_use]
    pub fn of(truth: &Truth, rate: u64) -> Self {
        let mut this = Self { journeys: Vec::new(), unseen: Vec::new() };
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        let in_batch = |row: &&Row| row.stage == BATCH_ADD && row.more.number & SECOND == 0;
        truth
            .records()
            .flatten()
            .filter(in_batch)
            .for_each(|row| *sizes.entry(row.more.batch).or_default() += 1);
        let mut numbers: BTreeMap<u32, u64> = BTreeMap::new();
        for rows in truth.records() {
            let unseen = rows.iter().filter(|row| row.stage == UNSEEN);
            this.unseen.extend(unseen.map(|row| (row.before_ns, row.after_ns)));
            let Some(first) = rows.first().filter(|row| row.stage == S0 && row.more.number == 0) else {
                continue;
            };
            let number = numbers.entry(first.source).or_default();
            *number += 1;
            if number.is_multiple_of(rate) {
                let who = Who::Sequence { tid: first.tid, sequence: *number };
                family(rows, who, &sizes, &mut this.journeys);
            }
        }
        this
    }
}

/// A record's journey and those of its branches.
fn family(rows: &[Row], who: Who, sizes: &BTreeMap<u64, u64>, journeys: &mut Vec<Journey>) {
    let mut paths: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| paths.entry(row.more.path).or_default().push(row));
    let Some(own) = paths.remove(&0) else { return };
    let in_scope = own.iter().any(|row| row.stage == ENTER && row.more.number == 0);
    // What may have been handed on unseen leaves the scope in doubt.
    let unseen = |row: &Row| row.stage == BATCH_ADD && row.more.number & OBJECT != 0;
    let doubted = own.iter().any(|row| row.stage == BOGUS) || paths.values().flatten().any(|row| unseen(row));
    let mut root = one(&own, who, sizes, Vec::new(), in_scope);
    if !in_scope || doubted {
        let decided =
            |end: &End| matches!(end, End::Outcome(outcome) if outcome == "split" || outcome == "filtered");
        root.end = if decided(&root.end) { End::Vanished } else { root.end };
    }
    if in_scope {
        for (path, rows) in &paths {
            let Some(fork) = rows.first() else { continue };
            let before = root.stamps.iter().take_while(|stamp| stamp.before_ns < fork.before_ns);
            let mut child = one(rows, who, sizes, before.cloned().collect(), false);
            child.path = *path;
            root.branches += 1;
            journeys.push(child);
        }
    }
    journeys.push(root);
}

fn one(rows: &[&Row], who: Who, sizes: &BTreeMap<u64, u64>, shared: Vec<Stamp>, in_scope: bool) -> Journey {
    let mut journey = Journey {
        who,
        path: 0,
        key: rows.first().map_or(0, |row| row.record),
        shared: shared.len(),
        stamps: shared,
        branches: 0,
        batches: Vec::new(),
        end: End::Vanished,
        flags: BTreeMap::new(),
    };
    let (mut on_node, mut in_batch) = (false, false);
    for row in rows {
        let veiled = row.more.number;
        let is_seen = match row.stage {
            // Of a batch, whose own names are told apart already: no row is logged of a call that nobody sees.
            BATCH_SEAL | BATCH_WRITTEN => in_batch,
            TAKE => on_node && veiled == 0,
            DONE => in_scope,
            _ => veiled & OBJECT == 0,
        };
        match row.stage {
            SPLIT => journey.end = End::Outcome("split".to_owned()),
            FILTERED => journey.end = End::Outcome("filtered".to_owned()),
            ERROR if is_seen => journey.end = End::Outcome("error_routed".to_owned()),
            BATCH_WRITTEN if is_seen => journey.end = End::Outcome("written".to_owned()),
            _ => {}
        }
        let Some((name, code)) = shown(row.stage).filter(|_| is_seen) else { continue };
        on_node |= row.stage == PUT && veiled & SECOND == 0;
        if row.stage == BATCH_ADD {
            in_batch = veiled & SECOND == 0;
            if in_batch {
                let (entry, key, position) = (journey.stamps.len(), row.more.holder, row.more.position);
                journey.batches.push(Membership { entry, key, position, size: None });
            } else {
                journey.flags.insert("batches_dropped".to_owned(), 1);
            }
        }
        if matches!(row.stage, BATCH_SEAL | BATCH_WRITTEN)
            && let Some(last) = journey.batches.last_mut()
        {
            last.size = sizes.get(&row.more.batch).copied();
        }
        let (before_ns, after_ns) = (row.before_ns, row.after_ns);
        journey.stamps.push(Stamp {
            name,
            code,
            pid: row.pid,
            tid: row.tid,
            before_ns,
            after_ns,
            ..Stamp::default()
        });
    }
    journey
}
