//! What the screen shows, as a value: the data added up so far, the view, what lies over it, and where the user is in each list.
//!
//! Owns: the state and what can be asked of it. Refuses: changing it (that is `update`), drawing it (that is `view`), reading clocks.

mod cursor;
mod data;
mod kept;
mod log;
mod prompt;
mod ticks;

use std::sync::Arc;

pub use cursor::{Cursor, Move};
pub use data::Data;
pub use kept::{Kept, TraceId, age_ns};
pub use log::{Log, Message, Weight};
pub use prompt::{Prompt, Question};
pub use ticks::Ticks;

use super::keys::{Binding, Situation};
use crate::control::Request;
use crate::recording::{Pace, Survey};
use crate::spec::Level;
use crate::stats::{Subject, Task};
use crate::trace::Trace;
use profiler_common::Outcome;

/// What a screen is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Stages and hops.
    #[default]
    Pipeline,
    /// One hop over time, and its distribution.
    Latency,
    /// Single records.
    Traces,
    /// Threads and processes.
    Tasks,
    /// Accounts and cost.
    Health,
    /// Sites, and what can be changed.
    Probes,
}

impl View {
    /// All, in the order of their digits.
    pub const ALL: [Self; 6] =
        [Self::Pipeline, Self::Latency, Self::Traces, Self::Tasks, Self::Health, Self::Probes];

    /// What it is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pipeline => "Pipeline",
            Self::Latency => "Latency",
            Self::Traces => "Traces",
            Self::Tasks => "Tasks",
            Self::Health => "Health",
            Self::Probes => "Probes",
        }
    }
}

/// What lies over a view. It covers neither the head of the screen nor its foot, where the state and errors are told.
#[derive(Clone, Debug, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The keys; scrolled by so many rows.
    Help(u16),
    /// Messages; scrolled by so many rows.
    Messages(u16),
    /// A trace.
    Trace(Opened),
    /// A line that the user types.
    Prompt(Prompt),
}

/// A trace that is looked at.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The trace.
    pub trace: Arc<Trace>,
    /// The stamp that is looked at.
    pub stamp: usize,
}

/// What kind of thing lies over a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nothing.
    None,
    /// The keys.
    Help,
    /// Messages.
    Messages,
    /// A trace.
    Trace,
    /// A line that the user types.
    Prompt,
}

impl Overlay {
    /// What kind of thing it is.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::None => Layer::None,
            Self::Help(_) => Layer::Help,
            Self::Messages(_) => Layer::Messages,
            Self::Trace(_) => Layer::Trace,
            Self::Prompt(_) => Layer::Prompt,
        }
    }
}

/// Which moment the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The present.
    #[default]
    Live,
    /// It stands still.
    Still {
        /// At this moment, ns of the monotonic clock.
        at_ns: u64,
    },
}

/// Time windows, s; the last: the whole session.
pub const WINDOWS_S: [u64; 7] = [10, 30, 60, 300, 900, 3600, WHOLE];

/// Stands for the whole session.
pub const WHOLE: u64 = u64::MAX;

/// The third: a minute.
const FIRST_WINDOW: usize = 2;

/// Which traces are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those that took longest.
    #[default]
    Slowest,
    /// Those that ended last.
    Latest,
}

/// What a list of traces is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceSort {
    /// How long it took, the longest first.
    #[default]
    Took,
    /// When it ended, the latest first.
    Ended,
    /// How it ended.
    Outcome,
    /// Stamps, the most first.
    Stamps,
}

impl TraceSort {
    /// All, in the order in which a key goes through them.
    pub const ALL: [Self; 4] = [Self::Took, Self::Ended, Self::Outcome, Self::Stamps];
}

/// What the list of tasks is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSort {
    /// Hop by hop; in each, whoever takes longest against its peers first.
    #[default]
    Peers,
    /// The share of a core that the task is busy with it, the most first.
    Busy,
    /// Records, the most first.
    Records,
    /// P95, the longest first.
    P95,
}

impl TaskSort {
    /// All, in the order in which a key goes through them.
    pub const ALL: [Self; 4] = [Self::Peers, Self::Busy, Self::Records, Self::P95];
}

/// What a row of the list of tasks is known by: a hop, and who does the work.
pub type TaskId = ((usize, usize), Task);

/// Which traces are listed, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceList {
    /// Which.
    pub order: Order,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// By what.
    pub sort: TraceSort,
    /// The other way round.
    pub reverse: bool,
    /// Only those of a cell of the latency map.
    pub within: Option<Within>,
}

/// A cell of the latency map: a kind of duration, a stretch of time, a range of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// What the durations are of.
    pub subject: Subject,
    /// From this moment on, ns of the monotonic clock.
    pub from_ns: u64,
    /// Before this moment.
    pub to_ns: u64,
    /// The shortest, ns.
    pub low_ns: u64,
    /// The longest, ns.
    pub high_ns: u64,
}

/// What is chosen in each list.
#[derive(Clone, Debug, Default)]
pub struct Cursors {
    /// Of the hops, and what else has a duration: the same in all views.
    pub subject: Cursor<Subject>,
    /// In the latency map: columns from the right, rows from below.
    pub cell: Option<(usize, usize)>,
    /// Of the traces.
    pub trace: Cursor<TraceId>,
    /// Of the sites, by probe id.
    pub probe: Cursor<u32>,
    /// Of the tasks.
    pub task: Cursor<TaskId>,
}

/// How a recording that is played stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// How fast.
    pub pace: Pace,
    /// The recording's clock, ns.
    pub clock_ns: u64,
    /// Whether its end was reached.
    pub is_over: bool,
    /// What it holds, once that is known.
    pub survey: Option<Survey>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Model {
    /// What came in so far.
    pub data: Data,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// What the user's clock is ahead of UTC, s.
    pub utc_offset_s: i32,
    /// The view.
    pub view: View,
    /// What lies over it.
    pub overlay: Overlay,
    /// Which moment.
    pub time: Time,
    /// Index of the time window in [`WINDOWS_S`].
    pub window: usize,
    /// What is searched for; empty: nothing.
    pub search: String,
    /// What is chosen.
    pub cursors: Cursors,
    /// Which traces are listed.
    pub traces: TraceList,
    /// How tasks are listed: by what, and whether the other way round.
    pub tasks: (TaskSort, bool),
    /// Show times less what the probes took.
    pub corrected: bool,
    /// Asked for, not answered yet.
    pub asked: Option<Request>,
    /// The level that the session last refused, while that is so: the next one that is asked for comes after it.
    pub refused_level: Option<Level>,
    /// The recording that is played, if it is one.
    pub playback: Option<Playback>,
    /// Whether agents elsewhere took what is shown: what they sampled, lost and spent is not known here.
    pub is_remote: bool,
    /// How fast it was played before it was paused.
    pub last_pace: u32,
    /// Rows that the Health view is scrolled by.
    pub health_scroll: u16,
}

impl Model {
    /// Before anything came in.
    #[must_use]
    pub fn new(size: (u16, u16)) -> Self {
        Self {
            data: Data::default(),
            size,
            utc_offset_s: 0,
            view: View::default(),
            overlay: Overlay::default(),
            time: Time::default(),
            window: FIRST_WINDOW,
            search: String::new(),
            cursors: Cursors::default(),
            traces: TraceList::default(),
            tasks: (TaskSort::default(), false),
            corrected: false,
            asked: None,
            refused_level: None,
            playback: None,
            is_remote: false,
            last_pace: 1,
            health_scroll: 0,
        }
    }

    /// Where the user is, as far as keys are concerned.
    #[must_use]
    pub fn situation(&self) -> Situation {
        Situation { view: self.view, layer: self.overlay.layer(), replay: self.playback.is_some() }
    }

    /// Whether a key is shown: a collector's view changes no setting, those are each agent's.
    #[must_use]
    pub fn offers(&self, row: &Binding) -> bool {
        !(self.is_remote && row.action.is_setting())
    }

    /// The time window, s; [`WHOLE`] for the whole session.
    #[must_use]
    pub fn window_s(&self) -> u64 {
        WINDOWS_S.get(self.window).copied().unwrap_or(60)
    }

    /// How long the time window is, ns: no longer than the session was so far.
    #[must_use]
    pub fn window_ns(&self) -> u64 {
        let session = self.until_ns().saturating_sub(self.data.attached_ns());
        match self.window_s() {
            WHOLE => session,
            seconds => seconds.saturating_mul(1_000_000_000),
        }
    }

    /// The end of the time window, ns of the monotonic clock.
    #[must_use]
    pub fn until_ns(&self) -> u64 {
        match self.time {
            Time::Live => self.data.now_ns(),
            Time::Still { at_ns } => at_ns,
        }
    }

    /// The time window, ns of the monotonic clock.
    #[must_use]
    pub fn span_ns(&self) -> (u64, u64) {
        let until = self.until_ns();
        (until.saturating_sub(self.window_ns()), until)
    }
}
