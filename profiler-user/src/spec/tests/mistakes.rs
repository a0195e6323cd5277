//! One mistake at a time: a line of a good spec replaced, and the one thing that is then said.

use super::{ISSUE, SpecErrors, read};

/// The issue's spec with one line (from 1) replaced, and what is then said: line, column, field, part of the message.
type Mistake = (usize, &'static str, (usize, usize), &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    (1, "[targets]", (1, 2), "targets", "did you mean `target`?"),
    (1, "", (2, 1), "exe", "it belongs to [target]"),
    (2, "", (1, 1), "target", "it is not said what to attach to"),
    (2, "exe = 5", (2, 7), "target.exe", "a whole number stands where a string is wanted"),
    (2, "exe = \"\"", (2, 7), "target.exe", "the path is empty"),
    (2, "exe = \"nginx\"", (2, 7), "target.exe", "`nginx` is a relative path"),
    (2, "pid = 0", (2, 7), "target.pid", "0 is no process id; they go from 1 to 4194303"),
    (2, "pid = -1", (2, 7), "target.pid", "-1 is no process id"),
    (2, "pid = 4294967297", (2, 7), "target.pid", "is no process id"),
    (2, "pid = \"12\"", (2, 7), "target.pid", "a string stands where a whole number is wanted"),
    (2, "pid = 1.5", (2, 7), "target.pid", "a number with a fraction"),
    (2, "pids = 1", (2, 8), "target.pids", "a list of whole numbers is wanted"),
    (2, "pids = []", (2, 8), "target.pids", "the list is empty"),
    (2, "pids = [1, 2, 1]", (2, 8), "target.pids", "process id 1 is given twice"),
    (2, "pids = [1, true]", (2, 12), "target.pids[1]", "true or false stands where"),
    (2, "process = \" \"", (2, 11), "target.process", "the process name is empty"),
    (2, "process = \"/bin/x\"", (2, 11), "target.process", "use exe for a path"),
    (
        2,
        "container = \"3f1\"",
        (2, 13),
        "target.container",
        "`3f1` is no container id; write its first 4 to 64 digits",
    ),
    (2, "container = \"web-1\"", (2, 13), "target.container", "`web-1` is no container id"),
    (2, "pid = 5\ncontainer = \"3f1c\"", (3, 13), "target.container", "process ids need no container"),
    (2, "pidd = 5\npid = 6", (2, 1), "target.pidd", "did you mean `pid`?"),
    (2, "pid = 5\npids = [6]", (3, 8), "target.pids", "already named by target.pid in line 2"),
    (3, "[sampling]\nrat = 5", (4, 1), "sampling.rat", "did you mean `rate`?"),
    (3, "[sampling]\npoint = 5", (4, 1), "sampling.point", "it belongs to a [[stage]]"),
    (3, "[sampling]\ncolour = 5", (4, 1), "sampling.colour", "the keys are mode, rate, sequence"),
    (4, "rate = -1", (4, 8), "sampling.rate", "-1 is out of range; write a number from 0 to"),
    (4, "rate = 9223372036854775808", (4, 8), "sampling.rate", "out of range"),
    (4, "rate = 999999999999999999999999999999999999999999", (4, 8), "sampling.rate", "far too large"),
    (4, "rate = \"1000\"", (4, 8), "sampling.rate", "a string stands where a whole number is wanted"),
    (4, "  rate = 1e5", (4, 10), "sampling.rate", "a number with a fraction"),
    (5, "sequence = \"thread\"", (5, 12), "sampling.sequence", "it is \"task\" (each thread"),
    (5, "sequence = \"Task\"", (5, 12), "sampling.sequence", "did you mean \"task\"?"),
    (6, "max_traces_per_second = 16777216", (6, 25), "sampling.max_traces_per_second", "from 0 to 16777215"),
    (7, "max_entries_per_trace = 1", (7, 25), "sampling.max_entries_per_trace", "from 2 to 2048"),
    (7, "max_entries_per_trace = 2049", (7, 25), "sampling.max_entries_per_trace", "from 2 to 2048"),
    (8, "trace_ttl = 30", (8, 13), "sampling.trace_ttl", "trace_ttl = \"30s\""),
    (8, "trace_ttl = \"30\"", (8, 13), "sampling.trace_ttl", "`30` is no duration"),
    (8, "trace_ttl = \"\"", (8, 13), "sampling.trace_ttl", "`` is no duration"),
    (8, "trace_ttl = \"soon\"", (8, 13), "sampling.trace_ttl", "`soon` is no duration"),
    (8, "trace_ttl = \"0s\"", (8, 13), "sampling.trace_ttl", "from 1ms to 7days"),
    (8, "trace_ttl = \"8days\"", (8, 13), "sampling.trace_ttl", "from 1ms to 7days"),
    (9, "max_open_traces = 0", (9, 19), "sampling.max_open_traces", "from 1 to 1048576"),
    (9, "max_open_traces = 1048576", (9, 19), "sampling.max_open_traces", "more than 1 GiB"),
    (10, "[stage]", (10, 1), "stage", "write [[stage]], with two brackets"),
    (11, "", (10, 1), "stage[0].code", "`code` is missing; add it, as in code = \"S0\""),
    (11, "code = \"s0\"", (11, 8), "stage[0].code", "did you mean \"S0\"?"),
    (11, "code = 1", (11, 8), "stage[0].code", "write \"S0\""),
    (11, "code = 64", (11, 8), "stage[0].code", "write \"drop\""),
    (11, "code = 256", (11, 8), "stage[0].code", "out of range"),
    (11, "code = true", (11, 8), "stage[0].code", "true or false stands where a string"),
    (11, "code = \"Q+\"", (10, 1), "stage", "no stage has the code S0"),
    (12, "name = \"\"", (12, 8), "stage[0].name", "the name is empty"),
    (12, "name = \"a\\tb\"", (12, 8), "stage[0].name", "a control character"),
    (
        12,
        "title = \"x\"",
        (12, 1),
        "stage[0].title",
        "the keys are code, name, point, key, space, also, also_space, scope, empty, branch, batch, batch_space, task, outcome, when, attr, \
         event_time, event_time_unit, ttl, level",
    ),
    (12, "space = \"a b\"", (12, 9), "stage[0].space", "`a b` is no name for a space"),
    (12, "space = \"\"", (12, 9), "stage[0].space", "is no name for a space"),
    (13, "", (10, 1), "stage[0].point", "`point` is missing"),
    (13, "point = \"\"", (13, 9), "stage[0].point", "the point is empty"),
    (13, "point = \"0x10%return\"", (13, 9), "stage[0].point", "name the function"),
    (13, "point = \"f+4%return\"", (13, 9), "stage[0].point", "a place inside a function has no return"),
    (14, "", (10, 1), "stage[0].key", "`key` is missing"),
    (14, "key = \"arg9\"", (14, 7), "stage[0].key", "at character 1, there is no `arg9`"),
    (14, "key = \"arg0 + x\"", (14, 7), "stage[0].key", "at character 8, expected a number"),
    (14, "key = \"ret\"", (14, 7), "stage[0].key", "or the point `ngx_http_process_request%return`"),
    (14, "key = \"bytes(arg0, ret)\"", (14, 7), "stage[0].key", "`ret` is only known when"),
    (14, "key = \"7\"", (14, 7), "stage[0].key", "the same key for every record"),
    (14, "key = \"bytes(arg0, 0)\"", (14, 7), "stage[0].key", "the same for every record"),
    (14, "key = \"*(u64*)thread\"", (14, 7), "stage[0].key", "nothing can be read there"),
    (15, "task = \"bytes(arg0, 8)\"", (15, 8), "stage[0].task", "a task id is a number"),
    (15, "task = \"ret\"", (15, 8), "stage[0].task", "`ret` is only known when"),
    (15, "outcome = \"lost\"", (15, 11), "stage[0].outcome", "a stage of the code S0 does not end a trace"),
    (
        19,
        "key = \"arg0\"\noutcome = \"Lost\"",
        (20, 11),
        "stage[1].outcome",
        "`Lost` is no name for an outcome",
    ),
    (19, "key = \"arg0\"\noutcome = \"9lives\"", (20, 11), "stage[1].outcome", "is no name for an outcome"),
    (
        19,
        "key = \"arg0\"\noutcome = \"a23456789_123456789_123456789_123\"",
        (20, 11),
        "stage[1].outcome",
        "is no name",
    ),
    (
        19,
        "key = \"arg0\"\noutcome = \"superseded\"",
        (20, 11),
        "stage[1].outcome",
        "`superseded` has a meaning of its own",
    ),
    (19, "key = \"arg0\"\noutcome = \"in_flight\"", (20, 11), "stage[1].outcome", "has a meaning of its own"),
    (23, "key = \"ret\"\noutcome = \"written\"", (24, 11), "stage[2].outcome", "only a W! stage writes"),
    (15, "when = \"arg1\"", (15, 8), "stage[0].when", "at character 5, expected a comparison"),
    (15, "when = \"ret == 1\"", (15, 8), "stage[0].when", "`ret` is only known when"),
    (15, "when = \"1 == 1\"", (15, 8), "stage[0].when", "compares numbers only"),
    (15, "when = \"*(u8*)thread == 1\"", (15, 8), "stage[0].when", "nothing can be read there"),
    (15, "when = 1", (15, 8), "stage[0].when", "a string is wanted"),
    (15, "level = \"verbose\"", (15, 9), "stage[0].level", "there is no level `verbose`; it is"),
    (15, "level = 1", (15, 9), "stage[0].level", "a string is wanted"),
    (19, "key = \"thread\"", (19, 7), "stage[1].key", "no S0 has the key `thread`"),
    (20, "[[stages]]", (20, 3), "stages", "did you mean `stage`?"),
    (22, "point = \"libfoo.so.1::f\"", (22, 9), "stage[2].point", "write `libfoo.so.1:..`"),
    (22, "point = \"record_free\"", (23, 7), "stage[2].key", "or the point `record_free%return`"),
    // Not TOML.
    (4, "rate = 5\nrate = 6", (5, 1), "sampling.rate", "this is given twice; keep one of them"),
    (4, "rate", (4, 5), "sampling.rate", "this is not TOML"),
    (4, "rate = ", (4, 8), "sampling.rate", "this is not TOML"),
    (12, "name = \"request", (12, 16), "stage[0].name", "this is not TOML"),
    (10, "[[stage]", (10, 9), "stage[0]", "this is not TOML"),
    (20, "[target]", (20, 2), "target", "this is given twice"),
];

#[test]
fn each_mistake_has_its_line_and_field() {
    for (line, with, (at_line, column), field, part) in MISTAKES.iter().copied() {
        let lines: Vec<&str> =
            ISSUE.lines().enumerate().map(|(n, old)| if n + 1 == line { with } else { old }).collect();
        let SpecErrors(errors) = read(&lines.join("\n")).expect_err(with);
        let said = errors.iter().any(|error| {
            let place = error.place.as_ref().unwrap();
            (place.line, place.column) == (at_line, column)
                && error.field == field
                && error.message.contains(part)
        });
        assert!(
            said,
            "line {line} as `{with}`, expected {at_line}:{column}: {field}: {part}, but got\n{}",
            SpecErrors(errors)
        );
    }
}

#[test]
fn one_mistake_is_said_once() {
    let several = ["[targets]", "", "[stage]", "[[stages]]", "[[stage]", "[target]"];
    for (line, with, ..) in MISTAKES.iter().filter(|(_, with, ..)| !several.contains(with)) {
        let lines: Vec<&str> =
            ISSUE.lines().enumerate().map(|(n, old)| if n + 1 == *line { *with } else { old }).collect();
        let errors = read(&lines.join("\n")).expect_err(with);
        assert_eq!(errors.0.len(), 1, "line {line} as `{with}`:\n{errors}");
    }
}
