//! What flags give by themselves, and over a file.

use super::*;

#[test]
fn flags_are_enough_by_themselves() {
    let overrides = Overrides {
        pids: vec![12],
        stages: vec![
            "S0=ngx_http_process_request(arg0)".to_owned(),
            "W!:done=ngx_http_free_request(arg0)@arg1".to_owned(),
        ],
        ..Overrides::default()
    };
    let spec = load(None, &overrides).unwrap();
    assert_eq!(spec.target, Target::Pids(vec![12]));
    assert_eq!(spec.sampling, defaults::sampling());
    let done = stage(StageCode::SINK, "done", function("ngx_http_free_request"), "arg0");
    let expected = vec![
        stage(StageCode::SOURCE, "S0", function("ngx_http_process_request"), "arg0"),
        Stage { task: Some(Expr::Arg(1)), ..done },
    ];
    assert_eq!(spec.stages, expected);
}

#[test]
fn a_container_stands_alone_or_beside_a_name() {
    let stages = "[[stage]]\ncode = \"S0\"\npoint = \"f\"\nkey = \"arg0\"\n[[stage]]\ncode = \"W!\"\npoint = \"g\"\nkey = \"arg0\"\n";
    let (id, flag) = ("container = \"3F1C0a9b\"\n", Some("beef"));
    let of = |id: &str, process: Option<&str>, exe: Option<&str>| {
        Target::Container(super::super::Container {
            id: id.to_owned(),
            process: process.map(str::to_owned),
            exe: exe.map(PathBuf::from),
        })
    };
    let (process, exe) = ("process = \"nginx\"\n", "exe = \"/bin/x\"\n");
    for (file, container, name, expected) in [
        (id.to_owned(), None, None, of("3f1c0a9b", None, None)),
        (format!("{id}{process}"), None, None, of("3f1c0a9b", Some("nginx"), None)),
        (format!("{exe}{id}"), None, None, of("3f1c0a9b", None, Some("/bin/x"))),
        (exe.to_owned(), flag, None, of("beef", None, Some("/bin/x"))),
        (format!("{id}{process}"), flag, None, of("beef", Some("nginx"), None)),
        (id.to_owned(), flag, None, of("beef", None, None)),
        ("pid = 5\n".to_owned(), flag, None, of("beef", None, None)),
        (exe.to_owned(), flag, Some("redis"), of("beef", Some("redis"), None)),
        (format!("{id}{exe}"), None, Some("redis"), Target::Process("redis".to_owned())),
    ] {
        let overrides = Overrides {
            container: container.map(str::to_owned),
            process: name.map(str::to_owned),
            ..Overrides::default()
        };
        let text = format!("[target]\n{file}{stages}");
        assert_eq!(
            load(Some(("p.toml", &text)), &overrides).unwrap().target,
            expected,
            "{file} {overrides:?}"
        );
    }
    assert_eq!(
        [of("beef", None, None), of("beef", Some("nginx"), None), of("beef", None, Some("/bin/x"))].map(
            |target| {
                let Target::Container(container) = target else { unreachable!() };
                container.to_string()
            }
        ),
        ["container beef", "nginx in container beef", "/bin/x in container beef"]
    );
}

#[test]
fn flags_override_the_file() {
    let overrides = Overrides {
        process: Some("nginx".to_owned()),
        rate: Some(1),
        sequence: Some("task".to_owned()),
        budget: Some(0),
        max_entries: Some(2),
        ttl: Some("5s".to_owned()),
        max_open_traces: Some(1),
        stages: vec!["S0=f(arg0)".to_owned(), "drop=g(arg0)".to_owned()],
        ..Overrides::default()
    };
    let spec = load(Some(("p.toml", ISSUE)), &overrides).unwrap();
    assert_eq!(spec.target, Target::Process("nginx".to_owned()));
    let sampling = super::super::Sampling {
        rate: 1,
        sequence: SequenceMode::Task,
        max_traces_per_second: 0,
        max_entries_per_trace: 2,
        trace_ttl: Duration::from_secs(5),
        max_open_traces: 1,
        ..defaults::sampling()
    };
    assert_eq!(spec.sampling, sampling);
    let codes: Vec<StageCode> = spec.stages.iter().map(|stage| stage.code).collect();
    assert_eq!(codes, [StageCode::SOURCE, StageCode::DROP]);
    let rate = Overrides { rate: Some(7), ..Overrides::default() };
    let spec = load(Some(("p.toml", ISSUE)), &rate).unwrap();
    assert_eq!((spec.sampling.rate, spec.sampling.max_traces_per_second, spec.stages.len()), (7, 5, 3));
}

#[test]
fn wrong_flags_are_named() {
    let whole = |change: fn(&mut Overrides)| {
        let mut overrides = Overrides::default();
        change(&mut overrides);
        overrides
    };
    for (overrides, start) in [
        (whole(|o| o.rate = Some(u64::MAX)), "--rate: 18446744073709551615 is out of range"),
        (whole(|o| o.budget = Some(1 << 24)), "--budget: 16777216 is out of range"),
        (
            whole(|o| o.sequence = Some("tusk".to_owned())),
            "--sequence: there is no sequence `tusk`, did you mean",
        ),
        (
            whole(|o| o.max_entries = Some(1)),
            "--max-entries: 1 is out of range; write a number from 2 to 2048",
        ),
        (whole(|o| o.ttl = Some("5".to_owned())), "--ttl: `5` is no duration"),
        (whole(|o| o.max_open_traces = Some(0)), "--max-open-traces: 0 is out of range"),
        (whole(|o| o.pids = vec![0]), "--pid: 0 is no process id"),
        (whole(|o| o.pids = vec![3, 3]), "--pid: process id 3 is given twice"),
        (whole(|o| o.pids = (1..=1025).collect()), "--pid: there are 1025 process ids"),
        (whole(|o| o.process = Some("a/b".to_owned())), "--process: `a/b` is a path, not a process name"),
        (whole(|o| o.exe = Some("a/b".into())), "--exe: `a/b` is a relative path"),
        (
            whole(|o| (o.pids, o.process) = (vec![1], Some("x".to_owned()))),
            "--process: the target is already named by --pid; keep one of them",
        ),
        (whole(|o| o.stages = vec![String::new(); 257]), "--stage: there are 257 stages"),
    ] {
        let shown = load(Some(("p.toml", ISSUE)), &overrides).unwrap_err().to_string();
        assert!(shown.starts_with(start) && shown.lines().count() == 1, "{shown}\nexpected {start}");
    }
}
