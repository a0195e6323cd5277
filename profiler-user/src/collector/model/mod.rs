//! What the collector keeps: parts of journeys, events that are no traces, and what streams of agents say of themselves. Pure.
//!
//! A *part* is what one event told: one journey (the record's own, or one branch) as one process or one agent saw it. Parts of one job and trace id
//! belong together, whoever sent them. Refuses: knowing a wire format or a store.

mod contribution;
mod joint;
mod order;
mod part;

pub use contribution::{Contribution, Dimension, HopKey, StageName, contributions};
pub use joint::{Joint, MAX_JOINED, joint_changes, joints};
pub use order::{Certainty, Chain, chains};
pub use part::{Attribute, AttributeValue, Entry, Membership, Part, PartKey, Precision, RecordTime};

/// Longest job id, table id, host, outcome or stage name that is kept, bytes. Longer ones are invalid input.
pub const MAX_NAME: usize = 256;

/// An event of another type than a trace's: kept as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// The event's type, as sent.
    pub event_type: String,
    /// The job, if it names one.
    pub job: Option<String>,
    /// When it was made by its sender's clock, ms since the Unix epoch; 0 when it does not say.
    pub created_ms: i64,
    /// When it came, ms since the Unix epoch.
    pub received_ms: i64,
    /// The whole event, JSON.
    pub body: String,
}

/// The index entry of one packet of an agent's stream, as in `docs/export.md`. Times are ns since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketSeen {
    /// The job of its traces.
    pub job: String,
    /// The stream: one exporter of one session.
    pub stream: u64,
    /// Its number in the stream, from 0.
    pub packet: u64,
    /// Traces in it; 0 in a beacon.
    pub count: u64,
    /// When its first trace ended.
    pub first_ns: i64,
    /// When its last trace ended.
    pub last_ns: i64,
    /// Traces that ended before this are in this packet or in earlier ones.
    pub complete_ns: i64,
    /// Sampled records that the kernel program refused so far.
    pub discarded_kernel: u64,
    /// Those of them that the budget or a pause refused: no loss. `None` from an agent that does not say.
    pub discarded_by_setting: Option<u64>,
    /// Traces that the agent gave up so far, before they had a packet or with it.
    pub discarded_agent: u64,
    /// Packets of the stream that the agent gave up so far.
    pub discarded_packets: u64,
    /// Traces in those: they are among `discarded_agent`.
    pub discarded_in_packets: u64,
    /// Packets of earlier streams that this session gave up so far.
    pub discarded_earlier: u64,
    /// Traces in this packet and all before it; `None` from an agent that does not say.
    pub total: Option<u64>,
    /// No packet follows.
    pub is_last: bool,
    /// The agent's machine.
    pub host: String,
    /// The agent's process id.
    pub agent: u32,
    /// The agent's version.
    pub version: String,
    /// What the agent is attached to.
    pub target: String,
    /// When it came, ms since the Unix epoch.
    pub received_ms: i64,
}
