//! The spec of a script's stages, and the bounds that it sets.

use super::condition::condition;
use super::{Code, Manner, Step};

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
    /// `max_open_traces`. No slot is counted on to come back: so many journeys, not more, can begin.
    pub slots: usize,
}

impl Bounds {
    /// The widest, at a rate.
    #[must_use]
    pub const fn wide(rate: u64) -> Self {
        Self { rate, keys: 8, branches: 255, members: 64, slots: 8192 }
    }
}

/// Which argument a stage's object is, and of what kind.
enum Of {
    Row(&'static str),
    Node(&'static str),
    Batch(&'static str),
    /// None: the record that the thread is at.
    Scope,
}

/// A stage's function, its object, and the lines that it has besides.
fn stage(code: Code) -> Option<(&'static str, Of, &'static str)> {
    Some(match code {
        Code::Emit => ("row_emit", Of::Row("arg0"), ""),
        Code::Take => ("row_take", Of::Row("arg1"), ""),
        Code::Put => ("row_output", Of::Row("arg1"), ""),
        Code::Alias => ("node_alias", Of::Row("arg1"), "also = \"{second}\"\nalso_space = \"node\"\n"),
        Code::Node => ("node_take", Of::Node("arg1"), ""),
        Code::Fork => ("row_fork", Of::Row("arg1"), "branch = true\n"),
        Code::Open => ("scope_open", Of::Row("arg1"), "scope = \"open\"\n"),
        Code::Close => ("row_close", Of::Scope, "scope = \"close\"\n"),
        Code::Call => ("call_row", Of::Row("arg1"), "scope = \"call\"\n"),
        Code::KeepCall => ("keep_call_row", Of::Row("arg1"), "scope = \"call\"\nempty = \"keep\"\n"),
        Code::Note => ("scope_note", Of::Scope, ""),
        Code::Done => ("transform_done", Of::Scope, ""),
        Code::Add => ("batch_count", Of::Row("arg1"), "batch = \"{second}\"\nbatch_space = \"batch\"\n"),
        Code::Merge => ("batch_merge", Of::Batch("arg1"), "batch = \"{second}\"\nbatch_space = \"batch\"\n"),
        Code::Seal => ("batch_seal", Of::Batch("arg1"), ""),
        Code::Flush => ("batch_written", Of::Batch("arg1"), ""),
        Code::Write => ("row_written", Of::Row("arg1"), ""),
        Code::Free => ("row_drop", Of::Row("arg1"), ""),
        Code::Error => ("row_error", Of::Row("arg1"), "outcome = \"error_routed\"\n"),
        Code::NodeWrite => ("node_written", Of::Node("arg1"), ""),
        Code::PlainCall | Code::Return | Code::Leave | Code::Die | Code::Halt => return None,
    })
}

/// A stage's table.
fn table(code: Code, manner: &Manner) -> Option<String> {
    let (shown, name) = code.stage()?;
    let (point, of, more) = stage(code)?;
    let shown = match shown.strip_prefix("STAGE_") {
        Some(number) => number.to_owned(),
        None => format!("\"{shown}\""),
    };
    let mut text = format!("\n[[stage]]\ncode = {shown}\nname = \"{name}\"\npoint = \"{point}\"\n");
    let name_of = |argument: &str| {
        if manner.named { format!("*(u64*)(*(u64*)({argument}))") } else { argument.to_owned() }
    };
    let mut key = |argument: &'static str, space: &str| {
        text.push_str(&format!("key = \"{}\"\nspace = \"{space}\"\n", name_of(argument)));
        argument
    };
    let object = match of {
        Of::Row(argument) => key(argument, "row"),
        Of::Node(argument) => key(argument, "node"),
        Of::Batch(argument) => key(argument, "batch"),
        Of::Scope => {
            text.push_str("key = \"scope\"\n");
            ""
        }
    };
    text.push_str(&more.replace("{second}", &name_of("arg0")));
    if let Some((when, _)) = condition(&Step::new(0, code, 0, 0)).filter(|_| manner.conditions) {
        text.push_str(&format!("when = \"{}\"\n", when.replace("{object}", object)));
    }
    for read in manner.reads(code) {
        text.push_str(&read.line().replace("{object}", object));
    }
    Some(text)
}

/// The spec file's text.
#[must_use]
pub fn spec(bounds: &Bounds, manner: &Manner) -> String {
    let Bounds { rate, keys, branches, members, slots } = bounds;
    let mode = if manner.by_key.is_some() { "key" } else { "sequence" };
    let shared = manner.linked.unwrap_or_default();
    let spaces = [("row", shared.rows), ("node", shared.nodes), ("batch", shared.batches)];
    let space = |(name, _): (&str, bool)| format!("\n[[space]]\nname = \"{name}\"\nshared = true\n");
    let spaces: String = spaces.into_iter().filter(|(_, is)| *is).map(space).collect();
    let probed = Code::ALL.into_iter().filter(|code| manner.probes(*code));
    let stages: String = probed.filter_map(|code| table(code, manner)).collect();
    format!(
        "[sampling]\nmode = \"{mode}\"\nrate = {rate}\nmax_traces_per_second = 0\nmax_open_traces = {slots}\nmax_entries_per_trace = 1024\n\
         trace_ttl = \"120s\"\nmax_keys_per_trace = {keys}\nmax_branches_per_trace = {branches}\n\
         max_batch_members = {members}\nmax_attributes_per_trace = 128\n{spaces}{stages}"
    )
}
