//! The attributes of a stage's table: `attr.NAME = ".."`, or `attr.NAME = { value = "..", names = { .. }, level = ".." }`.
//!
//! Owns: their types, unknown and missing keys. Refuses: judging values.

use toml::de::{DeTable, DeValue};

use super::locus::{At, Locus};
use super::raw::RawAttribute;
use super::reader::{MAX_TOLD, Reader};

const EXAMPLE: &str = r#"attr.table = "str(arg1+16, 32)""#;

/// The attributes of a stage, those of a wrong type left out.
pub(super) fn read_attributes(stage: &mut Reader<'_, '_>) -> Vec<RawAttribute> {
    let Some((locus, value)) = stage.value("attr") else { return Vec::new() };
    let DeValue::Table(table) = value else {
        let _: Option<()> = stage.wrong_type(&locus, value, "a table", EXAMPLE);
        return Vec::new();
    };
    // More than a stage can have: what is there is enough to say so.
    let mut entries: Vec<_> = table.iter().take(MAX_TOLD).collect();
    // As the user wrote them, not by the alphabet.
    entries.sort_by_key(|(name, _)| name.span().start);
    entries.into_iter().filter_map(|(name, value)| read_one(stage, table, name, value.get_ref())).collect()
}

fn read_one<'a>(
    stage: &mut Reader<'a, '_>,
    table: &'a DeTable<'a>,
    name: &toml::Spanned<toml::de::DeString<'a>>,
    value: &'a DeValue<'a>,
) -> Option<RawAttribute> {
    let word = name.get_ref().as_ref();
    let name = At {
        value: word.to_owned(),
        locus: stage.lines.locus(&name.span(), stage.path(&format!("attr.{word}"))),
    };
    let mut attributes =
        Reader { lines: stage.lines, table, locus: nested(&stage.locus, "attr"), mistakes: stage.mistakes };
    if value.as_table().is_none() {
        let value = attributes.string(word, EXAMPLE)?;
        return Some(RawAttribute { name, value: Some(value), names: Vec::new(), level: None });
    }
    let table = value.as_table()?;
    let locus = name.locus.clone();
    let mut one = Reader { lines: stage.lines, table, locus, mistakes: stage.mistakes };
    one.refuse_unknown_keys("attr");
    let value = one.required("value", r#"value = "*(i32*)(arg0+8)""#);
    let names = read_names(&mut one);
    Some(RawAttribute { name, value, names, level: one.string("level", r#"level = "debug""#) })
}

fn nested(locus: &Locus, key: &str) -> Locus {
    Locus { field: format!("{}.{key}", locus.field), ..locus.clone() }
}

/// Numbers, which TOML writes as keys, with their words.
fn read_names(attribute: &mut Reader<'_, '_>) -> Vec<(At<String>, At<String>)> {
    const EXAMPLE: &str = r#"names = { "0" = "ok", "5" = "bad" }"#;
    let Some((locus, value)) = attribute.value("names") else { return Vec::new() };
    let DeValue::Table(table) = value else {
        let _: Option<()> = attribute.wrong_type(&locus, value, "a table", EXAMPLE);
        return Vec::new();
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(number, _)| number.span().start);
    let mut names = Vec::new();
    for (number, word) in entries {
        let text = number.get_ref().as_ref();
        let field = format!("{}.{text}", locus.field);
        let number =
            At { value: text.to_owned(), locus: attribute.lines.locus(&number.span(), field.clone()) };
        let at = attribute.lines.locus(&word.span(), field);
        match word.get_ref().as_str() {
            Some(word) => names.push((number, At { value: word.to_owned(), locus: at })),
            None => {
                let _: Option<()> = attribute.wrong_type(&at, word.get_ref(), "a string", EXAMPLE);
            }
        }
    }
    names
}
