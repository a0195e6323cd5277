//! A validator of the part of JSON Schema that `docs/openapi.json` uses. What it does not know is a fault, so that no rule goes unchecked.

use serde_json::Value;

/// Keywords that only describe.
const SILENT: [&str; 3] = ["description", "default", "contentEncoding"];

/// What is wrong with a value, by its place; nothing when it fits.
pub(super) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let mut wrong = |text: String| faults.push(format!("{at}: {text}: {value}"));
        match keyword.as_str() {
            "$ref" => check(document, resolve(document, rule.as_str().unwrap()), value, at, faults),
            "type" if !has_type(rule, value) => wrong(format!("is no {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => wrong(format!("is none of {rule}")),
            "oneOf" => {
                let fits = |one: &&Value| self::faults(document, one, value).is_empty();
                if rule.as_array().unwrap().iter().filter(fits).count() != 1 {
                    wrong(format!("does not fit one of {rule}"));
                }
            }
            "required" if value.is_object() => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        wrong(format!("lacks {name}"));
                    }
                }
            }
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(document, inner, value, &format!("{at}/{name}"), faults);
                    }
                }
            }
            "additionalProperties" => others(document, schema, rule, value, at, faults),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{at}/{index}"), faults);
                }
            }
            "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                wrong(format!("is below {rule}"));
            }
            "maximum" if value.is_number() && value.as_f64() > rule.as_f64() => {
                wrong(format!("is above {rule}"));
            }
            "minItems" if value.as_array().is_some_and(|all| all.len() < rule.as_u64().unwrap() as usize) => {
                wrong("has too few".to_owned());
            }
            "maxItems" if value.as_array().is_some_and(|all| all.len() > rule.as_u64().unwrap() as usize) => {
                wrong("has too many".to_owned());
            }
            "pattern"
                if value.is_string() && !fits_pattern(rule.as_str().unwrap(), value.as_str().unwrap()) =>
            {
                wrong(format!("does not match {rule}"));
            }
            "type" | "enum" | "required" | "minimum" | "maximum" | "minItems" | "maxItems" | "pattern" => {}
            silent if SILENT.contains(&silent) => {}
            unknown => panic!("the validator does not know {unknown}"),
        }
    }
}

fn others(document: &Value, schema: &Value, rule: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        if schema["properties"].get(name).is_some() {
            continue;
        }
        match rule {
            Value::Bool(true) => {}
            Value::Bool(false) => faults.push(format!("{at}: {name} is not described")),
            rule => check(document, rule, inner, &format!("{at}/{name}"), faults),
        }
    }
}

/// The schema that a reference names.
pub(super) fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let path = reference.strip_prefix('#').unwrap();
    document.pointer(path).unwrap_or_else(|| panic!("{reference} is not there"))
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type {other}"),
    };
    match rule {
        Value::String(name) => is(name),
        names => names.as_array().unwrap().iter().any(|name| is(name.as_str().unwrap())),
    }
}

/// The patterns that are in use.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        "^-?[0-9]+$" => digits(text.strip_prefix('-').unwrap_or(text)),
        "^[0-9]+([.][0-9]+)*$" => text.split('.').all(digits),
        other => panic!("the validator does not know the pattern {other}"),
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let document = serde_json::json!({"a": {"type": "string", "pattern": "^-?[0-9]+$"}});
    let schema = serde_json::json!({
        "type": "object", "required": ["id", "list"], "additionalProperties": false,
        "properties": {"id": {"$ref": "#/a"}, "list": {"type": "array", "items": {"type": ["integer", "null"], "maximum": 3}}},
    });
    for (value, count) in [
        (serde_json::json!({"id": "-1", "list": [1, null]}), 0),
        (serde_json::json!({"id": "x", "list": [1.5, 4]}), 3),
        (serde_json::json!({"id": 1, "more": 2}), 3),
        (serde_json::json!([]), 1),
    ] {
        assert_eq!(faults(&document, &schema, &value).len(), count, "{value}");
    }
}
