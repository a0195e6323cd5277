//! A recording for viewers of others: in every form the traces are those of the agent's own lines of the same session.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::report::stamp_times;
use stain_tests::run::SHORT;
use stain_tests::stain::{self, path};
use stain_tests::{browser, receivers};

/// Stamps' times, ns, by trace.
type Stamps = BTreeMap<u64, Vec<u64>>;

/// Records the demo; gives the recording's name, and what the session's own lines say.
fn recorded(folder: &Path) -> Result<(String, Stamps)> {
    let (lines, recording) = (path(folder, "lines")?, path(folder, "recording")?);
    let arguments = ["demo", "-d", "3s", "-f", "jsonl", "-o", &lines, "--record", &recording];
    let ended = stain::run(&arguments, Duration::from_secs(60))?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    let all = stamp_times(&std::fs::read_to_string(&lines)?)?;
    ensure!(all.len() > 10, "only {} traces", all.len());
    Ok((recording, all))
}

fn exported(folder: &Path, recording: &str, form: &str) -> Result<String> {
    let file = path(folder, form)?;
    let ended = stain::run(&["export", recording, "--format", form, "-o", &file], SHORT)?;
    ensure!(ended.status.success(), "{form}: {}", ended.stderr);
    ensure!(ended.stderr.contains(" traces written to "), "{}", ended.stderr);
    Ok(file)
}

fn csv(file: &str) -> Result<Stamps> {
    let text = std::fs::read_to_string(file)?;
    let mut rows = text.split_terminator("\r\n");
    let head: Vec<&str> = rows.next().context("no head")?.split(',').collect();
    let column = |name: &str| head.iter().position(|one| *one == name).with_context(|| name.to_owned());
    let (id, at) = (column("trace_id")?, column("ts_ns")?);
    let mut all = Stamps::new();
    for row in rows {
        // The demo's names need no quotes.
        let fields: Vec<&str> = row.split(',').collect();
        ensure!(fields.len() == head.len(), "{row}");
        all.entry(fields[id].parse()?).or_default().push(fields[at].parse()?);
    }
    Ok(all)
}

fn chrome(file: &str) -> Result<Stamps> {
    // As text: the numbers have more digits than a double.
    let mut all = Stamps::new();
    let text = std::fs::read_to_string(file)?;
    serde_json::from_str::<Value>(&text)?;
    for line in text.lines().filter(|line| line.contains("\"ph\":\"i\"")) {
        let event: Value = serde_json::from_str(line.trim_end_matches(','))?;
        let id = event["args"]["trace_id"].as_str().context("no trace id")?.parse()?;
        let digits = line.split("\"ts\":").nth(1).and_then(|rest| rest.split('}').next()).context("no ts")?;
        all.entry(id).or_default().push(digits.replace('.', "").parse()?);
    }
    Ok(all)
}

/// How many stamps a trace has: their times are the wall's there.
fn otlp(file: &str) -> Result<BTreeMap<u64, usize>> {
    let mut all = BTreeMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let id = span["traceId"].as_str().and_then(|id| id.get(16..)).context("no trace id")?;
        let id = u64::from_str_radix(id, 16)?;
        all.insert(id, span["events"].as_array().context("no events")?.len());
    }
    Ok(all)
}

#[test]
fn every_form_has_the_traces_of_the_session() -> Result<()> {
    if !stain_tests::tally::privileged("viewer::every_form_has_the_traces_of_the_session").open() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (recording, expected) = recorded(folder.path())?;
    ensure!(csv(&exported(folder.path(), &recording, "csv")?)? == expected, "csv");
    ensure!(chrome(&exported(folder.path(), &recording, "chrome")?)? == expected, "chrome");
    let lengths: BTreeMap<u64, usize> = expected.iter().map(|(id, stamps)| (*id, stamps.len())).collect();
    ensure!(otlp(&exported(folder.path(), &recording, "otlp-json")?)? == lengths, "otlp-json");
    let payloads = exported(folder.path(), &recording, "sttr")?;
    let decoded = stain::run(&["decode", &payloads], SHORT)?;
    let mut ids = Vec::new();
    for value in serde_json::Deserializer::from_str(&decoded.stdout).into_iter::<Value>() {
        let value = value?;
        let id = &value["trace_id"];
        let id = id.as_str().map_or_else(|| id.as_u64(), |text| text.parse().ok());
        ids.push(id.with_context(|| format!("no trace id in {value}"))?);
    }
    ids.sort_unstable();
    ensure!(ids == expected.keys().copied().collect::<Vec<_>>(), "sttr: {}", decoded.stderr);
    Ok(())
}

#[test]
fn perfettos_own_definitions_read_it() -> Result<()> {
    let gate = stain_tests::tally::privileged("viewer::perfettos_own_definitions_read_it");
    let has = receivers::folder().is_some();
    if !gate.condition(has, "the receivers are not installed (cargo xtask setup test)").open() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (recording, expected) = recorded(folder.path())?;
    let file = exported(folder.path(), &recording, "perfetto")?;
    let python = receivers::folder().context("no receivers")?.join("bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/receivers/perfetto_reader.py");
    let output = Command::new(python).arg(script).arg(&file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let record: Value = serde_json::from_str(line)?;
        let id: u64 = record["facts"]["trace_id"].as_str().context("no trace id")?.parse()?;
        let hops = record["hops"]
            .as_array()
            .context("no hops")?
            .iter()
            .filter_map(Value::as_u64)
            .collect::<Vec<_>>();
        found.insert(id, (record["began"].as_u64(), record["ended"].as_u64(), hops));
    }
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(id, stamps)| {
            let hops = stamps.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>();
            (id, (stamps.first().copied(), stamps.last().copied(), hops))
        })
        .collect();
    ensure!(found == expected, "{found:?}\n\n{expected:?}");
    Ok(())
}

#[test]
fn mistakes_are_told_in_a_sentence() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (nothing, text) = (path(folder.path(), "nothing")?, path(folder.path(), "text")?);
    std::fs::write(&text, "no recording")?;
    for (arguments, sentence) in [
        (["export", &nothing, "--format", "csv"], "cannot open"),
        (["export", &text, "--format", "csv"], "is no recording"),
        (["export", &text, "--format", "pdf"], "possible values: perfetto, chrome, otlp-json, sttr, csv"),
    ] {
        let ended = stain::run(&arguments, SHORT)?;
        ensure!(!ended.status.success() && ended.stderr.contains(sentence), "{}", ended.stderr);
    }
    // Whoever names the recording itself does not lose it.
    let ended = stain::run(&["export", &text, "--format", "csv", "-o", &text], SHORT)?;
    ensure!(!ended.status.success() && std::fs::read_to_string(&text)? == "no recording", "{}", ended.stderr);
    Ok(())
}

/// The HTML report in a browser, from a file and without a network: its script draws every plot, and nothing complains.
#[test]
fn the_page_opens_in_a_browser() -> Result<()> {
    if !stain_tests::tally::privileged("viewer::the_page_opens_in_a_browser")
        .program("chromium", browser::PROGRAM)
        .open()
    {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (recording, traces) = recorded(folder.path())?;
    let file = path(folder.path(), "page.html")?;
    let ended = stain::run(&["report", &recording, "--format", "html", "-o", &file], SHORT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let address = format!("file://{file}");
    let page = browser::open(&address, (1200, 3000))?;
    ensure!(page.complaints.is_empty(), "{:?}", page.complaints);
    let part = |id: &str, end: &str| {
        let (_, rest) = page.elements.split_once(&format!("id=\"{id}\"")).with_context(|| id.to_owned())?;
        let (part, _) = rest.split_once(end).with_context(|| format!("no end of {id}"))?;
        anyhow::Ok(part)
    };
    let course = part("course", "</svg>")?;
    ensure!(course.matches("<path").count() == 3 && course.contains(">P99<"), "{course}");
    ensure!(part("heat", "</svg>")?.matches("<rect").count() > 10, "{}", part("heat", "</svg>")?);
    // The first choice is from end to end, then hops and sums: as many as have durations.
    ensure!(
        part("subject", "</select>")?.matches("<option").count() == 12,
        "{}",
        part("subject", "</select>")?
    );
    ensure!(
        page.elements.contains(&format!("<span>{} traces</span>", traces.len())),
        "{} traces",
        traces.len()
    );
    ensure!(page.elements.contains("Every sampled record is accounted for."), "the ledger");
    let picture = folder.path().join("page.png");
    browser::picture(&address, (1200, 3000), &picture)?;
    // An empty page of that size takes a few kilobytes.
    ensure!(std::fs::metadata(&picture)?.len() > 60_000, "an empty picture");
    Ok(())
}
