//! The plan as a text table and as JSON. Formats only: it writes to nobody.

use std::fmt::Write;

use profiler_common::Role;
use serde_json::{Value, json};

use super::beside;
use super::error::point_text;
use super::predicate::describe_predicate;
use super::recipe::describe;
use super::stage::task_of;
use super::{Class, Costs, Plan, Site, Trap, expected_ns};
use crate::spec::{Spec, Stage};

/// The word for a class.
#[must_use]
pub const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Emulated => "emulated",
        Class::OptimisedNop => "nop5",
        Class::Stepped => "stepped",
        Class::Trampoline => "trampoline",
        Class::Refused => "refused",
    }
}

const fn trap_name(trap: Trap) -> &'static str {
    match trap {
        Trap::Instruction => "instruction",
        Trap::Return => "return",
    }
}

fn role_name(role: u8) -> &'static str {
    const ROLES: [(Role, &str); 6] = [
        (Role::Start, "start"),
        (Role::Stamp, "stamp"),
        (Role::Finish, "finish"),
        (Role::Save, "save"),
        (Role::Leave, "leave"),
        (Role::Tail, "tail"),
    ];
    ROLES.into_iter().find(|(known, _)| *known as u8 == role).map_or("?", |(_, name)| name)
}

fn key_text(site: &Site) -> String {
    let Some(mut text) = beside::key(site) else {
        let what = if site.spec.role == Role::Save as u8 { "(arguments)" } else { "(scope)" };
        return what.to_owned();
    };
    if let Some(task) = task_of(&site.spec) {
        text.push_str(&format!(", task {}", describe(task, site.arch)));
    }
    if let Some(predicate) = &site.predicate {
        text.push_str(&format!(", when {}", describe_predicate(predicate, site.arch)));
    }
    text
}

/// A table for people: a heading for each stage, a line for each site, notes below it.
#[must_use]
pub fn text(plan: &Plan, spec: &Spec, costs: &Costs) -> String {
    let mut out = String::new();
    for (index, stage) in spec.stages.iter().enumerate() {
        let sites: Vec<&Site> = plan.sites.iter().filter(|site| site.stage == index).collect();
        heading(&mut out, stage, sites.len());
        if spec.is_probed(stage) {
            rows(&mut out, &sites, spec, costs);
        } else {
            push(&mut out, format_args!("    not probed; `--level {}` adds it", stage.level));
        }
        out.push('\n');
    }
    let count = plan.sites.len();
    let stepped = plan.sites.iter().filter(|site| site.carrier == Class::Stepped).count();
    push(
        &mut out,
        format_args!(
            "{count} sites, {stepped} of them single-stepped. Times are what one hit is expected to cost the target."
        ),
    );
    out
}

/// Writing to a string cannot fail.
fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}

fn heading(out: &mut String, stage: &Stage, sites: usize) {
    let plural = if sites == 1 { "" } else { "s" };
    let (code, name, point) = (stage.code.to_string(), &stage.name, point_text(&stage.point));
    push(out, format_args!("{code:<4} {name}  at {point}  ({sites} site{plural})"));
}

const HEADER: [&str; 7] = ["PROBE", "FILE", "FUNCTION", "ADDRESS", "CLASS", "NS/HIT", "KEY"];

fn cells(site: &Site, costs: &Costs) -> [String; 7] {
    let file =
        site.file.file_name().map_or_else(|| site.file.to_string_lossy(), |name| name.to_string_lossy());
    [
        site.probe.to_string(),
        file.into_owned(),
        place(site),
        format!("{:#x}", site.address.0),
        class_name(site.class).to_owned(),
        expected_ns(site.carrier, site.trap, costs).to_string(),
        key_text(site),
    ]
}

/// The function, cut in the middle where it is long, and the offset in it.
fn place(site: &Site) -> String {
    const LONGEST: usize = 44;
    let names: Vec<char> = site.function.chars().collect();
    let name: String = match (names.get(..LONGEST / 2), names.len().checked_sub(LONGEST / 2)) {
        (Some(head), Some(tail)) if names.len() > LONGEST => {
            head.iter().chain(['…'].iter()).chain(names.get(tail..).unwrap_or_default()).collect()
        }
        _ => site.function.clone(),
    };
    match (site.trap, site.function_offset) {
        (Trap::Return, _) => format!("{name}%return"),
        (Trap::Instruction, 0) => name,
        (Trap::Instruction, offset) => format!("{name}+{offset:#x}"),
    }
}

fn rows(out: &mut String, sites: &[&Site], spec: &Spec, costs: &Costs) {
    let table: Vec<[String; 7]> = sites.iter().map(|site| cells(site, costs)).collect();
    let header = HEADER.map(str::to_owned);
    let mut widths = header.each_ref().map(|cell| cell.chars().count());
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    push(out, format_args!("{}", row(&header, &widths)));
    for (cells, site) in table.iter().zip(sites) {
        push(out, format_args!("{}", row(cells, &widths)));
        push(out, format_args!("           {}", site.instruction));
        for line in beside::lines(site, spec) {
            push(out, format_args!("           + {line}"));
        }
        for note in &site.notes {
            push(out, format_args!("           - {note}"));
        }
    }
}

fn row(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let mut line = String::from("    ");
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Numbers to the right, words to the left.
        let padded = match column {
            0 | 3 | 5 => format!("{cell:>width$}  "),
            _ => format!("{cell:<width$}  "),
        };
        line.push_str(&padded);
    }
    line.truncate(line.trim_end().len());
    line
}

/// The plan for programs: `{"sites": [..]}`, one object a site.
#[must_use]
pub fn json(plan: &Plan, spec: &Spec, costs: &Costs) -> String {
    let sites: Vec<Value> = plan.sites.iter().map(|site| site_json(site, spec, costs)).collect();
    format!("{:#}", json!({ "sites": sites }))
}

fn site_json(site: &Site, spec: &Spec, costs: &Costs) -> Value {
    let stage = spec.stages.get(site.stage);
    let mut object = json!({
        "probe": site.probe,
        "stage": stage.map(|stage| stage.code.to_string()),
        "name": stage.map(|stage| &stage.name),
        "point": stage.map(|stage| point_text(&stage.point)),
        "level": stage.map(|stage| stage.level.name()),
        "file": site.file.to_string_lossy(),
        "symbol": site.symbol,
        "function": site.function,
        "function_offset": site.function_offset,
        "address": site.address.0,
        "file_offset": site.offset.0,
        "trap": trap_name(site.trap),
        "instruction": site.instruction,
        "class": class_name(site.class),
        "carrier_class": class_name(site.carrier),
        "expected_ns": expected_ns(site.carrier, site.trap, costs),
        "role": role_name(site.spec.role),
        "outcome": stage.and_then(|stage| stage.outcome).map(|outcome| outcome.name(&spec.outcomes).to_owned()),
        "key": beside::key(site),
        "task": task_of(&site.spec).map(|task| describe(task, site.arch)),
        "when": site.predicate.as_deref().map(|predicate| describe_predicate(predicate, site.arch)),
        "space": beside::space_name(spec, site.spec.space),
        "notes": site.notes,
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut object, beside::json(site, spec)) {
        members.extend(more);
    }
    object
}
