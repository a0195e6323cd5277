//! Payloads, and the events that carry them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{All, Entry, Fields, Who, int, list, natural, shown, text};
use crate::faulty::Request;
use crate::run::SHORT;
use crate::stain;

/// What numbers in payloads stand for: of each stage its name, and those of its attributes.
pub type Names = Vec<(String, Vec<String>)>;

/// What the counts of a payload are called, by bit, as docs/sttr.md has them.
const FLAGS: [&str; 9] = [
    "entries_dropped",
    "late_stamps",
    "torn_stamps",
    "early_stamps",
    "keys_dropped",
    "branches_dropped",
    "attributes_dropped",
    "attributes_unreadable",
    "batches_dropped",
];

/// The events of a type that a server has.
pub fn of_type(seen: &[Request], kind: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for request in seen.iter().filter(|request| request.was_taken()) {
        let events: Value = serde_json::from_slice(&request.body)?;
        all.extend(list(&events)?.iter().filter(|event| event["eventType"] == kind).cloned());
    }
    Ok(all)
}

/// The names that the packets of a stream tell.
pub fn names(packet: &Value) -> Result<Names> {
    let of_stage = |stage: &Value| -> Result<(String, Vec<String>)> {
        let attributes = list(&stage["attributes"])?.iter().map(|name| Ok(text(name)?.to_owned()));
        Ok((text(&stage["name"])?.to_owned(), attributes.collect::<Result<_>>()?))
    };
    list(&packet["stages"])?.iter().map(of_stage).collect()
}

/// What `stain decode` shows of these payloads, in base64.
pub fn decoded(payloads: &[String]) -> Result<Vec<Value>> {
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("payloads");
    std::fs::write(&file, payloads.join("\n"))?;
    decoded_file(&file.display().to_string())
}

/// What `stain decode` shows of a file.
pub fn decoded_file(path: &str) -> Result<Vec<Value>> {
    let ended = stain::run(&["decode", path], SHORT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let shown = serde_json::Deserializer::from_str(&ended.stdout).into_iter::<Value>();
    shown.map(|document| Ok(document?)).collect()
}

/// Payloads with nanoseconds, as they are shown.
pub fn of_documents(documents: &[Value], names: &Names) -> Result<All> {
    let of = |document: &Value| {
        let who = (natural(&document["trace_id"])?, text(&document["branch"])?.to_owned());
        Ok((who, of_document(document, names)?))
    };
    documents.iter().map(of).collect()
}

fn of_document(document: &Value, names: &Names) -> Result<Fields> {
    let stage = |entry: &Value| -> Result<_> {
        names.get(usize::try_from(natural(&entry["index"])?)?).with_context(|| format!("no stage: {entry}"))
    };
    let entries = list(&document["entries"])?;
    let at = |value: &Value| Ok::<_, anyhow::Error>(usize::try_from(natural(&value["stamp"])?)?);
    let mut fields = Fields {
        outcome: text(&document["outcome_name"])?.to_owned(),
        pid: natural(&document["pid"])?,
        key: natural(&document["key"])?,
        sequence: natural(&document["sequence"])?,
        start_ns: int(&document["start_ns"])?,
        end_ns: int(&document["end_ns"])?,
        shared: natural(&document["shared"])?,
        branches: natural(&document["branches"])?,
        ..Fields::default()
    };
    for flag in list(&document["flags"])? {
        let name = FLAGS.get(usize::try_from(natural(&flag["bit"])?)?).context("an odd flag")?;
        fields.flags.insert((*name).to_owned(), natural(&flag["count"])?);
    }
    if document["partial"] == true {
        fields.flags.insert("partial".to_owned(), 1);
    }
    for entry in entries {
        fields.entries.push(Entry {
            code: text(&entry["stage"])?.to_owned(),
            name: stage(entry)?.0.clone(),
            pid: natural(&entry["pid"])?,
            task_id: int(&entry["task_id"])?,
            tid: natural(&entry["tid"])?,
            cpu: natural(&entry["cpu"])?,
            unix_ns: int(&entry["ts_ns"])?,
        });
    }
    for attribute in list(&document["attributes"])? {
        let entry = entries.get(at(attribute)?).context("no such entry")?;
        let index = usize::try_from(natural(&attribute["index"])?)?;
        let name = stage(entry)?.1.get(index).context("no such attribute")?;
        let value = ["unsigned", "signed", "word", "text"].into_iter().find_map(|kind| attribute.get(kind));
        fields.attributes.push((at(attribute)?, name.clone(), shown(value.context("no value")?)));
    }
    for batch in list(&document["batches"])? {
        let size = Some(&batch["size"]).filter(|size| !size.is_null()).map(natural).transpose()?;
        fields.batches.push((at(batch)?, natural(&batch["key"])?, natural(&batch["position"])?, size));
    }
    for time in list(&document["record_times"])? {
        fields.record_times.push((at(time)?, int(&time["event_ns"])?, int(&time["latency_ns"])?));
    }
    Ok(fields.sorted())
}

/// What an event, and a payload in milliseconds, tell of a journey: outcome, sink task, table, created, and code, task and time of each entry.
pub type Brief = (String, i64, Option<String>, i64, Vec<(String, i64, i64)>);

/// The same of whole fields.
#[must_use]
pub fn brief(fields: &Fields) -> Brief {
    let ms = |ns: i64| ns.div_euclid(1_000_000);
    let entry = |entry: &Entry| (entry.code.clone(), entry.task_id, ms(entry.unix_ns));
    let table = fields.attributes.iter().find(|(_, name, _)| name == "table");
    (
        fields.outcome.clone(),
        fields.entries.last().map_or(0, |entry| entry.task_id),
        table.map(|(_, _, value)| value.clone()),
        ms(fields.end_ns),
        fields.entries.iter().map(entry).collect(),
    )
}

/// Who an event is of.
pub fn who(event: &Value) -> Result<Who> {
    let root = event.get("rootTraceId").unwrap_or(&event["traceId"]);
    Ok((natural(root)?, event.get("branch").map_or(Ok("0"), text)?.to_owned()))
}

/// Events with payloads in milliseconds.
pub fn briefs(events: &[Value]) -> Result<BTreeMap<Who, Brief>> {
    let payloads: Vec<String> =
        events.iter().map(|event| Ok(text(&event["payload"])?.to_owned())).collect::<Result<_>>()?;
    let documents = decoded(&payloads)?;
    ensure!(documents.len() == events.len(), "{} of {}", documents.len(), events.len());
    let mut all = BTreeMap::new();
    for (event, document) in events.iter().zip(&documents) {
        ensure!(natural(&document["trace_id"])? == natural(&event["traceId"])?, "{event}");
        let entry = |entry: &Value| -> Result<_> {
            Ok((text(&entry["stage"])?.to_owned(), int(&entry["task_id"])?, int(&entry["ts_ms"])?))
        };
        let entries = list(&document["entries"])?.iter().map(entry).collect::<Result<Vec<_>>>()?;
        ensure!(entries.first().is_none_or(|first| int(&document["start_ms"]).is_ok_and(|ms| ms == first.2)));
        let table = event["tableId"].as_str().map(str::to_owned);
        let outcome = text(&event["outcome"])?.to_owned();
        let brief = (outcome, int(&event["sinkTaskId"])?, table, int(&event["createdTime"])?, entries);
        all.insert(who(event)?, brief);
    }
    Ok(all)
}
