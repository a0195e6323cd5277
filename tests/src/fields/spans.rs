//! Journeys as spans, as OpenTelemetry's own classes decode them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{All, Entry, Fields, Who, int, list, shown, text};

/// Attributes of a span, an event or a link, as text.
type Attributes = BTreeMap<String, String>;

/// The spans of one journey. Times are ns since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    name: String,
    /// The branch whose span is the parent.
    parent: Option<String>,
    times: (i64, i64),
    attributes: Attributes,
    /// Time, name, and attributes, in order.
    events: Vec<(i64, String, Attributes)>,
    links: Vec<Attributes>,
    /// The message of a status that is an error.
    error: Option<String>,
    /// Times, name and attributes of its hops, in order.
    hops: Vec<((i64, i64), String, Attributes)>,
}

/// What a hop's time goes into, by the codes of its stages.
pub type Causes = BTreeMap<(String, String), String>;

/// The causes that a summary tells.
pub fn causes(summary: &Value) -> Result<Causes> {
    let of = |hop: &Value| -> Result<_> {
        let key = (text(&hop["from"])?.to_owned(), text(&hop["to"])?.to_owned());
        Ok((key, text(&hop["cause"])?.to_owned()))
    };
    list(&summary["hops"])?.iter().map(of).collect()
}

/// The spans that docs/export.md says these journeys are.
pub fn expected(all: &All, causes: &Causes) -> Result<BTreeMap<Who, Journey>> {
    all.iter().map(|(who, fields)| Ok((who.clone(), journey(&who.1, fields, causes)?))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Attributes {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn journey(branch: &str, fields: &Fields, causes: &Causes) -> Result<Journey> {
    let own = usize::try_from(fields.shared.saturating_sub(1))?;
    let is_root = branch == "0";
    let parent = branch.rsplit_once('.').map_or("0", |(parent, _)| parent).to_owned();
    let parent = Some(parent).filter(|_| !is_root);
    let mut attributes = pairs([
        ("stain.outcome", fields.outcome.clone()),
        ("stain.branch", branch.to_owned()),
        ("stain.branches", fields.branches.to_string()),
        ("stain.sequence", fields.sequence.to_string()),
        ("stain.key", fields.key.cast_signed().to_string()),
        ("process.pid", fields.pid.to_string()),
    ]);
    if !is_root {
        let start_ns = fields.entries.first().map_or(fields.start_ns, |first| first.unix_ns);
        attributes.insert("stain.record_start_unix_nano".to_owned(), start_ns.to_string());
    }
    if let Some(first) = fields.entries.get(own) {
        attributes.extend(pairs([
            ("stain.from", first.name.clone()),
            ("stain.from_code", first.code.clone()),
            ("stain.task_id", first.task_id.to_string()),
            ("thread.id", first.tid.to_string()),
            ("cpu.logical_number", first.cpu.to_string()),
        ]));
    }
    for (name, count) in &fields.flags {
        let value = if name == "partial" { "true".to_owned() } else { count.to_string() };
        attributes.insert(format!("stain.flags.{name}"), value);
    }
    let at = |entry: usize| fields.entries.get(entry).context("no such entry");
    let mut events = Vec::new();
    for (entry, name, value) in &fields.attributes {
        let entry = at(*entry)?;
        let told = pairs([("stain.stage", entry.name.clone()), ("value", value.clone())]);
        events.push((entry.unix_ns, name.clone(), told));
    }
    for (entry, event_ns, latency_ns) in &fields.record_times {
        let entry = at(*entry)?;
        let told = pairs([
            ("stain.stage", entry.name.clone()),
            ("stain.event_time_unix_nano", event_ns.to_string()),
            ("stain.record_latency_ns", latency_ns.to_string()),
        ]);
        events.push((entry.unix_ns, "record time".to_owned(), told));
    }
    let mut links = Vec::new();
    if let Some(parent) = &parent {
        links.push(pairs([("stain.link", "branch_of".to_owned()), ("stain.branch", parent.clone())]));
    }
    for (entry, key, position, size) in &fields.batches {
        let mut link = pairs([
            ("stain.link", "batch".to_owned()),
            ("stain.batch.key", key.cast_signed().to_string()),
            ("stain.batch.position", position.to_string()),
            ("stain.batch.time_unix_nano", at(*entry)?.unix_ns.to_string()),
        ]);
        link.extend(size.map(|size| ("stain.batch.size".to_owned(), size.to_string())));
        links.push(link);
    }
    let first = fields.entries.get(own).map_or(fields.start_ns, |entry| entry.unix_ns);
    let last = fields.entries.last().map_or(fields.end_ns, |entry| entry.unix_ns);
    let windows = fields.entries.get(own..).unwrap_or_default().windows(2);
    let hops = windows.map(|two| match two {
        [from, to] => hop(from, to, fields.pid, causes),
        _ => anyhow::bail!("two are two"),
    });
    let unknown = ["expired", "target_exit", "thread_exit", "source_unseen"];
    let journey = Journey {
        name: if is_root { "record" } else { "branch" }.to_owned(),
        parent,
        times: (first, last),
        attributes,
        events,
        links,
        error: Some(fields.outcome.clone()).filter(|outcome| unknown.contains(&outcome.as_str())),
        hops: hops.collect::<Result<_>>()?,
    };
    Ok(journey.sorted())
}

/// `pid` is the record's process, which hops that end in another one tell apart.
fn hop(from: &Entry, to: &Entry, pid: u64, causes: &Causes) -> Result<((i64, i64), String, Attributes)> {
    let cause = causes.get(&(from.code.clone(), to.code.clone())).context("a hop that no summary has")?;
    let mut attributes = pairs([
        ("stain.from", from.name.clone()),
        ("stain.from_code", from.code.clone()),
        ("stain.to", to.name.clone()),
        ("stain.to_code", to.code.clone()),
        ("stain.cause", cause.clone()),
        ("stain.task_id", to.task_id.to_string()),
        ("thread.id", to.tid.to_string()),
        ("cpu.logical_number", to.cpu.to_string()),
    ]);
    if to.pid != pid {
        attributes.insert("process.pid".to_owned(), to.pid.to_string());
    }
    Ok(((from.unix_ns, to.unix_ns), format!("{} -> {}", from.name, to.name), attributes))
}

impl Journey {
    fn sorted(mut self) -> Self {
        self.events.sort();
        self.links.sort();
        self.hops.sort();
        self
    }
}

/// Trace and span, as they were sent.
type Id = (String, String);

/// The spans of all messages of a way. Repeats are dropped by their ids, as a receiver does.
pub fn received(messages: &[Value], way: &str) -> Result<BTreeMap<Who, Journey>> {
    let mut spans: BTreeMap<Id, &Value> = BTreeMap::new();
    for message in messages.iter().filter(|m| m["kind"] == "traces" && m["way"] == way) {
        for resource in list(&message["message"]["resourceSpans"])? {
            for scope in list(&resource["scopeSpans"])? {
                for span in list(&scope["spans"])? {
                    let before = spans.insert(id(span, "spanId")?, span);
                    ensure!(before.is_none_or(|before| before == span), "two spans of one id: {span}");
                }
            }
        }
    }
    let is_journey = |span: &Value| matches!(span["name"].as_str(), Some("record" | "branch"));
    let (mut of_id, mut all, mut batches) = (BTreeMap::new(), BTreeMap::new(), Batches::default());
    for (id, span) in spans.iter().filter(|(_, span)| is_journey(span)) {
        let attributes = attributes(&span["attributes"])?;
        let branch = attributes.get("stain.branch").context("no branch")?.clone();
        of_id.insert(id.clone(), (number(&id.0)?, branch));
    }
    for (id, span) in spans.iter().filter(|(_, span)| is_journey(span)) {
        let who = of_id.get(id).context("no such journey")?.clone();
        all.insert(who, of_span(span, &of_id, &mut batches)?);
    }
    for span in spans.values().filter(|span| !is_journey(span)) {
        let who =
            of_id.get(&self::id(span, "parentSpanId")?).with_context(|| format!("an orphan: {span}"))?;
        let journey = all.get_mut(who).context("no such journey")?;
        journey.hops.push((times(span)?, text(&span["name"])?.to_owned(), attributes(&span["attributes"])?));
    }
    Ok(all.into_iter().map(|(who, journey): (Who, Journey)| (who, journey.sorted())).collect())
}

/// What the ids of batches stand for: each for one key, and each key for one.
#[derive(Default)]
struct Batches {
    seen: BTreeSet<(Id, String)>,
    ids: BTreeSet<Id>,
    keys: BTreeSet<String>,
}

impl Batches {
    fn note(&mut self, id: Id, key: &str) -> Result<()> {
        self.ids.insert(id.clone());
        self.keys.insert(key.to_owned());
        self.seen.insert((id, key.to_owned()));
        let same = self.seen.len() == self.ids.len() && self.seen.len() == self.keys.len();
        ensure!(same, "the batch {key} has the ids of another one, or two");
        Ok(())
    }
}

fn of_span(span: &Value, of_id: &BTreeMap<Id, Who>, batches: &mut Batches) -> Result<Journey> {
    ensure!(span["kind"] == "SPAN_KIND_INTERNAL", "{span}");
    let parent = span.get("parentSpanId").is_some().then(|| id(span, "parentSpanId")).transpose()?;
    let branch_of = |id: &Id| of_id.get(id).map(|(_, branch)| branch.clone()).context("no such journey");
    let mut links = Vec::new();
    for link in list(&span["links"])? {
        let (to, attributes) = (id(link, "spanId")?, attributes(&link["attributes"])?);
        match attributes.get("stain.batch.key") {
            Some(key) => batches.note(to, key)?,
            None => ensure!(attributes.get("stain.branch") == Some(&branch_of(&to)?), "{link}"),
        }
        links.push(attributes);
    }
    let event = |event: &Value| -> Result<_> {
        let time = int(&event["timeUnixNano"])?;
        Ok((time, text(&event["name"])?.to_owned(), attributes(&event["attributes"])?))
    };
    let error = span["status"]["code"] == "STATUS_CODE_ERROR";
    Ok(Journey {
        name: text(&span["name"])?.to_owned(),
        parent: parent.as_ref().map(branch_of).transpose()?,
        times: times(span)?,
        attributes: attributes(&span["attributes"])?,
        events: list(&span["events"])?.iter().map(event).collect::<Result<_>>()?,
        links,
        error: error.then(|| shown(&span["status"]["message"])),
        hops: Vec::new(),
    })
}

fn times(span: &Value) -> Result<(i64, i64)> {
    Ok((int(&span["startTimeUnixNano"])?, int(&span["endTimeUnixNano"])?))
}

fn attributes(all: &Value) -> Result<Attributes> {
    let mut found = Attributes::new();
    for pair in list(all)? {
        let value = pair["value"].as_object().and_then(|value| value.values().next()).context("no value")?;
        let before = found.insert(text(&pair["key"])?.to_owned(), shown(value));
        ensure!(before.is_none(), "twice: {pair}");
    }
    Ok(found)
}

fn id(of: &Value, span: &str) -> Result<Id> {
    Ok((text(&of["traceId"])?.to_owned(), text(&of[span])?.to_owned()))
}

/// The trace id in sixteen bytes: eight zeros, and the id.
fn number(base64: &str) -> Result<u64> {
    let bytes: [u8; 16] = STANDARD.decode(base64)?.try_into().ok().context("not sixteen bytes")?;
    Ok(u64::try_from(u128::from_be_bytes(bytes))?)
}
