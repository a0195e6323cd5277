//! Machines made up, and what is said about each.

use crate::attach::{Grace, MultiSupport};
use crate::calibrate::{Calibrated, RedZone};
use crate::doctor::{Capabilities, Diagnosis, Facts, Load, Others, Perf, Status, examine};
use crate::plan::KernelTraits;

/// A machine that lacks nothing.
fn good() -> Facts {
    let kernel = KernelTraits { safe_five_byte_nop: true, emulates_long_nops: true, seccomp: false };
    Facts {
        exe: "/usr/bin/stain".into(),
        arch: "x86_64".to_owned(),
        release: "6.18.44-test".to_owned(),
        btf: true,
        user: 0,
        capabilities: Capabilities(u64::MAX),
        load: Load::Loaded,
        multi: MultiSupport::PerProcess,
        grace: Grace::Membarrier,
        calibrated: Ok(Calibrated { kernel, red_zone: RedZone::Intact, ..Calibrated::assumed() }),
        perf: Perf { software: true, hardware: true },
        perf_event_paranoid: Some(2),
        unprivileged_bpf_disabled: Some(2),
        lockdown: Some("integrity".to_owned()),
        ptrace_scope: Some(1),
        memlock_bytes: Some(8 << 20),
        hidepid: None,
        others: Others { open: 90, closed: 1, hidden: false },
    }
}

/// What an ordinary user sees.
fn unprivileged() -> Facts {
    Facts {
        user: 1000,
        capabilities: Capabilities(0),
        load: Load::NoPermission("no permission to create BPF maps".to_owned()),
        multi: MultiSupport::NoPermission,
        calibrated: Err("no permission".to_owned()),
        perf: Perf::default(),
        others: Others { open: 3, closed: 88, hidden: false },
        ..good()
    }
}

/// The checks that are not ok, as `id:status`.
fn complaints(diagnosis: &Diagnosis) -> String {
    let mut words = Vec::new();
    for check in &diagnosis.checks {
        match check.status {
            Status::Ok => {}
            Status::Warn => words.push(format!("{}:warn", check.id)),
            Status::Missing => words.push(format!("{}:missing", check.id)),
        }
    }
    words.join(" ")
}

#[test]
fn a_good_machine_has_no_complaints() {
    let diagnosis = examine(&good());
    assert_eq!((complaints(&diagnosis).as_str(), diagnosis.attach_works), ("", true));
}

#[test]
fn an_ordinary_user_is_told_the_one_cause() {
    let diagnosis = examine(&unprivileged());
    let expected = "capabilities:missing bpf:warn ring_buffer:warn raw_tracepoints:warn uprobe_multi:warn \
        processes:warn prices:warn five_byte_nop:warn perf_events:warn pmu:warn";
    assert_eq!((complaints(&diagnosis).as_str(), diagnosis.attach_works), (expected, false));
    let text = diagnosis.text();
    assert!(text.contains("sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep /usr/bin/stain"), "{text}");
    assert!(text.ends_with("stain cannot attach on this machine yet. Missing: capabilities.\n"), "{text}");
}

#[test]
fn each_lack_is_named_and_nothing_else() {
    let refused = |reason: &str| Load::Refused(reason.to_owned());
    let damaged = RedZone::Damaged { calls: 19_999, of: 20_000, words: 79_996 };
    let with = |red_zone| Ok(Calibrated { red_zone, ..Calibrated::assumed() });
    let bpf_and_perfmon = Capabilities(Capabilities::BPF.0.0 | Capabilities::PERFMON.0.0);
    let cases: Vec<(Facts, &str, bool)> = vec![
        (Facts { arch: "aarch64".into(), ..good() }, "architecture:warn", true),
        (Facts { arch: "riscv64".into(), ..good() }, "architecture:missing", false),
        // Carried back by a distribution.
        (Facts { release: "5.14.0-427.el9".into(), ..good() }, "", true),
        (
            Facts { release: "5.10.0-28-amd64".into(), load: refused("unknown func"), ..good() },
            "kernel:missing bpf:missing ring_buffer:warn raw_tracepoints:warn memlock:warn",
            false,
        ),
        (Facts { release: "nightly".into(), ..good() }, "kernel:warn", true),
        (Facts { btf: false, ..good() }, "", true),
        (Facts { user: 1000, capabilities: bpf_and_perfmon, ..good() }, "processes:warn", true),
        (Facts { capabilities: Capabilities::SYS_ADMIN.0, ..good() }, "processes:warn", true),
        (
            Facts { load: Load::NoPermission(String::new()), ..good() },
            "bpf:missing ring_buffer:warn raw_tracepoints:warn",
            false,
        ),
        (
            Facts { load: refused("failed to create map `NOTICES`"), ..good() },
            "bpf:missing ring_buffer:missing raw_tracepoints:warn",
            false,
        ),
        (
            Facts { load: refused("the kernel refused the program `stain_exit`: x\nlog"), ..good() },
            "bpf:missing ring_buffer:warn raw_tracepoints:missing",
            false,
        ),
        (Facts { multi: MultiSupport::PerThread, ..good() }, "uprobe_multi:warn", true),
        (Facts { multi: MultiSupport::None, ..good() }, "uprobe_multi:warn", true),
        (Facts { grace: Grace::Wait, ..good() }, "membarrier:warn", true),
        (Facts { calibrated: with(damaged), ..good() }, "five_byte_nop:warn", true),
        (Facts { calibrated: with(RedZone::Silent("it died".into())), ..good() }, "five_byte_nop:warn", true),
        (Facts { calibrated: Err("no child".into()), ..good() }, "prices:warn five_byte_nop:warn", true),
        (Facts { perf: Perf { software: true, hardware: false }, ..good() }, "pmu:warn", true),
        (
            Facts {
                others: Others { open: 3, closed: 0, hidden: true },
                capabilities: bpf_and_perfmon,
                hidepid: Some("2".into()),
                ..good()
            },
            "processes:warn",
            true,
        ),
        (Facts { lockdown: None, ptrace_scope: None, memlock_bytes: None, ..good() }, "", true),
        (Facts { lockdown: Some("confidentiality".into()), ..good() }, "", true),
        (
            Facts { lockdown: Some("confidentiality".into()), load: refused("x"), ..good() },
            "bpf:missing ring_buffer:warn raw_tracepoints:warn lockdown:warn",
            false,
        ),
    ];
    for (facts, expected, attach_works) in cases {
        let diagnosis = examine(&facts);
        assert_eq!(
            (complaints(&diagnosis).as_str(), diagnosis.attach_works),
            (expected, attach_works),
            "{facts:?}"
        );
    }
}

#[test]
fn every_check_speaks_for_itself() {
    for facts in [good(), unprivileged(), Facts { load: Load::Refused("x".into()), ..good() }] {
        let diagnosis = examine(&facts);
        for (index, check) in diagnosis.checks.iter().enumerate() {
            let unknown = check.found.starts_with("cannot be found out");
            assert!(!check.found.is_empty() && check.means.is_empty() == unknown, "{check:?}");
            assert!(check.status != Status::Missing || check.get.is_some(), "no way out: {check:?}");
            assert!(diagnosis.checks[..index].iter().all(|other| other.id != check.id), "{}", check.id);
        }
        let text = diagnosis.text();
        let too_long = text.lines().find(|line| line.chars().count() > 100 && !line.contains("setcap"));
        assert_eq!(too_long, None);
    }
}

#[test]
fn json_has_the_same_and_the_prices() {
    let text = examine(&good()).json().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["attach_works"], true);
    assert_eq!(value["checks"][0]["id"], "architecture");
    assert_eq!(value["checks"][0]["status"], "ok");
    assert_eq!(value["calibration"]["stepped_ns"], 10_800);
    assert_eq!(value["calibration"]["safe_five_byte_nop"], true);
    let value: serde_json::Value = serde_json::from_str(&examine(&unprivileged()).json().unwrap()).unwrap();
    assert_eq!(value["calibration"], serde_json::Value::Null);
    assert_eq!(value["checks"][2]["status"], "missing");
}
