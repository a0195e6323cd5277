//! What a collector says, held against what the agent said of the same traces.
//!
//! Owns: which numbers must be the same, and how far apart the others may be. Relies on [`crate::fields`] for the agent's lines.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::collector::Collector;
use crate::fields::{Entry, Fields, int, list, natural, shown, text};

/// Percentiles of the agent are at most 0.8 % too large, those of the collector at most 0.8 % off either way.
const APART: f64 = 0.0165;

/// A number of an answer.
pub fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name} in {value}"))
}

/// That the collector's figures are the agent's, within the errors that both state: count and maximum exactly.
pub fn same(agent: &Value, collector: &Value) -> Result<()> {
    for (ours, theirs) in [("count", "count"), ("max_ns", "maxNs")] {
        ensure!(agent[ours] == collector[theirs], "{theirs}: {agent}, {collector}");
    }
    let (mean, told) = (number(agent, "mean_ns")?, number(collector, "meanNs")?);
    ensure!((mean - told).abs() <= 1.0, "meanNs: {agent}, {collector}");
    for (ours, theirs) in [("p50_ns", "p50Ns"), ("p95_ns", "p95Ns"), ("p99_ns", "p99Ns")] {
        let (ours, told) = (number(agent, ours)?, number(collector, theirs)?);
        ensure!((ours - told).abs() <= APART * ours + 1.0, "{theirs}: {agent}, {collector}");
    }
    Ok(())
}

/// That every hop, and the whole way, has the agent's figures, and that there is no other hop. Gives the collector's series.
pub fn percentiles(collector: &Collector, job: &str, summary: &Value) -> Result<Vec<Value>> {
    let stats = collector.json(&format!("/api/v1/stats?jobId={job}"))?;
    let series = stats["series"].as_array().context("no series")?;
    let hops = list(&summary["hops"])?;
    ensure!(!hops.is_empty() && series.len() == hops.len() + 1, "{summary}\n{stats}");
    for hop in hops {
        let mut found = series.iter().filter(|series| is_hop(series, hop));
        let one = found.next().with_context(|| format!("{hop} is not in {stats}"))?;
        ensure!(found.next().is_none(), "{hop} is there twice in {stats}");
        ensure!(one["cause"] == hop["cause"], "{one}, {hop}");
        same(hop, &one["total"])?;
    }
    let whole = series.iter().find(|series| series["hop"] == "end to end").context("no end to end")?;
    same(&summary["e2e"], &whole["total"])?;
    Ok(series.clone())
}

/// Whether a series is of this hop of an agent's summary.
fn is_hop(series: &Value, hop: &Value) -> bool {
    [("from", "from_name"), ("to", "to_name")].iter().all(|(end, name)| series[*end]["name"] == hop[*name])
}

/// That the job's worst hop is the agent's.
pub fn verdict(collector: &Collector, job: &str, summary: &Value) -> Result<()> {
    let worst = &collector.json(&format!("/api/v1/bottlenecks?jobId={job}"))?["hops"][0];
    let verdict = &summary["verdict"];
    ensure!(worst["cause"] == verdict["cause"] && worst["blame"] == verdict["class"], "{worst}, {verdict}");
    let apart = number(worst, "share")? - number(verdict, "share")?;
    ensure!(apart.abs() < 1e-6, "{worst}, {verdict}");
    Ok(())
}

/// That a line of a list is this journey.
pub fn listed(item: &Value, expected: &Fields) -> Result<()> {
    let (first, last) = (expected.entries.first(), expected.entries.last());
    let (first, last) = first.zip(last).context("a journey without stamps")?;
    let right = item["outcome"] == *expected.outcome
        && item["entryCount"] == expected.entries.len()
        && int(&item["sinkTaskId"])? == last.task_id
        && int(&item["startTsMs"])? == first.unix_ns.div_euclid(1_000_000)
        && int(&item["durationNs"])? == last.unix_ns - first.unix_ns;
    ensure!(right, "{item} is not {expected:?}");
    Ok(())
}

/// That a trace in detail is this journey, stamp by stamp.
pub fn detailed(detail: &Value, expected: &Fields) -> Result<()> {
    listed(&detail["trace"], expected)?;
    let entry = |entry: &Value| {
        Ok(Entry {
            code: text(&entry["stage"])?.to_owned(),
            name: text(&entry["name"])?.to_owned(),
            pid: natural(&entry["pid"])?,
            task_id: int(&entry["taskId"])?,
            tid: natural(&entry["tid"])?,
            cpu: 0,
            unix_ns: int(&entry["tsNs"])?,
        })
    };
    let entries: Vec<Entry> = list(&detail["entries"])?.iter().map(entry).collect::<Result<_>>()?;
    // The collector is not told on which CPU it was.
    let wanted: Vec<Entry> = expected.entries.iter().map(|entry| Entry { cpu: 0, ..entry.clone() }).collect();
    ensure!(entries == wanted, "{detail} is not {expected:?}");
    let attribute = |attribute: &Value| {
        let entry = usize::try_from(natural(&attribute["entry"])?)?;
        Ok((entry, text(&attribute["name"])?.to_owned(), shown(&attribute["value"])))
    };
    let mut attributes: Vec<_> = list(&detail["attributes"])?.iter().map(attribute).collect::<Result<_>>()?;
    attributes.sort();
    ensure!(attributes == expected.attributes, "{detail} is not {expected:?}");
    Ok(())
}

/// What is shown of a number of three digits is this far off at most.
const ROUNDED: f64 = 0.006;

/// That the page's table of hops has all that an agent's summary has, and nothing else. `elements` are those of the page, as HTML.
pub fn shown_on_the_page(elements: &str, summary: &Value) -> Result<()> {
    let table = elements.split("id=\"hops\"").nth(1).context("no table of hops")?;
    let rows = table.split("</table>").next().unwrap_or_default().split("<tr").skip(1);
    let rows: Vec<Vec<String>> = rows.map(cells).filter(|cells| cells.len() >= 8).collect();
    let row = |name: &str| {
        let mut found = rows.iter().filter(|cells| cells.first().is_some_and(|cell| cell == name));
        let one = found.next().with_context(|| format!("no {name:?} in {rows:?}"))?;
        ensure!(found.next().is_none(), "{name:?} is there twice: {rows:?}");
        Ok(one)
    };
    let hops = list(&summary["hops"])?;
    for hop in hops {
        let name = format!("{} -> {}", text(&hop["from_name"])?, text(&hop["to_name"])?);
        shown_in_row(row(&name)?, hop)?;
    }
    shown_in_row(row("end to end")?, &summary["e2e"])?;
    // The first one is the head.
    ensure!(rows.len() <= hops.len() + 2, "{rows:?} are more than {hops:?}");
    Ok(())
}

fn shown_in_row(cells: &[String], figures: &Value) -> Result<()> {
    let [_, _, count, mean, p50, p95, p99, max, ..] = cells else {
        anyhow::bail!("a row is {cells:?}");
    };
    ensure!(figures["count"] == count.replace(',', "").parse::<u64>()?, "{cells:?}, {figures}");
    let columns = [("mean_ns", mean, 0.0), ("max_ns", max, 0.0)];
    let percentiles = [("p50_ns", p50, APART), ("p95_ns", p95, APART), ("p99_ns", p99, APART)];
    for (name, told, apart) in columns.into_iter().chain(percentiles) {
        let (ours, told) = (number(figures, name)?, nanos(told)?);
        ensure!((ours - told).abs() <= (apart + ROUNDED) * ours + 1.0, "{name}: {cells:?}, {figures}");
    }
    Ok(())
}

/// The texts of a row's cells.
fn cells(row: &str) -> Vec<String> {
    let cell = |part: &str| {
        let (mut text, mut is_mark) = (String::new(), false);
        for c in part.chars() {
            match c {
                '<' => is_mark = true,
                '>' => is_mark = false,
                c if !is_mark => text.push(c),
                _ => {}
            }
        }
        text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
    };
    // What stands before the first cell is the row's own mark.
    let parts =
        row.replace("<th", "<td").split("<td").skip(1).map(|part| format!("<{part}")).collect::<Vec<_>>();
    parts.iter().map(|part| cell(part)).collect()
}

/// The time that a text such as `1.25 ms` tells, ns.
fn nanos(told: &str) -> Result<f64> {
    let (number, unit) = told.split_once(' ').with_context(|| format!("no time: {told}"))?;
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 6e10), ("h", 3.6e12)];
    let scale = units.iter().find(|(name, _)| *name == unit).with_context(|| format!("no unit: {told}"))?.1;
    Ok(number.parse::<f64>()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_is_read_as_people_read_it() {
        let row = |name: &str, p99: &str| {
            format!(
                "<tr aria-selected=\"false\"><th><i class=\"queue\"></i>{name}</th><td>queue</td><td>1,200</td><td>1.50 µs</td>\
                 <td>900 ns</td><td>2.00 µs</td><td>{p99}</td><td>1.20 ms</td><td class=\"bar\"><i></i>9 %</td></tr>"
            )
        };
        let page = |p99: &str| {
            format!(
                "<table id=\"hops\"><thead><tr><th>hop</th></tr></thead><tbody>{}{}</tbody></table><table><tr>",
                row("end to end", "3.00 µs"),
                row("a -&gt; b", p99)
            )
        };
        let figures = json!({"count": 1200, "mean_ns": 1502, "p50_ns": 897, "p95_ns": 2020, "p99_ns": 2990, "max_ns": 1_203_000});
        let mut hop = figures.clone();
        (hop["from_name"], hop["to_name"]) = (json!("a"), json!("b"));
        let summary = json!({"hops": [hop], "e2e": figures});
        shown_on_the_page(&page("2.95 µs"), &summary).unwrap();
        assert!(shown_on_the_page(&page("3.10 µs"), &summary).is_err());
        assert!(shown_on_the_page("", &summary).is_err());
    }
}
