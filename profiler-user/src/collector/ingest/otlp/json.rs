//! OTLP in JSON (the JSON form of protocol buffers): ids in hexadecimal, numbers of 64 bits as texts or numbers. What is not known is passed over.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// Reads a request.
///
/// # Errors
/// When it is none.
pub fn request(text: &str) -> serde_json::Result<ExportTraceServiceRequest> {
    if !text.trim_start().starts_with('{') {
        // A list would be taken for the fields in their order.
        return Err(serde_json::Error::custom("it is no object"));
    }
    let request: Request = serde_json::from_str(text)?;
    let resource_spans = request.resource_spans.into_iter().map(ResourceSpans::from).collect();
    Ok(ExportTraceServiceRequest { resource_spans })
}

/// `null` is the same as nothing.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Digits {
    Unsigned(u64),
    Signed(i64),
    Text(String),
}

/// A number of 64 bits, as its bits.
fn bits<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match Option::<Digits>::deserialize(from)? {
        None => Ok(0),
        Some(Digits::Unsigned(number)) => Ok(number),
        Some(Digits::Signed(number)) => Ok(number.cast_unsigned()),
        Some(Digits::Text(text)) => {
            let signed = || text.parse::<i64>().map(i64::cast_unsigned);
            text.parse::<u64>()
                .or_else(|_| signed())
                .map_err(|_| D::Error::custom("a number of 64 bits is none"))
        }
    }
}

/// Bytes in hexadecimal digits.
fn hex<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default();
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>().filter(|_| odd.is_empty());
    bytes.ok_or_else(|| D::Error::custom("an id is not in hexadecimal digits"))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    #[serde(deserialize_with = "or_nothing")]
    resource_spans: Vec<JsonResourceSpans>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonResourceSpans {
    #[serde(deserialize_with = "or_nothing")]
    resource: JsonResource,
    #[serde(deserialize_with = "or_nothing")]
    scope_spans: Vec<JsonScopeSpans>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonResource {
    #[serde(deserialize_with = "or_nothing")]
    attributes: Vec<JsonKeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonScopeSpans {
    #[serde(deserialize_with = "or_nothing")]
    spans: Vec<JsonSpan>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonSpan {
    #[serde(deserialize_with = "hex")]
    trace_id: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    span_id: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    parent_span_id: Vec<u8>,
    #[serde(deserialize_with = "or_nothing")]
    name: String,
    #[serde(deserialize_with = "bits")]
    start_time_unix_nano: u64,
    #[serde(deserialize_with = "bits")]
    end_time_unix_nano: u64,
    #[serde(deserialize_with = "or_nothing")]
    attributes: Vec<JsonKeyValue>,
    #[serde(deserialize_with = "or_nothing")]
    events: Vec<JsonEvent>,
    #[serde(deserialize_with = "or_nothing")]
    links: Vec<JsonLink>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonEvent {
    #[serde(deserialize_with = "bits")]
    time_unix_nano: u64,
    #[serde(deserialize_with = "or_nothing")]
    name: String,
    #[serde(deserialize_with = "or_nothing")]
    attributes: Vec<JsonKeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonLink {
    #[serde(deserialize_with = "hex")]
    trace_id: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    span_id: Vec<u8>,
    #[serde(deserialize_with = "or_nothing")]
    attributes: Vec<JsonKeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonKeyValue {
    #[serde(deserialize_with = "or_nothing")]
    key: String,
    #[serde(deserialize_with = "or_nothing")]
    value: JsonValue,
}

/// The kinds of values that spans of ours have; the others are left empty.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    #[serde(deserialize_with = "some_bits")]
    int_value: Option<u64>,
}

fn some_bits<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    bits(from).map(Some)
}

impl From<JsonValue> for AnyValue {
    fn from(JsonValue { string_value, bool_value, int_value }: JsonValue) -> Self {
        let int = || int_value.map(|bits| Value::IntValue(bits.cast_signed()));
        let value = string_value.map(Value::StringValue).or_else(|| bool_value.map(Value::BoolValue));
        Self { value: value.or_else(int) }
    }
}

fn attributes(all: Vec<JsonKeyValue>) -> Vec<KeyValue> {
    let pair = |JsonKeyValue { key, value }| KeyValue {
        key,
        value: Some(AnyValue::from(value)),
        ..KeyValue::default()
    };
    all.into_iter().map(pair).collect()
}

impl From<JsonResourceSpans> for ResourceSpans {
    fn from(JsonResourceSpans { resource, scope_spans }: JsonResourceSpans) -> Self {
        let scope = |JsonScopeSpans { spans }| ScopeSpans {
            spans: spans.into_iter().map(Span::from).collect(),
            ..ScopeSpans::default()
        };
        let resource = Resource { attributes: attributes(resource.attributes), ..Resource::default() };
        Self {
            resource: Some(resource),
            scope_spans: scope_spans.into_iter().map(scope).collect(),
            ..Self::default()
        }
    }
}

impl From<JsonSpan> for Span {
    fn from(span: JsonSpan) -> Self {
        let event = |JsonEvent { time_unix_nano, name, attributes: all }| Event {
            time_unix_nano,
            name,
            attributes: attributes(all),
            ..Event::default()
        };
        let link = |JsonLink { trace_id, span_id, attributes: all }| Link {
            trace_id,
            span_id,
            attributes: attributes(all),
            ..Link::default()
        };
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            name: span.name,
            start_time_unix_nano: span.start_time_unix_nano,
            end_time_unix_nano: span.end_time_unix_nano,
            attributes: attributes(span.attributes),
            events: span.events.into_iter().map(event).collect(),
            links: span.links.into_iter().map(link).collect(),
            ..Self::default()
        }
    }
}
