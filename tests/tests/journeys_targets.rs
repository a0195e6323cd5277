//! The journeys programs by themselves, without an agent and without privileges: what they log is what they did, and it is the same in
//! all languages.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use stain_tests::expected::{End, Journey, Who};
use stain_tests::flow::codes::{BATCH_ADD, BATCH_MERGE, BATCH_SEAL, BATCH_WRITTEN, RECEIVE, SEND};
use stain_tests::flow::{Flow, Kind, Read};
use stain_tests::model::{Bounds, Code, Manner, Mix, Model, Step, script};
use stain_tests::pipeline::{Pipeline, Totals};
use stain_tests::run::{LONG, SHORT};
use stain_tests::targets::Flavour;
use stain_tests::truth::{Row, S0, Truth};

const RECORDS: u64 = 20_000;

fn start(flow: &Flow, folder: &Path) -> Result<Pipeline> {
    let arguments = flow.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Pipeline::start_binary(flow.binary()?, &arguments, folder)
}

fn run(flow: &Flow) -> Result<(Totals, Truth)> {
    let folder = tempfile::tempdir()?;
    let mut pipeline = start(flow, folder.path())?;
    pipeline.go()?;
    let totals = pipeline.totals(LONG).with_context(|| format!("{flow:?}"))?;
    let truth = pipeline.truth()?;
    ensure!(pipeline.finish(SHORT)?.status.success());
    Ok((totals, truth))
}

fn flow(kind: Kind, flavour: Flavour) -> Flow {
    let workers = if kind == Kind::Steal { 8 } else { 2 };
    let records = RECORDS / if kind == Kind::Steal { 8 } else { 1 };
    Flow::new(kind, flavour, 1, &format!("--records {records} --workers {workers} --queue 128"))
}

/// The stages that are the journey's own.
fn own(journey: &Journey) -> String {
    let names: Vec<_> = journey.stamps.iter().skip(journey.shared).map(|stamp| stamp.name).collect();
    names.join(" ").replace("steal", "pop")
}

fn end(journey: &Journey) -> &str {
    match &journey.end {
        End::Outcome(outcome) => outcome,
        End::Vanished => "vanished",
        End::InFlight => "in flight",
    }
}

/// All that can happen to a record, or to a branch, of a scenario, with its end.
fn possible(kind: Kind) -> BTreeSet<String> {
    let all: Vec<String> = match kind {
        Kind::Handover => ["node put node take fill buffer written: written", "node put node take: vanished"]
            .map(str::to_owned)
            .into(),
        Kind::Filter => [
            "enter done put written: written",
            "enter: filtered",
            "enter free: filtered",
            "open done close put written: written",
            "open close: filtered",
            "open free: filtered",
        ]
        .map(|rest| format!("put take {rest}"))
        .into(),
        Kind::Split => {
            let of_branches = [
                "fork put take enter done put written: written",
                "fork put take enter: split",
                "fork put take enter: filtered",
                "fork put written: written",
            ];
            let of_roots = [
                "put take enter done put take enter done put written: written",
                "put take enter: split",
                "put take enter: filtered",
            ];
            of_branches.into_iter().chain(of_roots).map(str::to_owned).collect()
        }
        Kind::Batch => ["put take add", "put take add merge", "fork add", "fork add merge"]
            .map(|way| format!("{way} seal batch written: written"))
            .into_iter()
            .chain(["put take enter: split".to_owned()])
            .collect(),
        Kind::Errors => ["error: error_routed", "write ok: written", "write failed: write_failed"]
            .map(|rest| format!("put take {rest}"))
            .into(),
        Kind::Nested => nested(),
        Kind::Steal => {
            ["done push pop enter: filtered", "done push pop enter done push pop enter done written: written"]
                .map(|rest| format!("push pop enter {rest}"))
                .into()
        }
        Kind::Send | Kind::Receive => ["send receive written: written".to_owned()].into(),
    };
    all.into_iter().map(|way| if way.starts_with("fork") { way } else { format!("emit {way}") }).collect()
}

fn nested() -> Vec<String> {
    let mut ways = [
        "inner note done note written: written",
        // The outer one makes the output, whether or not the inner one was left.
        "inner note note done written: written",
        "inner note note: filtered",
        "inner note error: error_routed",
        "inner note: vanished",
        // Another row was worked on in the midst.
        "note done written: written",
    ]
    .map(str::to_owned)
    .to_vec();
    for depth in 1..=5 {
        let (down, up) = (vec!["recurse"; depth].join(" "), " note".repeat(depth));
        ways.push(format!("{down} done{up} written: written"));
        ways.push(format!("{down}{up}: filtered"));
        let left = "inner note enter note ".repeat(depth);
        ways.push(format!("{left}inner note done note written: written"));
    }
    ways.into_iter().map(|way| format!("put take enter note {way}")).collect()
}

/// Every logged journey is possible, and every possible one occurs.
fn assert_possible(kind: Kind, journeys: &[Journey]) {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for journey in journeys {
        *seen.entry(format!("{}: {}", own(journey), end(journey))).or_default() += 1;
    }
    let possible = possible(kind);
    let odd: Vec<_> = seen.iter().filter(|(way, _)| !possible.contains(*way)).collect();
    assert!(odd.is_empty(), "{kind:?}: {odd:#?}");
    let rare: Vec<_> = possible.iter().filter(|way| !seen.contains_key(*way)).collect();
    assert!(rare.is_empty(), "{kind:?} never: {rare:#?}");
}

/// What was counted is what was logged, and no call was left open.
fn assert_whole(kind: Kind, totals: &Totals, truth: &Truth, journeys: &[Journey]) {
    let rows = || truth.records().flatten();
    assert!(rows().all(|row| !row.is_open() && row.before_ns <= row.after_ns), "{kind:?}");
    let roots = journeys.iter().filter(|journey| journey.path == 0).count() as u64;
    assert_eq!((totals.emitted, roots), (RECORDS, RECORDS), "{kind:?}");
    let written = journeys.iter().filter(|journey| end(journey) == "written").count() as u64;
    assert_eq!((totals.written, totals.dropped), (written, journeys.len() as u64 - written), "{kind:?}");
}

/// What became of each record, whatever the threads did.
fn fates(journeys: &[Journey]) -> BTreeMap<(u64, u64), String> {
    let sequence = |journey: &Journey| match journey.who {
        Who::Sequence { sequence, .. } => sequence,
        Who::Key(key) | Who::Met { id: key, .. } => key,
    };
    journeys.iter().map(|journey| ((sequence(journey), journey.path), end(journey).to_owned())).collect()
}

#[test]
fn every_scenario_logs_what_it_did_in_every_language() -> Result<()> {
    for kind in Kind::ALONE {
        let mut known: Option<BTreeMap<_, _>> = None;
        for flavour in Flavour::LANGUAGES {
            let flow = flow(kind, flavour);
            let (totals, truth) = run(&flow)?;
            let journeys = flow.expected(&truth).journeys;
            assert_possible(kind, &journeys);
            assert_whole(kind, &totals, &truth, &journeys);
            let fates = fates(&journeys);
            assert!(*known.get_or_insert_with(|| fates.clone()) == fates, "{kind:?} {flavour:?}");
        }
    }
    Ok(())
}

fn share(journeys: &[Journey], outcome: &str) -> f64 {
    journeys.iter().filter(|journey| end(journey) == outcome).count() as f64 / journeys.len() as f64
}

#[test]
fn as_many_records_are_filtered_and_fail_as_was_asked_for() -> Result<()> {
    for (kind, outcome, wanted) in [
        (Kind::Filter, "filtered", 0.30),
        (Kind::Handover, "vanished", 0.03),
        (Kind::Errors, "error_routed", 0.05),
        (Kind::Errors, "write_failed", 0.05),
    ] {
        let flow = flow(kind, Flavour::C);
        let found = share(&flow.expected(&run(&flow)?.1).journeys, outcome);
        assert!((wanted - 0.01..wanted + 0.01).contains(&found), "{outcome}: {found}");
    }
    Ok(())
}

#[test]
fn a_record_becomes_none_to_five_and_its_branches_do_again() -> Result<()> {
    let flow = flow(Kind::Split, Flavour::C);
    let journeys = flow.expected(&run(&flow)?.1).journeys;
    let once = |journey: &&Journey| journey.path == 0 && end(journey) != "written";
    let counts: BTreeSet<u32> = journeys.iter().filter(once).map(|journey| journey.branches).collect();
    assert_eq!(counts, BTreeSet::from_iter(0..=5));
    assert!(journeys.iter().any(|journey| journey.path > 0xFF && journey.shared > 4));
    // A branch is there whenever a higher one of the same parent is.
    let paths: HashSet<_> = journeys.iter().map(|journey| (journey.who, journey.path)).collect();
    let first = |path: u64| path & 0xFF == 1;
    assert!(journeys.iter().all(|j| first(j.path) || j.path == 0 || paths.contains(&(j.who, j.path - 1))));
    Ok(())
}

/// The rows of each batch, by its number.
fn batches(truth: &Truth, stages: &[u32]) -> BTreeMap<u64, Vec<Row>> {
    let mut batches: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    for row in truth.records().flatten().filter(|row| stages.contains(&row.stage)) {
        batches.entry(row.more.batch).or_default().push(*row);
    }
    batches
}

#[test]
fn batches_hold_what_was_put_into_them_in_order() -> Result<()> {
    let (_, truth) = run(&flow(Kind::Batch, Flavour::C))?;
    let (put, written) = (batches(&truth, &[BATCH_ADD, BATCH_MERGE]), batches(&truth, &[BATCH_WRITTEN]));
    let mut sizes = BTreeSet::new();
    for (id, rows) in &put {
        let mut positions: Vec<_> = rows.iter().map(|row| row.more.position).collect();
        positions.sort_unstable();
        assert!(positions.iter().copied().eq(0..rows.len() as u32), "batch {id}: {positions:?}");
        if rows.iter().all(|row| row.stage == BATCH_ADD) {
            sizes.insert(rows.len());
        }
        let of_all = |rows: &Vec<Row>| rows.iter().all(|row| row.more.size == rows.len() as u64);
        assert!(written.get(id).is_none_or(|all| all.len() == rows.len() && of_all(all)), "batch {id}");
    }
    assert_eq!((sizes.first(), sizes.last()), (Some(&1), Some(&64)));
    let merged = put.values().filter(|rows| rows.iter().all(|row| row.stage == BATCH_MERGE));
    assert!(
        merged.clone().count() > 20 && merged.clone().all(|rows| written.contains_key(&rows[0].more.batch))
    );
    // Some were flushed by size, some by time; by the thread that filled them and by another one.
    let sealed = batches(&truth, &[BATCH_SEAL]);
    let threads: HashSet<u32> = sealed.values().map(|rows| rows[0].tid).collect();
    assert!(threads.len() >= 3, "{threads:?}");
    let holders: HashSet<u64> = put.values().map(|rows| rows[0].more.holder).collect();
    assert!(holders.len() * 4 < put.len(), "{} addresses for {} batches", holders.len(), put.len());
    Ok(())
}

#[test]
fn addresses_are_used_again_at_once_and_by_any_kind_of_object() -> Result<()> {
    let (_, truth) = run(&flow(Kind::Handover, Flavour::C))?;
    let addresses = |stage| -> HashSet<u64> {
        truth.records().flatten().filter(|row| row.stage == stage).map(|row| row.record).collect()
    };
    let (rows, nodes) = (addresses(S0), addresses(stain_tests::flow::codes::NODE_TAKE));
    assert!(rows.len() < 600, "{} addresses for {RECORDS} rows", rows.len());
    assert!(
        rows.intersection(&nodes).count() * 2 > nodes.len(),
        "rows and nodes have few addresses in common"
    );
    Ok(())
}

#[test]
fn eight_threads_steal_from_each_other() -> Result<()> {
    let (_, truth) = run(&flow(Kind::Steal, Flavour::C))?;
    let threads: HashSet<u32> = truth.records().flatten().map(|row| row.tid).collect();
    let strayed = truth.records().filter(|rows| rows.iter().any(|row| row.tid != rows[0].tid)).count();
    assert!(threads.len() == 8 && strayed > 200, "{} threads, {strayed} strayed", threads.len());
    Ok(())
}

#[test]
fn two_processes_log_one_way_of_a_record() -> Result<()> {
    for flavour in Flavour::LANGUAGES {
        let home = tempfile::tempdir()?;
        let folder = |name: &str| -> Result<std::path::PathBuf> {
            let folder = home.path().join(name);
            std::fs::create_dir(&folder)?;
            Ok(folder)
        };
        let pipe = stain_tests::flow::pipe(home.path())?;
        let target = format!("--records {RECORDS} --pipe {}", pipe.display());
        let [sender, receiver] = [Kind::Send, Kind::Receive].map(|kind| Flow::new(kind, flavour, 1, &target));
        let mut ends = [start(&sender, &folder("a")?)?, start(&receiver, &folder("b")?)?];
        for end in &mut ends {
            end.go()?;
        }
        let totals: Vec<Totals> = ends.iter_mut().map(|end| end.totals(LONG)).collect::<Result<_>>()?;
        assert_eq!((totals[0].emitted, totals[1].written), (RECORDS, RECORDS));
        let truth = ends[0].truth()?.and(ends[1].truth()?);
        let journeys = sender.expected(&truth).journeys;
        assert_possible(Kind::Send, &journeys);
        let pid = |stage: u32| truth.record(0, 5).iter().find(|row| row.stage == stage).map(|row| row.pid);
        assert_eq!((pid(SEND), pid(RECEIVE)), (Some(ends[0].pid()), Some(ends[1].pid())));
    }
    Ok(())
}

#[test]
fn rows_carry_strings_numbers_and_times() -> Result<()> {
    let reads = [Read::Table(64), Read::Exact, Read::Word, Read::Uid, Read::TimeMs];
    let flow = flow(Kind::Errors, Flavour::C).read(S0, &reads);
    let journeys = flow.expected(&run(&flow)?.1).journeys;
    let values = |name: &str| -> BTreeSet<String> {
        journeys.iter().filter_map(|j| j.stamps[0].attributes.get(name)).map(ToString::to_string).collect()
    };
    assert_eq!(values("word"), BTreeSet::from(["\"bad\"", "\"ok\"", "\"unknown\"", "7"].map(str::to_owned)));
    let tables = values("table");
    assert!(tables.len() == 7 && tables == values("exact"), "{tables:?}");
    // A quote on either side.
    assert!(tables.iter().any(|table| table.len() == 66) && tables.contains("\"régions\""), "{tables:?}");
    assert_eq!(values("uid").len() as u64, RECORDS);
    for journey in &journeys {
        let time = journey.stamps[0].time.context("no time")?;
        let latency_ms = (time.wall_ns - time.event_ns) / 1_000_000;
        assert!((-600..3100).contains(&latency_ms), "{latency_ms} ms");
    }
    Ok(())
}

#[test]
fn a_script_is_done_step_by_step() -> Result<()> {
    let mut model = Model::new(4, Bounds::wide(1), Manner::default());
    let steps = script(1, 20_000, &[Mix::Even], &mut model);
    let home = tempfile::tempdir()?;
    let file = home.path().join("script");
    std::fs::write(&file, Step::encode(&steps))?;
    let arguments = ["--script", file.to_str().context("an odd path")?];
    let mut target = Pipeline::start_binary(Flavour::CProtected.script()?, &arguments, home.path())?;
    target.go()?;
    let totals = target.totals(LONG)?;
    let mut rows: Vec<_> = target.truth()?.records().flatten().copied().collect();
    rows.sort_unstable_by_key(|row| row.seq);
    assert!(target.finish(SHORT)?.status.success());
    assert_eq!(rows.len(), steps.len());
    for (step, row) in steps.iter().zip(&rows) {
        assert_eq!((row.stage, row.source), (100 + step.code as u32, step.thread));
        assert!(!row.is_open() && row.before_ns <= row.after_ns);
    }
    assert!(rows.windows(2).all(|pair| pair[0].after_ns <= pair[1].before_ns), "steps overlap");
    assert_eq!(totals.emitted, steps.iter().filter(|step| step.code == Code::Emit).count() as u64);
    Ok(())
}
