//! Records that change, split and merge: what the kernel program is given for them, and where.

use profiler_common::{Key, ProbeSpec, Role};

use super::super::*;
use super::{ENDBR, KERNEL, PUSH, candidate, function, module};
use crate::spec::{Overrides, load};

/// A spec of these stages, in the one-line form `CODE POINT KEY; more`.
fn spec(top: &str, stages: &[&str]) -> Spec {
    let mut text = format!("target.pid = 7\n{top}\n");
    for stage in stages {
        let (words, more) = stage.split_once(';').unwrap_or((stage, ""));
        let [code, point, key] = words.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{stage}") };
        let more = more.replace(';', "\n");
        text += &format!("[[stage]]\ncode = '{code}'\npoint = '{point}'\nkey = '{key}'\n{more}\n");
    }
    load(Some(("p.toml", &text)), &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The plan where each point is a function of these bytes.
fn planned(spec: &Spec, bytes: &[u8], unwinds: bool, go: bool) -> Result<Plan, PlanErrors> {
    let module = module(unwinds, go);
    let name = |stage: &Stage| error::point_text(&stage.point).replace("%return", "");
    let functions: Vec<Function> = (0..)
        .zip(&spec.stages)
        .map(|(n, stage)| function(name(stage).split('+').next().unwrap(), 0x1100 + 0x100 * n, bytes))
        .collect();
    let points: Vec<ResolvedStage<'_>> = functions
        .iter()
        .enumerate()
        .map(|(stage, one)| ResolvedStage { stage, functions: vec![candidate(&module, one, bytes)] })
        .collect();
    plan(spec, &points, KERNEL)
}

/// The second of three stages, of which the first and the last are plain.
fn sites(top: &str, stage: &str, bytes: &[u8], unwinds: bool) -> Vec<Site> {
    let spec = spec(top, &["S0 emit arg0;space = 'r'", stage, "W! write arg0;space = 'r'"]);
    let plan = planned(&spec, bytes, unwinds, false).unwrap();
    plan.sites.into_iter().filter(|site| site.stage == 1).collect()
}

/// Role, distance from the function's start, stack, whether it is a return, of each site.
fn short(sites: &[Site]) -> Vec<(u8, u64, i32, bool)> {
    let one = |site: &Site| {
        (site.spec.role, site.function_offset, site.spec.frame_adjust, site.trap == Trap::Return)
    };
    sites.iter().map(one).collect()
}

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Where `ret` instructions are probed, a call that ends in another function passes none of them.
#[test]
fn what_leaves_by_a_jump_is_told_or_refused_where_a_key_is_given() {
    // push; je +1; ret; pop; jmp to another function
    let bytes = hex("55 74 01 c3 5d e9 00 10 00 00");
    let jumps = |stage: &str| {
        let stages: Vec<&str> =
            ["S0 emit arg0"].into_iter().chain(stage.split(" | ")).chain(["W! write arg0"]).collect();
        let plan = planned(&spec("", &stages), &bytes, true, false).map_err(|error| error.to_string())?;
        Ok::<_, String>(plan.sites.iter().map(|site| site.unseen.jumps).collect::<Vec<_>>())
    };
    assert_eq!(jumps("Q+ put arg0"), Ok(vec![0, 0, 0]));
    assert_eq!(jumps("Q+ put%return ret"), Ok(vec![0, 1, 0]));
    assert_eq!(jumps("drop lose%return arg0"), Ok(vec![0, 0, 1, 0]));
    for stage in [
        "S0 again%return ret",
        "Q+ put%return arg0;also = 'ret'",
        "Q+ put%return arg0;batch = 'ret' | Q- flush%return ret",
    ] {
        let told = jumps(stage).unwrap_err();
        assert!(told.contains("is left by 1 jump(s) into other functions (tail calls)"), "{told}");
    }
}

const EVERYTHING: &str = "Q+ enqueue *(u64*)(arg1);space = 'r';also = 'arg0';also_space = 'node';batch = 'bytes(arg2,8)';batch_space = 'batch';\
    attr.table = 'str(arg1+16,32)';attr.path = 'str(*(u64*)(arg1),arg3)';attr.hot = { value = 'arg4', level = 'debug' };\
    attr.state = '(i32)arg5';event_time = '*(u64*)(arg1+24)';event_time_unit = 's'";

#[test]
fn all_that_a_stage_does_is_lowered_and_shown() {
    let top = "[[space]]\nname = 'node'\nshared = true";
    let spec = spec(
        top,
        &[
            "S0 emit arg0;space = 'r'",
            EVERYTHING,
            "Q- flush arg0;space = 'batch'",
            "W! write arg0;space = 'r'",
        ],
    );
    let plan = planned(&spec, PUSH, false, false).unwrap();
    let site = &plan.sites[1];
    let expected = ProbeSpec::HAS_ALSO | ProbeSpec::HAS_BATCH | ProbeSpec::HAS_ATTRIBUTES;
    assert_eq!((site.spec.flags, site.spec.frame_adjust, site.spec.call), (expected, 0, 0));
    let more = site.more.as_deref().unwrap();
    let own = ProbeSpec::SPACE_OWN;
    assert_eq!((more.also_space, more.batch_space, more.attributes), ((own + 1) | Key::SHARED, own + 2, 4));
    let read: Vec<(u8, u8)> = more.attribute.iter().take(4).map(|one| (one.kind, one.index)).collect();
    // A text, bytes of a known length, a number; the one of another level is left out and keeps its number.
    assert_eq!(read, [(1, 0), (2, 1), (0, 3), (3, 0)]);
    // No stage ends the batch or its records by its key: it is over where its key comes last.
    assert_eq!(plan.sites[2].spec.flags, ProbeSpec::KEY_IS_BATCH | ProbeSpec::ENDS_BATCH);
    assert!(plan.sites[2].more.is_none());
    let shown = print::text(&plan, &spec, &Costs::default());
    let lines = "\
Q+   Q+  at enqueue  (1 site)
    PROBE  FILE  FUNCTION  ADDRESS  CLASS     NS/HIT  KEY
        1  flow  enqueue    0x1200  emulated     515  *(u64*)rsi
           push %rbp
           + binds a further key rdi, in the space node, shared by all processes
           + puts the record into the batch bytes(rdx, 0x8), in the space batch
           + reads table = str(rsi+16, 0x20)
           + reads path = str(*(u64*)rsi, rcx)
           + reads state = (i32)(r9)
           + reads the record's time = *(u64*)(rsi+24), in s
";
    assert!(shown.contains(lines), "{shown}");
    assert!(shown.contains("           + of all records in the batch with this key\n"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&print::json(&plan, &spec, &Costs::default())).unwrap();
    let pointers = [
        ("/sites/1/also", serde_json::json!({"key": "rdi", "space": "node"})),
        ("/sites/1/batch", serde_json::json!({"key": "bytes(rdx, 0x8)", "space": "batch"})),
        ("/sites/1/event_time", serde_json::json!({"value": "*(u64*)(rsi+24)", "unit": "s"})),
        ("/sites/1/attributes/1", serde_json::json!({"name": "path", "value": "str(*(u64*)rsi, rcx)"})),
        ("/sites/1/branch", false.into()),
        ("/sites/1/scope", serde_json::Value::Null),
        ("/sites/2/of_batch", true.into()),
        ("/sites/0/also", serde_json::Value::Null),
        ("/sites/0/begins", true.into()),
    ];
    for (pointer, expected) in pointers {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn what_is_read_counts_for_the_choice_of_the_instruction() {
    let clobbers = hex("31 f6 55 5d c3");
    let stores = hex("48 89 37 53 5b c3");
    for (what, more, bytes, offset) in [
        ("the key alone", "", &clobbers, 2),
        ("a further key", "also = 'arg1';also_space = 'n'", &clobbers, 0),
        (
            "a batch",
            "batch = 'arg1';batch_space = 'b';[[stage]];code = 'Q-';point = 'flush';key = 'arg0';space = 'b'",
            &clobbers,
            0,
        ),
        ("an attribute", "attr.a = '(u32)arg1'", &clobbers, 0),
        ("an attribute's length", "attr.a = 'str(arg0, arg1)'", &clobbers, 0),
        ("an attribute of another level", "attr.a = { value = 'arg1', level = 'debug' }", &clobbers, 0),
        ("the event time", "event_time = 'arg1'", &clobbers, 0),
        ("the key alone, with a store", "", &stores, 3),
        ("a text, with a store", "attr.a = 'str(arg0, 8)'", &stores, 0),
        ("an argument, with a store", "attr.a = 'arg2'", &stores, 3),
        ("a further key's memory", "also = '*(u64*)(arg0)';also_space = 'n'", &stores, 0),
    ] {
        let found = sites("", &format!("T+ map arg0;space = 'r';{more}"), bytes, false);
        assert_eq!(short(&found), [(Role::Stamp as u8, offset, 0, false)], "{what}");
    }
}

#[test]
fn a_scope_that_is_a_call_closes_at_its_return() {
    let (stamp, leave, tail) = (Role::Stamp as u8, Role::Leave as u8, Role::Tail as u8);
    let scope = "T+ map arg0;space = 'r';scope = 'call'";
    let all_tail = "55 5d e9 00 10 00 00";
    for (what, stage, bytes, unwinds, expected) in [
        ("plain C", scope, "55 5d c3", false, &[(stamp, 0, 0, false), (leave, 0, -8, true)][..]),
        ("C++", scope, "55 5d c3", true, &[(stamp, 0, 0, false), (leave, 2, 0, false)]),
        (
            "two returns",
            scope,
            "55 74 02 5d c3 5d c3",
            true,
            &[(stamp, 0, 0, false), (leave, 4, 0, false), (leave, 6, 0, false)],
        ),
        (
            "stack moved",
            scope,
            "f3 0f 1e fa 48 83 ec 18 48 85 ff 74 01 90 c3",
            true,
            &[(stamp, 11, 24, false), (leave, 14, 0, false)],
        ),
        ("stack realigned", scope, "48 83 e4 f0 53 c3", true, &[(stamp, 0, 0, false), (leave, 5, 0, false)]),
        (
            "a tail call",
            scope,
            "55 74 01 c3 5d e9 00 10 00 00",
            true,
            &[(stamp, 0, 0, false), (leave, 3, 0, false), (tail, 5, 0, false)],
        ),
        (
            "a jump to a cold part, with a register pushed",
            scope,
            "55 75 7f 5d c3",
            true,
            &[(stamp, 0, 0, false), (leave, 4, 0, false), (tail, 1, 8, false)],
        ),
        (
            "a tail call in C",
            scope,
            "55 74 01 c3 5d e9 00 10 00 00",
            false,
            &[(stamp, 0, 0, false), (leave, 0, -8, true)],
        ),
        (
            "tail calls only, without a verdict",
            "T+ map arg0;space = 'r';scope = 'call';empty = 'keep'",
            all_tail,
            true,
            &[(stamp, 0, 0, false), (tail, 2, 0, false)],
        ),
    ] {
        let found = sites("", stage, &hex(bytes), unwinds);
        assert_eq!(short(&found), expected, "{what}");
        assert!(
            found.iter().all(|site| site.spec.call == found[0].spec.call && site.spec.call != 0),
            "{what}"
        );
        let by_trampoline = found.iter().any(|site| site.trap == Trap::Return);
        let flags = ProbeSpec::OPENS_SCOPE | ProbeSpec::SCOPE_IS_CALL;
        let by_trampoline = if by_trampoline { ProbeSpec::BY_TRAMPOLINE } else { 0 };
        let keeps = if stage.contains("keep") { ProbeSpec::KEEPS_EMPTY } else { 0 };
        assert_eq!(found[0].spec.flags, flags | by_trampoline | keeps, "{what}");
        assert!(found[1..].iter().all(|site| site.spec.flags == 0 && site.more.is_none()), "{what}");
    }
    let spec = spec("", &["S0 emit arg0", "T+ map arg0;scope = 'call'", "W! write arg0"]);
    let error = planned(&spec, &hex(all_tail), true, false).unwrap_err().to_string();
    assert!(error.starts_with("stage \"T+\", map, function `map`: the return that closes the scope cannot be caught: the function has no `ret`"), "{error}");
    assert!(error.contains("or empty = \"keep\" if the function ends in a jump"), "{error}");
}

#[test]
fn a_scope_is_shown_with_its_end() {
    let spec = spec(
        "",
        &[
            "S0 emit arg0",
            "T+ map arg0;scope = 'call'",
            "T- out scope",
            "T- part arg1;branch = true",
            "W! write arg0",
        ],
    );
    let plan = planned(&spec, ENDBR, true, false).unwrap();
    let shown = print::text(&plan, &spec, &Costs::default());
    let lines = "\
T+   T+  at map  (2 sites)
    PROBE  FILE  FUNCTION  ADDRESS  CLASS     NS/HIT  KEY
        1  flow  map+0x4    0x1204  emulated     515  rdi
           push %rbx
           + opens a scope until this call returns; without an output: filtered
        2  flow  map+0x6    0x1206  stepped    10800  (scope)
           ret
           - closes the scope
           - on its `ret` instructions, single-stepped, because an exception or panic must be able to unwind through it

T-   T-  at out  (1 site)
    PROBE  FILE  FUNCTION  ADDRESS  CLASS     NS/HIT  KEY
        3  flow  out+0x4    0x1304  emulated     515  scope
           push %rbx

T-   T-  at part  (1 site)
    PROBE  FILE  FUNCTION  ADDRESS  CLASS     NS/HIT  KEY
        4  flow  part+0x4   0x1404  emulated     515  rsi
           push %rbx
           + the key of a new branch
";
    assert!(shown.contains(lines), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&print::json(&plan, &spec, &Costs::default())).unwrap();
    for (pointer, expected) in [
        ("/sites/1/scope", "call".into()),
        ("/sites/1/empty", "filtered".into()),
        ("/sites/2/role", "leave".into()),
        ("/sites/2/key", serde_json::Value::Null),
        ("/sites/2/scope", serde_json::Value::Null),
        ("/sites/3/key", "scope".into()),
        ("/sites/4/branch", true.into()),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn sites_of_scopes_know_where_the_stack_was() {
    let open = "T+ map arg0;space = 'r';scope = 'open'";
    let with = |stage: &str, bytes: &str, unwinds| {
        let spec = spec(
            "",
            &[
                "S0 emit arg0;space = 'r'",
                open,
                "T- end scope;scope = 'close'",
                stage,
                "W! write arg0;space = 'r'",
            ],
        );
        planned(&spec, &hex(bytes), unwinds, false).map(|plan| {
            let found: Vec<Site> = plan.sites.into_iter().filter(|site| site.stage == 3).collect();
            short(&found)
        })
    };
    let stamp = Role::Stamp as u8;
    // push; sub $24; test; je; nop; call; ret; and what comes behind a jump.
    let body = "55 48 83 ec 18 48 85 ff 74 01 90 e8 00 00 00 00 c3";
    for (stage, bytes, unwinds, expected) in [
        ("T- out+5 scope", body, true, (stamp, 5, 32, false)),
        ("T- out+10 scope", body, true, (stamp, 10, 32, false)),
        ("T- out+16 scope", body, true, (stamp, 16, 32, false)),
        ("T- out%return scope", "55 5d c3", true, (stamp, 2, 0, false)),
        ("T- out%return scope", "55 5d c3", false, (stamp, 0, -8, true)),
        ("T- out arg1;space = 'r';branch = true", "48 83 ec 18 74 01 90 c3", true, (stamp, 4, 24, false)),
    ] {
        assert_eq!(with(stage, bytes, unwinds).unwrap(), [expected], "{stage}");
    }
    assert_eq!(with("T- out+4 scope", "55 eb 01 90 5d c3", true).unwrap(), [(stamp, 4, 8, false)]);
    let error = with("T- out+4 scope", "48 83 e4 f0 90 90 90 c3", true).unwrap_err().to_string();
    assert!(error.contains("where the stack was at the function's entry is not known"), "{error}");
}

#[test]
fn a_goroutine_has_no_scope() {
    let spec =
        spec("", &["S0 emit arg0", "T+ main.map arg0;scope = 'call'", "T- main.out scope", "W! write arg0"]);
    let error = planned(&spec, PUSH, false, true).unwrap_err().to_string();
    let sentence = "a scope is what a thread does, and a goroutine moves from thread to thread; follow the record by a key";
    let expected = ["map", "out"].map(|name| {
        let code = if name == "map" { "T+" } else { "T-" };
        format!("stage \"{code}\", main.{name}, function `main.{name}`: {sentence}")
    });
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn outputs_matter_where_there_are_scopes_and_beginnings_where_the_key_decides() {
    let flags = |top: &str, stages: &[&str]| -> Vec<u32> {
        let plan = planned(&spec(top, stages), PUSH, true, false).unwrap();
        plan.sites
            .iter()
            .filter(|site| site.spec.role < Role::Save as u8)
            .map(|site| site.spec.flags)
            .collect()
    };
    let plain = ["S0 emit arg0", "Q+ put arg0", "T+ map arg0", "T- out arg0", "W! write arg0"];
    assert_eq!(flags("", &plain), [0; 5]);
    let scoped = [
        "S0 emit arg0",
        "Q+ put arg0",
        "T+ map arg0;scope = 'call'",
        "T- out arg0",
        "W! write arg0",
        "drop free arg0",
    ];
    let (out, call) = (ProbeSpec::IS_OUTPUT, ProbeSpec::OPENS_SCOPE | ProbeSpec::SCOPE_IS_CALL);
    assert_eq!(flags("", &scoped), [0, out, call, out, out, 0]);
    let begin = ProbeSpec::CAN_BEGIN;
    let by_key = "sampling.mode = 'key'";
    // With a source, records begin there and nowhere else.
    assert_eq!(flags(by_key, &plain), [0; 5]);
    let stages = [
        "Q- take arg0;space = 'r'",
        "T+ map arg1;space = 'r';also = 'arg0';also_space = 'n'",
        "T- out arg0;space = 'n'",
        "W! write arg0;space = 'r'",
    ];
    assert_eq!(flags(by_key, &stages), [begin, begin | ProbeSpec::HAS_ALSO, 0, ProbeSpec::ENDS_REFUSED]);
    let shared = planned(
        &spec(
            "[[space]]\nname = 'r'\nshared = true",
            &["S0 emit arg0;space = 'r'", "W! write arg0;space = 'r'"],
        ),
        PUSH,
        true,
        false,
    );
    assert!(shared.unwrap().sites.iter().all(|site| site.spec.space == ProbeSpec::SPACE_OWN | Key::SHARED));
}

#[test]
fn wrong_expressions_are_told_once_for_all_functions() {
    let spec = spec(
        "",
        &["S0 emit arg0", "T+ map arg0;also = '*(u64*)(arg0)';attr.a = 'str(arg0, 8)'", "W! write arg0"],
    );
    let deep = (0..9).fold(crate::spec::Expr::Arg(0), |inner, _| crate::spec::Expr::Deref {
        width: 8,
        signed: false,
        address: Box::new(inner),
    });
    let mut spec = spec;
    let stage = &mut spec.stages[1];
    stage.also.as_mut().unwrap().expr = deep.clone();
    stage.attributes[0].reading = crate::spec::Reading::Number(deep.clone());
    stage.event_time =
        Some(crate::spec::EventTime { value: deep.clone(), unit: crate::spec::TimeUnit::Seconds });
    stage.batch = Some(crate::spec::Binding { expr: deep, space: 9 });
    let error = planned(&spec, PUSH, true, false).unwrap_err().to_string();
    let start = "stage \"T+\", map, function `map`: ";
    let end = " cannot be read: it needs more than 8 steps; dereference less deeply";
    let expected = ["the further key (also)", "the batch's key", "the attribute `a`", "the event time"]
        .map(|what| format!("{start}{what}{end}"));
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}
