//! The routes of OpenTelemetry: `/v1/traces` in protocol buffers or JSON, and the unary call of gRPC, whose body has the same bounds as any other.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::{BufMut as _, BytesMut};
use http_body_util::{BodyExt as _, Full};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;

use super::body::{self, Plain};
use super::otlp::{self, FOREIGN};
use super::piece::Piece;
use super::writer::WriteError;
use crate::collector::http::{ApiError, Shared};
use crate::sink::proto::Message as Writing;

/// The path of the call.
pub(super) const CALL: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Bytes before the message of a call: whether it is compressed, and its length.
const FRAME: usize = 5;

/// In which form a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

fn form(headers: &HeaderMap) -> Option<Form> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => Some(Form::Json),
        "application/x-protobuf" | "application/protobuf" | "" => Some(Form::Protobuf),
        _ => None,
    }
}

/// `POST /v1/traces`.
pub(super) async fn http(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let Some(form) = form(&headers) else {
        let message = "this Content-Type is not known; send application/x-protobuf or application/json";
        return ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response();
    };
    match (take(&shared, &headers, body, form).await, form) {
        (Ok(rejected), Form::Protobuf) => {
            ([(header::CONTENT_TYPE, PROTOBUF)], response(rejected).encode_to_vec()).into_response()
        }
        (Ok(rejected), Form::Json) => axum::Json(response_json(rejected)).into_response(),
        (Err(error), Form::Json) => error.into_response(),
        (Err(error), Form::Protobuf) => failure(error),
    }
}

async fn take(shared: &Shared, headers: &HeaderMap, body: Body, form: Form) -> Result<u64, ApiError> {
    let plain = body::read(shared, headers, body).await?;
    let request = match form {
        Form::Protobuf => otlp::of_bytes(&plain.bytes),
        Form::Json => std::str::from_utf8(&plain.bytes)
            .map_err(|error| error.to_string())
            .and_then(|text| otlp::json::request(text).map_err(|error| error.to_string())),
    };
    store(shared, request, plain).await
}

/// Decodes, and returns once the store has it: how many spans were rejected.
async fn store(
    shared: &Shared,
    request: Result<ExportTraceServiceRequest, String>,
    Plain { bytes, hold }: Plain,
) -> Result<u64, ApiError> {
    let request = request.map_err(|error| {
        shared.metrics.invalid("otlp", 1);
        ApiError::bad_request(format!("the body is no ExportTraceServiceRequest: {error}"))
    })?;
    drop(bytes);
    if let Err(most) = otlp::within(&request, &shared.settings.limits) {
        shared.metrics.invalid("batch_size", 1);
        return Err(ApiError::too_large(format!("the body has more than {most} spans; send fewer at once")));
    }
    let piece = Piece::from(otlp::decode(&request, None, shared.clock.now_ms()));
    drop(request);
    piece.count(&shared.metrics);
    shared.writer.write(piece.batch, hold).await.map_err(|error: WriteError| ApiError::from(error))?;
    Ok(piece.foreign)
}

fn response(rejected: u64) -> ExportTraceServiceResponse {
    let partial = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
        error_message: FOREIGN.to_owned(),
    });
    ExportTraceServiceResponse { partial_success: partial }
}

fn response_json(rejected: u64) -> serde_json::Value {
    if rejected == 0 {
        return serde_json::json!({});
    }
    serde_json::json!({"partialSuccess": {"rejectedSpans": rejected.to_string(), "errorMessage": FOREIGN}})
}

/// A failure in protocol buffers: `google.rpc.Status`, whose field 2 is the message.
fn failure(error: ApiError) -> Response<Body> {
    let mut status = Vec::new();
    Writing(&mut status).string(2, &error.message);
    let mut response = error.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, PROTOBUF);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(status);
    response
}

/// The call of gRPC.
pub(super) async fn grpc(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    match call(&shared, &headers, body).await {
        Ok(rejected) => answered(&response(rejected)),
        Err(error) => status_of(&error).into_http(),
    }
}

async fn call(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<u64, ApiError> {
    let mut plain = body::read(shared, headers, body).await?;
    let bytes = plain.bytes.clone();
    let cut = || ApiError::bad_request("the body is no message of gRPC: its length is not what it says");
    let (head, message) = bytes.split_at_checked(FRAME).ok_or_else(cut)?;
    let [flag, length @ ..] = *head.first_chunk::<FRAME>().ok_or_else(cut)?;
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(cut());
    }
    let message = bytes.slice(FRAME..);
    plain.bytes = match flag {
        0 => message,
        _ => body::message(shared, headers, &message, &mut plain.hold)?,
    };
    let request = otlp::of_bytes(&plain.bytes);
    store(shared, request, plain).await
}

/// One message, and the trailer that says that all is well.
fn answered(response: &ExportTraceServiceResponse) -> Response<Body> {
    let mut frame = BytesMut::with_capacity(FRAME + response.encoded_len());
    frame.put_u8(0);
    // A few hundred bytes.
    frame.put_u32(u32::try_from(response.encoded_len()).unwrap_or(u32::MAX));
    frame.put_slice(&response.encode_to_vec());
    let trailers = HeaderMap::from_iter([(
        header::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    ([(header::CONTENT_TYPE, GRPC)], Body::new(body)).into_response()
}

/// Those that senders try again are the ones of which OTLP says so.
fn status_of(error: &ApiError) -> tonic::Status {
    let message = error.message.as_str();
    match error.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => {
            tonic::Status::unavailable(message)
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => tonic::Status::unimplemented(message),
        _ => tonic::Status::invalid_argument(message),
    }
}
