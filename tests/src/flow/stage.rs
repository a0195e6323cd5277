//! The stage functions of the journeys programs: what each language calls them, where the objects are, and what a spec says of them.
//!
//! Owns: one table of stages. Refuses: which of them a scenario has, and the words of `[sampling]`.

use crate::flow::codes::*;
use crate::targets::Flavour;

/// A function in one language.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The stage point.
    pub point: &'static str,
    /// The argument that is the stage's own object.
    pub object: &'static str,
    /// The argument that is a second object.
    pub second: &'static str,
}

/// A stage.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// The stage in the truth log.
    pub truth: u32,
    /// Its name in the spec.
    pub name: &'static str,
    /// Its code in the spec; a number is shown as `STAGE_n`.
    pub code: &'static str,
    /// The lines of its table after the point; `{object}` and `{second}` stand for arguments.
    pub lines: &'static str,
    /// In C, C++ and Rust.
    pub at: [At; 3],
}

const fn at(point: &'static str, object: &'static str) -> At {
    At { point, object, second: "" }
}

const fn both(point: &'static str, object: &'static str, second: &'static str) -> At {
    At { point, object, second }
}

impl Stage {
    /// The function in a flavour's language.
    #[must_use]
    pub fn in_language(&self, flavour: Flavour) -> At {
        let [c, cpp, rust] = self.at;
        match flavour {
            Flavour::C | Flavour::CProtected | Flavour::CStripped => c,
            Flavour::Cpp => cpp,
            Flavour::Rust | Flavour::RustV0 => rust,
        }
    }

    /// The code as a report shows it.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match self.code {
            "40" => "STAGE_40",
            "41" => "STAGE_41",
            "42" => "STAGE_42",
            "43" => "STAGE_43",
            "44" => "STAGE_44",
            code => code,
        }
    }

    /// Its table, with more lines.
    #[must_use]
    pub fn toml(&self, flavour: Flavour, more: &str) -> String {
        let At { point, object, second } = self.in_language(flavour);
        let code =
            if self.code.parse::<u8>().is_ok() { self.code.to_owned() } else { format!("\"{}\"", self.code) };
        let head = format!("\n[[stage]]\ncode = {code}\nname = \"{}\"\npoint = \"{point}\"\n", self.name);
        head + &format!("{}{more}", self.lines).replace("{object}", object).replace("{second}", second)
    }
}

const ROW: &str = "key = \"{object}\"\nspace = \"row\"\n";
const SCOPE: &str = "key = \"scope\"\n";
const BATCH: &str = "key = \"{object}\"\nspace = \"batch\"\n";
const ORDER: &str = "key = \"*(u64*)({object}+24)\"\nspace = \"order\"\n";
const CALL: &str = "key = \"{object}\"\nspace = \"row\"\nscope = \"call\"\n";
const WRITE_OK_LINES: &str = "key = \"{object}\"\nspace = \"row\"\nwhen = \"(i32)ret == 0\"\n";
const WRITE_FAILED_LINES: &str =
    "key = \"{object}\"\nspace = \"row\"\nwhen = \"(i32)ret != 0\"\noutcome = \"write_failed\"\n";
const ALIAS_NODE: &str = "key = \"{object}\"\nspace = \"row\"\nalso = \"{second}\"\nalso_space = \"node\"\n";
const ALIAS_BUFFER: &str =
    "key = \"{object}\"\nspace = \"node\"\nalso = \"{second}\"\nalso_space = \"buffer\"\n";
const ADD: &str = "key = \"{object}\"\nspace = \"row\"\nbatch = \"{second}\"\nbatch_space = \"batch\"\n";
const MERGE: &str = "key = \"{object}\"\nspace = \"batch\"\nbatch = \"{second}\"\nbatch_space = \"batch\"\n";

macro_rules! stage {
    ($truth:expr, $name:literal, $code:literal, $lines:expr, $($at:expr),+) => {
        Stage { truth: $truth, name: $name, code: $code, lines: $lines, at: [$($at),+] }
    };
}

const R: &str = "arg1";

/// Stages that mean the same in every scenario.
pub const STAGES: [Stage; 24] = [
    stage!(
        S0,
        "emit",
        "S0",
        ROW,
        at("row_emit", "arg0"),
        at("journeys::Source::emit", R),
        at("journeys::stages::emit", "arg0")
    ),
    stage!(
        PUT,
        "put",
        "Q+",
        ROW,
        at("row_put", R),
        at("journeys::Channel<row>::put", R),
        at("*journeys::stages::Channel<*>*::put", R)
    ),
    stage!(
        TAKE,
        "take",
        "Q-",
        ROW,
        at("row_take", R),
        at("journeys::Channel<row>::took", R),
        at("*journeys::stages::Channel<*>*::took", R)
    ),
    stage!(
        NODE_PUT,
        "node put",
        "Q+",
        ALIAS_NODE,
        both("node_put", R, "arg0"),
        both("journeys::Channel<node>::put_by", "arg2", R),
        both("*journeys::stages::Channel<*>*::put_by", "arg2", R)
    ),
    stage!(
        NODE_TAKE,
        "node take",
        "Q-",
        "key = \"{object}\"\nspace = \"node\"\n",
        at("node_take", R),
        at("journeys::Carrier::took", R),
        at("*journeys::stages::Channel<*>*::took", R)
    ),
    stage!(
        BUFFER_FILL,
        "fill",
        "40",
        ALIAS_BUFFER,
        both("buffer_fill", R, "arg0"),
        both("journeys::Carrier::fill", R, "arg0"),
        both("journeys::stages::fill", R, "arg0")
    ),
    stage!(
        BUFFER_WRITTEN,
        "buffer written",
        "W!",
        "key = \"{object}\"\nspace = \"buffer\"\n",
        at("buffer_written", R),
        at("*journeys::Sink::written<buffer>*", R),
        at("journeys::stages::sink::written", R)
    ),
    stage!(
        DONE,
        "done",
        "T-",
        SCOPE,
        at("transform_done", ""),
        at("journeys::Scope::done", ""),
        at("journeys::stages::scope::done", "")
    ),
    stage!(
        NOTE,
        "note",
        "44",
        SCOPE,
        at("scope_note", ""),
        at("journeys::Scope::note", ""),
        at("journeys::stages::scope::note", "")
    ),
    stage!(
        FORK,
        "fork",
        "T-",
        "key = \"{object}\"\nspace = \"row\"\nbranch = true\n",
        at("row_fork", R),
        at("journeys::Scope::fork", R),
        at("journeys::stages::scope::fork", R)
    ),
    stage!(
        BATCH_ADD,
        "add",
        "Q+",
        ADD,
        both("batch_add", R, "arg0"),
        both("journeys::Batches::add", R, "arg0"),
        both("journeys::stages::batches::add", R, "arg0")
    ),
    stage!(
        BATCH_MERGE,
        "merge",
        "41",
        MERGE,
        both("batch_merge", R, "arg0"),
        both("journeys::Batches::merge", R, "arg0"),
        both("journeys::stages::batches::merge", R, "arg0")
    ),
    stage!(
        BATCH_SEAL,
        "seal",
        "42",
        BATCH,
        at("batch_seal", R),
        at("journeys::Batches::seal", R),
        at("journeys::stages::batches::seal", R)
    ),
    stage!(
        BATCH_WRITTEN,
        "batch written",
        "W!",
        BATCH,
        at("batch_written", R),
        at("*journeys::Sink::written<batch>*", R),
        at("journeys::stages::sink::written", R)
    ),
    stage!(
        ERROR,
        "error",
        "drop",
        "key = \"{object}\"\nspace = \"row\"\noutcome = \"error_routed\"\n",
        at("row_error", R),
        at("journeys::Sink::error", R),
        at("journeys::stages::sink::error", R)
    ),
    stage!(
        WRITE_OK,
        "write ok",
        "W!",
        WRITE_OK_LINES,
        at("row_write%return", R),
        at("journeys::Sink::write%return", R),
        at("journeys::stages::sink::write%return", R)
    ),
    stage!(
        WRITE_FAILED,
        "write failed",
        "drop",
        WRITE_FAILED_LINES,
        at("row_write%return", R),
        at("journeys::Sink::write%return", R),
        at("journeys::stages::sink::write%return", R)
    ),
    stage!(
        WRITTEN,
        "written",
        "W!",
        ROW,
        at("row_written", R),
        at("*journeys::Sink::written<row>*", R),
        at("journeys::stages::sink::written", R)
    ),
    stage!(
        FREE,
        "free",
        "drop",
        ROW,
        at("row_free", "arg0"),
        at("journeys::free_row", "arg0"),
        at("journeys::stages::sink::free", "arg0")
    ),
    stage!(
        SCOPE_OPEN,
        "open",
        "T+",
        "key = \"{object}\"\nspace = \"row\"\nscope = \"open\"\n",
        at("scope_open", R),
        at("journeys::Scope::open", R),
        at("journeys::stages::scope::open", R)
    ),
    stage!(
        SCOPE_CLOSE,
        "close",
        "43",
        "key = \"scope\"\nscope = \"close\"\n",
        at("scope_close", ""),
        at("journeys::Scope::close", ""),
        at("journeys::stages::scope::close", "")
    ),
    stage!(
        INNER,
        "inner",
        "T+",
        CALL,
        at("inner_row", R),
        at("journeys::Nested::inner", R),
        at("journeys::nested::inner", R)
    ),
    stage!(
        RECURSE,
        "recurse",
        "T+",
        CALL,
        at("recurse_row", R),
        at("journeys::Nested::recurse", R),
        at("journeys::nested::recurse", R)
    ),
    stage!(
        STEAL,
        "steal",
        "Q-",
        ROW,
        at("task_steal", R),
        at("journeys::Tasks::steal", R),
        at("journeys::stages::tasks::steal", R)
    ),
];

/// Into a transform: another function in each scenario, in C.
#[must_use]
pub const fn enter(c: &'static str) -> Stage {
    let (cpp, rust) = (at("journeys::Transform<*>::apply", R), at("journeys::stages::transform", R));
    stage!(ENTER, "enter", "T+", CALL, at(c, R), cpp, rust)
}

/// Into a thread's own deque, and out of it.
pub const TASK_STAGES: [Stage; 2] = [
    stage!(
        PUT,
        "push",
        "Q+",
        ROW,
        at("task_push", R),
        at("journeys::Tasks::push", R),
        at("journeys::stages::tasks::push", R)
    ),
    stage!(
        TAKE,
        "pop",
        "Q-",
        ROW,
        at("task_pop", R),
        at("journeys::Tasks::pop", R),
        at("journeys::stages::tasks::pop", R)
    ),
];

/// The stages of two processes, keyed by the record's own number.
pub const ORDER_STAGES: [Stage; 4] = [
    stage!(
        S0,
        "emit",
        "S0",
        ORDER,
        at("row_emit", "arg0"),
        at("journeys::Source::emit", R),
        at("journeys::stages::emit", "arg0")
    ),
    stage!(
        SEND,
        "send",
        "Q+",
        ORDER,
        at("pipe_put", R),
        at("journeys::Pipe::put", R),
        at("journeys::stages::pipe::put", R)
    ),
    stage!(
        RECEIVE,
        "receive",
        "Q-",
        ORDER,
        at("pipe_take", R),
        at("journeys::Pipe::took", R),
        at("journeys::stages::pipe::took", R)
    ),
    stage!(
        WRITTEN,
        "written",
        "W!",
        ORDER,
        at("row_written", R),
        at("*journeys::Sink::written<row>*", R),
        at("journeys::stages::sink::written", R)
    ),
];
