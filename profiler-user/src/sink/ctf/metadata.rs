//! The metadata file: what the bytes mean, in TSDL.

use std::fmt::Write as _;

use profiler_common::{Outcome, StageCode};

use crate::feed::SessionInfo;

/// The text of the metadata file. Times in packets are nanoseconds since `began_ns` of the Unix epoch.
#[must_use]
pub fn text(info: &SessionInfo, host: &str, began_ns: u64) -> String {
    let mut out = String::from(HEAD);
    // Writing into a string cannot fail.
    let _ = writeln!(
        out,
        "env {{\n    domain = \"ust\";\n    tracer_name = \"stain\";\n    tracer_version = {};\n    hostname = {};\n    target = {};\n}};\n",
        quoted(&info.version),
        quoted(host),
        quoted(&info.target),
    );
    let (seconds, rest) = (began_ns / 1_000_000_000, began_ns % 1_000_000_000);
    let _ = writeln!(
        out,
        "clock {{\n    name = \"monotonic\";\n    description = \"ns since the session began, by the monotonic clock\";\n    freq = 1000000000;\n    offset_s = {seconds};\n    offset = {rest};\n}};\n"
    );
    out.push_str(TYPES);
    let is_used =
        |code: &StageCode| code.short_name().is_some() || info.stages.iter().any(|stage| stage.code == *code);
    let codes = (0..=255).map(StageCode).filter(is_used).map(|code| (code.to_string(), code.0.into()));
    enumeration(&mut out, "uint8_t", "stage_code_t", codes);
    let stages =
        info.stages.iter().zip(0u32..).map(|(stage, index)| (format!("{index} {}", stage.name), index));
    enumeration(&mut out, "uint16_t", "stage_name_t", stages);
    let named = |outcome: Outcome| (outcome.name(&info.outcomes).to_owned(), outcome.code());
    let outcomes = Outcome::all().take(Outcome::FIXED.len() + info.outcomes.len()).map(named);
    enumeration(&mut out, "uint8_t", "outcome_t", outcomes);
    out.push_str(STREAM_AND_EVENT);
    out
}

fn enumeration(out: &mut String, kind: &str, name: &str, values: impl Iterator<Item = (String, u32)>) {
    let _ = write!(out, "typealias enum : {kind} {{");
    let mut first = true;
    for (label, value) in values {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        let _ = write!(out, "{comma}\n    {} = {value}", quoted(&label));
    }
    if first {
        out.push_str("\n    \"none\" = 0");
    }
    let _ = writeln!(out, "\n}} := {name};\n");
}

/// A string literal of TSDL.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

const HEAD: &str = "/* CTF 1.8 */

typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = true; } := int64_t;
typealias integer { size = 64; align = 8; signed = false; base = hex; } := hex64_t;

trace {
    major = 1;
    minor = 8;
    byte_order = le;
    packet.header := struct {
        uint32_t magic;
        uint32_t stream_id;
    };
};

";

const TYPES: &str = "typealias integer {
    size = 64; align = 8; signed = false;
    map = clock.monotonic.value;
} := time_t;

";

const STREAM_AND_EVENT: &str = "stream {
    id = 0;
    packet.context := struct {
        time_t timestamp_begin;
        time_t timestamp_end;
        uint64_t content_size;
        uint64_t packet_size;
        uint64_t packet_seq_num;
        uint64_t events_discarded;
    };
    event.header := struct {
        uint32_t id;
        time_t timestamp;
    };
};

event {
    name = \"record\";
    id = 0;
    stream_id = 0;
    fields := struct {
        uint64_t trace_id;
        string branch;
        outcome_t outcome;
        uint32_t pid;
        hex64_t key;
        uint64_t sequence;
        int64_t start_unix_ns;
        int64_t end_unix_ns;
        uint16_t shared;
        uint32_t branches;
        string flags;
        uint16_t stamp_count;
        struct {
            stage_code_t code;
            stage_name_t stage;
            int64_t task_id;
            uint32_t pid;
            uint32_t tid;
            uint32_t cpu;
            int64_t unix_ns;
        } stamps[stamp_count];
        uint16_t attribute_count;
        struct {
            uint16_t stamp;
            string name;
            string value;
        } attributes[attribute_count];
        uint16_t batch_count;
        struct {
            uint16_t stamp;
            hex64_t key;
            uint32_t position;
            int64_t size;
        } batches[batch_count];
        uint16_t time_count;
        struct {
            uint16_t stamp;
            int64_t event_ns;
            int64_t latency_ns;
        } record_times[time_count];
    };
};
";
