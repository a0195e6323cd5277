//! The spec of a script's stages, and the bounds that it sets.

/// Bounds of journeys.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// One record in so many of each thread.
    pub rate: u64,
    /// `max_keys_per_trace`.
    pub keys: u32,
    /// `max_branches_per_trace`.
    pub branches: u32,
    /// `max_batch_members`.
    pub members: u32,
}

impl Bounds {
    /// The widest, at a rate.
    #[must_use]
    pub const fn wide(rate: u64) -> Self {
        Self { rate, keys: 8, branches: 255, members: 64 }
    }
}

const STAGES: &str = r#"
[[stage]]
code = "S0"
name = "emit"
point = "row_emit"
key = "arg0"
space = "row"

[[stage]]
code = "Q-"
name = "take"
point = "row_take"
key = "arg1"
space = "row"

[[stage]]
code = "Q+"
name = "put"
point = "row_output"
key = "arg1"
space = "row"

[[stage]]
code = 40
name = "alias"
point = "node_alias"
key = "arg1"
space = "row"
also = "arg0"
also_space = "node"

[[stage]]
code = "Q-"
name = "node"
point = "node_take"
key = "arg1"
space = "node"

[[stage]]
code = "T-"
name = "fork"
point = "row_fork"
key = "arg1"
space = "row"
branch = true

[[stage]]
code = "T+"
name = "open"
point = "scope_open"
key = "arg1"
space = "row"
scope = "open"

[[stage]]
code = 43
name = "close"
point = "scope_close"
key = "scope"
scope = "close"

[[stage]]
code = "T+"
name = "call"
point = "call_row"
key = "arg1"
space = "row"
scope = "call"

[[stage]]
code = "T+"
name = "keep call"
point = "keep_call_row"
key = "arg1"
space = "row"
scope = "call"
empty = "keep"

[[stage]]
code = 44
name = "note"
point = "scope_note"
key = "scope"

[[stage]]
code = "T-"
name = "done"
point = "transform_done"
key = "scope"

[[stage]]
code = "Q+"
name = "add"
point = "batch_count"
key = "arg1"
space = "row"
batch = "arg0"
batch_space = "batch"

[[stage]]
code = 41
name = "merge"
point = "batch_merge"
key = "arg1"
space = "batch"
batch = "arg0"
batch_space = "batch"

[[stage]]
code = 42
name = "seal"
point = "batch_seal"
key = "arg1"
space = "batch"

[[stage]]
code = "W!"
name = "flush"
point = "batch_written"
key = "arg1"
space = "batch"

[[stage]]
code = "W!"
name = "write"
point = "row_written"
key = "arg1"
space = "row"

[[stage]]
code = "drop"
name = "free"
point = "row_drop"
key = "arg1"
space = "row"

[[stage]]
code = "drop"
name = "error"
point = "row_error"
key = "arg1"
space = "row"
outcome = "error_routed"

[[stage]]
code = "W!"
name = "node write"
point = "node_written"
key = "arg1"
space = "node"
"#;

/// The spec file's text.
#[must_use]
pub fn spec(bounds: &Bounds) -> String {
    let Bounds { rate, keys, branches, members } = bounds;
    format!(
        "[sampling]\nrate = {rate}\nmax_traces_per_second = 0\nmax_open_traces = 8192\nmax_entries_per_trace = 1024\n\
         trace_ttl = \"120s\"\nmax_keys_per_trace = {keys}\nmax_branches_per_trace = {branches}\n\
         max_batch_members = {members}\nmax_attributes_per_trace = 128\n{STAGES}"
    )
}
