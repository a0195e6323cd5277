//! `stain decode` and `stain encode`, as users call them. Needs no privileges.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stain_tests::child::{Ended, Guarded};
use stain_tests::run::SHORT;
use stain_tests::stain;

const VECTORS: &str = include_str!("../data/stain-trace-vectors.json");

fn decode(payload: &str) -> Result<Ended> {
    stain::run(&["decode", payload], SHORT)
}

/// What `stain encode -` makes of a text.
fn encode(text: &str, format: &str) -> Result<Ended> {
    let mut process =
        Guarded::spawn(Command::new(stain::binary()?).args(["encode", "-", "--format", format]))?;
    process.stdin().context("no input")?.write_all(text.as_bytes())?;
    process.close_stdin();
    process.wait(SHORT)
}

#[test]
fn the_formats_vectors_go_both_ways() -> Result<()> {
    let vectors: Value = serde_json::from_str(VECTORS)?;
    for vector in vectors["payloads"].as_array().context("no payloads")? {
        let hex = vector["hex"].as_str().context("no hex")?;
        let json = decode(hex)?.stdout;
        let decoded: Value = serde_json::from_str(&json)?;
        assert_eq!((&decoded["version"], &decoded["trace_id"]), (&Value::from(1), &vector["traceId"]));
        let times: Vec<_> =
            decoded["entries"].as_array().context("no entries")?.iter().map(|e| &e["ts_ms"]).collect();
        let expected: Vec<_> =
            vector["entries"].as_array().context("no entries")?.iter().map(|e| &e[2]).collect();
        assert_eq!(times, expected);
        assert_eq!(encode(&json, "hex")?.stdout, hex);
        assert_eq!(decode(&encode(&json, "base64")?.stdout)?.stdout, json);
    }
    for vector in vectors["invalid"].as_array().context("no invalid ones")? {
        let ended = decode(vector["hex"].as_str().context("no hex")?)?;
        assert_eq!(ended.status.code(), Some(1), "{vector}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
    Ok(())
}

#[test]
fn files_hold_many() -> Result<()> {
    let vectors: Value = serde_json::from_str(VECTORS)?;
    let hex: Vec<&str> = vectors["payloads"]
        .as_array()
        .context("no payloads")?
        .iter()
        .filter_map(|v| v["hex"].as_str())
        .collect();
    let folder = tempfile::TempDir::new()?;
    let text = folder.path().join("payloads.txt");
    std::fs::write(&text, hex.join("\n"))?;
    let shown = decode(text.to_str().context("odd folder")?)?.stdout;
    let each: Vec<String> = hex.iter().map(|hex| Ok(decode(hex)?.stdout)).collect::<Result<_>>()?;
    assert_eq!(shown, each.join("\n"));

    std::fs::write(&text, format!("{}\n010203\n", hex[0]))?;
    let ended = decode(text.to_str().context("odd folder")?)?;
    assert!(ended.stderr.contains("payloads.txt:2: ") && ended.status.code() == Some(1), "{}", ended.stderr);
    assert!(decode("/no/such/file.sttr")?.stderr.contains("there is no file /no/such/file.sttr"));
    Ok(())
}
