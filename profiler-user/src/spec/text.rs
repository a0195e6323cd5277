//! The file's text as a layer of settings.
//!
//! Owns: TOML, types, unknown and missing keys. Refuses: judging values.

use toml::de::DeTable;

use super::MAX_SPEC_BYTES;
use super::lines::Lines;
use super::lists::{read_spaces, read_stages};
use super::locus::{At, Mistakes};
use super::raw::{Raw, RawSampling, RawTarget};
use super::reader::{MAX_TOLD, Reader};

/// Reads a file's text. What is wrong with it goes to `mistakes`; what is right is returned all the same.
pub(super) fn read(file: &str, text: &str, mistakes: &mut Mistakes) -> Raw {
    let lines = Lines::new(file, text);
    if text.len() > MAX_SPEC_BYTES {
        let length = text.len();
        let message = format!(
            "the file has {length} bytes, and a spec has at most {MAX_SPEC_BYTES}; is it the right file?"
        );
        mistakes.unreadable(&lines.locus(&(0..0), "file"), message);
        return Raw::default();
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MAX_TOLD) {
        let span = error.span().unwrap_or(0..0);
        mistakes.unreadable(&lines.guess(&span), syntax(error.message()));
    }
    let root = Reader { lines: &lines, table: document.get_ref(), locus: lines.locus(&(0..0), ""), mistakes };
    read_root(root)
}

fn syntax(message: &str) -> String {
    match message {
        "duplicate key" => "this is given twice; keep one of them".to_owned(),
        other => format!("this is not TOML: {other}"),
    }
}

fn read_root(mut root: Reader<'_, '_>) -> Raw {
    root.refuse_unknown_keys("");
    let stages = read_stages(&mut root);
    Raw {
        root: Some(root.locus.clone()),
        target: read_target(&mut root),
        sampling: table(&mut root, "sampling").map(read_sampling).unwrap_or_default(),
        exports: super::exports::read(&mut root),
        spaces: read_spaces(&mut root),
        stages_unreadable: stages.is_none(),
        stages: stages.unwrap_or_default(),
    }
}

fn table<'a, 'm>(root: &'m mut Reader<'a, '_>, key: &str) -> Option<Reader<'a, 'm>> {
    let (locus, value) = root.value(key)?;
    match value.as_table() {
        Some(table) => Some(Reader { lines: root.lines, table, locus, mistakes: root.mistakes }),
        None => root.wrong_type(&locus, value, "a table", &format!("[{key}]")),
    }
}

fn read_target(root: &mut Reader<'_, '_>) -> RawTarget {
    let Some((locus, _)) = root.value("target") else { return RawTarget::default() };
    let Some(mut table) = table(root, "target") else {
        return RawTarget { named: vec![locus], ..RawTarget::default() };
    };
    table.refuse_unknown_keys("target");
    let named = ["pid", "pids", "process", "exe"];
    let mut named: Vec<_> = named.iter().filter_map(|key| table.value(key).map(|(locus, _)| locus)).collect();
    if named.is_empty() {
        named.extend(table.value("container").map(|(locus, _)| locus));
    }
    let pid = table.integer("pid", "pid = 1234");
    let pid = pid.map(|At { value, locus }| At { value: vec![value], locus });
    RawTarget {
        table: Some(locus),
        named,
        pids: pid.or(table.integers("pids", "pids = [1234, 1235]")),
        process: table.string("process", r#"process = "nginx""#),
        exe: table
            .string("exe", r#"exe = "/usr/sbin/nginx""#)
            .map(|At { value, locus }| At { value: value.into(), locus }),
        container: table.string("container", r#"container = "3f1c0a9be2d5""#),
    }
}

fn read_sampling(mut table: Reader<'_, '_>) -> RawSampling {
    table.refuse_unknown_keys("sampling");
    RawSampling {
        mode: table.string("mode", r#"mode = "sequence""#),
        rate: table.integer("rate", "rate = 100000"),
        sequence: table.string("sequence", r#"sequence = "task""#),
        max_traces_per_second: table.integer("max_traces_per_second", "max_traces_per_second = 50"),
        max_entries_per_trace: table.integer("max_entries_per_trace", "max_entries_per_trace = 32"),
        trace_ttl: table.string("trace_ttl", r#"trace_ttl = "30s""#),
        max_open_traces: table.integer("max_open_traces", "max_open_traces = 4096"),
        max_keys_per_trace: table.integer("max_keys_per_trace", "max_keys_per_trace = 8"),
        max_branches_per_trace: table.integer("max_branches_per_trace", "max_branches_per_trace = 64"),
        max_batches: table.integer("max_batches", "max_batches = 1024"),
        max_batch_members: table.integer("max_batch_members", "max_batch_members = 64"),
        max_attributes_per_trace: table.integer("max_attributes_per_trace", "max_attributes_per_trace = 16"),
    }
}
