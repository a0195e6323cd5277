//! Who may ask: whoever brings the token, where there is one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use subtle::ConstantTimeEq as _;

use super::Shared;
use super::error::ApiError;

/// The header of the contract.
const TOKEN: &str = "x-seatunnel-token";

/// What everyone may see: whether the collector lives, and the page, which holds no data and asks for the token itself.
const OPEN: [&str; 4] = ["/", "/healthz", "/health", "/readyz"];

/// What the page is made of lies below.
const OPEN_BELOW: &str = "/page/";

/// Lets a request through, or answers 401.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = OPEN.contains(&path) || path.starts_with(OPEN_BELOW);
    let Some(token) = shared.settings.token.as_ref().filter(|_| !is_open) else {
        return next.run(request).await;
    };
    if is_right(request.headers(), token.reveal()) {
        return next.run(request).await;
    }
    refuse(request.headers())
}

/// Both headers are looked at, whichever is there, in a time that does not tell how much of a guess was right.
fn is_right(headers: &HeaderMap, token: &str) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
    });
    let own = headers.get(TOKEN).map(HeaderValue::as_bytes);
    let guesses = [own, bearer.map(str::as_bytes)];
    let right = guesses.map(|guess| guess.unwrap_or_default().ct_eq(token.as_bytes()));
    let [own, bearer] = right;
    bool::from(own | bearer)
}

fn refuse(headers: &HeaderMap) -> Response {
    let message =
        "the token is missing or wrong; send it as X-Seatunnel-Token: TOKEN or Authorization: Bearer TOKEN";
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/grpc")) {
        // A call of gRPC is answered in its own way: UNAUTHENTICATED.
        return tonic::Status::unauthenticated(message).into_http();
    }
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, message).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[cfg(test)]
mod tests {
    use super::is_right;
    use axum::http::HeaderMap;

    #[test]
    fn either_header_will_do() {
        for (name, value, right) in [
            ("x-seatunnel-token", "s3cret", true),
            ("authorization", "Bearer s3cret", true),
            ("authorization", "bearer  s3cret", true),
            ("authorization", "Basic s3cret", false),
            ("authorization", "s3cret", false),
            ("x-seatunnel-token", "s3cre", false),
            ("x-seatunnel-token", "s3cret2", false),
            ("x-seatunnel-token", "", false),
            ("x-other", "s3cret", false),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(is_right(&headers, "s3cret"), right, "{name}: {value}");
        }
        assert!(!is_right(&HeaderMap::new(), "s3cret"));
    }
}
