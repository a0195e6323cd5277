//! Records that change, split, merge and vanish: what users write for them, and every mistake with its line and field.

use std::time::Duration;

use profiler_common::{ProbeSpec, limits};

use super::super::{
    AttributeSpec, Binding, Empty, EventTime, Overrides, SamplingMode, Scope, ScopeKind, Spec, SpecError,
    StageKey, TimeUnit, load,
};
use super::{Level, SAMPLE, SpecErrors, StageCode, read};

/// A pipeline with all of it; lines are counted from 1.
const JOURNEY: &str = r#"target.pid = 1
[[space]]
name = "row"
shared = true
[[stage]]
code = "S0"
point = "emit"
key = "arg1"
space = "row"
event_time = "*(u64*)(arg1+24)"
[[stage]]
code = "Q+"
point = "enqueue"
key = "arg1"
space = "row"
also = "arg0"
also_space = "node"
ttl = "5s"
[[stage]]
code = "T+"
point = "transform"
key = "arg0"
space = "node"
scope = "call"
empty = "keep"
attr.table = "str(arg1+16, 32)"
attr.status = { value = "*(i32*)(arg0+8)", names = { "0" = "ok", "-5" = "bad" }, level = "debug" }
[[stage]]
code = "T-"
point = "emit"
key = "scope"
event_time = "*(u64*)(arg0+24)"
event_time_unit = "us"
[[stage]]
code = "T-"
point = "emit_row"
key = "arg1"
space = "row"
branch = true
[[stage]]
code = "Q+"
point = "batch_add"
key = "arg1"
space = "row"
batch = "arg0"
batch_space = "batch"
[[stage]]
code = "W!"
point = "batch_flush"
key = "arg0"
space = "batch"
"#;

fn journey() -> Spec {
    read(JOURNEY).unwrap()
}

#[test]
fn all_of_it_is_read() {
    let spec = journey();
    let numbers: Vec<u32> = spec.stages.iter().map(|stage| stage.space).collect();
    let own = ProbeSpec::SPACE_OWN;
    assert_eq!(numbers, [own, own, own + 1, 0, own, own, own + 2]);
    let names: Vec<(&str, bool)> =
        spec.spaces.iter().map(|space| (space.name.as_str(), space.shared)).collect();
    assert_eq!(names, [("row", true), ("node", false), ("batch", false)]);
    assert_eq!([own, own + 1, 0, 1].map(|space| spec.is_shared(space)), [true, false, false, false]);
    assert_eq!([own, own + 1, own + 2].map(|space| spec.holds_batches(space)), [false, false, true]);
    let [source, enqueue, transform, current, branch, add, _] = &spec.stages[..] else { panic!("{spec:?}") };
    let event_time = |text: &str, unit| Some(EventTime { value: text.parse().unwrap(), unit });
    assert_eq!(source.event_time, event_time("*(u64*)(arg1+24)", TimeUnit::Milliseconds));
    assert_eq!(current.event_time, event_time("*(u64*)(arg0+24)", TimeUnit::Microseconds));
    let binding = |text: &str, space| Some(Binding { expr: text.parse().unwrap(), space });
    assert_eq!((&enqueue.also, enqueue.ttl), (&binding("arg0", own + 1), Some(Duration::from_secs(5))));
    assert_eq!(add.batch, binding("arg0", own + 2));
    assert_eq!(spec.fills(), [(5, 6)], "the batch that is put into, to the stage that it is the key of");
    assert_eq!(transform.scope, Some(Scope { kind: ScopeKind::Call, empty: Empty::Keep }));
    assert_eq!((&current.key, current.branch, branch.branch), (&StageKey::Scope, false, true));
    let attribute = |name: &str, text: &str, words: &[(i64, &str)], level| AttributeSpec {
        name: name.to_owned(),
        reading: text.parse().unwrap(),
        words: words.iter().map(|(number, word)| (number.cast_unsigned(), (*word).to_owned())).collect(),
        level,
    };
    let mut expected = [
        attribute("table", "str(arg1+16, 32)", &[], Level::Info),
        attribute("status", "*(i32*)(arg0+8)", &[(0, "ok"), (-5, "bad")], Level::Debug),
    ];
    let mut found = transform.attributes.clone();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found, expected);
    let read: Vec<&str> = spec.attributes(transform).map(|(_, attribute)| attribute.name.as_str()).collect();
    assert_eq!(read, ["table"]);
    assert!(spec.stages.iter().all(|stage| spec.begins(stage) == (stage.code == StageCode::SOURCE)));
}

#[test]
fn attributes_of_the_level_keep_their_numbers() {
    let at = |level| {
        let overrides = Overrides { level: Some(level), ..Overrides::default() };
        load(Some(("p.toml", JOURNEY)), &overrides).unwrap()
    };
    let (info, debug) = (at(Level::Info), at(Level::Debug));
    let list = |spec: &Spec| -> Vec<(usize, String)> {
        spec.attributes(&spec.stages[2]).map(|(index, attribute)| (index, attribute.name.clone())).collect()
    };
    assert_eq!((list(&info).len(), list(&debug).len()), (1, 2));
    assert!(list(&info).iter().all(|one| list(&debug).contains(one)));
}

#[test]
fn where_the_key_decides_and_there_is_no_source_any_stage_of_its_space_begins_a_trace() {
    let begins = |text: &str| -> Vec<bool> {
        let spec = read(text).unwrap();
        spec.stages.iter().map(|stage| spec.begins(stage)).collect()
    };
    let by_key = JOURNEY.replace("target.pid = 1", "target.pid = 1\nsampling.mode = \"key\"");
    assert_eq!(read(&by_key).unwrap().sampling.mode, SamplingMode::Key);
    assert_eq!(begins(&by_key), [true, false, false, false, false, false, false]);
    let no_source = by_key.replacen("code = \"S0\"", "code = \"Q-\"", 1);
    assert_eq!(begins(&no_source), [true, true, false, false, false, true, false]);
    let ends = no_source.replace("key = \"arg0\"\nspace = \"batch\"", "key = \"arg0\"\nspace = \"row\"")
        + "[[stage]]\ncode = \"Q-\"\npoint = \"taken\"\nkey = \"arg0\"\nspace = \"batch\"\n";
    assert!(!begins(&ends)[6], "what ends traces begins none");
    // Where what was refused is over: at such ends, and where a branch takes its key over.
    let over = |text: &str| -> Vec<usize> {
        let spec = read(text).unwrap();
        (0..spec.stages.len()).filter(|at| spec.ends_unsourced(&spec.stages[*at])).collect()
    };
    assert_eq!([over(&by_key), over(&no_source), over(&ends)], [vec![], vec![4], vec![4, 6]]);
    let message = read(&JOURNEY.replacen("code = \"S0\"", "code = \"Q-\"", 1)).unwrap_err().to_string();
    assert!(message.contains("no stage has the code S0"), "{message}");
}

#[test]
fn further_keys_follow_the_rule_of_keys() {
    let stages = |also: &str, last: &str| {
        format!(
            "target.pid = 1\n[[stage]]\ncode = 'S0'\npoint = 'f'\nkey = 'arg1'\n{also}\n[[stage]]\ncode = 'W!'\npoint = 'g'\n{last}\n"
        )
    };
    let spaces = |also: &str, last: &str| -> Result<Vec<u32>, SpecErrors> {
        let spec = read(&stages(also, last))?;
        let source = &spec.stages[0];
        let bound = source.also.as_ref().or(source.batch.as_ref()).map(|binding| binding.space);
        Ok([Some(source.space), bound, Some(spec.stages[1].space)].into_iter().flatten().collect())
    };
    // One space while none is named, and one for each spelling afterwards.
    assert_eq!(spaces("also = 'arg0'", "key = 'arg2'").unwrap(), [0, 0, 0]);
    assert_eq!(spaces("also = 'arg0'\nalso_space = 'n'", "key = 'arg0'\nspace = 'n'").unwrap(), [2, 3, 3]);
    assert_eq!(spaces("also = 'arg0'\nspace = 'r'", "key = 'arg0'").unwrap(), [2, 3, 3]);
    // A batch is never a record.
    assert_eq!(spaces("batch = 'arg0'", "key = 'arg0'").unwrap(), [2, 3, 3]);
    // A further key brings the record to another kind of key.
    assert_eq!(spaces("also = '*(u64*)(arg2)'", "key = 'ret'\npoint2 = 1").unwrap_err().0.len(), 2);
    let thread = stages("also = 'arg0'", "key = 'arg0'").replace("key = 'arg1'", "key = 'thread'");
    assert!(read(&thread).is_ok(), "{:?}", read(&thread));
}

/// A line (from 1) replaced, and what is then said: line, column, field, part of the message.
type Mistake = (usize, &'static str, (usize, usize), &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    (1, "target.pid = 1\nsampling.mode = \"keys\"", (2, 17), "sampling.mode", "did you mean \"key\"?"),
    (
        1,
        "target.pid = 1\nsampling.mode = \"random\"",
        (2, 17),
        "sampling.mode",
        "it is \"sequence\" (records are",
    ),
    (2, "[space]", (2, 1), "space", "write [[space]], with two brackets"),
    (3, "", (2, 1), "space[0].name", "`name` is missing"),
    (3, "name = \"a b\"", (3, 8), "space[0].name", "`a b` is no name for a space"),
    (3, "name = \"order\"", (3, 8), "space[0].name", "no stage has the space `order`"),
    (
        3,
        "name = \"row\"\n[[space]]\nname = \"row\"",
        (5, 8),
        "space[1].name",
        "already described by space[0].name in line 3",
    ),
    (4, "shared = \"yes\"", (4, 10), "space[0].shared", "a string stands where true or false is wanted"),
    (4, "share = true", (4, 1), "space[0].share", "did you mean `shared`?"),
    (8, "key = \"scope\"", (8, 7), "stage[0].key", "a record begins at an S0"),
    (
        10,
        "event_time_unit = \"ms\"",
        (10, 19),
        "stage[0].event_time_unit",
        "the unit of `event_time`, and there is none",
    ),
    (10, "event_time = \"bytes(arg1, 8)\"", (10, 14), "stage[0].event_time", "a time is a number"),
    (10, "event_time = \"1700000000\"", (10, 14), "stage[0].event_time", "no time of the record's"),
    (10, "event_time = \"ret\"", (10, 14), "stage[0].event_time", "`ret` is only known when"),
    (10, "shared = true", (10, 1), "stage[0].shared", "it belongs to a [[space]]"),
    (10, "value = 5", (10, 1), "stage[0].value", "it belongs to an attribute"),
    (10, "scope = \"call\"", (10, 9), "", ""),
    (18, "tttl = \"5s\"", (18, 1), "stage[1].tttl", "did you mean `ttl`?"),
    (16, "also = \"7\"", (16, 8), "stage[1].also", "the same key for every record"),
    (16, "also = \"thread\"", (16, 8), "stage[1].also", "to follow it on the thread, open a scope"),
    (16, "also = \"arg9\"", (16, 8), "stage[1].also", "there is no `arg9`"),
    (16, "also = \"scope\"", (16, 8), "stage[1].also", "`scope` can only be the whole key of a stage"),
    (16, "", (17, 14), "stage[1].also_space", "the space of `also`, and there is none"),
    (17, "also_space = \"\"", (17, 14), "stage[1].also_space", "is no name for a space"),
    (17, "also_space = \"row2\"", (22, 7), "stage[2].key", "puts a key into the space `node`"),
    (18, "ttl = \"soon\"", (18, 7), "stage[1].ttl", "`soon` is no duration"),
    (18, "ttl = 5", (18, 7), "stage[1].ttl", "a string is wanted"),
    (21, "point = \"transform%return\"", (24, 9), "stage[2].scope", "begins at the function's entry"),
    (21, "point = \"transform+4\"", (24, 9), "stage[2].scope", "begins at the function's entry"),
    (24, "scope = \"calls\"", (24, 9), "stage[2].scope", "did you mean \"call\"?"),
    (24, "scope = \"thread\"", (24, 9), "stage[2].scope", "it is \"call\" (closed by"),
    (24, "scope = \"open\"", (24, 9), "stage[2].scope", "no stage has scope = \"close\""),
    (25, "empty = \"drop\"", (25, 9), "stage[2].empty", "it is \"filtered\" (the record ends there)"),
    (
        26,
        "attr.table = \"str(arg1+16, 65)\"",
        (26, 14),
        "stage[2].attr.table",
        "65 bytes are out of range; write a number from 1 to 64",
    ),
    (26, "attr.table = \"str(arg1+16, 0)\"", (26, 14), "stage[2].attr.table", "0 bytes are out of range"),
    (
        26,
        "attr.table = \"str(thread, 8)\"",
        (26, 14),
        "stage[2].attr.table",
        "`thread` is a number, not an address",
    ),
    (26, "attr.table = \"str(arg1, thread)\"", (26, 14), "stage[2].attr.table", "`thread` is no length"),
    (26, "attr.table = \"str(ret, 8)\"", (26, 14), "stage[2].attr.table", "`ret` is only known when"),
    (26, "attr.table = \"42\"", (26, 14), "stage[2].attr.table", "a number is the same for every record"),
    (26, "attr.table = \"bytes(arg1, 8)\"", (26, 14), "stage[2].attr.table", "bytes(..) is a hash"),
    (26, "attr.table = 7", (26, 14), "stage[2].attr.table", "a string is wanted"),
    (26, "attr.\"a b\" = \"arg1\"", (26, 6), "stage[2].attr.a b", "`a b` is no name for an attribute"),
    (26, "attr.status = \"arg1\"", (27, 6), "stage[2].attr", "this is given twice"),
    (27, "attr.status = { names = {} }", (27, 6), "stage[2].attr.status.value", "`value` is missing"),
    (
        27,
        "attr.status = { value = \"arg1\", name = {} }",
        (27, 33),
        "stage[2].attr.status.name",
        "did you mean `names`?",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", names = 1 }",
        (27, 41),
        "stage[2].attr.status.names",
        "a table is wanted",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", names = { 0 = 1 } }",
        (27, 47),
        "stage[2].attr.status.names.0",
        "a string is wanted",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", names = { x = \"y\" } }",
        (27, 43),
        "stage[2].attr.status.names.x",
        "`x` is no 64-bit number",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", names = { 0 = \"\" } }",
        (27, 47),
        "stage[2].attr.status.names.0",
        "is no word for a number",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", names = { 1 = \"a\", 0x1 = \"b\" } }",
        (27, 52),
        "stage[2].attr.status.names.0x1",
        "has a word already",
    ),
    (
        27,
        "attr.status = { value = \"str(arg1, 8)\", names = { 0 = \"a\" } }",
        (27, 51),
        "stage[2].attr.status.names.0",
        "words are for numbers",
    ),
    (
        27,
        "attr.status = { value = \"arg1\", level = \"all\" }",
        (27, 41),
        "stage[2].attr.status.level",
        "there is no level `all`",
    ),
    (27, "attr = 5", (27, 1), "stage[2].attr", "this is given twice"),
    (31, "key = \"scope\"\nspace = \"row\"", (32, 9), "stage[3].space", "has no space; take it out"),
    (31, "key = \"scope\"\nscope = \"call\"", (32, 9), "stage[3].scope", "is open already"),
    (31, "key = \"scope\"\nempty = \"keep\"", (32, 9), "stage[3].empty", "only a stage that opens a scope"),
    (31, "key = \"scope\"\nscope = \"close\"", (32, 9), "stage[3].scope", "no stage has scope = \"open\""),
    (37, "key = \"scope\"", (39, 10), "stage[4].branch", "`scope` is its parent"),
    (39, "branch = \"yes\"", (39, 10), "stage[4].branch", "true or false is wanted"),
    (45, "batch = \"thread\"", (45, 9), "stage[5].batch", "a thread is no batch"),
    (46, "batch_space = \"other\"", (50, 7), "stage[6].key", "puts a key into the space `batch`"),
    (51, "space = \"batch\"\nscope = \"call\"", (52, 9), "stage[6].scope", "the stage ends its trace"),
    (
        51,
        "space = \"batch\"\nbatch = \"arg2\"",
        (52, 9),
        "stage[6].batch",
        "the stage ends its trace, so a batch is of no use",
    ),
    (
        51,
        "space = \"batch\"\nalso = \"arg2\"",
        (52, 8),
        "stage[6].also",
        "the stage ends its trace, so a further key",
    ),
    (
        51,
        "space = \"batch\"\nttl = \"5s\"",
        (52, 7),
        "stage[6].ttl",
        "the stage ends its trace, so a time to live",
    ),
    (33, "event_time_unit = \"m\"", (33, 19), "stage[3].event_time_unit", "did you mean \"s\"?"),
    (33, "event_time_unit = \"min\"", (33, 19), "stage[3].event_time_unit", "there is no unit of time `min`"),
];

fn with(line: usize, replaced: &str) -> String {
    let lines = JOURNEY.lines().enumerate().map(|(n, old)| if n + 1 == line { replaced } else { old });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_mistake_has_its_line_and_field_and_is_said_once() {
    let failures: Vec<String> = MISTAKES.iter().copied().filter_map(failure).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as it should be. A mistake without a field is none.
fn failure((line, replaced, at, field, part): Mistake) -> Option<String> {
    let SpecErrors(errors) = match read(&with(line, replaced)) {
        Ok(_) if field.is_empty() => return None,
        Ok(_) => return Some(format!("line {line} as `{replaced}` is taken")),
        Err(errors) => errors,
    };
    let is = |error: &SpecError| {
        let place = error.place.as_ref().unwrap();
        (place.line, place.column) == at && error.field == field && error.message.contains(part)
    };
    let right = errors.len() == 1 && errors.iter().any(is);
    let shown = SpecErrors(errors);
    (!right)
        .then(|| format!("line {line} as `{replaced}`, expected {at:?}: {field}: {part}, but got\n{shown}"))
}

#[test]
fn bounds_are_those_of_the_kernel_program() {
    for (key, most) in [
        ("max_keys_per_trace", limits::MAX_KEYS),
        ("max_branches_per_trace", limits::MAX_BRANCHES),
        ("max_batches", limits::MAX_BATCHES),
        ("max_batch_members", limits::MAX_MEMBERS),
        ("max_attributes_per_trace", limits::MAX_EXTRAS),
    ] {
        let with = |value: u32| {
            read(&JOURNEY.replace("target.pid = 1", &format!("target.pid = 1\nsampling.{key} = {value}")))
        };
        assert!(with(most).is_ok() && with(1).is_ok(), "{key}");
        let message = with(most + 1).unwrap_err().to_string();
        let wanted = format!("sampling.{key}: {} is out of range; write a number from 1 to {most}", most + 1);
        assert!(message.contains(&wanted), "{message}");
        let documented = format!("| `{key}` | | `");
        let row = include_str!("../../../../docs/spec.md")
            .lines()
            .find(|line| line.starts_with(&documented))
            .unwrap();
        assert!(row.contains(&format!("| 1 to {most} |")), "{row}");
        assert!(SAMPLE.contains(&format!("1 to {most})")), "{key}");
    }
}

#[test]
fn too_many_attributes_are_told() {
    let many: String = (0..9).map(|n| format!("attr.a{n} = \"arg1\"\n")).collect();
    let text = with(26, "").replace("attr.status = {", &format!("{many}attr.status = {{"));
    let message = read(&text).unwrap_err().to_string();
    assert!(
        message.contains("a stage has at most 8 attributes") && message.lines().count() == 1,
        "{message}"
    );
    let words: String = (0..257).map(|n| format!("{n} = \"w\",")).collect();
    let text = with(27, &format!("attr.status = {{ value = \"arg1\", names = {{ {words} }} }}"));
    let message = read(&text).unwrap_err().to_string();
    assert!(message.contains("an attribute has words for 256 numbers at most"), "{message}");
}

#[test]
fn a_batch_is_no_record() {
    let text = |last: &str| {
        JOURNEY.replace(
            "code = \"W!\"\npoint = \"batch_flush\"",
            &format!("code = \"Q-\"\npoint = \"batch_flush\"\n{last}"),
        ) + "[[stage]]\ncode = \"W!\"\npoint = \"w\"\nkey = \"arg0\"\nspace = \"batch\"\n"
    };
    assert!(read(&text("")).is_ok(), "{}", read(&text("")).unwrap_err());
    assert!(read(&text("batch = \"arg1\"\nbatch_space = \"batch\"")).is_ok(), "batches in batches");
    for (last, part) in [
        ("also = \"arg1\"\nalso_space = \"node\"", "a batch has one key"),
        ("scope = \"call\"", "only a record can be current on a thread"),
        ("attr.a = \"arg1\"", "nothing is read of its records there"),
        ("event_time = \"arg1\"", "nothing is read of its records there"),
        ("branch = true", "the space `batch` holds records"),
    ] {
        let message = read(&text(last)).unwrap_err().to_string();
        assert!(message.contains(part) && message.lines().count() == 1, "{last}: {message}");
    }
}

#[test]
fn what_is_read_of_records_must_fit_into_memory() {
    let text = |more: &str| {
        JOURNEY
            .replace("target.pid = 1", &format!("target.pid = 1\nsampling.max_open_traces = 1048576\n{more}"))
    };
    let message = read(&text("")).unwrap_err().to_string();
    assert_eq!(
        message,
        "p.toml:2:28: sampling.max_open_traces: 1048576 open traces with 24 attributes and notes on batches would take more than 1 GiB; lower max_open_traces or \
         max_attributes_per_trace"
    );
    assert!(read(&text("sampling.max_attributes_per_trace = 4")).is_ok());
    let plain = "target.pid = 1\nsampling.max_open_traces = 1048576\n[[stage]]\ncode = 'S0'\npoint = 'f'\nkey = 'arg0'\n[[stage]]\ncode = 'W!'\npoint = 'g'\nkey = 'arg0'\n";
    assert!(read(plain).is_ok(), "nothing is read");
}

#[test]
fn scopes_and_branches_need_an_opener() {
    let without = JOURNEY.replace("scope = \"call\"\nempty = \"keep\"\n", "");
    let level = "the stage that it needs for its scope is not probed at the level info; give both the same level, or attach with `--level debug`";
    for (text, starts) in [
        (
            without,
            [
                "p.toml:29:7: stage[3].key: no stage opens a scope, so no record is ever current here".to_owned(),
                "p.toml:37:10: stage[4].branch: no stage opens a scope, so nobody knows what this is a branch of".to_owned(),
            ],
        ),
        (
            with(27, "level = \"debug\""),
            [format!("p.toml:31:7: stage[3].key: {level}"), format!("p.toml:39:10: stage[4].branch: {level}")],
        ),
    ] {
        let message = read(&text).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 2, "{message}");
        for (line, start) in message.lines().zip(starts) {
            assert!(line.starts_with(&start), "{line}");
        }
    }
}

#[test]
fn the_thread_is_no_key_that_decides() {
    let text = "target.pid = 1\nsampling.mode = 'key'\n[[stage]]\ncode = 'S0'\npoint = 'f'\nkey = 'thread'\n[[stage]]\ncode = 'W!'\npoint = 'g'\nkey = 'thread'\n";
    let message = read(text).unwrap_err().to_string();
    assert!(
        message.starts_with("p.toml:6:7: stage[0].key: sampling.mode = \"key\" takes records by their key"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(read(&text.replace("'key'", "'sequence'")).is_ok());
}
