//! One journey as one event told it.

/// What tells parts apart: an event that brings one which is there already is a repeat, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartKey {
    /// The job, as sent: usually decimal digits.
    pub job: String,
    /// The trace: of the record that was sampled, whatever the branch. In `0..2^63`.
    pub trace_id: u64,
    /// The task that wrote the last stamp.
    pub sink_task: i64,
    /// Path of branch ordinals, a byte each, the last one lowest; 0 is the record's own journey (see [`crate::trace::BranchPath`]).
    pub branch: u64,
}

/// How exact a part's times are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Milliseconds: payload version 1.
    Millis,
    /// Nanoseconds.
    Nanos,
}

/// One stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stage's code; any number.
    pub code: u8,
    /// The stage's name, where its sender told one.
    pub name: Option<String>,
    /// The task.
    pub task: i64,
    /// Ns since the Unix epoch, by the clock of the machine that took it.
    pub ts_ns: i64,
    /// Process id; 0 when not known.
    pub pid: u32,
    /// Thread id; 0 when not known.
    pub tid: u32,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A number.
    Unsigned(u64),
    /// A number with a sign.
    Signed(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A value that the record had at a stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Index of the stamp.
    pub entry: u16,
    /// Its name; `STAGE.INDEX` where its sender told none.
    pub name: String,
    /// What was read.
    pub value: AttributeValue,
}

/// That the record was put into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Index of the stamp.
    pub entry: u16,
    /// The batch's key.
    pub key: u64,
    /// Which record of the batch it is, from 0.
    pub position: u32,
    /// Records in the batch, once known.
    pub size: Option<u32>,
}

/// The record's own time, as read at a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTime {
    /// Index of the stamp.
    pub entry: u16,
    /// Ns since the Unix epoch.
    pub event_ns: i64,
    /// Wall clock at the stamp less that, ns.
    pub latency_ns: i64,
}

/// See [the module above](super).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What tells it from others.
    pub key: PartKey,
    /// The table of the record.
    pub table: Option<String>,
    /// When its event was made by the sender's clock, ms since the Unix epoch.
    pub created_ms: i64,
    /// When the collector got it, ms since the Unix epoch.
    pub received_ms: i64,
    /// Of the first stamp, ns since the Unix epoch.
    pub start_ns: i64,
    /// When the journey's end was seen, ns since the Unix epoch; the last stamp's time where the sender does not say.
    pub end_ns: i64,
    /// How it ended; `written` where the sender does not say and the last stage is W!.
    pub outcome: String,
    /// The machine of the agent that told it; empty when not known.
    pub host: String,
    /// The agent's stream that brought it.
    pub stream: Option<u64>,
    /// How exact its times are.
    pub precision: Precision,
    /// The journey does not begin at a source: another part may hold what was before.
    pub is_partial: bool,
    /// How many entries, from the first, are those of the journey that it branched off: they are counted there.
    pub shared: u16,
    /// What to know before trusting it: names and counts of [`crate::trace::Flags`] that are not 0.
    pub flags: Vec<(String, u32)>,
    /// The stamps, in the order in which they were sent.
    pub entries: Vec<Entry>,
    /// Values read of the record.
    pub attributes: Vec<Attribute>,
    /// Batches it was put into.
    pub batches: Vec<Membership>,
    /// The record's own times.
    pub record_times: Vec<RecordTime>,
    /// The payload, as it came (STTR of either version; of another form, made from it).
    pub payload: Vec<u8>,
}

impl Part {
    /// From the first stamp to the last, ns; negative where clocks disagree.
    #[must_use]
    pub fn duration_ns(&self) -> i64 {
        let last = self.entries.last().map_or(self.end_ns, |entry| entry.ts_ns);
        last.saturating_sub(self.start_ns)
    }

    /// Whether the record was written by the sink: only such journeys count from end to end.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.outcome == "written"
    }
}
