//! How many journeys took how long, over time.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::collections::BTreeMap;

use super::context::Context;
use super::params::{Params, short};
use super::pipeline;
use super::range::{Range, USUAL_BUCKETS};
use super::series::{self, Budget, Question};
use crate::collector::http::ApiError;
use crate::collector::model::Dimension;
use crate::collector::sketch::{Sketch, least_ns, most_ns};

/// Parameters of the heat map.
pub(super) const PARAMS: &[&str] = &["jobId", "hop", "fromMs", "toMs", "bucketMs"];

/// Steps of the histogram that one cell joins: there are eight cells an octave.
const STEPS: u16 = 8;

/// From where, to before where, ns, and how many.
type Cell = (u64, u64, u64);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    from_ms: i64,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Heatmap {
    hop: String,
    from_ms: i64,
    to_ms: i64,
    bucket_ms: i64,
    columns: Vec<Column>,
}

pub(super) async fn heatmap(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let range = Range::of(&params, context.clock.now_ms())?;
    let bucket_ms = range.bucket_ms(&params, USUAL_BUCKETS)?;
    let hop = hop(&params)?;
    let job = params.name("jobId")?;
    let question = Question { job, by: Dimension::All, member: None, range, bucket_ms: Some(bucket_ms) };
    let all = series::read(&context, &question, &mut Budget::default()).await?;
    let mut merged: BTreeMap<i64, Sketch> = BTreeMap::new();
    for (_, series) in all.iter().filter(|((key, _), _)| pipeline::name(key) == hop) {
        for (from_ms, sketch) in &series.buckets {
            merged.entry(*from_ms).or_default().merge(sketch);
        }
    }
    let columns = merged.iter().map(|(from_ms, sketch)| Column { from_ms: *from_ms, cells: cells(sketch) });
    let Range { from_ms, to_ms } = range;
    Ok(Json(Heatmap { hop, from_ms, to_ms, bucket_ms, columns: columns.collect() }).into_response())
}

/// The hop that is asked for by its name; from end to end when none is. A hop that nothing is known of has no columns: it may have had none in that time.
fn hop(params: &Params) -> Result<String, ApiError> {
    let Some(text) = params.one("hop")? else { return Ok("end to end".to_owned()) };
    if text == "end to end" || text.contains(" -> ") {
        return Ok(text.to_owned());
    }
    let shown = short(text);
    Err(ApiError::bad_request(format!("hop is `{shown}`; it has to be `end to end`, or as in `Q+ -> Q-`")))
}

fn cells(sketch: &Sketch) -> Vec<Cell> {
    let mut cells: BTreeMap<u16, u64> = BTreeMap::new();
    for (step, count) in sketch.cells() {
        *cells.entry(step / STEPS).or_default() += count;
    }
    let from_ns = |cell: u16| least_ns(cell * STEPS);
    let to_ns = |cell: u16| most_ns(cell * STEPS + STEPS - 1).saturating_add(1);
    cells.into_iter().map(|(cell, count)| (from_ns(cell), to_ns(cell), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::cells;
    use crate::collector::sketch::Sketch;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_duration_is_in_the_cell_of_its_length(values in proptest::collection::vec(0i64..1 << 45, 1..100)) {
            let mut sketch = Sketch::default();
            values.iter().for_each(|ns| sketch.add(*ns));
            let cells = cells(&sketch);
            for (low, high, count) in &cells {
                let inside = |ns: &&i64| (*low..*high).contains(&(**ns as u64));
                prop_assert_eq!(values.iter().filter(inside).count() as u64, *count);
                prop_assert!(*high - *low <= (*low / 8).max(8));
            }
            prop_assert_eq!(cells.iter().map(|cell| cell.2).sum::<u64>(), values.len() as u64);
        }
    }
}
