//! What a site does besides stamping, for those who show a plan: further keys, scopes, branches, batches, attributes.
//!
//! Read back from what the kernel program is given, so that what is shown is what is done.

use profiler_common::{AttributeRecipe, ExtraKind, Key, ProbeMore, ProbeSpec, Role};
use serde_json::{Value, json};

use super::Site;
use super::recipe::{describe, describe_key};
use crate::spec::{Spec, Stage};

/// The name of a space as the kernel program compares it.
pub(super) fn space_name(spec: &Spec, space: u32) -> &str {
    spec.space_name(space & !Key::SHARED)
}

fn has(site: &Site, flag: u32) -> bool {
    site.spec.flags & flag != 0
}

/// What identifies the record at a site; nothing at one that is not about a record.
pub(super) fn key(site: &Site) -> Option<String> {
    let of_record =
        [Role::Start, Role::Stamp, Role::Finish].into_iter().any(|role| role as u8 == site.spec.role);
    of_record.then(|| {
        if has(site, ProbeSpec::KEY_IS_SCOPE) {
            "scope".to_owned()
        } else {
            describe_key(&site.spec.key, site.arch)
        }
    })
}

/// A line for each thing that the site does besides.
pub(super) fn lines(site: &Site, spec: &Spec) -> Vec<String> {
    let mut lines = Vec::new();
    let shared = |space: u32| if space & Key::SHARED == 0 { "" } else { ", shared by all processes" };
    let bound = |what: &str, key: &profiler_common::KeyRecipe, space: u32| {
        let key = describe_key(key, site.arch);
        format!("{what} {key}, in the space {}{}", space_name(spec, space), shared(space))
    };
    if has(site, ProbeSpec::KEY_IS_BATCH) {
        lines.push("of all records in the batch with this key".to_owned());
    }
    if has(site, ProbeSpec::BRANCHES) {
        lines.push("the key of a new branch".to_owned());
    }
    if has(site, ProbeSpec::OPENS_SCOPE) {
        let until = if has(site, ProbeSpec::SCOPE_IS_CALL) { "this call returns" } else { "it is closed" };
        let empty = if has(site, ProbeSpec::KEEPS_EMPTY) { "the record goes on" } else { "filtered" };
        lines.push(format!("opens a scope until {until}; without an output: {empty}"));
    }
    if has(site, ProbeSpec::CLOSES_SCOPE) {
        lines.push("closes the record's scope".to_owned());
    }
    if has(site, ProbeSpec::CAN_BEGIN) {
        lines.push("a trace may begin here".to_owned());
    }
    let Some(more) = site.more.as_deref() else { return lines };
    if has(site, ProbeSpec::HAS_ALSO) {
        lines.push(bound("binds a further key", &more.also, more.also_space));
    }
    if has(site, ProbeSpec::HAS_BATCH) {
        lines.push(bound("puts the record into the batch", &more.batch, more.batch_space));
    }
    let stage = spec.stages.get(site.stage);
    lines.extend(recipes(more).iter().map(|recipe| attribute_line(recipe, stage, site)));
    lines
}

fn recipes(more: &ProbeMore) -> &[AttributeRecipe] {
    more.attribute.get(..more.attributes as usize).unwrap_or(&more.attribute)
}

/// What is read, as a reader of the spec would write it.
fn reading(recipe: &AttributeRecipe, site: &Site) -> String {
    let value = describe(&recipe.value, site.arch);
    match ExtraKind::from_code(recipe.kind) {
        Some(ExtraKind::Text | ExtraKind::Bytes) => {
            format!("str({value}, {})", describe(&recipe.len, site.arch))
        }
        _ => value,
    }
}

fn name<'a>(recipe: &AttributeRecipe, stage: Option<&'a Stage>) -> Option<&'a str> {
    let attribute = stage?.attributes.get(usize::from(recipe.index))?;
    (recipe.kind != ExtraKind::RecordTime as u8).then_some(attribute.name.as_str())
}

fn attribute_line(recipe: &AttributeRecipe, stage: Option<&Stage>, site: &Site) -> String {
    let reading = reading(recipe, site);
    match name(recipe, stage) {
        Some(name) => format!("reads {name} = {reading}"),
        None => {
            let unit = stage.and_then(|stage| stage.event_time.as_ref()).map_or("", |time| time.unit.name());
            format!("reads the record's time = {reading}, in {unit}")
        }
    }
}

/// The same for programs, to be put beside a site's other keys.
pub(super) fn json(site: &Site, spec: &Spec) -> Value {
    let stage = spec.stages.get(site.stage);
    let of_stage = key(site).is_some();
    let more = site.more.as_deref();
    let bound = |flag: u32, key: fn(&ProbeMore) -> (&profiler_common::KeyRecipe, u32)| {
        let (key, space) = key(more.filter(|_| has(site, flag))?);
        Some(json!({ "key": describe_key(key, site.arch), "space": space_name(spec, space) }))
    };
    let scope = stage.and_then(|stage| stage.scope).filter(|_| of_stage);
    let attributes = more.map(recipes).unwrap_or_default();
    let named: Vec<Value> = attributes
        .iter()
        .filter_map(|recipe| Some((name(recipe, stage)?, reading(recipe, site))))
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let time = attributes.iter().find(|recipe| recipe.kind == ExtraKind::RecordTime as u8);
    let unit = stage.and_then(|stage| stage.event_time.as_ref()).map(|time| time.unit.name());
    json!({
        "also": bound(ProbeSpec::HAS_ALSO, |more| (&more.also, more.also_space)),
        "batch": bound(ProbeSpec::HAS_BATCH, |more| (&more.batch, more.batch_space)),
        "of_batch": has(site, ProbeSpec::KEY_IS_BATCH),
        "branch": has(site, ProbeSpec::BRANCHES),
        "scope": scope.map(|scope| scope.kind.name()),
        "empty": scope.filter(|scope| scope.kind.opens()).map(|scope| scope.empty.name()),
        "begins": site.spec.role == Role::Start as u8 || has(site, ProbeSpec::CAN_BEGIN),
        "attributes": named,
        "event_time": time.map(|recipe| json!({ "value": reading(recipe, site), "unit": unit })),
    })
}
