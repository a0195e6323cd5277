//! The questions that can be asked: traces, one trace, jobs, statistics, bottlenecks, outliers, agents, and what comes just now.
//!
//! Owns: the routes below `/api/v1` that read, strict parameters, and the JSON of the answers (`docs/openapi.json` describes them, and is tested against the
//! routes). Refuses: writing anything, guessing what an unknown parameter may have meant, and corrections of times that nobody sees.

mod agents;
mod bottlenecks;
mod clocks;
mod context;
pub mod cursor;
mod detail;
mod heatmap;
mod jobs;
mod judge;
mod live;
mod outliers;
mod params;
mod pipeline;
mod range;
mod series;
pub mod shapes;
mod stats;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod traces;
mod trend;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;

pub use clocks::ClockBook;
pub use context::Context;

/// A route with the parameters that it takes behind the question mark.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path, as routers and OpenAPI write it.
    pub path: &'static str,
    /// The parameters.
    pub params: &'static [&'static str],
}

/// Every route of this room.
pub const ROUTES: [Route; 10] = [
    Route { path: "/api/v1/traces", params: traces::PARAMS },
    Route { path: "/traces", params: traces::PARAMS },
    Route { path: "/api/v1/traces/{traceId}", params: detail::PARAMS },
    Route { path: "/api/v1/jobs", params: &[] },
    Route { path: "/api/v1/stats", params: stats::PARAMS },
    Route { path: "/api/v1/heatmap", params: heatmap::PARAMS },
    Route { path: "/api/v1/bottlenecks", params: bottlenecks::PARAMS },
    Route { path: "/api/v1/outliers", params: outliers::PARAMS },
    Route { path: "/api/v1/agents", params: agents::PARAMS },
    Route { path: "/api/v1/live", params: live::PARAMS },
];

/// The routes, for a router whose state holds a [`Context`].
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Context: FromRef<S>,
{
    Router::new()
        .route("/api/v1/traces", get(traces::list))
        .route("/traces", get(traces::list))
        .route("/api/v1/traces/{traceId}", get(detail::one))
        .route("/api/v1/jobs", get(jobs::list))
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/heatmap", get(heatmap::heatmap))
        .route("/api/v1/bottlenecks", get(bottlenecks::bottlenecks))
        .route("/api/v1/outliers", get(outliers::outliers))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/live", get(live::live))
}
