//! What a level takes away, when a spec is read and while its session runs.

use super::super::{Overrides, load};
use super::{Level, Spec, SpecErrors, read};

fn stage(code: &str, key: &str, more: &str) -> String {
    format!("[[stage]]\ncode = '{code}'\npoint = 'f_{key}'\nkey = '{key}'\n{more}\n")
}

fn with(first: &str, stages: &[String]) -> String {
    format!("target.pid = 1\n{first}{}", stages.concat())
}

fn at(level: Level, text: &str) -> Result<Spec, SpecErrors> {
    load(Some(("p.toml", text)), &Overrides { level: Some(level), ..Overrides::default() })
}

#[test]
fn where_the_key_decides_some_stage_begins_a_trace() {
    let by_key = |stages: &[String]| with("sampling.mode = 'key'\n", stages);
    let nothing = "p.toml:3:1: stage: no stage begins a trace: where the key decides, that is an S0, or else";
    let ends = [stage("W!", "arg0", ""), stage("drop", "arg1", "")];
    // The first stage's space is not that of the one that could begin a trace.
    let elsewhere = [
        stage("W!", "arg0", "space = 'a'"),
        stage("Q+", "arg1", "space = 'b'\nalso = 'arg0'\nalso_space = 'a'"),
    ];
    let deeper = [stage("Q+", "arg1", "level = 'debug'"), stage("W!", "arg0", "")];
    for (stages, part) in [
        (&ends, nothing),
        (&elsewhere, nothing),
        (
            &deeper,
            "p.toml:3:1: stage: no stage that begins a trace is probed at the level info; give one no level, or attach with `--level debug`",
        ),
    ] {
        let message = read(&by_key(stages)).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let spec = at(Level::Debug, &by_key(&deeper)).unwrap();
    let why = spec.at_level(Level::Info).unwrap_err();
    assert_eq!(why, "at level info the spec has no stage that begins a trace");
    assert_eq!(spec.switched(0, false).unwrap_err(), "it is the only one that begins traces");
}
