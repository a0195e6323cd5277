//! Every journey is the record's own: stages, order, threads and times as the target logged them.

use anyhow::{Result, ensure};
use stain_tests::journey::{self, Expect, KeyKind, Violation};
use stain_tests::run::{Done, Scenario};
use stain_tests::specs::{self, Spec};
use stain_tests::targets::Flavour;
use stain_tests::truth::POP;

const RATE: u64 = 7;

fn run(flavour: Flavour, target: &str) -> Result<Done> {
    let target = format!("--truth-sample {RATE} {target}");
    Scenario::new(flavour, &target, specs::every(flavour, RATE)).run()
}

fn written(flavour: Flavour) -> Result<()> {
    let done = run(flavour, "--records 60000 --sources 2 --workers 2 --reuse shared")?;
    done.assert_true(&Expect::every(RATE))?;
    assert_eq!(done.report.ledger.written, 2 * (60_000 / RATE));
    assert!(done.report.traces.iter().all(|trace| trace.entries.len() == 6));
    Ok(())
}

fn freed(flavour: Flavour, reuse: &str) -> Result<()> {
    let target = format!("--records 60000 --sources 2 --workers 2 --drop-percent 30 --reuse {reuse}");
    let done = run(flavour, &target)?;
    done.assert_true(&Expect::every(RATE))?;
    let ledger = &done.report.ledger;
    assert!(ledger.filtered > ledger.sampled / 5, "{ledger:?}");
    assert_eq!((ledger.superseded, ledger.in_flight), (0, 0));
    Ok(())
}

fn vanished(flavour: Flavour, reuse: &str) -> Result<()> {
    let target = format!(
        "--records 60000 --sources 2 --workers 2 --drop-percent 30 --drop-mode silent --reuse {reuse} --truth-sample {RATE}"
    );
    let done = Scenario::new(flavour, &target, specs::every(flavour, RATE).without_drop()).run()?;
    done.assert_true(&Expect::every(RATE).without_drop())?;
    let ledger = &done.report.ledger;
    assert!(ledger.superseded > ledger.sampled / 5, "{ledger:?}");
    assert_eq!((ledger.filtered, ledger.expired), (0, 0));
    Ok(())
}

macro_rules! for_each_flavour {
    ($($name:ident: $flavour:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn written_records_show_six_true_stamps() -> Result<()> {
                if !stain_tests::tally::privileged(concat!(module_path!(), "::written_records_show_six_true_stamps")).open() {
                    return Ok(());
                }
                written($flavour)
            }

            #[test]
            fn freed_records_are_filtered() -> Result<()> {
                if !stain_tests::tally::privileged(concat!(module_path!(), "::freed_records_are_filtered")).open() {
                    return Ok(());
                }
                freed($flavour, "shared")?;
                freed($flavour, "owner")
            }

            #[test]
            fn vanished_records_never_mix_with_their_successors() -> Result<()> {
                if !stain_tests::tally::privileged(concat!(module_path!(), "::vanished_records_never_mix_with_their_successors")).open() {
                    return Ok(());
                }
                vanished($flavour, "shared")?;
                vanished($flavour, "owner")
            }
        }
    )*};
}

for_each_flavour! {
    c: Flavour::C;
    c_protected: Flavour::CProtected;
    cpp: Flavour::Cpp;
    rust: Flavour::Rust;
    rust_v0: Flavour::RustV0;
}

#[test]
fn memory_of_the_allocator_is_reused_too() -> Result<()> {
    if !stain_tests::tally::privileged("truth::memory_of_the_allocator_is_reused_too").open() {
        return Ok(());
    }
    freed(Flavour::C, "malloc")?;
    freed(Flavour::Rust, "malloc")
}

/// The way of kernels without `uprobe_multi`, which this one has too.
#[test]
fn probes_by_perf_events_serve_as_well() -> Result<()> {
    if !stain_tests::tally::privileged("truth::probes_by_perf_events_serve_as_well").open() {
        return Ok(());
    }
    let target = format!(
        "--records 20000 --sources 2 --workers 2 --drop-percent 30 --reuse shared --truth-sample {RATE}"
    );
    let mut scenario = Scenario::new(Flavour::C, &target, specs::every(Flavour::C, RATE));
    scenario.attach.extend(["--backend".to_owned(), "perf".to_owned()]);
    scenario.run()?.assert_true(&Expect::every(RATE))
}

#[test]
fn a_rate_of_one_traces_every_record() -> Result<()> {
    if !stain_tests::tally::privileged("truth::a_rate_of_one_traces_every_record").open() {
        return Ok(());
    }
    let target = "--records 20000 --workers 2 --drop-percent 30 --drop-mode silent --reuse shared --queue 8";
    let done = Scenario::new(Flavour::C, target, specs::every(Flavour::C, 1).without_drop()).run()?;
    done.assert_true(&Expect::every(1).without_drop())
}

/// By as many pointers as a key may follow: 16 bytes before what a record's `head` points to lies that very pointer.
fn by_eight_pointers() -> String {
    let head = (0..6).fold("*(u64*)({}+32)".to_owned(), |inner, _| format!("*(u64*)({inner}-16)"));
    format!("*(u64*)({head}+8)")
}

/// Keys by a value inside the record, by a chain of pointers, and by a hash of its bytes.
#[test]
fn keys_by_value_pointer_chain_and_bytes() -> Result<()> {
    if !stain_tests::tally::privileged("truth::keys_by_value_pointer_chain_and_bytes").open() {
        return Ok(());
    }
    for (key, kind) in [
        ("*(u64*)({}+24)".to_owned(), KeyKind::Uid),
        ("*(u64*)(*(u64*)({}+32)+8)".to_owned(), KeyKind::Uid),
        (by_eight_pointers(), KeyKind::Uid),
        ("bytes({}+48, 16)".to_owned(), KeyKind::Opaque),
    ] {
        let spec = Spec { key: key.clone(), ..specs::every(Flavour::C, RATE) };
        let target =
            format!("--records 30000 --sources 2 --drop-percent 30 --reuse shared --truth-sample {RATE}");
        let done = Scenario::new(Flavour::C, &target, spec).run()?;
        done.assert_true(&Expect { key: kind, ..Expect::every(RATE) })?;
        assert_eq!(done.report.ledger.in_flight, 0, "{key}");
    }
    Ok(())
}

/// Q- at the return of the function that hands the record out, by its return value.
#[test]
fn a_stage_at_a_return_lies_within_its_call() -> Result<()> {
    if !stain_tests::tally::privileged("truth::a_stage_at_a_return_lies_within_its_call").open() {
        return Ok(());
    }
    for (flavour, pop) in [
        (Flavour::C, "queue_pop"),
        (Flavour::CProtected, "queue_pop"),
        (Flavour::Cpp, "flow::Queue<flow::Record>::pop"),
        (Flavour::Rust, "*pipeline::Queue<*>*::pop"),
    ] {
        let mut spec = specs::every(flavour, RATE);
        for stage in spec.stages.iter_mut().filter(|stage| stage.code == "Q-") {
            *stage = specs::stage("Q-", pop, "ret");
        }
        let mut expect = Expect::every(RATE);
        for stage in expect.stages.iter_mut().filter(|(code, _)| *code == "Q-") {
            stage.1 = POP;
        }
        let target = format!("--records 20000 --drop-percent 30 --reuse shared --truth-sample {RATE}");
        let done = Scenario::new(flavour, &target, spec).run()?;
        let mut violations = journey::check(&done.report, &done.truth, &expect);
        // A return trampoline is laid when a call begins. The two workers wait inside `pop` when the agent attaches: the first record of each
        // comes out of a call that began before, and the plan says so.
        let before = violations.len();
        violations.retain(|violation| !lacks_only_the_pop(violation));
        ensure!(violations.is_empty(), "{}", journey::show(&violations));
        ensure!(before <= 2, "{before} records without their return");
    }
    Ok(())
}

fn lacks_only_the_pop(violation: &Violation) -> bool {
    let Violation::Stages { found, expected, .. } = violation else { return false };
    expected.contains(&POP) && !found.iter().any(|stage| stage == "Q-") && found.len() + 1 == expected.len()
}
