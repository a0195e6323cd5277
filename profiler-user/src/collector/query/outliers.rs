//! Tasks and machines that are slower than those that do the same, by the agent's own rule.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use profiler_common::StageCode;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::params::Params;
use super::pipeline;
use super::range::Range;
use super::series::{self, AllSeries, Budget, Question};
use crate::collector::http::ApiError;
use crate::collector::mapping::WAIT;
use crate::collector::model::{Dimension, HopKey};
use crate::collector::sketch;
use crate::collector::store::{Filter, Page};
use crate::trace::Cause;
use crate::verdict::words::slow;
use crate::verdict::{Peer, StandsOut, stand_out};

/// Parameters of the list.
pub(super) const PARAMS: &[&str] = &["jobId", "fromMs", "toMs"];

/// Of each kind in an answer: those that stand out the most.
const MOST: usize = 100;

/// Jobs that are looked at where none is named: those with the latest traces.
const MOST_JOBS: usize = 50;

/// Tasks whose names are looked up in the store for one answer.
const MOST_LOOKUPS: usize = 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outlier {
    job_id: String,
    member: String,
    name: Option<String>,
    hop: String,
    median_of_peers_ns: u64,
    p50_ns: u64,
    times: f64,
    count: u64,
    peers: usize,
    words: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outliers {
    from_ms: i64,
    to_ms: i64,
    tasks: Vec<Outlier>,
    hosts: Vec<Outlier>,
}

pub(super) async fn outliers(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let range = Range::of(&params, context.clock.now_ms())?;
    // Tasks of two jobs are no peers, whatever their stages are called.
    let jobs = match params.name("jobId")? {
        Some(job) => vec![job],
        None => {
            let rows = context.read("jobs", context.store.jobs()).await?;
            rows.into_iter().take(MOST_JOBS).map(|row| row.job).collect()
        }
    };
    let (mut tasks, mut hosts, mut budget) = (Vec::new(), Vec::new(), Budget::default());
    for job in jobs {
        for (by, found) in [(Dimension::Task, &mut tasks), (Dimension::Host, &mut hosts)] {
            let question = Question { job: Some(job.clone()), by, member: None, range, bucket_ms: None };
            let all = series::read(&context, &question, &mut budget).await?;
            found.extend(of(&all, by, &job));
        }
    }
    for found in [&mut tasks, &mut hosts] {
        found.sort_by(|a, b| b.times.total_cmp(&a.times));
        found.truncate(MOST);
    }
    name(&context, &mut tasks).await;
    tasks.iter_mut().for_each(|one| say(one, "task"));
    hosts.iter_mut().for_each(|one| say(one, "host"));
    let Range { from_ms, to_ms } = range;
    Ok(Json(Outliers { from_ms, to_ms, tasks, hosts }).into_response())
}

/// Whether a task does something at a hop: a record that waits in a queue is not its work.
fn is_work(hop: &HopKey) -> bool {
    match hop {
        HopKey::EndToEnd => false,
        HopKey::Hop { from, to } => Cause::of(StageCode(from.code), StageCode(to.code)) != Cause::Queue,
    }
}

fn of(all: &AllSeries, by: Dimension, job: &str) -> Vec<Outlier> {
    let mut by_hop: BTreeMap<&HopKey, Vec<(&str, sketch::Figures)>> = BTreeMap::new();
    for ((hop, member), series) in all {
        if (by != Dimension::Task || is_work(hop))
            && let Some(figures) = series.total.figures()
        {
            by_hop.entry(hop).or_default().push((member, figures));
        }
    }
    let mut found = Vec::new();
    for (hop, members) in by_hop {
        let peer = |(_, figures): &(&str, sketch::Figures)| Peer {
            count: figures.count,
            p50_ns: u64::try_from(figures.p50_ns).unwrap_or(0),
        };
        let peers: Vec<Peer> = members.iter().map(peer).collect();
        for StandsOut { place, peers_p50_ns, peers: count } in stand_out(&peers) {
            let (Some((member, _)), Some(one)) = (members.get(place), peers.get(place)) else { continue };
            found.push(Outlier {
                job_id: job.to_owned(),
                member: (*member).to_owned(),
                name: None,
                hop: pipeline::name(hop),
                median_of_peers_ns: peers_p50_ns,
                p50_ns: one.p50_ns,
                times: one.p50_ns as f64 / peers_p50_ns.max(1) as f64,
                count: one.count,
                peers: count,
                words: String::new(),
            });
        }
    }
    found
}

/// Names the tasks: from what is known, else from one of their traces.
async fn name(context: &Context, tasks: &mut [Outlier]) {
    let jobs: BTreeSet<String> = tasks.iter().map(|one| one.job_id.clone()).collect();
    let asked = async {
        for job in &jobs {
            context.mapping.engine_names(job, &BTreeSet::new()).await;
        }
    };
    // However many jobs there are: a slow engine holds up an answer once.
    let _ = tokio::time::timeout(WAIT, asked).await;
    let mut lookups = 0;
    for one in tasks {
        let Ok(task) = one.member.parse() else { continue };
        one.name = context.mapping.describe(&one.job_id, task);
        if one.name.is_none() && lookups < MOST_LOOKUPS {
            lookups += 1;
            let filter = Filter { job: Some(one.job_id.clone()), task: Some(task), ..Filter::default() };
            let page = Page { limit: 1, offset: 0, after: None };
            // A name is good to have, and no more: without the store there would be no answer to put it into.
            if let Ok(found) = context.read("names", context.store.traces(&filter, &page)).await {
                context.mapping.learn(&found.items);
                one.name = context.mapping.describe(&one.job_id, task);
            }
        }
    }
}

/// `In T+ -> T-, task 4301 (thread 4301 of process 4242 on db1) is slow: 20.0 ms at P50, its 3 peers 2.00 ms.`
fn say(one: &mut Outlier, kind: &str) {
    let whose = one.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let who = format!("In {}, {kind} {}{whose}", one.hop, one.member);
    let who = if one.hop == "end to end" { format!("From end to end, {kind} {}", one.member) } else { who };
    one.words = slow(&who, one.p50_ns, (one.peers, one.median_of_peers_ns), false);
}
