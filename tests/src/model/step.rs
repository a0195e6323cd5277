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
    /// All stand still until the agent begins no more traces, or begins some again.
    Halt,
}

impl Code {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 25] = [
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
        Self::Halt,
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
            Self::PlainCall | Self::Return | Self::Leave | Self::Die | Self::Halt => return None,
        })
    }

    /// Whether the stage's key is the record that the thread is at.
    #[must_use]
    pub fn is_by_scope(self) -> bool {
        matches!(self, Self::Close | Self::Note | Self::Done)
    }

    /// Whether it is a stage of a batch.
    #[must_use]
    pub fn is_of_batch(self) -> bool {
        matches!(self, Self::Merge | Self::Seal | Self::Flush)
    }

    /// Whether the stage has the key of a row.
    #[must_use]
    pub fn is_of_row(self) -> bool {
        let is_of_node = matches!(self, Self::Node | Self::NodeWrite);
        self.stage().is_some() && !self.is_by_scope() && !self.is_of_batch() && !is_of_node
    }

    /// Whether the stage ends the journey of its row.
    #[must_use]
    pub fn ends_row(self) -> bool {
        matches!(self, Self::Write | Self::Free | Self::Error)
    }

    /// Whether the stage has the key of a second object.
    #[must_use]
    pub fn has_second(self) -> bool {
        matches!(self, Self::Alias | Self::Add | Self::Merge)
    }

    /// Whether it opens a scope.
    #[must_use]
    pub fn opens(self) -> bool {
        matches!(self, Self::Open | Self::Call | Self::KeepCall)
    }

    /// Whether its stamp is an output of the record: T-, Q+ or W!.
    #[must_use]
    pub fn is_output(self) -> bool {
        matches!(self.stage(), Some(("T-" | "Q+" | "W!", _)))
    }
}

/// What cannot be read during a step. The numbers are those of `enum flaw` in script.c.
pub mod flaw {
    /// The object's name.
    pub const OBJECT: u32 = 1;
    /// The second object's name.
    pub const SECOND: u32 = 2;
    /// The row's string.
    pub const TEXT: u32 = 4;
    /// It lies in a page that is not there; else at address 0, where no record can be.
    pub const FAR: u32 = 8;
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
    /// What the object has during the step, below 8: see [`Step::status`].
    pub value: u32,
    /// Bits of [`flaw`].
    pub flaws: u32,
    /// What the row is named from now on; 0: as before.
    pub name: u32,
}

impl Step {
    /// A step without anything odd.
    #[must_use]
    pub const fn new(thread: u32, code: Code, object: u32, second: u32) -> Self {
        Self { thread, code, object, second, value: 1, flaws: 0, name: 0 }
    }

    /// The status that a row or node has during the step.
    #[must_use]
    pub fn status(&self) -> i64 {
        i64::from(self.value) - 1
    }

    /// Whether it has all these bits.
    #[must_use]
    pub const fn has(&self, flaws: u32) -> bool {
        self.flaws & flaws == flaws
    }

    /// A script as script.c reads it.
    #[must_use]
    pub fn encode(steps: &[Self]) -> Vec<u8> {
        let words = steps.iter().flat_map(|step| {
            let Self { thread, code, object, second, value, flaws, name } = *step;
            [thread, code as u32, object, second, value, flaws, name]
        });
        words.flat_map(u32::to_ne_bytes).collect()
    }
}
