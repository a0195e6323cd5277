//! Folders in the Common Trace Format, as babeltrace2 reads them: its own check of clocks, packets and indexes, and its text.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use super::{All, Entry, Fields, int, list, natural, text};

/// What babeltrace2 says of a folder.
#[derive(Debug)]
pub struct Read {
    /// The journeys in it.
    pub all: All,
    /// What it has to say besides: of events that were discarded, or of what makes no sense.
    pub said: String,
}

/// Reads a folder, by babeltrace2's text.
pub fn read(folder: &Path) -> Result<Read> {
    let output = Command::new("babeltrace2")
        .args(["--fields=all", "--names=all", "--clock-seconds"])
        .arg(folder)
        .output()?;
    let (out, said) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success(), "babeltrace2: {said}");
    let mut all = All::new();
    for line in out.lines() {
        let fields = event(line).with_context(|| line.to_owned())?;
        all.insert((natural(&fields["trace_id"])?, text(&fields["branch"])?.to_owned()), of(&fields)?);
    }
    Ok(Read { all, said })
}

/// How many events it says were discarded in all. It warns of each gap between packets, and tells lost packets apart.
pub fn discarded(said: &str) -> Result<u64> {
    let mut all = 0;
    for warning in said.split("WARNING: ").filter(|warning| warning.contains("discarded")) {
        let words: Vec<&str> = warning.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "discarded").context("no word")?;
        // "Tracer discarded 5 events between ..".
        let (count, what) = (words.get(at + 1), words.get(at + 2).context("nothing was discarded")?);
        let count: u64 = count.and_then(|count| count.parse().ok()).with_context(|| warning.to_owned())?;
        all += if what.starts_with("event") { count } else { 0 };
    }
    Ok(all)
}

fn of(event: &Value) -> Result<Fields> {
    let at = |value: &Value| Ok::<_, anyhow::Error>(usize::try_from(natural(&value["stamp"])?)?);
    let mut fields = Fields {
        outcome: text(&event["outcome"])?.to_owned(),
        pid: natural(&event["pid"])?,
        key: natural(&event["key"])?,
        sequence: natural(&event["sequence"])?,
        start_ns: int(&event["start_unix_ns"])?,
        end_ns: int(&event["end_unix_ns"])?,
        shared: natural(&event["shared"])?,
        branches: natural(&event["branches"])?,
        ..Fields::default()
    };
    for flag in text(&event["flags"])?.split_whitespace() {
        let (name, count) = flag.split_once('=').context("an odd flag")?;
        fields.flags.insert(name.to_owned(), count.parse()?);
    }
    for stamp in list(&event["stamps"])? {
        let name = text(&stamp["stage"])?.split_once(' ').context("a stage without a number")?.1;
        fields.entries.push(Entry {
            code: text(&stamp["code"])?.to_owned(),
            name: name.to_owned(),
            pid: natural(&stamp["pid"])?,
            task_id: int(&stamp["task_id"])?,
            tid: natural(&stamp["tid"])?,
            cpu: natural(&stamp["cpu"])?,
            unix_ns: int(&stamp["unix_ns"])?,
        });
    }
    for one in list(&event["attributes"])? {
        fields.attributes.push((at(one)?, text(&one["name"])?.to_owned(), text(&one["value"])?.to_owned()));
    }
    for batch in list(&event["batches"])? {
        let size = u64::try_from(int(&batch["size"])?).ok();
        fields.batches.push((at(batch)?, natural(&batch["key"])?, natural(&batch["position"])?, size));
    }
    for time in list(&event["record_times"])? {
        fields.record_times.push((at(time)?, int(&time["event_ns"])?, int(&time["latency_ns"])?));
    }
    Ok(fields.sorted())
}

/// The fields of a line: its last structure, that of the event.
fn event(line: &str) -> Result<Value> {
    let at = line.find("{ trace_id = ").context("no event")?;
    let mut rest = line.get(at..).unwrap_or_default();
    let fields = value(&mut rest)?;
    ensure!(rest.trim().is_empty(), "behind the event: {rest}");
    Ok(fields)
}

/// One value: `{ a = 1, b = "x" }`, `[ [0] = 1, [1] = 2 ]`, `( "word" : container = 1 )`, `"text"`, `1`, `0x1F`.
fn value(rest: &mut &str) -> Result<Value> {
    *rest = rest.trim_start();
    if skip(rest, "{") {
        return structure(rest);
    }
    if skip(rest, "[") {
        return array(rest);
    }
    if skip(rest, "(") {
        // Of several words that a number has, the first; of one that it has not, its number.
        let word = value(rest)?;
        let end = rest.find(')').context("no )")?;
        *rest = rest.get(end + 1..).unwrap_or_default();
        return Ok(word);
    }
    if skip(rest, "\"") {
        return quoted(rest);
    }
    let end = rest.find([',', ' ', '}', ']']).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind;
    Ok(Value::String(word.to_owned()))
}

fn structure(rest: &mut &str) -> Result<Value> {
    let mut fields = Map::new();
    loop {
        *rest = rest.trim_start();
        if skip(rest, "}") {
            return Ok(Value::Object(fields));
        }
        let (name, behind) = rest.split_once(" = ").with_context(|| format!("no field: {rest}"))?;
        *rest = behind;
        let found = value(rest)?;
        fields.insert(name.trim_start_matches([',', ' ']).to_owned(), found);
        *rest = rest.trim_start();
        skip(rest, ",");
    }
}

fn array(rest: &mut &str) -> Result<Value> {
    let mut all = Vec::new();
    loop {
        *rest = rest.trim_start();
        if skip(rest, "]") {
            return Ok(Value::Array(all));
        }
        let (_, behind) = rest.split_once("] = ").with_context(|| format!("no element: {rest}"))?;
        *rest = behind;
        all.push(value(rest)?);
        *rest = rest.trim_start();
        skip(rest, ",");
    }
}

fn quoted(rest: &mut &str) -> Result<Value> {
    let (mut out, mut chars) = (String::new(), rest.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = rest.get(at + 1..).unwrap_or_default();
                return Ok(Value::String(out));
            }
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, other)) => out.push(other),
                None => bail!("the line ends in a text"),
            },
            c => out.push(c),
        }
    }
    bail!("a text without an end")
}

fn skip(rest: &mut &str, token: &str) -> bool {
    rest.strip_prefix(token).map(|behind| *rest = behind).is_some()
}

#[cfg(test)]
mod tests {
    use super::{discarded, event};
    use serde_json::json;

    #[test]
    fn a_line_is_read_field_by_field() {
        let line = r#"[1.5] (+?) here record: { packet_seq_num = 3 }, { trace_id = 7, branch = "2.1", outcome = ( "written" : container = 1 ), key = 0x7F, stamps = [ [0] = { code = ( "S0" : container = 1 ), task_id = -1 }, [1] = { code = ( "a \"b\"" : container = 2 ), task_id = 5 } ], batches = [ ] }"#;
        let expected = json!({
            "trace_id": "7", "branch": "2.1", "outcome": "written", "key": "0x7F",
            "stamps": [{"code": "S0", "task_id": "-1"}, {"code": "a \"b\"", "task_id": "5"}], "batches": [],
        });
        assert_eq!(event(line).unwrap(), expected);
        assert!(event("no event").is_err() && event("{ trace_id = 7, stamps = [ [0] = { ").is_err());
    }

    #[test]
    fn what_was_discarded_is_added_up() {
        let said = "WARNING: Tracer discarded 5 events between [1] and [2] in trace \"x\".\nWARNING: Tracer discarded 1 event between [2]\nWARNING: Tracer discarded 3 packets between [2]\n";
        assert_eq!(discarded(said).unwrap(), 6);
        assert_eq!(discarded("").unwrap(), 0);
        assert!(discarded("WARNING: Tracer may have discarded events between").is_err());
    }
}
