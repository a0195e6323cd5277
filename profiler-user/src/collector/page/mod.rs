//! The web page: percentiles over time, heat map, verdict, traces with their waterfalls, agents and what they lost.
//!
//! Owns: the page's three files, which are part of the program, and the policy that lets a browser fetch nothing from elsewhere. The page has no data of its own: it
//! asks the query API, with the token that its user gives, so it may be served to whoever comes.
//! Refuses: markup made of names. They come from targets, and go into the page as text only.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::get;

use crate::sink::html;

const PAGE: &str = include_str!("page.html");

/// What the page may do: its own script and style, questions to where it came from, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Answer = ([(HeaderName, &'static str); 5], String);

/// The routes of the page: they need no token.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { answer("text/html; charset=utf-8", PAGE.to_owned()) }))
        .route("/page/page.css", get(|| async { answer("text/css; charset=utf-8", style()) }))
        .route("/page/page.js", get(|| async { answer("text/javascript; charset=utf-8", script()) }))
}

fn answer(kind: &'static str, text: String) -> Answer {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        // The files change with the program, under the same names.
        (CACHE_CONTROL, "no-cache"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

fn style() -> String {
    [html::STYLE, include_str!("page.css")].concat()
}

fn script() -> String {
    [
        html::PLOT,
        include_str!("state.js"),
        include_str!("charts.js"),
        include_str!("traces.js"),
        include_str!("page.js"),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::{PAGE, routes};
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt as _;

    async fn get(path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = routes::<()>().with_state(()).oneshot(request).await.unwrap();
        let policy =
            answer.headers().get("content-security-policy").map(|text| text.to_str().unwrap().to_owned());
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, policy.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn all_that_the_page_names_is_served_and_nothing_is_from_elsewhere() {
        for path in ["/", "/page/page.css", "/page/page.js"] {
            let (status, policy, body) = get(path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert!(policy.starts_with("default-src 'none'"), "{path}");
            let elsewhere = body.matches("http").count() - body.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(elsewhere, 0, "{path}");
        }
        for name in PAGE.split(['"']).filter(|text| text.starts_with("page/")) {
            assert_eq!(get(&format!("/{name}")).await.0, StatusCode::OK, "{name}");
        }
        assert_eq!(get("/page/other.js").await.0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn nothing_becomes_markup() {
        let script = super::script();
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!script.contains(way), "{way}");
        }
    }
}
