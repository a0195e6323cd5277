//! A journey put together from what spans or lines tell, stamp for stamp, by way of the payload that our agent would have sent: all that comes after is the same.

use profiler_common::{Outcome, StageCode};

use super::otlp::Source;
use crate::collector::ingest::events::fit;
use crate::collector::ingest::invalid::Invalid;
use crate::collector::ingest::names::{Names, Stage};
use crate::collector::ingest::part::{self, Said};
use crate::collector::model::Part;
use crate::sink::sttr::{MAX_ENTRIES, nano};
use crate::trace::{Attribute, AttributeValue, BranchPath, Flags, Membership, RecordTime, Stamp, Trace};

/// A journey in the making. Times are ns since the Unix epoch.
#[derive(Debug)]
pub(super) struct Builder {
    trace: Trace,
    names: Names,
    outcome: Option<String>,
    table: Option<String>,
    sink_task: Option<i64>,
}

/// One stamp, as spans and lines tell of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) code: u8,
    pub(super) name: &'a str,
    pub(super) task: i64,
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) cpu: u32,
    pub(super) ts_ns: u64,
}

/// The code of its text: a short name, or a number.
pub(super) fn code_of(text: &str) -> Option<u8> {
    let number = || text.strip_prefix("STAGE_")?.parse().ok();
    StageCode::from_short_name(text).map(|code| code.0).or_else(number)
}

/// The id of sixteen bytes: the first eight are zero.
pub(super) fn trace_id(bytes: &[u8]) -> Result<u64, Invalid> {
    let all = <[u8; 16]>::try_from(bytes).map(u128::from_be_bytes);
    let id = all.ok().and_then(|id| i64::try_from(id).ok());
    id.map(i64::cast_unsigned).ok_or(Invalid::TraceId)
}

impl Builder {
    /// A journey that began at a time.
    pub(super) fn new(id: u64, start_ns: u64, source: &Source) -> Self {
        let trace = Trace {
            id,
            outcome: Outcome::Written,
            pid: 0,
            key: 0,
            sequence: 0,
            start_ns: 0,
            wall_ns: start_ns,
            end_ns: 0,
            stamps: Vec::new(),
            branch: BranchPath::ROOT,
            shared: 0,
            branches: 0,
            batches: Vec::new(),
            attributes: Vec::new(),
            record_times: Vec::new(),
            flags: Flags::default(),
        };
        let names = Names { host: source.host.clone(), ..Names::default() };
        Self { trace, names, outcome: None, table: None, sink_task: None }
    }

    /// The journey, to be filled in.
    pub(super) const fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    pub(super) fn outcome(&mut self, name: &str) -> Result<(), Invalid> {
        let name = fit(name, "stain.outcome")?;
        let fixed = Outcome::FIXED.into_iter().find(|outcome| outcome.name::<&str>(&[]) == name);
        self.trace.outcome = fixed.unwrap_or(Outcome::Named(0));
        self.outcome = Some(name);
        Ok(())
    }

    pub(super) fn table(&mut self, name: &str) -> Result<(), Invalid> {
        self.table = Some(fit(name, "seatunnel.table_id")?);
        Ok(())
    }

    pub(super) const fn sink_task(&mut self, task: i64) {
        self.sink_task = Some(task);
    }

    /// Adds a stamp; the first one is the beginning.
    pub(super) fn stamp(&mut self, told: Told<'_>) -> Result<(), Invalid> {
        if self.trace.stamps.len() == MAX_ENTRIES {
            return Err(Invalid::Spans("the journey has more than 2048 stamps"));
        }
        let Told { code, name, task, pid, tid, cpu, ts_ns } = told;
        let stage = self.stage(code, name)?;
        let ts_ns = self.since(ts_ns);
        self.trace.end_ns = ts_ns;
        let stamp = Stamp { stage, code: StageCode(code), probe: 0, pid, task_id: task, tid, cpu, ts_ns };
        self.trace.stamps.push(stamp);
        Ok(())
    }

    /// Distance from the beginning; wraps for what was before it, as sums with it do.
    const fn since(&self, ts_ns: u64) -> u64 {
        ts_ns.wrapping_sub(self.trace.wall_ns)
    }

    fn stage(&mut self, code: u8, name: &str) -> Result<usize, Invalid> {
        let stages = &mut self.names.stages;
        if let Some(known) = stages.iter().position(|stage| stage.code == code && stage.name == name) {
            return Ok(known);
        }
        stages.push(Stage { code, name: fit(name, "a stage's name")?, attributes: Vec::new() });
        Ok(stages.len() - 1)
    }

    /// The stamp of a time at a stage. What was read at a stamp that the branch shares with its record is found at the one from which it left: it had
    /// that value by then.
    pub(super) fn stamp_at(&self, ts_ns: u64, stage: Option<&str>) -> usize {
        let wanted = self.since(ts_ns);
        let is_stage = |stamp: &Stamp| {
            stage
                .is_none_or(|name| self.names.stages.get(stamp.stage).is_some_and(|stage| stage.name == name))
        };
        let mut stamps = self.trace.stamps.iter();
        stamps.position(|stamp| stamp.ts_ns == wanted && is_stage(stamp)).unwrap_or(0)
    }

    pub(super) fn attribute(
        &mut self,
        stamp: usize,
        name: &str,
        value: AttributeValue,
    ) -> Result<(), Invalid> {
        let Some(stage) =
            self.trace.stamps.get(stamp).and_then(|stamp| self.names.stages.get_mut(stamp.stage))
        else {
            // A journey without a stamp has no place for it.
            return Err(Invalid::Spans("an attribute belongs to no stamp of its journey"));
        };
        let index = match stage.attributes.iter().position(|known| known == name) {
            Some(index) => index,
            None => {
                stage.attributes.push(fit(name, "an attribute's name")?);
                stage.attributes.len() - 1
            }
        };
        self.trace.attributes.push(Attribute { stamp, index, value });
        Ok(())
    }

    pub(super) fn batch(&mut self, stamp: usize, key: u64, position: u32, size: Option<u32>) {
        self.trace.batches.push(Membership { stamp, key, position, size });
    }

    pub(super) fn record_time(&mut self, stamp: usize, event_ns: i64, latency_ns: i64) {
        self.trace.record_times.push(RecordTime { stamp, event_ns, latency_ns });
    }

    /// The part.
    pub(super) fn finish(self, source: &Source) -> Result<Part, Invalid> {
        let Self { mut trace, mut names, outcome, table, sink_task } = self;
        let last = trace.stamps.last().map(|stamp| stamp.code);
        let outcome = outcome.unwrap_or_else(|| {
            let is_written = last == Some(StageCode::SINK);
            trace.outcome = if is_written { Outcome::Written } else { Outcome::Named(0) };
            trace.outcome.name(&[part::UNKNOWN]).to_owned()
        });
        names.outcomes = vec![outcome];
        let mut payload = Vec::new();
        nano::encode(&trace, &names.outcomes, &mut payload);
        let created = trace.wall_at(trace.end_ns).div_euclid(1_000_000);
        let said = Said {
            job: source.job.clone(),
            sink_task,
            table,
            created_ms: Some(created),
            received_ms: source.received_ms,
            ..Said::default()
        };
        part::make(payload, &said, &names)
    }
}
