//! Why an event is not understood. It is kept as it came, and does no harm to the others of its batch.

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is no object, or has a key twice.
    #[error("the event is no object of JSON with each key once: {0}")]
    Shape(String),
    /// It does not say what it is.
    #[error("eventType is missing or no text")]
    EventType,
    /// The job is missing or no job.
    #[error("jobId is missing, or no number and no text")]
    Job,
    /// The trace id is out of range.
    #[error("traceId is no number from 0 to 2^63-1")]
    TraceId,
    /// Another number is none, or out of range.
    #[error("{0} is no whole number, or out of range")]
    Number(&'static str),
    /// Another text is none, too long, or has control characters that no store takes.
    #[error("{0} is no text, longer than 256 bytes, or has a zero character")]
    Text(&'static str),
    /// The payload is missing, or in neither of the forms that the contract has.
    #[error("payload is neither base64 nor a list of numbers from -128 to 255: {0}")]
    PayloadForm(String),
    /// The payload's bytes are no payload.
    #[error("payload is no STTR: {0}")]
    Payload(String),
    /// Event and payload contradict each other.
    #[error("{0} of the event and of its payload differ")]
    Differs(&'static str),
    /// A time that nanoseconds cannot hold.
    #[error("a time of the payload is too far from the Unix epoch")]
    Time,
    /// Spans of a journey that do not fit together.
    #[error("{0}")]
    Spans(&'static str),
}

impl Invalid {
    /// The word that metrics have for it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Shape(_) => "shape",
            Self::EventType => "event_type",
            Self::Job => "job_id",
            Self::TraceId => "trace_id",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::PayloadForm(_) | Self::Payload(_) => "payload",
            Self::Differs(_) => "contradiction",
            Self::Time => "time",
            Self::Spans(_) => "spans",
        }
    }
}
