//! Whole plans, from spec and code to sites and their printed form.

use std::path::PathBuf;

use profiler_common::{Outcome, Role};

use super::*;
use crate::spec::{Expr, Level, Place, Point, Sampling, StageCode, StageKey, Target, defaults};
use crate::symbol::{ElfAddress, Segment, Sources};

mod journeys;

const KERNEL: KernelTraits =
    KernelTraits { safe_five_byte_nop: false, emulates_long_nops: true, seccomp: false };
/// `push %rbp; mov %rdi, %rbp; .. ; pop %rbp; ret`
const PUSH: &[u8] = &[0x55, 0x48, 0x89, 0xfd, 0x5d, 0xc3];
/// `endbr64; push %rbx; .. ; ret`
const ENDBR: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa, 0x53, 0x5b, 0xc3];

fn module(unwinds: bool, is_go: bool) -> Module {
    let segment =
        Segment { offset: FileOffset(0), address: ElfAddress(0x1000), size: 0x1000, executable: true };
    Module {
        path: PathBuf::from("/proc/7/root/usr/bin/flow"),
        name: PathBuf::from("/usr/bin/flow"),
        build_id: None,
        arch: Arch::X86_64,
        segments: vec![segment],
        functions: Vec::new(),
        is_go,
        unwinds,
        sources: Sources::default(),
        bytes: Vec::new().into(),
    }
}

fn function(name: &str, address: u64, bytes: &[u8]) -> Function {
    Function {
        symbol: name.to_owned(),
        demangled: name.to_owned(),
        aliases: Vec::new(),
        address: ElfAddress(address),
        size: bytes.len() as u64,
    }
}

fn candidate<'a>(module: &'a Module, function: &'a Function, bytes: &'a [u8]) -> Candidate<'a> {
    let (address, offset) = (function.address, FileOffset(function.address.0 - 0x1000));
    let code =
        FunctionCode { arch: module.arch, address, offset, bytes, sized: true, inward: &[], parts: &[] };
    Candidate { module, function: Some(function), code }
}

fn stage(code: StageCode, name: &str, point: &str, key: Expr) -> Stage {
    let (pattern, at_return) = point.strip_suffix("%return").map_or((point, false), |name| (name, true));
    let (pattern, offset) =
        pattern.split_once('+').map_or((pattern, 0), |(name, offset)| (name, offset.parse().unwrap()));
    let place = match pattern.strip_prefix("0x") {
        Some(address) => Place::Address(u64::from_str_radix(address, 16).unwrap()),
        None => Place::Function { pattern: pattern.to_owned(), offset },
    };
    let point = Point { library: None, place, at_return };
    let space = if key == Expr::Thread { ProbeSpec::SPACE_THREAD } else { ProbeSpec::SPACE_RECORD };
    Stage {
        code,
        name: name.to_owned(),
        point,
        key: StageKey::Value(key),
        space,
        also: None,
        scope: None,
        branch: false,
        batch: None,
        task: None,
        outcome: crate::spec::code::outcome(code),
        when: None,
        attributes: Vec::new(),
        event_time: None,
        ttl: None,
        level: Level::Info,
        off: false,
    }
}

fn spec(stages: Vec<Stage>) -> Spec {
    let sampling = Sampling { rate: 1, ..defaults::sampling() };
    Spec {
        exports: Vec::new(),
        target: Target::Pids(vec![7]),
        sampling,
        stages,
        level: Level::Info,
        turn: false,
        outcomes: Vec::new(),
        spaces: Vec::new(),
    }
}

fn field(argument: u8, offset: i64) -> Expr {
    let address = Box::new(Expr::Add(Box::new(Expr::Arg(argument)), offset));
    Expr::Deref { width: 8, signed: false, address }
}

#[test]
fn stages_become_sites_with_roles() {
    let module = module(false, false);
    let (source, sink) = (function("emit", 0x1100, PUSH), function("write", 0x1200, ENDBR));
    let spec = spec(vec![
        stage(StageCode::SOURCE, "emit", "emit", Expr::Arg(0)),
        Stage { task: Some(Expr::Arg(2)), ..stage(StageCode::TRANSFORM_IN, "map", "write", Expr::Thread) },
        stage(StageCode::SINK, "write", "write", field(1, 8)),
        stage(StageCode::DROP, "drop", "emit", Expr::Arg(0)),
    ]);
    let (emit, write) = (candidate(&module, &source, PUSH), candidate(&module, &sink, ENDBR));
    let points: Vec<ResolvedStage<'_>> = [(0, emit), (1, write), (2, write), (3, emit)]
        .map(|(stage, candidate)| ResolvedStage { stage, functions: vec![candidate, candidate] })
        .into();
    let plan = plan(&spec, &points, KERNEL).unwrap();
    let shown: Vec<_> = plan
        .sites
        .iter()
        .map(|s| (s.probe, s.stage, s.offset.0, s.spec.role, s.spec.outcome, s.spec.space, s.spec.flags))
        .collect();
    let (written, filtered) = (Outcome::Written.code() as u8, Outcome::Filtered.code() as u8);
    assert_eq!(
        shown,
        [
            (0, 0, 0x100, Role::Start as u8, 0, 0, 0),
            (1, 1, 0x204, Role::Stamp as u8, 0, ProbeSpec::SPACE_THREAD, ProbeSpec::HAS_TASK),
            (2, 2, 0x204, Role::Finish as u8, written, 0, 0),
            (3, 3, 0x100, Role::Finish as u8, filtered, 0, 0),
        ]
    );
    assert_eq!(plan.sites[2].instruction, "push %rbx");
    assert_eq!(
        plan.sites[0].notes,
        [
            "shared by S0 emit and drop drop, in no certain order: a record may start or end before the other stage sees it"
        ]
    );
}

#[test]
fn a_return_with_arguments_has_two_sites_of_one_call() {
    let flow = function("flow", 0x1100, ENDBR);
    let spec = spec(vec![stage(StageCode::SOURCE, "s", "flow%return", field(0, 16))]);
    for (unwinds, expected) in [(true, (Trap::Instruction, 6, 0)), (false, (Trap::Instruction, 6, 0))] {
        let module = module(unwinds, false);
        let points = [ResolvedStage { stage: 0, functions: vec![candidate(&module, &flow, ENDBR)] }];
        let plan = plan(&spec, &points, KERNEL).unwrap();
        let [save, at_return] = &plan.sites[..] else { panic!("{plan:?}") };
        assert_eq!((save.spec.role, save.function_offset, save.spec.call), (Role::Save as u8, 4, 1));
        assert_eq!((at_return.spec.call, at_return.spec.flags), (1, ProbeSpec::USES_SAVED));
        assert_eq!((at_return.trap, at_return.function_offset, at_return.spec.frame_adjust), expected);
    }
    let module = module(false, false);
    let points = [ResolvedStage { stage: 0, functions: vec![candidate(&module, &flow, PUSH)] }];
    let plan = plan(&spec, &points, KERNEL).unwrap();
    let at_return = &plan.sites[1];
    assert_eq!((at_return.trap, at_return.function_offset), (Trap::Return, 0));
    assert_eq!((at_return.class, at_return.carrier), (Class::Trampoline, Class::Emulated));
    assert_eq!(at_return.spec.frame_adjust, -8);
}

#[test]
fn a_return_without_arguments_needs_no_second_site() {
    let (module, flow) = (module(false, false), function("flow", 0x1100, PUSH));
    let spec = spec(vec![stage(StageCode::SOURCE, "s", "flow%return", Expr::Ret)]);
    let points = [ResolvedStage { stage: 0, functions: vec![candidate(&module, &flow, PUSH)] }];
    let plan = plan(&spec, &points, KERNEL).unwrap();
    assert_eq!(plan.sites.len(), 1);
    assert_eq!((plan.sites[0].spec.call, plan.sites[0].spec.flags), (0, 0));
}

#[test]
fn an_instruction_of_the_users_choice_is_taken_as_it_is() {
    let (module, flow) = (module(false, false), function("flow", 0x1100, ENDBR));
    for point in ["flow+4", "0x1104"] {
        let spec = spec(vec![stage(StageCode::SOURCE, "s", point, Expr::Arg(0))]);
        let points = [ResolvedStage { stage: 0, functions: vec![candidate(&module, &flow, ENDBR)] }];
        let plan = plan(&spec, &points, KERNEL).unwrap();
        assert_eq!((plan.sites[0].offset, plan.sites[0].class), (FileOffset(0x104), Class::Emulated));
        assert_eq!(plan.sites[0].notes, ["arguments are the registers as they are at this instruction"]);
    }
}

#[test]
fn every_mistake_is_reported_with_its_stage() {
    let (module, go) = (module(true, false), module(false, true));
    let (flow, main) = (function("flow", 0x1100, ENDBR), function("main.flow", 0x1100, PUSH));
    let deep = (0..9).fold(Expr::Arg(0), |inner, _| Expr::Deref {
        width: 8,
        signed: false,
        address: Box::new(inner),
    });
    let spec = spec(vec![
        stage(StageCode::SOURCE, "middle", "flow+2", Expr::Arg(0)),
        stage(StageCode::SOURCE, "behind", "flow+100", Expr::Arg(0)),
        Stage { task: Some(Expr::Ret), ..stage(StageCode::SOURCE, "deep", "flow", deep) },
        stage(StageCode::SOURCE, "", "none*", Expr::Arg(0)),
        stage(StageCode::SINK, "both", "flow+4%return", Expr::Ret),
        stage(StageCode::SINK, "go", "main.flow%return", Expr::Arg(0)),
    ]);
    let c = candidate(&module, &flow, ENDBR);
    let points: Vec<ResolvedStage<'_>> = [(0, c), (1, c), (2, c), (4, c), (5, candidate(&go, &main, PUSH))]
        .map(|(stage, candidate)| ResolvedStage { stage, functions: vec![candidate] })
        .into();
    let errors = plan(&spec, &points, KERNEL).unwrap_err().to_string();
    assert_eq!(
        errors.lines().collect::<Vec<_>>(),
        [
            "stage \"middle\", flow+0x2, function `flow`: no instruction starts at +0x2; the nearest are +0x0 and +0x4",
            "stage \"behind\", flow+0x64, function `flow`: +0x64 lies outside the function, which has 7 bytes of code",
            "stage \"deep\", flow, function `flow`: the key cannot be read: it needs more than 8 steps; dereference less deeply",
            "stage \"deep\", flow, function `flow`: the task id cannot be read: `ret` is only known at a return; write the point as `function%return`",
            "stage \"S0\", none*: no function matches",
            "stage \"both\", flow+0x4%return, function `flow`: `%return` needs a function, not an instruction within one; leave the offset out",
            "stage \"go\", main.flow%return, function `main.flow`: arguments cannot be kept until a Go function returns, because its stack may move; use `ret`, or the entry",
        ]
    );
}

#[test]
fn too_many_sites_are_an_error() {
    let module = module(false, false);
    let functions: Vec<Function> =
        (0..=MAX_PROBES).map(|i| function("f", 0x1000 + 16 * u64::from(i), PUSH)).collect();
    let functions = functions.iter().map(|function| candidate(&module, function, PUSH)).collect();
    let spec = spec(vec![stage(StageCode::SOURCE, "all", "*", Expr::Arg(0))]);
    let errors = plan(&spec, &[ResolvedStage { stage: 0, functions }], KERNEL).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "stage \"all\", *: the spec needs 4097 sites, and 4096 is the most; make the pattern narrower"
    );
}

fn printed() -> (Plan, Spec) {
    let module = module(true, false);
    let (emit, write) = (function("emit", 0x1100, ENDBR), function("write", 0x1200, ENDBR));
    let spec = spec(vec![
        stage(StageCode::SOURCE, "emit", "emit", Expr::Arg(0)),
        stage(StageCode::SINK, "write", "write%return", field(0, 8)),
    ]);
    let points = [(0, &emit), (1, &write)].map(|(stage, function)| ResolvedStage {
        stage,
        functions: vec![candidate(&module, function, ENDBR)],
    });
    (plan(&spec, &points, KERNEL).unwrap(), spec)
}

#[test]
fn prints_a_table() {
    let (plan, spec) = printed();
    let expected = "\
S0   emit  at emit  (1 site)
    PROBE  FILE  FUNCTION  ADDRESS  CLASS     NS/HIT  KEY
        0  flow  emit+0x4   0x1104  emulated     515  rdi
           push %rbx

W!   write  at write%return  (2 sites)
    PROBE  FILE  FUNCTION   ADDRESS  CLASS     NS/HIT  KEY
        1  flow  write+0x4   0x1204  emulated     515  (arguments)
           push %rbx
           - saves the arguments for the return
        2  flow  write+0x6   0x1206  stepped    10800  *(u64*)(entry arg0+8)
           ret
           - on its `ret` instructions, single-stepped, because an exception or panic must be able to unwind through it

3 sites, 1 of them single-stepped. Times are what one hit is expected to cost the target.
";
    assert_eq!(print::text(&plan, &spec, &Costs::default()), expected);
}

#[test]
fn a_stage_below_the_level_has_no_site() {
    let module = module(false, false);
    let emit = function("emit", 0x1100, PUSH);
    let mut spec = spec(vec![
        stage(StageCode::SOURCE, "emit", "emit", Expr::Arg(0)),
        Stage { level: Level::Trace, ..stage(StageCode::SINK, "detail", "emit", Expr::Arg(0)) },
    ]);
    let points =
        [0, 1].map(|stage| ResolvedStage { stage, functions: vec![candidate(&module, &emit, PUSH)] });
    for (level, sites) in [(Level::Debug, 1), (Level::Trace, 2)] {
        spec.level = level;
        let plan = plan(&spec, &points, KERNEL).unwrap();
        assert_eq!(plan.sites.len(), sites);
        let text = print::text(&plan, &spec, &Costs::default());
        let told = "W!   detail  at emit  (0 sites)\n    not probed; `--level trace` adds it\n";
        assert_eq!(text.contains(told), sites == 1, "{text}");
    }
}

#[test]
fn prints_json() {
    let (plan, spec) = printed();
    let json: serde_json::Value =
        serde_json::from_str(&print::json(&plan, &spec, &Costs::default())).unwrap();
    let sites = json["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 3);
    for (pointer, expected) in [
        ("/sites/0/stage", "S0".into()),
        ("/sites/0/file", "/usr/bin/flow".into()),
        ("/sites/0/address", 0x1104.into()),
        ("/sites/0/file_offset", 0x104.into()),
        ("/sites/0/class", "emulated".into()),
        ("/sites/0/expected_ns", 515.into()),
        ("/sites/1/key", serde_json::Value::Null),
        ("/sites/2/key", "*(u64*)(entry arg0+8)".into()),
        ("/sites/2/role", "finish".into()),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}
