//! Whole specs: what users write, the sample, and every kind of mistake with its line and field.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::{
    Expr, Level, Outcome, Overrides, Place, Point, SAMPLE, SequenceMode, Spec, SpecErrors, Stage, StageCode,
    Target, defaults, load,
};

mod flags;
mod journeys;
mod levels;
mod mistakes;

const ISSUE: &str = r#"[target]                       # one of pid, pids, process, exe; --pid overrides
exe = "/usr/sbin/nginx"
[sampling]
rate = 1000                    # one record in so many
sequence = "process"
max_traces_per_second = 5
max_entries_per_trace = 64
trace_ttl = "1m 30s"
max_open_traces = 100
[[stage]]
code = "S0"
name = "request"
point = "ngx_http_process_request"
key = "arg0"
task = "*(u32*)(arg0+8)"
[[stage]]
code = "W!"
point = "libfoo.so.1:write_done"
key = "*(u64*)(arg1+8)"
[[stage]]
code = "drop"                  # ends the trace as `filtered`
point = "record_free%return"
key = "ret"
"#;

fn read(text: &str) -> Result<Spec, SpecErrors> {
    load(Some(("p.toml", text)), &Overrides::default())
}

fn function(pattern: &str) -> Point {
    Point {
        library: None,
        place: Place::Function { pattern: pattern.to_owned(), offset: 0 },
        at_return: false,
    }
}

fn stage(code: StageCode, name: &str, point: Point, key: &str) -> Stage {
    Stage {
        code,
        name: name.to_owned(),
        point,
        key: key.parse().unwrap(),
        space: 0,
        also: None,
        scope: None,
        branch: false,
        batch: None,
        task: None,
        outcome: super::code::outcome(code),
        when: None,
        attributes: Vec::new(),
        event_time: None,
        ttl: None,
        level: Level::Info,
        off: false,
    }
}

#[test]
fn the_shape_of_the_issue() {
    let spec = read(ISSUE).unwrap();
    assert_eq!(spec.target, Target::Exe(PathBuf::from("/usr/sbin/nginx")));
    let sampling = super::Sampling {
        rate: 1000,
        sequence: SequenceMode::Process,
        max_traces_per_second: 5,
        max_entries_per_trace: 64,
        trace_ttl: Duration::from_secs(90),
        max_open_traces: 100,
        ..defaults::sampling()
    };
    assert_eq!(spec.sampling, sampling);
    let source = stage(StageCode::SOURCE, "request", function("ngx_http_process_request"), "arg0");
    let sink = Point { library: Some("libfoo.so.1".to_owned()), ..function("write_done") };
    let freed = Point { at_return: true, ..function("record_free") };
    let stages = vec![
        Stage { task: "*(u32*)(arg0+8)".parse::<Expr>().ok(), ..source },
        stage(StageCode::SINK, "W!", sink, "*(u64*)(arg1+8)"),
        stage(StageCode::DROP, "drop", freed, "ret"),
    ];
    assert_eq!(spec.stages, stages);
}

#[test]
fn the_sample_equals_the_defaults() {
    let spec = read(SAMPLE).unwrap();
    assert_eq!(spec.sampling, defaults::sampling());
    assert_eq!(spec.target, Target::Exe(PathBuf::from("/usr/sbin/nginx")));
    let mut expected = vec![
        stage(StageCode::SOURCE, "request", function("ngx_http_process_request"), "arg0"),
        stage(StageCode::TRANSFORM_IN, "handler", function("ngx_http_handler"), "arg0"),
        stage(StageCode::TRANSFORM_OUT, "output", function("ngx_http_output_filter"), "arg0"),
        stage(StageCode::SINK, "done", function("ngx_http_free_request"), "arg0"),
    ];
    expected[1].task = Some(Expr::Thread);
    assert_eq!(spec.stages, expected);
}

#[test]
fn the_sample_shows_every_key() {
    let (document, errors) = toml::de::DeTable::parse_recoverable(SAMPLE);
    assert!(errors.is_empty());
    let sampling = document.get_ref().get("sampling").unwrap().get_ref().as_table().unwrap();
    for (table, keys) in super::reader::KEYS {
        for key in keys {
            let commented = format!("# {key} ");
            let bare = format!("{key} = ");
            let shown = SAMPLE.contains(&commented) || SAMPLE.contains(&bare) || table.is_empty();
            assert!(shown, "{table}.{key}");
            assert!(table != "sampling" || sampling.contains_key(*key), "{key}");
        }
    }
}

#[test]
fn what_is_left_out_is_a_default() {
    let text =
        "target.pids = [7, 8]\nstage = [{code='S0',point='f',key='arg0'},{code=\"W!\",point='g',key='arg0'}]";
    let spec = read(text).unwrap();
    assert_eq!(spec.target, Target::Pids(vec![7, 8]));
    assert_eq!(spec.sampling, defaults::sampling());
    assert_eq!(spec.stages[0].name, "S0");
}

#[test]
fn codes_are_names_and_numbers() {
    let text = |code: &str| format!("{ISSUE}[[stage]]\ncode = {code}\npoint = \"f\"\nkey = \"arg0\"\n");
    for (code, number, name) in [
        ("42", 42, "STAGE_42"),
        ("\"42\"", 42, "STAGE_42"),
        ("0xff", 255, "STAGE_255"),
        ("108", 108, "SINK_WRITE_START"),
        ("\"SINK_WRITE_START\"", 108, "SINK_WRITE_START"),
    ] {
        let spec = read(&text(code)).unwrap();
        assert_eq!((spec.stages[3].code, spec.stages[3].name.as_str()), (StageCode(number), name));
    }
}

#[test]
fn all_mistakes_are_reported_in_order() {
    let text = r#"[target]
pid = 1
exe = "x"
[sampling]
rate = -5
trace_ttl = "now"
[[stage]]
code = "S1"
point = "f%ret"
key = "arg7"
[[stage]]
name = "x"
"#;
    let shown = read(text).unwrap_err().to_string();
    let starts = [
        "p.toml:3:7: target.exe: the target is already named by target.pid in line 2; keep one of them",
        "p.toml:3:7: target.exe: `x` is a relative path",
        "p.toml:5:8: sampling.rate: -5 is out of range",
        "p.toml:6:13: sampling.trace_ttl: `now` is no duration",
        "p.toml:8:8: stage[0].code: there is no stage code `S1`, did you mean \"S0\"?",
        "p.toml:9:9: stage[0].point: there is no `%ret`; only `%return` can follow a function",
        "p.toml:10:7: stage[0].key: at character 1, there is no `arg7`; arguments are arg0 to arg5",
        "p.toml:11:1: stage[1].code: `code` is missing; add it, as in code = \"S0\"",
        "p.toml:11:1: stage[1].point: `point` is missing; add it, as in point = \"request_done\"",
        "p.toml:11:1: stage[1].key: `key` is missing; add it, as in key = \"arg0\"",
    ];
    assert_eq!(shown.lines().count(), starts.len(), "{shown}");
    for (line, start) in shown.lines().zip(starts) {
        assert!(line.starts_with(start), "{line}\nexpected {start}");
    }
}

/// Stages by flags.
fn stages(stages: &[&str]) -> Overrides {
    Overrides {
        pids: vec![1],
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
        ..Overrides::default()
    }
}

#[test]
fn stages_must_make_a_journey() {
    for (given, field, part) in [
        (&[][..], "stage", "there are no stages; add [[stage]] tables"),
        (&["S0=f(arg0)"], "--stage", "no stage ends a trace; add one with the code W!"),
        (&["W!=f(arg0)"], "--stage", "no stage has the code S0"),
        (
            &["S0=f(arg0)", "W!=g(arg0)", "W!:again=g(arg0 + 0)"],
            "--stage `W!:again=g(arg0 + 0)`",
            "it has the code, point, key and condition of --stage `W!=g(arg0)`",
        ),
        (&["S0=f(thread)", "W!=g(arg0)"], "--stage `W!=g(arg0)`, key", "every S0 has the key `thread`"),
        (
            &["S0=f(thread)", "W!=g(arg0)"],
            "--stage `S0=f(thread)`, key",
            "no W! or drop has the key `thread`",
        ),
        (
            &["S0=f(arg0)", "W!=g(thread)"],
            "--stage `S0=f(arg0)`, key",
            "every W! and drop has the key `thread`",
        ),
        (&["S0=f(ret)", "W!=g(arg0)"], "--stage `S0=f(ret)`, key", "or the point `f%return`"),
        (&["S0=f()", "W!=g(arg0)"], "--stage `S0=f()`, key", "expected a value such as arg0"),
        (&["S0=(arg0)", "W!=g(arg0)"], "--stage `S0=(arg0)`, point", "the point is empty"),
        (&["S0:=f(arg0)", "W!=g(arg0)"], "--stage `S0:=f(arg0)`, name", "the name is empty"),
        (&["=f(arg0)", "W!=g(arg0)"], "--stage `=f(arg0)`, code", "the stage code is empty"),
        (
            &["f(arg0)", "W!=g(arg0)"],
            "--stage `f(arg0)`",
            "there is no `=`; a stage is written CODE=POINT(KEY)",
        ),
    ] {
        let errors = load(None, &stages(given)).unwrap_err();
        let said = errors.0.iter().any(|error| error.field == field && error.message.contains(part));
        assert!(said, "{given:?}, expected {field}: {part}, but got\n{errors}");
    }
    assert!(load(None, &stages(&["S0=f(thread)", "T+=h(thread)", "drop=g(thread)"])).is_ok());
    assert!(load(None, &stages(&["S0=f(arg0)", "W!=g(arg0)", "W!=h(arg0)", "Q+=g(arg0)"])).is_ok());
}

/// Switching a stage off must neither leave nothing to see nor make a journey false.
#[test]
fn a_stage_is_switched_off_and_on() {
    let flags = ["S0=a(arg0)", "Q+=b(arg0)", "T-=c(arg0)", "W!=d(arg0)", "drop=e(arg0)"];
    let spec = load(None, &stages(&flags)).unwrap();
    assert_eq!(spec.edition().0, 0);
    let off = spec.switched(1, false).unwrap();
    let probed: Vec<bool> = off.stages.iter().map(|stage| off.is_probed(stage)).collect();
    assert_eq!((probed, off.edition().0), (vec![true, false, true, true, true], 4));
    // Never the edition that is awake; with all on again, that of the level.
    let two = off.switched(2, false).unwrap();
    assert_eq!(two.edition().0, 3);
    assert_eq!(two.switched(1, true).unwrap().edition().0, 4);
    assert_eq!(off.switched(1, true).unwrap().edition().0, 0);
    let refused = |spec: &super::Spec, stage| spec.switched(stage, false).unwrap_err();
    assert!(refused(&spec, 0).starts_with("it is the only S0"));
    assert!(refused(&spec.switched(3, false).unwrap(), 4).starts_with("it is the only one that ends"));
    assert_eq!(refused(&spec, 9), "it is none of the spec");
    let scoped = |scope: &str| {
        let text = format!("[target]\npid = 7\n{}", [
            "[[stage]]\ncode = \"S0\"\npoint = \"a\"\nkey = \"arg0\"\n".to_owned(),
            format!("[[stage]]\ncode = \"T+\"\npoint = \"b\"\nkey = \"arg0\"\n{scope}"),
            "[[stage]]\ncode = \"T-\"\npoint = \"c\"\nkey = \"scope\"\n".to_owned(),
            "[[stage]]\ncode = \"T+\"\nname = \"end\"\npoint = \"d\"\nkey = \"arg0\"\nscope = \"close\"\n".to_owned(),
            "[[stage]]\ncode = \"W!\"\npoint = \"e\"\nkey = \"arg0\"\n".to_owned(),
        ].concat());
        load(Some(("p.toml", &text)), &Overrides::default()).unwrap()
    };
    let filters = scoped("scope = \"open\"\n");
    assert!(
        refused(&filters, 2).starts_with("a scope tells by T- which records were filtered"),
        "{}",
        refused(&filters, 2)
    );
    for (stage, label) in [(1, "T+"), (3, "T+ end")] {
        let why = refused(&filters, stage);
        assert!(why.starts_with(&format!("{label} opens or closes scopes")), "{why}");
    }
    let keeps = scoped("scope = \"open\"\nempty = \"keep\"\n");
    assert!(keeps.switched(2, false).is_ok());
    // A level takes the other set, too, while a stage is off, and keeps it off.
    let raised = off.at_level(Level::Debug).unwrap();
    assert_eq!((off.edition().0, raised.edition().0, raised.stages[1].off), (4, 3, true));
    // A scope that comes with a level would find calls that were begun without it; one that goes leaves some open.
    let deeper = scoped("scope = \"open\"\nempty = \"keep\"\nlevel = \"info\"\n");
    assert!(deeper.at_level(Level::Trace).is_ok());
    let text = "[target]\npid = 7\n[[stage]]\ncode = \"S0\"\npoint = \"a\"\nkey = \"arg0\"\n[[stage]]\ncode = \"T+\"\npoint = \"b\"\nkey = \"arg0\"\nscope = \"call\"\nlevel = \"debug\"\n[[stage]]\ncode = \"W!\"\npoint = \"e\"\nkey = \"arg0\"\n";
    let spec = load(Some(("p.toml", text)), &Overrides::default()).unwrap();
    assert!(spec.at_level(Level::Debug).unwrap_err().starts_with("T+ opens or closes scopes"));
}

#[test]
fn levels_choose_the_stages_that_are_probed() {
    let at = |text: &str, level| {
        load(Some(("p.toml", text)), &Overrides { level: Some(level), ..Overrides::default() })
    };
    let lines = |changes: &[(usize, &str)]| -> String {
        let mut lines: Vec<String> = ISSUE.lines().map(str::to_owned).collect();
        changes.iter().for_each(|(line, level)| lines[*line - 1].push_str(&format!("\nlevel = \"{level}\"")));
        lines.join("\n")
    };
    let text = lines(&[(17, "debug"), (21, "trace")]);
    for (level, expected) in [(Level::Debug, [true, true, false]), (Level::Trace, [true; 3])] {
        let spec = at(&text, level).unwrap();
        let probed: Vec<bool> = spec.stages.iter().map(|stage| spec.is_probed(stage)).collect();
        assert_eq!(probed, expected, "{level}");
    }
    for (text, level, part) in [
        (
            &text,
            Level::Info,
            "stage: no stage that ends a trace is probed at the level info; give one no level, or attach with `--level debug`",
        ),
        (
            &lines(&[(11, "trace")]),
            Level::Debug,
            "stage: no S0 is probed at the level debug; give one no level, or attach with `--level trace`",
        ),
    ] {
        let shown = at(text, level).unwrap_err().to_string();
        assert!(shown.contains(part) && shown.lines().count() == 1, "{shown}");
    }
    assert!(at(&lines(&[(11, "info")]), Level::Info).is_ok());
}

#[test]
fn outcomes_are_numbered_as_they_come() {
    let more = |n: usize, outcome: &str| {
        format!("[[stage]]\ncode = \"drop\"\npoint = \"f{n}\"\nkey = \"arg0\"\noutcome = \"{outcome}\"\n")
    };
    let text = ISSUE.to_owned()
        + &more(1, "error_routed")
        + &more(2, "filtered")
        + &more(3, "late")
        + &more(4, "error_routed");
    let spec = read(&text).unwrap();
    let found: Vec<Option<Outcome>> = spec.stages.iter().map(|stage| stage.outcome).collect();
    let named = |number| Some(Outcome::Named(number));
    let (written, filtered) = (Some(Outcome::Written), Some(Outcome::Filtered));
    assert_eq!(found, [None, written, filtered, named(0), filtered, named(1), named(0)]);
    assert_eq!(spec.outcomes, ["error_routed", "late"]);
    let many: String = (0..17).map(|n| more(n, &format!("o{n}"))).collect();
    let shown = read(&(ISSUE.to_owned() + &many)).unwrap_err().to_string();
    assert!(shown.contains("this is outcome `o16`, and a spec names 16 at most"), "{shown}");
}

#[test]
fn spaces_are_one_until_one_is_named() {
    let spaces = |stages: &[(&str, &str, &str)]| {
        let one = |(index, (code, key, space)): (usize, &(&str, &str, &str))| {
            let space = if space.is_empty() { String::new() } else { format!("space = '{space}'\n") };
            format!("[[stage]]\ncode = '{code}'\npoint = 'f{index}'\nkey = '{key}'\n{space}")
        };
        let text: String = stages.iter().enumerate().map(one).collect();
        read(&format!("target.pid = 1\n{text}")).map(|spec| {
            let numbers: Vec<u32> = spec.stages.iter().map(|stage| stage.space).collect();
            let names: Vec<&str> = numbers.iter().map(|space| spec.space_name(*space)).collect();
            (numbers, names.join(" "))
        })
    };
    for (stages, numbers, names) in [
        (
            &[("S0", "arg0", ""), ("T+", "arg3", ""), ("W!", "arg1", "")][..],
            &[0, 0, 0][..],
            "record record record",
        ),
        (&[("S0", "thread", ""), ("W!", "thread", "")], &[1, 1], "thread thread"),
        (&[("S0", "arg0", "row"), ("T+", "arg1", "row"), ("W!", "arg2", "row")], &[2, 2, 2], "row row row"),
        // A word is not the spelling that it looks like.
        (
            &[("S0", "arg0", "arg1"), ("S0", "arg1", ""), ("T+", "arg5", "arg1"), ("W!", "arg1", "")],
            &[2, 3, 2, 3],
            "arg1 arg1 arg1 arg1",
        ),
        (
            &[("S0", "arg0", "row"), ("S0", "thread", ""), ("W!", "thread", "")],
            &[2, 1, 1],
            "row thread thread",
        ),
    ] {
        assert_eq!(spaces(stages).unwrap(), (numbers.to_vec(), names.to_owned()));
    }
    for (stages, part) in [
        (&[("S0", "thread", "row"), ("W!", "thread", "")], "keys that are threads have a space of their own"),
        (
            &[("S0", "arg0", "row"), ("W!", "arg0", "")],
            "no S0, `also`, branch or `batch` puts a key into the space of keys written `arg0`",
        ),
        (
            &[("S0", "arg0", "row"), ("W!", "thread", "")],
            "no S0, `also`, branch or `batch` puts a key into the space of threads",
        ),
    ] {
        let shown = spaces(stages).unwrap_err().to_string();
        assert!(shown.contains(part) && shown.lines().count() == 1, "{shown}");
    }
}

#[test]
fn nothing_at_all_is_two_mistakes() {
    let shown = load(None, &Overrides::default()).unwrap_err().to_string();
    assert!(shown.starts_with("target: it is not said what to attach to; give --pid"), "{shown}");
    assert!(shown.lines().nth(1).unwrap().starts_with("stage: there are no stages"), "{shown}");
    assert_eq!(
        read("").unwrap_err().to_string(),
        shown.replace("target:", "p.toml:1:1: target:").replace("stage:", "p.toml:1:1: stage:")
    );
}

#[test]
fn sizes_are_bounded() {
    let one = "[[stage]]\ncode = \"T+\"\npoint = \"f\"\nkey = \"arg0\"\n";
    for (text, part) in [
        ("#".repeat((1 << 20) + 1), "p.toml:1:1: file: the file has 1048577 bytes"),
        (ISSUE.to_owned() + &one.repeat(254), "p.toml:10:1: stage: there are 257 stages"),
        (
            ISSUE.replace("\"request\"", &format!("\"{}\"", "n".repeat(65))),
            "p.toml:12:8: stage[0].name: the name is longer",
        ),
        (
            ISSUE.replace("exe = \"/usr/sbin/nginx\"", &format!("pids = [{}]", "1,".repeat(1025))),
            "the list has 1025 members",
        ),
        (ISSUE.replace("arg0", &" ".repeat(513)), "stage[0].key: the expression has 513 bytes"),
    ] {
        let shown = read(&text).unwrap_err().to_string();
        assert!(shown.contains(part), "{shown}");
    }
    assert!(read(&ISSUE.replace("request\"", &format!("{}\"", "é".repeat(64)))).is_ok());
}

#[test]
fn hostile_files_are_refused_in_time() {
    for text in ["[".repeat(1 << 20), "a\n".repeat(1 << 19), "a=1\n".repeat(1 << 18), "a.".repeat(1 << 19)] {
        assert!(read(&text).is_err());
    }
    let inline: String = (0..60_000).map(|n| format!("k{n}=1,")).collect();
    assert!(read(&format!("target={{{inline}pid=1}}")).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in r"(?s).{0,200}", flag in ".{0,60}") {
        let overrides = Overrides { stages: vec![flag.clone()], ttl: Some(flag), ..Overrides::default() };
        let _ = load(Some(("p.toml", &text)), &overrides);
    }

    #[test]
    fn no_damage_panics(cut in 0..ISSUE.len(), len in 0..40_usize, with in "[\\[\\]\"'= \n{},.5a#é]{0,6}") {
        let mut text = ISSUE.to_owned();
        text.replace_range(cut..(cut + len).min(ISSUE.len()), &with);
        if let Err(errors) = read(&text) {
            prop_assert!(!errors.0.is_empty());
            prop_assert_eq!(errors.to_string().lines().count(), errors.0.len());
        }
    }
}
