//! The steps of a script.

/// What a step does. The numbers are those of `enum step_code` in script.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Code {
    /// A source emits the row.
    Emit,
    /// A stage of the row.
    Take,
    /// An output of the row.
    Put,
    /// A stage of the row that binds the second object, a node.
    Alias,
    /// A stage of the node.
    Node,
    /// The row becomes a branch of the record that the thread is at.
    Fork,
    /// Opens a scope of the row.
    Open,
    /// Closes the scope that a stage opened.
    Close,
    /// Calls a function that is a scope of the row; what follows on the thread happens within it.
    Call,
    /// The same, of a scope that may close without an output.
    KeepCall,
    /// Calls a function that is no stage.
    PlainCall,
    /// Returns from the innermost call.
    Return,
    /// Leaves so many calls at once by a far jump.
    Leave,
    /// Something happens to the record that the thread is at.
    Note,
    /// An output of the record that the thread is at.
    Done,
    /// Puts the row into the second object, a batch.
    Add,
    /// Puts the batch into the second one.
    Merge,
    /// A stage of the batch.
    Seal,
    /// The batch is written.
    Flush,
    /// The row is written.
    Write,
    /// The row is dropped.
    Free,
    /// The row goes to the error sink.
    Error,
    /// The node is written.
    NodeWrite,
    /// The thread ends, within whatever calls it is in; a new one has its number from now on.
    Die,
}

impl Code {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 24] = [
        Self::Emit,
        Self::Take,
        Self::Put,
        Self::Alias,
        Self::Node,
        Self::Fork,
        Self::Open,
        Self::Close,
        Self::Call,
        Self::KeepCall,
        Self::PlainCall,
        Self::Return,
        Self::Leave,
        Self::Note,
        Self::Done,
        Self::Add,
        Self::Merge,
        Self::Seal,
        Self::Flush,
        Self::Write,
        Self::Free,
        Self::Error,
        Self::NodeWrite,
        Self::Die,
    ];

    /// The stage's code in a report, and its name; `None` for steps that are no stage.
    #[must_use]
    pub fn stage(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Emit => ("S0", "emit"),
            Self::Take => ("Q-", "take"),
            Self::Put => ("Q+", "put"),
            Self::Alias => ("STAGE_40", "alias"),
            Self::Node => ("Q-", "node"),
            Self::Fork => ("T-", "fork"),
            Self::Open => ("T+", "open"),
            Self::Close => ("STAGE_43", "close"),
            Self::Call => ("T+", "call"),
            Self::KeepCall => ("T+", "keep call"),
            Self::Note => ("STAGE_44", "note"),
            Self::Done => ("T-", "done"),
            Self::Add => ("Q+", "add"),
            Self::Merge => ("STAGE_41", "merge"),
            Self::Seal => ("STAGE_42", "seal"),
            Self::Flush => ("W!", "flush"),
            Self::Write => ("W!", "write"),
            Self::Free => ("drop", "free"),
            Self::Error => ("drop", "error"),
            Self::NodeWrite => ("W!", "node write"),
            Self::PlainCall | Self::Return | Self::Leave | Self::Die => return None,
        })
    }

    /// Whether its stamp is an output of the record: T-, Q+ or W!.
    #[must_use]
    pub fn is_output(self) -> bool {
        matches!(self.stage(), Some(("T-" | "Q+" | "W!", _)))
    }
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The thread that does it, from 0.
    pub thread: u32,
    /// What it does.
    pub code: Code,
    /// Which row, node or batch; how many calls a `Leave` leaves.
    pub object: u32,
    /// Which node or batch; for a `Fork` the row that the function gets as the parent, which says nothing.
    pub second: u32,
}

impl Step {
    /// A script as script.c reads it.
    #[must_use]
    pub fn encode(steps: &[Self]) -> Vec<u8> {
        let words = steps.iter().flat_map(|step| [step.thread, step.code as u32, step.object, step.second]);
        words.flat_map(u32::to_ne_bytes).collect()
    }
}
