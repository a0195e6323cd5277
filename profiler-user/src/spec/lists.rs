//! The lists of tables of a spec file: `[[stage]]` and `[[space]]`.
//!
//! Owns: their types, unknown and missing keys. Refuses: judging values.

use toml::de::DeValue;

use super::MAX_STAGES;
use super::attr::read_attributes;
use super::locus::At;
use super::raw::{RawSpace, RawStage};
use super::reader::{Reader, kind};

/// Name spaces of one spec at most: each is of some stage, or of one that was forgotten.
const MAX_SPACES: usize = MAX_STAGES;

/// `None` when there is something else where the list of stages should be, or in it.
pub(super) fn read_stages(root: &mut Reader<'_, '_>) -> Option<Vec<RawStage>> {
    read_list(root, "stage", MAX_STAGES, "; use globs in points", read_stage)
}

/// The spaces that are right.
pub(super) fn read_spaces(root: &mut Reader<'_, '_>) -> Vec<RawSpace> {
    read_list(root, "space", MAX_SPACES, "", read_space).unwrap_or_default()
}

fn read_list<T>(
    root: &mut Reader<'_, '_>,
    list: &str,
    most: usize,
    advice: &str,
    read: fn(Reader<'_, '_>) -> T,
) -> Option<Vec<T>> {
    let Some((locus, value)) = root.value(list) else { return Some(Vec::new()) };
    let DeValue::Array(items) = value else {
        let found = kind(value);
        root.mistakes.wrong(
            &locus,
            format!("{list}s are a list, and this is {found}; write [[{list}]], with two brackets"),
        );
        return None;
    };
    if items.len() > most {
        let message = format!("there are {} {list}s, and a spec has at most {most}{advice}", items.len());
        root.mistakes.wrong(&locus, message);
        return None;
    }
    let mut tables = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let locus = root.lines.locus(&item.span(), format!("{list}[{index}]"));
        tables.push(match item.get_ref().as_table() {
            Some(table) => Some(read(Reader { lines: root.lines, table, locus, mistakes: root.mistakes })),
            None => root.wrong_type(&locus, item.get_ref(), "a table", &format!("[[{list}]]")),
        });
    }
    tables.into_iter().collect()
}

fn read_stage(mut table: Reader<'_, '_>) -> RawStage {
    table.refuse_unknown_keys("stage");
    RawStage {
        code: read_code(&mut table),
        name: table.string("name", r#"name = "request""#),
        point: table.required("point", r#"point = "request_done""#),
        key: table.required("key", r#"key = "arg0""#),
        space: table.string("space", r#"space = "row""#),
        also: table.string("also", r#"also = "arg1""#),
        also_space: table.string("also_space", r#"also_space = "node""#),
        scope: table.string("scope", r#"scope = "call""#),
        empty: table.string("empty", r#"empty = "keep""#),
        branch: table.boolean("branch"),
        batch: table.string("batch", r#"batch = "arg0""#),
        batch_space: table.string("batch_space", r#"batch_space = "batch""#),
        task: table.string("task", r#"task = "thread""#),
        outcome: table.string("outcome", r#"outcome = "error_routed""#),
        when: table.string("when", r#"when = "arg2 == 3""#),
        attributes: read_attributes(&mut table),
        event_time: table.string("event_time", r#"event_time = "*(u64*)(arg0+24)""#),
        event_time_unit: table.string("event_time_unit", r#"event_time_unit = "ms""#),
        ttl: table.string("ttl", r#"ttl = "5s""#),
        level: table.string("level", r#"level = "debug""#),
        locus: table.locus,
    }
}

fn read_space(mut table: Reader<'_, '_>) -> RawSpace {
    table.refuse_unknown_keys("space");
    let name = table.required("name", r#"name = "order""#);
    RawSpace { name, shared: table.boolean("shared") }
}

/// A code is a string, or a number.
fn read_code(table: &mut Reader<'_, '_>) -> Option<At<String>> {
    let example = r#"code = "S0""#;
    match table.value("code") {
        Some((locus, DeValue::Integer(number))) => {
            let number = table.number(locus, number)?;
            Some(At { value: number.value.to_string(), locus: number.locus })
        }
        _ => table.required("code", example),
    }
}
