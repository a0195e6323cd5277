//! A request's body, read within bounds: of bytes before and after decompression, of time, and of memory for all bodies together.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt as _;

use super::held::{Full, Hold};
use crate::collector::http::{ApiError, Shared};
use crate::collector::settings::Limits;

/// Largest window of a compressed body, as a power of two: what its sender may make us reserve.
const WINDOW_LOG: u32 = 23;

/// How long, and for how many bytes, a body is taken that is refused.
const HEARD_OUT: (Duration, usize) = (Duration::from_secs(2), 64 << 20);

/// A body in plain form, and the memory that it takes.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) bytes: Bytes,
    pub(super) hold: Hold,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// Reads and decompresses. What is wrong is counted by its reason.
pub(super) async fn read(shared: &Shared, headers: &HeaderMap, mut body: Body) -> Result<Plain, ApiError> {
    let plain = all_of(shared, headers, &mut body).await;
    let is_refused = plain.as_ref().is_err_and(|refused| refused.error.status != StatusCode::REQUEST_TIMEOUT);
    if is_refused && !headers.contains_key(header::EXPECT) {
        hear_out(body).await;
    }
    plain.map_err(|refused| refused.counted(shared))
}

/// Decompresses a message within a body, as calls of gRPC have it.
pub(super) fn message(
    shared: &Shared,
    headers: &HeaderMap,
    came: &[u8],
    hold: &mut Hold,
) -> Result<Bytes, ApiError> {
    let named = headers.get("grpc-encoding").map(HeaderValue::as_bytes);
    let unpacked = match named {
        Some(b"gzip") => unpack(Coding::Gzip, came, &shared.settings.limits, hold),
        Some(b"zstd") => unpack(Coding::Zstd, came, &shared.settings.limits, hold),
        _ => Err(unknown("this grpc-encoding is not known; send gzip, zstd or identity")),
    };
    unpacked.map(Bytes::from).map_err(|refused| refused.counted(shared))
}

struct Refused {
    reason: &'static str,
    error: ApiError,
}

/// Takes the rest of a body that is refused, for a moment: many a client does not see an answer that comes before it has sent everything.
async fn hear_out(mut body: Body) {
    let (time, most) = HEARD_OUT;
    let rest = async {
        let mut left = most;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(length) else { return };
            left = less;
        }
    };
    let _ = tokio::time::timeout(time, rest).await;
}

impl Refused {
    fn counted(self, shared: &Shared) -> ApiError {
        shared.metrics.invalid(self.reason, 1);
        self.error
    }
}

fn unknown(message: &str) -> Refused {
    Refused { reason: "encoding", error: ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message) }
}

async fn all_of(shared: &Shared, headers: &HeaderMap, body: &mut Body) -> Result<Plain, Refused> {
    let limits = &shared.settings.limits;
    let coding = coding(headers)?;
    if announced(headers).is_some_and(|length| length > limits.body as u64) {
        return Err(too_large(limits.body, "as it is sent"));
    }
    let mut hold = shared.held.hold();
    let came = within(limits.body_time, collect(body, limits.body, &mut hold)).await?;
    if coding == Coding::Identity {
        return Ok(Plain { bytes: came.into(), hold });
    }
    let bytes = unpack(coding, &came, limits, &mut hold)?;
    Ok(Plain { bytes: bytes.into(), hold })
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn coding(headers: &HeaderMap) -> Result<Coding, Refused> {
    let named = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match named.as_deref() {
        None | Some(b"" | b"identity") => Ok(Coding::Identity),
        Some(b"gzip" | b"x-gzip") => Ok(Coding::Gzip),
        Some(b"zstd") => Ok(Coding::Zstd),
        Some(_) => Err(unknown("this Content-Encoding is not known; send gzip, zstd or none")),
    }
}

async fn within<T>(time: Duration, reading: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    tokio::time::timeout(time, reading).await.unwrap_or_else(|_| {
        let message =
            format!("the body did not come within {} s; send it faster, or less at once", time.as_secs());
        Err(Refused { reason: "timeout", error: ApiError::new(StatusCode::REQUEST_TIMEOUT, message) })
    })
}

async fn collect(body: &mut Body, limit: usize, hold: &mut Hold) -> Result<Vec<u8>, Refused> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused {
            reason: "cut",
            error: ApiError::bad_request("the body ended before its announced end; send it again"),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(too_large(limit, "as it is sent"));
        }
        hold.grow(all.len() + data.len()).map_err(|Full| busy())?;
        all.extend_from_slice(&data);
    }
    Ok(all)
}

fn unpack(coding: Coding, came: &[u8], limits: &Limits, hold: &mut Hold) -> Result<Vec<u8>, Refused> {
    let broken = |_| Refused {
        reason: "encoding",
        error: ApiError::bad_request(
            "the body cannot be decompressed; it is not what its Content-Encoding says",
        ),
    };
    match coding {
        Coding::Gzip => drain(MultiGzDecoder::new(came), came.len(), limits.plain, hold, broken),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(came).map_err(broken)?;
            decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
            drain(decoder, came.len(), limits.plain, hold, broken)
        }
        Coding::Identity => Ok(came.to_vec()),
    }
}

/// Reads step by step: what a small body unpacks to is bounded before it is there.
fn drain(
    mut reader: impl Read,
    held: usize,
    limit: usize,
    hold: &mut Hold,
    broken: impl Fn(std::io::Error) -> Refused,
) -> Result<Vec<u8>, Refused> {
    const STEP: u64 = 64 << 10;
    let mut all = Vec::new();
    loop {
        let read = (&mut reader).take(STEP).read_to_end(&mut all).map_err(&broken)?;
        if all.len() > limit {
            return Err(too_large(limit, "after decompression"));
        }
        if read == 0 {
            return Ok(all);
        }
        hold.grow(held + all.len()).map_err(|Full| busy())?;
    }
}

fn too_large(limit: usize, when: &str) -> Refused {
    let message = format!("the body has more than {limit} bytes {when}; send fewer events at once");
    Refused { reason: "body_size", error: ApiError::too_large(message) }
}

fn busy() -> Refused {
    let message = "the collector holds as much as it may just now; send it again later";
    Refused { reason: "busy", error: ApiError::busy(message) }
}
