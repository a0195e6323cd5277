//! What a level takes away, when a spec is read and while its session runs.

use super::super::{Overrides, check_all_levels, load};
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

#[test]
fn batches_end_somewhere() {
    let put =
        |space: &str| stage("Q+", "arg1", &format!("space = 'row'\nbatch = 'arg0'\nbatch_space = '{space}'"));
    let source = stage("S0", "arg2", "space = 'row'");
    let written = stage("W!", "arg3", "space = 'row'");
    let flush = |more: &str| stage("Q-", "arg0", &format!("space = 'batch'\n{more}"));
    let text = |stages: &[&String]| with("", &stages.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
    let message = read(&text(&[&source, &put("batch"), &written])).unwrap_err().to_string();
    assert_eq!(
        message,
        "p.toml:12:9: stage[1].batch: no stage ends the batches of the space `batch`; add the one where the batch is written, with the batch as its key"
    );
    assert!(read(&text(&[&source, &put("batch"), &flush(""), &written])).is_ok());
    let deeper = text(&[&source, &put("batch"), &flush("level = 'trace'"), &written]);
    let message = at(Level::Debug, &deeper).unwrap_err().to_string();
    assert_eq!(
        message,
        "p.toml:12:9: stage[1].batch: the stage that ends the batches of the space `batch` is not probed at the level debug; give both the same level, \
         or attach with `--level trace`"
    );
    assert!(at(Level::Trace, &deeper).is_ok());
    // A slip in the name of a space is said where it is.
    let message = read(&text(&[&source, &put("bath"), &flush(""), &written])).unwrap_err().to_string();
    assert!(message.contains("stage[2].key") && message.lines().count() == 1, "{message}");
    // A batch goes into a bigger one, which nobody ends.
    let merged = flush("batch = 'arg4'\nbatch_space = 'bigger'");
    let message = read(&text(&[&source, &put("batch"), &merged, &written])).unwrap_err().to_string();
    assert!(message.contains("stage[2].batch: no stage ends the batches of the space `bigger`"), "{message}");
}

const TAKES: &str = "scope = 'call'\n";

/// A scope that decides, and an output that it decides by.
fn scoped(scope: &str, code: &str, output: &str) -> String {
    let stages = [
        stage("S0", "arg0", ""),
        stage("T+", "arg1", scope),
        stage(code, "arg2", output),
        stage("W!", "arg3", ""),
    ];
    with("", &stages)
}

#[test]
fn a_scope_decides_by_stages_that_are_probed_with_it() {
    for (code, output) in [
        ("T-", "level = 'debug'"),
        ("Q+", "level = 'debug'"),
        ("W!", "level = 'debug'"),
        ("T+", "branch = true\nlevel = 'debug'"),
        ("drop", "outcome = 'error_routed'\nlevel = 'debug'"),
    ] {
        let text = scoped(TAKES, code, output);
        let message = read(&text).unwrap_err().to_string();
        assert_eq!(
            message,
            "p.toml:11:9: stage[1].scope: it tells by stage[2] in line 13 which records were filtered, and that stage is not probed at the level info: records \
             that come there would be taken for such; give both the same level, attach with `--level debug`, or write empty = \"keep\" here"
        );
        assert!(at(Level::Debug, &text).is_ok());
        assert!(read(&scoped(&format!("{TAKES}level = 'debug'"), code, output)).is_ok());
        assert!(read(&scoped(&format!("{TAKES}empty = 'keep'"), code, output)).is_ok());
        let why = at(Level::Debug, &text).unwrap().at_level(Level::Info).unwrap_err();
        let births = "T+ begins records, and those that it does not see";
        assert!(why.starts_with(if code == "T+" { births } else { "a scope tells by " }), "{why}");
    }
    // What is said of a record by none of these is no matter.
    for (code, output) in [("Q-", "level = 'debug'"), ("drop", "level = 'debug'")] {
        let text = scoped(TAKES, code, output);
        assert!(read(&text).is_ok());
        assert!(at(Level::Debug, &text).unwrap().at_level(Level::Info).is_ok());
    }
}

#[test]
fn a_scope_does_not_decide_by_what_a_whole_batch_comes_to() {
    let flush = |code: &str, level: &str| {
        let put = "space = 'row'\nbatch = 'arg0'\nbatch_space = 'batch'";
        let stages = [
            stage("S0", "arg1", "space = 'row'"),
            stage("T+", "arg1", "space = 'row'\nscope = 'call'"),
            stage("Q+", "arg1", put),
            stage(code, "arg0", &format!("space = 'batch'\nlevel = '{level}'")),
            stage("W!", "arg0", "space = 'batch'"),
        ];
        read(&with("", &stages))
    };
    assert!(flush("Q+", "debug").is_ok());
    assert!(flush("drop", "debug").is_ok());
}

/// With a stage of each kind that makes keys, or ends what they are of, at the level debug.
#[test]
fn what_makes_keys_or_ends_batches_neither_comes_nor_goes() {
    let row = "space = 'row'";
    let rest = [
        stage("S0", "arg0", row),
        stage("T+", "arg0", &format!("{row}\nscope = 'call'\nempty = 'keep'")),
        stage("Q+", "arg1", &format!("{row}\nbatch = 'arg2'\nbatch_space = 'batch'")),
        stage("W!", "arg2", "space = 'batch'"),
        stage("W!", "arg3", row),
    ];
    let begins =
        "begins records, and those that it does not see would be taken for older ones with their keys";
    let ends =
        "must end all batches or none: one that it does not end goes on in the next one at its address";
    for (one, label, why) in [
        (stage("S0", "arg4", row), "S0", begins),
        (stage("T-", "arg4", &format!("{row}\nbranch = true")), "T-", begins),
        (
            stage("Q-", "arg4", &format!("{row}\nalso = 'arg5'\nalso_space = 'node'")),
            "Q-",
            "binds a key that later stages know records by, and one that it does not see would be taken for an older one with that key",
        ),
        (
            stage("Q-", "arg4", &format!("{row}\nbatch = 'arg5'\nbatch_space = 'batch'")),
            "Q-",
            "puts records into batches, and those that it does not see would be missing there",
        ),
        (
            stage("Q-", "arg4", "space = 'batch'\nbatch = 'arg5'\nbatch_space = 'batch'"),
            "Q-",
            "puts records into batches",
        ),
        (
            stage("Q-", "arg4", &format!("{row}\nscope = 'call'\nempty = 'keep'")),
            "Q-",
            "opens or closes scopes, and one that is open now would go on into the next record",
        ),
        (stage("drop", "arg4", "space = 'batch'"), "drop", ends),
    ] {
        let deeper = with("", &[&rest[..], &[one + "level = 'debug'\n"]].concat());
        let (info, debug) = (at(Level::Info, &deeper).unwrap(), at(Level::Debug, &deeper).unwrap());
        let refused = [info.at_level(Level::Debug), debug.at_level(Level::Info), debug.switched(5, false)];
        for (refused, so) in
            refused.into_iter().zip(["`--level debug`", "`--level info`", &format!("a spec without {label}")])
        {
            let said = refused.unwrap_err();
            assert!(said.starts_with(&format!("{label} {why}")), "{said}");
            assert!(said.ends_with(&format!("; detach, and attach with {so} from the start")), "{said}");
        }
    }
}

#[test]
fn plain_stages_come_and_go() {
    let put = "space = 'row'\nbatch = 'arg0'\nbatch_space = 'batch'";
    let stages = |last: &str| {
        let stages = [
            stage("S0", "arg1", "space = 'row'\nattr.a = { value = 'arg2', level = 'debug' }"),
            stage("Q+", "arg2", put),
            stage("Q-", "arg0", "space = 'batch'\nlevel = 'debug'"),
            stage("T+", "arg3", "space = 'row'\nlevel = 'debug'"),
            stage("drop", "arg4", "space = 'row'\nlevel = 'debug'"),
            stage(last, "arg0", "space = 'batch'"),
            stage("W!", "arg5", "space = 'row'"),
        ];
        with("", &stages)
    };
    let text = stages("W!");
    let debug = at(Level::Info, &text).unwrap().at_level(Level::Debug).unwrap();
    assert!(debug.at_level(Level::Info).is_ok());
    for stage in [2, 3, 4, 6] {
        let off = debug.switched(stage, false).unwrap();
        assert!(off.switched(stage, true).is_ok());
    }
    // The batch is over at its last stage, which is another one then.
    let text = stages("T-").replacen("level = 'debug' }", "level = 'info' }", 1);
    let debug = at(Level::Debug, &text).unwrap();
    assert!(debug.at_level(Level::Info).is_ok(), "the last one stays");
    let why = debug.switched(5, false).unwrap_err();
    assert!(why.starts_with("T- must end all batches or none"), "{why}");
}

#[test]
fn which_stages_begin_traces_stays_as_it_is() {
    let source = stage("S0", "arg0", "space = 'a'\nlevel = 'debug'");
    let first = stage("Q+", "arg1", "space = 'b'\nalso = 'arg0'\nalso_space = 'a'");
    let rest = [
        stage("Q-", "arg2", "space = 'a'\nalso = 'arg5'\nalso_space = 'b'"),
        stage("T-", "arg3", "space = 'b'"),
        stage("W!", "arg0", "space = 'a'"),
    ];
    let by_key = |first: &[&String]| {
        let first: Vec<String> = first.iter().map(|one| (*one).clone()).collect();
        with("sampling.mode = 'key'\n", &[first, rest.to_vec()].concat())
    };
    // Without its first stage, or with another one before it, other stages begin traces.
    let spec = read(&by_key(&[&first])).unwrap();
    assert!(spec.switched(0, false).unwrap_err().starts_with("Q+ binds a key"));
    assert!(spec.switched(2, false).is_ok(), "one of several");
    let plain = stage("T+", "arg4", "space = 'a'\nlevel = 'debug'");
    let spec = at(Level::Debug, &by_key(&[&plain, &first])).unwrap();
    let why = "Q+ must begin traces all the time or never: it would sample records again that were sampled before they came to it";
    for refused in [spec.at_level(Level::Info), spec.switched(0, false)] {
        let said = refused.unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
    let spec = at(Level::Debug, &by_key(&[&source, &first])).unwrap();
    assert!(spec.at_level(Level::Info).unwrap_err().starts_with("S0 begins records"));
}

#[test]
fn a_spec_is_checked_at_all_levels_and_each_mistake_told_once() {
    let check = |text: &str| check_all_levels(Some(("p.toml", text)), &Overrides::default());
    let source = stage("S0", "arg0", "space = 'row'");
    let end = stage("W!", "arg1", "space = 'row'");
    let rest = [source.clone(), end.clone()];
    let more = |more: &[String]| with("", &[&rest[..], more].concat());
    assert_eq!(check(&more(&[])).unwrap().level, Level::Info);
    let lines = |text: &str| -> Vec<String> {
        check(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
    };
    // Wrong at any level; at the deepest alone; and at one where what it needs is missing.
    let wrong = "p.toml:17:1: stage[2].kye: there is no key `kye` here, did you mean `key`?";
    assert_eq!(lines(&more(&[stage("T+", "arg2", "space = 'row'\nkye = 'arg0'")])), [wrong]);
    let node = stage("Q-", "arg3", "space = 'node'\nlevel = 'trace'");
    let lost = "at the level trace, no S0, `also`, branch or `batch` puts a key into the space `node`";
    let told = lines(&more(&[node]));
    assert!(
        told.len() == 1 && told[0].starts_with(&format!("p.toml:15:7: stage[2].key: {lost}")),
        "{told:?}"
    );
    let put = stage("Q+", "arg3", "space = 'row'\nbatch = 'arg4'\nbatch_space = 'batch'\nlevel = 'debug'");
    let flush = stage("Q-", "arg4", "space = 'batch'\nlevel = 'trace'");
    let told = lines(&more(&[put, flush]));
    assert!(told.len() == 1 && told[0].contains("is not probed at the level debug; give both"), "{told:?}");
    // Missing at two levels, and told once.
    let deep = with("", &[stage("S0", "arg0", "level = 'trace'"), stage("W!", "arg1", "")]);
    let told = lines(&deep);
    assert_eq!(
        told,
        [
            "p.toml:2:1: stage: no S0 is probed at the level info; give one no level, or attach with `--level trace`"
        ]
    );
}
